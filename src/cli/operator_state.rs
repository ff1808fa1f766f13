//! Blocks and run-time limits for commands: read from their place, and stored there. Running servers read them from it.

use std::io::{self, Write};

use serde_json::Value;

use super::{Exit, person};
use crate::config::Config;
use callsign_core::visible::printable;
use callsign_store::ledger::Reader;
use callsign_store::limits::operator_state::OperatorState;
use callsign_store::limits::operator_state::acknowledgement::{Acknowledgement, Stored};
use callsign_store::limits::operator_state::commit;
use callsign_store::limits::orders::key::KeyOrderError;
use callsign_store::limits::orders::{Knowledge, OrderError, Unchecked, results};
use callsign_store::person::Person;
use callsign_store::state::{Access, StateError, StateStore};

/// Blocks and run-time limits, and their places.
pub(super) struct Opened {
    pub(super) state: OperatorState,
    places: StateStore,
    /// True if the first place has answered.
    is_first: bool,
}

impl Opened {
    /// Reads what servers with this configuration use. Returns `None`, with the reason on `err`, if there is none.
    ///
    /// # Errors
    /// I/O errors of `err`.
    pub(super) async fn open(config: &Config, err: &mut impl Write) -> io::Result<Option<Self>> {
        let opened = StateStore::new(&config.ledger, config.limits.store.as_ref(), Access::Command);
        let opened = opened.and_then(|places| if places.is_nowhere() { Err(StateError::Nowhere) } else { Ok(places) });
        let mut places = match opened {
            Ok(places) => places,
            Err(error) => {
                writeln!(err, "callsign: {error}; or use the admin API, or [[users]] in the configuration")?;
                return Ok(None);
            }
        };
        let state = OperatorState::default();
        state.guard_against(&places);
        state.configure_keys(config.limits.key_seal.clone(), config.limits.keys_max_stale);
        let synced = commit::read(&state, &mut places).await;
        for error in &synced.failed {
            writeln!(err, "callsign: {}", printable(&error.to_string()))?;
        }
        if synced.unreadable > 0 {
            writeln!(err, "callsign: {} entries of the state cannot be read", synced.unreadable)?;
        }
        let refused = state.keys().refused();
        if refused > 0 && config.limits.key_seal.is_some() {
            writeln!(
                err,
                "callsign: {refused} rows of keys are refused: they were not written with this CALLSIGN_ID_SECRET"
            )?;
        }
        let is_first = synced.is_first;
        Ok(synced.stored.map(|_| Self { state, places, is_first }))
    }

    /// Does the same, and returns `None` if the first place does not answer: without it names cannot be compared.
    ///
    /// # Errors
    /// I/O errors of `err`.
    pub(super) async fn open_shared(config: &Config, err: &mut impl Write) -> io::Result<Option<Self>> {
        let opened = Self::open(config, err).await?;
        if opened.as_ref().is_some_and(|opened| !opened.is_first) {
            writeln!(err, "callsign: {}", KeyOrderError::Away)?;
            return Ok(None);
        }
        Ok(opened)
    }

    /// Reads what servers with this configuration use. It is empty if there is no place for it, or none that answers; the
    /// reason is on `err`.
    ///
    /// # Errors
    /// I/O errors of `err`.
    pub(super) async fn open_if_any(config: &Config, err: &mut impl Write) -> io::Result<OperatorState> {
        let state = StateStore::new(&config.ledger, config.limits.store.as_ref(), Access::Command);
        let has_place = state.is_ok_and(|state| !state.is_nowhere());
        let opened = if has_place { Self::open(config, err).await? } else { None };
        Ok(opened.map(|opened| opened.state).unwrap_or_default())
    }

    /// Stores an act that changes something outside the state, before it is done, so that nothing is done without its row
    /// in the audit log. Without a place of state there is no audit log. Returns false, with the reason on `err`, if there
    /// is one that cannot store it.
    ///
    /// # Errors
    /// I/O errors of `err`.
    pub(super) async fn record(
        config: &Config,
        change: impl FnOnce(&OperatorState) -> u64,
        err: &mut impl Write,
    ) -> io::Result<bool> {
        let places = StateStore::new(&config.ledger, config.limits.store.as_ref(), Access::Command);
        if places.is_ok_and(|places| places.is_nowhere()) {
            return Ok(true);
        }
        let Some(mut opened) = Self::open(config, err).await? else { return Ok(false) };
        let generation = change(&opened.state);
        let told = opened.told(generation).await;
        opened.is_stored(&told, err)
    }

