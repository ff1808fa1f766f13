//! One place of state: its version, its entries, and the servers that obey it.

use std::time::Duration;

use super::entries::{Entry, Found};
use super::error::StateError;
use super::mark::{Mark, Node, Written};
use super::redis_place::RedisPlace;
use super::sql::SqlPlace;

/// Maximum time of one exchange with a place.
const PATIENCE: Duration = Duration::from_secs(2);

/// A place of state.
#[derive(Debug)]
pub(super) enum Place {
    Sql(Box<SqlPlace>),
    Redis(Box<RedisPlace>),
}

/// Ends an exchange after [`PATIENCE`].
macro_rules! within {
    ($self:ident, $place:ident => $exchange:expr) => {{
        let name = $self.name();
        let exchange = async {
            match $self {
                Place::Sql($place) => $exchange.await,
                Place::Redis($place) => $exchange.await,
            }
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(result) => result,
            Err(_) => {
                $self.hang_up();
                Err(StateError::Unavailable { place: name, reason: "no answer within 2 s".to_owned() })
            }
        }
    }};
}

impl Place {
    /// Names the place for messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sql(place) => place.name(),
            Self::Redis(_) => "Redis (CALLSIGN_LIMIT_STORE)",
        }
    }

    fn hang_up(&mut self) {
        match self {
            Self::Sql(place) => place.hang_up(),
            Self::Redis(place) => place.hang_up(),
        }
    }

    /// Returns the version.
    pub(super) async fn mark(&mut self) -> Result<Mark, StateError> {
        within!(self, place => place.mark())
    }

    /// Returns the changes since a version, and the version with them. `None` if the place does not know that version,
    /// because it went back in time, or if so much changed that all entries should be read.
    pub(super) async fn changes(&mut self, since: &Mark) -> Result<Option<(Mark, Found)>, StateError> {
        within!(self, place => place.changes(since))
    }

    /// Returns the next entries of all, and the cursor of those after them. Entries that change meanwhile may be missing;
    /// they are changes since the version from before the first page.
    pub(super) async fn page(&mut self, after: &str) -> Result<(Found, Option<String>), StateError> {
        within!(self, place => place.page(after))
    }

    /// Merges entries into the place.
    pub(super) async fn write(&mut self, entries: &[Entry]) -> Result<Written, StateError> {
        within!(self, place => place.write(entries))
    }

    /// Deletes lifted entries.
    pub(super) async fn remove(&mut self, entries: &[Entry]) -> Result<(), StateError> {
        within!(self, place => place.remove(entries))
    }

    /// Records that the server has applied the version `mark`. Returns false, and records nothing, if the place has
    /// another version now.
    pub(super) async fn beat(&mut self, node: &str, name: &str, mark: &Mark) -> Result<bool, StateError> {
        within!(self, place => place.beat(node, name, mark))
    }

    /// Returns all servers that did not end properly within the last day.
    pub(super) async fn nodes(&mut self) -> Result<Vec<Node>, StateError> {
        within!(self, place => place.nodes())
    }

    /// Removes a server that ends.
    pub(super) async fn leave(&mut self, node: &str) -> Result<(), StateError> {
        within!(self, place => place.leave(node))
    }
}
