//! Where requests are written down, and for how long (contract, section 6).

use std::path::PathBuf;

use super::reader::{Reader, Recorded};
use super::values;
use crate::secret::Secret;

/// The database's name in a data directory.
const FILE: &str = "ledger.db";
/// The longest retention: a hundred years.
const MOST_DAYS: u64 = 36_500;

/// The ledger's settings.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Where rows go; `None` is off.
    pub store: Option<Store>,
    /// Whether the end of an answer waits for its row.
    pub mode: Mode,
    /// Rows that began longer ago are deleted.
    pub retention_days: u32,
    /// `CALLSIGN_DATA_DIR`: where embedded state lives, the spill file among it.
    pub data_dir: Option<PathBuf>,
    /// Whether the operator chose it: one that cannot be used is then no reason to go on without.
    pub data_dir_set: bool,
}

/// Where rows go.
#[derive(Clone, Debug)]
pub enum Store {
    /// A file.
    Sqlite(PathBuf),
    /// `postgres://…`, which may hold a password.
    Postgres(Secret),
}

/// See [`Ledger::mode`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A crash may lose the last 50 ms.
    #[default]
    Fast,
    /// The end of an answer waits for its row.
    Strict,
}

impl Ledger {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Recorded> {
        let data_dir = reader.optional("data_dir", |text| values::name(text).map(PathBuf::from));
        let store = reader.optional("ledger.store", store);
        let mode = reader.required("ledger.mode", values::choice(&[("fast", Mode::Fast), ("strict", Mode::Strict)]));
        let days = |text: &str| values::number(1, MOST_DAYS)(text).map(|days| u32::try_from(days).unwrap_or(u32::MAX));
        let retention_days = reader.required("ledger.retention_days", days);
        let (data_dir, mode) = (data_dir?, mode?);
        let by_default = || data_dir.as_ref().map(|directory| Store::Sqlite(directory.join(FILE)));
        let store = store?.unwrap_or_else(by_default);
        if mode == Mode::Strict && store.is_none() {
            let place = reader.place("ledger.mode");
            return reader.refuse(place, "needs a ledger, but it is off; set CALLSIGN_DATA_DIR or CALLSIGN_LEDGER");
        }
        let data_dir_set = reader.is_set("data_dir");
        Ok(Self { store, mode, retention_days: retention_days?, data_dir, data_dir_set })
    }
}

/// `None` within is `off`.
fn store(text: &str) -> Result<Option<Store>, &'static str> {
    if text == "off" {
        return Ok(None);
    }
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        // Without a file nothing would be durable, and readers would see another database than the writer.
        if path.is_empty() || path == ":memory:" {
            return Err("names no file; write sqlite:PATH");
        }
        return Ok(Some(Store::Sqlite(path.into())));
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(Some(Store::Postgres(Secret::new(text))));
    }
    Err("takes sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE or off")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    fn load(variables: &[(&str, &str)]) -> Result<Ledger, String> {
        let loaded = Config::load(&Sources::environment(variables.iter().copied()));
        loaded.map(|loaded| loaded.config.ledger).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_data_directory_brings_a_ledger() {
        let off = load(&[]).unwrap();
        assert!(off.store.is_none() && off.data_dir.is_none() && !off.data_dir_set);
        assert_eq!((off.mode, off.retention_days), (Mode::Fast, 400));
        let on = load(&[("CALLSIGN_DATA_DIR", "/data")]).unwrap();
        assert!(matches!(on.store, Some(Store::Sqlite(path)) if path.as_os_str() == "/data/ledger.db"));
        assert!(on.data_dir_set);
        assert!(load(&[("CALLSIGN_DATA_DIR", "/data"), ("CALLSIGN_LEDGER", "off")]).unwrap().store.is_none());
    }

    #[test]
    fn a_store_is_a_file_a_server_or_off() {
        for (text, path) in [("sqlite:l.db", "l.db"), ("sqlite:/a b/l.db", "/a b/l.db"), ("sqlite:///l.db", "/l.db")] {
            let Some(Store::Sqlite(found)) = store(text).unwrap() else { panic!("{text}") };
            assert_eq!(found.as_os_str(), path);
        }
        let Some(Store::Postgres(url)) = store("postgres://u:p@h/d").unwrap() else { panic!() };
        assert_eq!(url.expose(), "postgres://u:p@h/d");
        for text in ["", "on", "sqlite:", "sqlite::memory:", "mysql://h/d", "/data/ledger.db"] {
            assert!(store(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let settings = [("CALLSIGN_LEDGER", "postgres://u:hunter2-hunter2@h/d")];
        let loaded = Config::load(&Sources::environment(settings)).unwrap();
        assert!(!format!("{loaded:?}").contains("hunter2"));
        let wrong = load(&[("CALLSIGN_LEDGER", "mysql://u:hunter2-hunter2@h/d")]).unwrap_err();
        assert!(wrong.contains("CALLSIGN_LEDGER") && !wrong.contains("hunter2"), "{wrong}");
    }

    #[test]
    fn strict_without_a_ledger_is_refused() {
        let problem = load(&[("CALLSIGN_LEDGER_MODE", "strict")]).unwrap_err();
        assert!(problem.contains("env CALLSIGN_LEDGER_MODE: needs a ledger"), "{problem}");
        assert_eq!(load(&[("CALLSIGN_LEDGER_MODE", "strict"), ("CALLSIGN_DATA_DIR", "d")]).unwrap().mode, Mode::Strict);
    }
}
