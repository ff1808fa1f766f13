//! Random histories: rows and sums never differ.

use callsign_core::request_id::RequestId;
use callsign_core::usage::Usage;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::Price;
use callsign_store::ledger::{Begun, Entry, Finished, Ledger};
use proptest::prelude::*;

use crate::suite::place::{Place, begun, begun_ago, begun_of, finished, named, pending, refused, request};

/// The people of a history.
const PEOPLE: [(&str, &str); 3] = [("acme", "alice"), ("acme", "bob"), ("", "alice")];

/// One step of a history. The numbers select a person, a request or an end.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(usize),
    Finish(usize, usize),
    /// The process ends with its requests in flight, and the next one starts.
    Restart,
    /// Another process with the same data directory writes requests while the database is away, and ends.
    Spill(usize),
    Price(usize),
    Never(usize),
    Forget(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3_usize).prop_map(Step::Begin),
        6 => (any::<usize>(), 0..6_usize).prop_map(|(which, end)| Step::Finish(which, end)),
        1 => Just(Step::Restart),
        1 => (0..3_usize).prop_map(Step::Spill),
        2 => any::<usize>().prop_map(Step::Price),
        1 => any::<usize>().prop_map(Step::Never),
        1 => (0..3_usize).prop_map(Step::Forget),
    ];
    proptest::collection::vec(step, 10..60)
}

fn start(person: usize, requests: usize) -> Begun {
    let (tenant, user) = PEOPLE[person % PEOPLE.len()];
    match (tenant, requests % 3) {
        ("", 0) => begun_ago(user, 40),
        ("", _) => begun(user),
        _ => Begun { markup: "1.5".parse().unwrap(), ..begun_of(tenant, user) },
    }
}

fn end(number: usize) -> Finished {
    let provider_cost = Usage { provider_cost: Some(NanoUsd(3)), ..finished(7).usage };
    match number % 6 {
        0 => pending(),
        1 => refused(429, "rate_limited"),
        2 => refused(504, "upstream_timeout"),
        3 => Finished { error: named("server_error"), ..finished(5) },
        4 => Finished { usage: provider_cost, model: named("other"), ..finished(7) },
        _ => finished(11),
    }
}

/// The state of a history.
struct History {
    place: Place,
    ledger: Ledger,
    running: Vec<Entry>,
    ids: Vec<RequestId>,
    requests: usize,
}

impl History {
    async fn take(&mut self, step: Step) {
        let id = |which: usize| self.ids.get(which % self.ids.len().max(1)).copied();
        match step {
            Step::Begin(person) => {
                let begun = start(person, self.requests);
                self.ids.push(begun.id);
                self.requests += 1;
                let entry = self.ledger.begin(begun);
                entry.answered(Some(&format!("gen-{}", self.requests)));
                self.running.push(entry);
            }
            Step::Finish(which, number) if !self.running.is_empty() => {
                self.running.swap_remove(which % self.running.len()).finish(end(number));
            }
            Step::Restart => {
                self.ledger.close().await;
                self.running.clear();
                self.ledger = self.place.open();
            }
            Step::Spill(person) => {
                let away = self.place.away();
                let ledger = away.open();
                for number in 0..7 {
                    request(&ledger, start(person, number), end(number));
                }
                let died = ledger.begin(start(person, 1));
                ledger.close().await;
                drop(died);
                self.requests += 8;
                assert_eq!(away.counter("callsign_ledger_lost_total"), 0);
            }
            Step::Price(which) => {
                let Some(id) = id(which) else { return };
                let usage = Usage { cost: Some(NanoUsd(101)), prompt_tokens: Some(5), ..Usage::default() };
                let price = Price { usage, model: Some("priced".to_owned()), provider: None };
                self.place.keeper().price(id, &price).await.unwrap();
            }
            Step::Never(which) => {
                let Some(id) = id(which) else { return };
                self.place.keeper().never(id).await.unwrap();
            }
            Step::Forget(person) => {
                let (tenant, user) = PEOPLE[person];
                self.place.keeper().forget(user, Some(tenant)).await.unwrap();
            }
            Step::Finish(..) => {}
        }
    }
}

async fn live_through(steps: Vec<Step>) {
    let place = Place::new(None);
    let ledger = place.open();
    let mut history = History { place, ledger, running: Vec::new(), ids: Vec::new(), requests: 0 };
    for step in steps {
        history.take(step).await;
    }
    let History { place, ledger, running, requests, .. } = history;
    ledger.close().await;
    drop(running);
    for _ in 0..2 {
        place.come_and_go().await;
    }
    place.assert_sums().await;
    assert_eq!(place.spilled().await, 0);
    let requests = i64::try_from(requests).unwrap();
    assert_eq!(place.number("SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM requests").await, requests);
    assert_eq!(place.number("SELECT COUNT(*) FROM requests WHERE ending IS NULL").await, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_those_of_the_rows_after_any_history(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live_through(steps));
    }
}