    /// Stores a change, and prints which servers have applied it. With `result`, the object of `--format json`, this is
    /// added to the object, which is printed if the change is stored.
    ///
    /// # Errors
    /// I/O errors of `out` and `err`.
    pub(super) async fn commit(
        &mut self,
        generation: u64,
        result: Option<Value>,
        out: &mut impl Write,
        err: &mut impl Write,
    ) -> io::Result<Exit> {
        let told = self.told(generation).await;
        if !self.is_stored(&told, err)? {
            return Ok(Exit::Failure);
        }
        let is_json = result.is_some();
        if let Some(mut result) = result {
            results::acknowledge(&mut result, &told);
            writeln!(out, "{result:#}")?;
        }
        if !told.late.is_empty() {
            Self::tell(&told, err)?;
            return Ok(Exit::Failure);
        }
        if !is_json {
            Self::tell(&told, out)?;
        }
        Ok(Exit::Success)
    }

    /// Stores a change, and waits for running servers.
    pub(super) async fn told(&mut self, generation: u64) -> Acknowledgement {
        commit::commit(&self.state, &mut self.places, generation).await
    }

    /// Prints which servers have applied a stored change.
    ///
    /// # Errors
    /// I/O errors of `to`.
    pub(super) fn tell(told: &Acknowledgement, to: &mut impl Write) -> io::Result<()> {
        if !told.late.is_empty() {
            let names: Vec<_> = told.late.iter().map(|name| printable(name)).collect();
            return writeln!(to, "callsign: stored, but not applied yet by: {}; see their logs", names.join(", "));
        }
        match told.applied {
            0 => writeln!(to, "no server is running here; it applies when one starts"),
            1 => writeln!(to, "applied by 1 running server"),
            count => writeln!(to, "applied by {count} running servers"),
        }
    }

    /// Returns true if a change is stored. Says on `err` if it is not, or only in `state.db`.
    fn is_stored(&self, told: &Acknowledgement, err: &mut impl Write) -> io::Result<bool> {
        let place = self.places.name();
        match told.stored {
            Stored::Unread | Stored::Memory => {
                writeln!(err, "callsign: the change could not be stored in {place}; nothing has changed")?;
                return Ok(false);
            }
            Stored::Locally => writeln!(
                err,
                "callsign: {place} does not answer; the change is in state.db and is passed on when it returns"
            )?,
            Stored::Shared => {}
        }
        Ok(true)
    }
}

/// The sources from which a command finds the person whom an id means.
pub(super) struct Known<'c> {
    config: &'c Config,
    reader: Option<Reader>,
    configured: Vec<Person>,
}

impl<'c> Known<'c> {
    /// Opens the ledger, if there is one.
    pub(super) fn of(config: &'c Config) -> Self {
        Self { config, reader: Reader::open(&config.ledger).ok(), configured: config.named_people() }
    }

    /// Returns the sources for an order.
    pub(super) fn knowledge(&self) -> Knowledge<'_> {
        let Self { config, reader, configured } = self;
        Knowledge { reader: reader.as_ref(), scope: config.whois_scope(), configured }
    }
}

/// Prints whom an id means, and if that was not looked up.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) fn tell_person(
    named: &str,
    user: &str,
    unchecked: Option<&Unchecked>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<()> {
    if let Some(unchecked) = unchecked {
        writeln!(err, "callsign: {}", printable(&unchecked.to_string()))?;
    }
    if named != user {
        writeln!(out, "{} is of the user {}", printable(named), printable(user))?;
    }
    Ok(())
}

/// Prints the reason why an order was not carried out.
///
/// # Errors
/// I/O errors of `err`.
pub(super) fn refused(error: &OrderError, err: &mut impl Write) -> io::Result<Exit> {
    writeln!(err, "callsign: {error}")?;
    if let OrderError::Several(people) = error {
        person::list(people, err)?;
        writeln!(err, "  (--user-id takes the id as a user id only)")?;
    }
    Ok(Exit::Failure)
}
