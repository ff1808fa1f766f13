//! Replaces `faults` in builds without the cargo feature `faults`: no name selects a fault.
#![expect(clippy::unused_self, clippy::unused_async, reason = "the signatures are those of the module `faults`")]

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;

use super::plan::Plan;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Faults(());

impl Faults {
    pub(super) fn models() -> impl Iterator<Item = (String, &'static str)> {
        std::iter::empty()
    }

    pub(super) fn add(&mut self, _name: &str) -> bool {
        false
    }

    pub(super) fn early(&self) -> Option<StatusCode> {
        None
    }

    pub(super) async fn delay_upload(&self, _gate: &Semaphore) {}

    pub(super) async fn delay_head(&self, _gate: &Semaphore) {}

    pub(super) fn apply(&self, _plan: &mut Plan, _asked: &HeaderMap, _gate: &Arc<Semaphore>) {}
}
