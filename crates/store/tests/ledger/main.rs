//! The ledger on SQLite: its promises (`suite`), and its behaviour when the file is locked, damaged or gone.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod disk;
mod file;
mod migrations;
mod random;
mod suite;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::join_all;
use suite::place::Place;

/// Runs every promise, all at the same time, and names those that are broken.
#[tokio::test]
async fn on_sqlite() {
    let outcomes = suite::ALL.iter().map(|(name, promise)| async move {
        let kept = AssertUnwindSafe(promise(Place::new(None))).catch_unwind().await;
        kept.is_err().then_some(*name)
    });
    let broken: Vec<_> = join_all(outcomes).await.into_iter().flatten().collect();
    assert!(broken.is_empty(), "broken promises, see the panics above: {broken:?}");
}
