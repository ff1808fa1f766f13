//! The rows of a ledger's file.

use std::path::Path;
use std::time::Duration;

use callsign_store::ledger::Reader;
use callsign_store::ledger::query::{RequestFilter, StoredRequest};
use callsign_store::ledger::settings::{Mode, Settings, Store};

/// Returns all requests in a SQLite file of the ledger, newest first; none if there is no such file.
pub(crate) async fn requests(file: &Path) -> Vec<StoredRequest> {
    if !file.exists() {
        return Vec::new();
    }
    let store = Some(Store::Sqlite(file.to_owned()));
    let settings = Settings { store, mode: Mode::Fast, retention_days: 400, data_dir: None, data_dir_set: false };
    let reader = Reader::open(&settings).unwrap();
    let page = reader.requests(&RequestFilter::default(), 1000, Duration::from_secs(20)).await;
    page.map(|page| page.requests).unwrap_or_default()
}
