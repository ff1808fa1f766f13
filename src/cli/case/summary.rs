//! The summary of a case for somebody outside. It has no internal ids.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::Timestamp;

use callsign_core::auth::settings::LIVE_TEST_KEY;
use callsign_core::usage::outcome::Outcome;
use callsign_core::visible::printable;
use callsign_store::ledger::query::StoredRequest;
use callsign_store::org_ids::OrgIds;

/// Collects what OpenRouter and providers know of the requests.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// The reported identifier, if a request was sent with it.
    reported: Option<String>,
    /// The values of `user` that were sent.
    users: BTreeSet<String>,
    count: u64,
    /// Live tests among them.
    tests: u64,
    lines: String,
}

impl Summary {
    /// Adds a request, latest first. Requests that callsign refused are left out: nobody outside knows them.
    pub(super) fn add(&mut self, request: &StoredRequest, identifier: &str, org_ids: &OrgIds) {
        let end = request.ended.as_ref();
        if end.is_some_and(|end| end.outcome == Some(Outcome::Refused)) {
            return;
        }
        if request.was_sent(identifier, org_ids) {
            self.reported = Some(printable(identifier));
        }
        self.users.extend(request.begun.sent.user.as_deref().map(printable));
        self.count += 1;
        let began = Timestamp::from_microsecond(request.begun.began_us).unwrap_or_default();
        let generation = request.generation.as_deref().map_or_else(|| "-".to_owned(), printable);
        let model = end.and_then(|end| end.model.as_deref().or(end.requested_model.as_deref()));
        let model = model.map_or_else(|| "-".to_owned(), printable);
        // Writing to a string cannot fail.
        let is_test = request.begun.labels.key.as_ref() == LIVE_TEST_KEY;
        self.tests += u64::from(is_test);
        let mark = if is_test { "  test" } else { "" };
        let _infallible = writeln!(self.lines, "{}  {generation}  {model}{mark}", began.strftime("%Y-%m-%dT%H:%M:%SZ"));
    }

    /// Returns the text.
    pub(super) fn text(&self) -> String {
        let reported = self.reported.as_ref().map(|reported| format!("Reported identifier: {reported}\n"));
        let users: Vec<_> = self.users.iter().map(String::as_str).collect();
        let users = if users.is_empty() { "none".to_owned() } else { users.join(", ") };
        let tests = if self.tests == 0 { String::new() } else { format!(", {} of them tests of callsign", self.tests) };
        format!(
            "{}Sent as user: {users}\nRequests: {}{tests}\n\nEach request, latest first: time (UTC), generation id, model\n{}",
            reported.unwrap_or_default(),
            self.count,
            self.lines
        )
    }
}
