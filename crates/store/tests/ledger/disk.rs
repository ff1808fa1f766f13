//! The size and the mode of the ledger's files.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use callsign_store::ledger::{Begun, Finished, RequestLabels, SentIds};

use crate::suite::place::{Place, begun, finished, named, request};

/// Rows of a measurement.
const ROWS: u64 = 2_000;

/// Returns a text of this many bytes that is different for each number and cannot be compressed.
fn hostile(number: u64, salt: u64, bytes: usize) -> Option<Arc<str>> {
    let mut seed = number.wrapping_mul(31).wrapping_add(salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut text = String::new();
    while text.len() < bytes {
        seed = (seed ^ (seed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9).wrapping_add(1);
        text.extend(seed.to_be_bytes().map(|byte| char::from(b'a' + byte % 26)));
    }
    text.truncate(bytes);
    named(&text)
}

/// Whatever a caller can choose is bounded in bytes: ids of 512 bytes and a model of 256 in each request.
#[tokio::test]
async fn hostile_requests_take_a_bounded_part_of_the_disk() {
    let place = Place::new(None);
    let ledger = place.open();
    for number in 0..ROWS {
        let of_app = begun("alice");
        let labels = RequestLabels {
            user: hostile(0, 0, 512),
            session: hostile(number, 1, 512),
            chat: hostile(number, 2, 512),
            message: hostile(number, 3, 512),
            ..of_app.labels
        };
        let sent = SentIds {
            user: hostile(0, 4, 512),
            session: hostile(number, 5, 256),
            metadata_session: None,
            chat: labels.chat.clone(),
            message: labels.message.clone(),
        };
        let ended = Finished { requested_model: hostile(number, 6, 256), model: None, provider: None, ..finished(1) };
        request(&ledger, Begun { labels, sent, ..of_app }, ended);
    }
    ledger.close().await;
    let size = std::fs::metadata(place.directory.path().join("ledger.db")).unwrap().len();
    println!("{} bytes per row", size / ROWS);
    assert!(size / ROWS <= 6 * 1024, "{} bytes per row", size / ROWS);
}

/// Only the owner can read the ledger, also a file that others could read before.
#[tokio::test]
async fn files_are_readable_by_their_owner_only() {
    let place = Place::new(None);
    let database = place.directory.path().join("ledger.db");
    std::fs::write(&database, "").unwrap();
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (here, away) = (place.open(), place.away().open());
    request(&here, begun("alice"), finished(1));
    request(&away, begun("alice"), finished(1));
    away.close().await;
    let files: Vec<_> = std::fs::read_dir(place.directory.path()).unwrap().map(|file| file.unwrap().path()).collect();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger-spill.db"] {
        assert!(files.iter().any(|file| file.ends_with(name)), "{name} is not in {files:?}");
    }
    for file in files {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has the mode {mode:o}", file.display());
    }
    here.close().await;
}
