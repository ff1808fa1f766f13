//! One row of the ledger, as written to the database or the spill file.

mod line;

use std::sync::Arc;

use uuid::Uuid;

use super::context::Context;
use super::names::{Name, storable};
use super::record::{Begun, End, Finished};
use callsign_core::usage::Usage;

/// A request with the data known so far. Texts are shared, so a row that was passed to the database can still be
/// spilled.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) began_us: i64,
    /// The process that runs the request. Not written for finished requests.
    pub(super) node: Name,
    pub(super) context: Arc<Context>,
    pub(super) message: Option<Name>,
    pub(super) sent_message: Option<Name>,
    pub(super) generation: Option<Name>,
    /// `None` while the request runs.
    pub(super) ended: Option<Ended>,
}

/// The end of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) ending: Ending,
    pub(super) status: u16,
    pub(super) error: Option<Name>,
    pub(super) model: Option<Name>,
    pub(super) provider: Option<Name>,
    pub(super) usage: Usage,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) first_byte_us: Option<u64>,
    pub(super) duration_us: u64,
}

/// [`End`], or `Unknown` for a request whose process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Known(End),
    Unknown,
}

impl Ending {
    /// Its number in the table.
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Known(End::Complete) => 0,
            Self::Known(End::ClientGone) => 1,
            Self::Known(End::UpstreamCut) => 2,
            Self::Known(End::Refused) => 3,
            Self::Unknown => Self::UNKNOWN,
        }
    }

    /// The number of [`Ending::Unknown`].
    pub(super) const UNKNOWN: i64 = 4;

    pub(super) fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Known(End::Complete),
            1 => Self::Known(End::ClientGone),
            2 => Self::Known(End::UpstreamCut),
            3 => Self::Known(End::Refused),
            _ => Self::Unknown,
        }
    }
}

impl Ended {
    /// Returns the end of a request whose process died.
    pub(super) fn unknown() -> Self {
        Self {
            ending: Ending::Unknown,
            status: 0,
            error: None,
            model: None,
            provider: None,
            usage: Usage::default(),
            request_bytes: 0,
            response_bytes: 0,
            first_byte_us: None,
            duration_us: 0,
        }
    }

    /// Returns true if the request went upstream. Requests that callsign answered itself did not, except after an
    /// upstream timeout.
    pub(super) fn went_upstream(&self) -> bool {
        self.ending != Ending::Known(End::Refused) || self.error.as_deref() == Some("upstream_timeout")
    }

    /// Returns the error's kind, if the request ended in an error.
    pub(super) fn error_kind(&self) -> Option<Name> {
        match (&self.error, self.ending) {
            (Some(error), _) => Some(Arc::clone(error)),
            (None, Ending::Known(End::UpstreamCut)) => Some("upstream_cut".into()),
            (None, _) if self.status >= 400 => Some(format!("status_{}", self.status).into()),
            _ => None,
        }
    }
}

impl Row {
    /// Builds a row. The generation in `finished` replaces an earlier one.
    pub(super) fn new(
        begun: &Begun,
        generation: Option<Name>,
        finished: Option<Finished>,
        node: &Name,
        context: Arc<Context>,
    ) -> Self {
        let told = finished.as_ref().and_then(|finished| finished.generation.clone());
        let ended = finished.map(|finished| Ended {
            ending: Ending::Known(finished.end),
            status: finished.status,
            error: storable(finished.error),
            model: storable(finished.model),
            provider: storable(finished.provider),
            usage: finished.usage,
            request_bytes: finished.request_bytes,
            response_bytes: finished.response_bytes,
            first_byte_us: finished.first_byte_us,
            duration_us: finished.duration_us,
        });
        Self {
            id: begun.id,
            began_us: begun.began_us,
            node: Arc::clone(node),
            context,
            message: storable(begun.message.clone()),
            sent_message: storable(begun.sent_message.clone()),
            generation: storable(told.or(generation)),
            ended,
        }
    }

    /// Removes every name of a user. `key` is true if the key's name identifies the user as well.
    pub(super) fn forget(&mut self, key: bool) {
        self.context = Arc::new(self.context.forgotten(key));
        self.message = None;
        self.sent_message = None;
        self.generation = None;
    }
}
