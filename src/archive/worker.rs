//! The threads that write. They hold on to what they could not write as long as the disk is the reason.

use std::sync::Arc;
use std::time::Duration;

use super::queue::{Loss, Record, Shared};
use super::write::Shelf;

/// How long until it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes until the archive is closed.
pub(super) fn run(shared: &Arc<Shared>, shelf: &Shelf) {
    while let Some(record) = shared.next() {
        keep(shared, shelf, &record);
    }
    shared.working.send_modify(|working| *working -= 1);
}

/// Writes one record, however long the disk takes to come back; given up where the record itself is the reason, or when
/// callsign ends.
fn keep(shared: &Shared, shelf: &Shelf, record: &Record) {
    let (mut closing, mut disk_works) = (false, false);
    let loss = loop {
        match shelf.put(record) {
            Ok(_) => return written(shared, record),
            Err(error) => shared.failed(&error),
        }
        if closing {
            break Loss::Closing;
        }
        // Anything else can be written, before and behind it.
        if disk_works && shelf.probe().is_ok() {
            shared.set_up(true);
            break Loss::Disk;
        }
        closing = shared.rest(PAUSE);
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
