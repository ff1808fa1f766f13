//! Parses the settings of the ledger and the data directory.

use std::path::PathBuf;

use super::reader::{Reader, Reported};
use super::values;
use callsign_core::secret::Secret;
use callsign_store::ledger::settings::{Mode, Settings, Store};

/// File name of the SQLite ledger in the data directory.
const FILE: &str = "ledger.db";
/// Maximum retention: 100 years.
const MOST_DAYS: u64 = 36_500;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Settings, Reported> {
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
        let message = "needs a ledger, but it is off; set CALLSIGN_DATA_DIR or CALLSIGN_LEDGER, or choose fast";
        return reader.refuse(place, message);
    }
    let data_dir_set = reader.is_set("data_dir");
    Ok(Settings { store, mode, retention_days: retention_days?, data_dir, data_dir_set })
}
/// Parses the ledger's database; `Ok(None)` is `off`.
fn store(text: &str) -> Result<Option<Store>, &'static str> {
    if text == "off" {
        return Ok(None);
    }
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        // An in-memory database is not durable, and each connection would open its own.
        if path.is_empty() || path == ":memory:" {
            return Err("has no file; write sqlite:PATH");
        }
        return Ok(Some(Store::Sqlite(path.into())));
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(Some(Store::Postgres(Secret::new(text))));
    }
    Err("expected sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE or off")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigInputs};

    fn load(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let loaded = Config::load(&ConfigInputs::environment(variables.iter().copied()));
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
        let loaded = Config::load(&ConfigInputs::environment(settings)).unwrap();
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
