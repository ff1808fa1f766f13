//! The worker threads. They write queued records and retry a record for as long as the disk fails.

use std::sync::Arc;
use std::time::Duration;

use super::queue::{Loss, Record, Shared};
use super::write::Shelf;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes until the archive is closed.
pub(super) fn run(shared: &Arc<Shared>, shelf: &Shelf) {
    while let Some(record) = shared.next() {
        write_record(shared, shelf, &record);
    }
    shared.working.send_modify(|working| *working -= 1);
}

/// Writes one record, and retries while the disk fails. Gives up if other files can be written, so that the record
/// itself is the cause, or if the archive closes.
fn write_record(shared: &Shared, shelf: &Shelf, record: &Record) {
    let (mut closing, mut disk_works) = (false, false);
    let loss = loop {
        match shelf.put(record) {
            Ok(_) => return written(shared, record),
            Err(error) => shared.failed(&error),
        }
        if closing {
            break Loss::Closing;
        }
        // The disk worked before and after this attempt, so this record is the cause.
        if disk_works && shelf.probe().is_ok() {
            shared.set_up(true);
            break Loss::Disk;
        }
        closing = shared.wait_for_close(PAUSE);
        disk_works = shelf.probe().is_ok();
    };
    shared.lost(loss, 1);
}

fn written(shared: &Shared, record: &Record) {
    shared.set_up(true);
    shared.metrics.archive.written.inc();
    let response = record.response.as_ref().map(|(_, body)| body);
    for body in [Some(&record.request), response].into_iter().flatten().filter(|body| body.is_cut()) {
        shared.truncated(body.lost);
    }
}
