//! Tests of the counters. `tests/it/limits/suite.rs` runs one suite against the Rust and the Redis implementation.

use super::*;
use crate::limits::ask::{Message, Standing};
use crate::limits::calendar::{self, Calendar};

const NOW: i64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z

fn at(now: i64) -> Moment {
    Calendar::default().at(now)
}

impl Counters {
    fn reserve(&mut self, ask: &Ask, now: i64) -> Standing {
        let gauges = self.gauges(ask, &at(now));
        let standing = Standing { counted: false, gauges };
        let counted = !ask.enforce || standing.fits();
        if counted {
            self.count(ask, &at(now));
        }
        Standing { counted, ..standing }
    }
}

fn ask(id: u64, ceilings: [Option<i64>; 6]) -> Ask {
    let estimate = Estimate { tokens: 100, usd: 10 };
    Ask { id, ceilings: Ceilings(ceilings), message: Some(Message::new(id)), estimate, enforce: true }
}

#[test]
fn a_minute_is_any_sixty_seconds() {
    let mut counters = Counters::default();
    let ask = |id| ask(id, [Some(2), None, None, None, None, None]);
    assert!(counters.reserve(&ask(1), NOW).counted);
    assert!(counters.reserve(&ask(2), NOW + 59_999).counted);
    let refused = counters.reserve(&ask(3), NOW + 59_999);
    assert_eq!(refused.over(), Some((Limit::Rpm, Gauge { used: 2, wait_ms: 1 })));
    assert!(counters.reserve(&ask(3), NOW + 60_000).counted);
    assert_eq!(counters.reserve(&ask(4), NOW + 60_000).over().unwrap().1.wait_ms, 59_999);
}

#[test]
fn equal_messages_count_once_and_what_is_none_counts_nothing() {
    let mut counters = Counters::default();
    let of = |id, message: Option<u64>| {
        let message = message.map(Message::new);
        Ask { message, ..ask(id, [None, Some(1), None, None, None, None]) }
    };
    assert!(counters.reserve(&of(1, Some(7)), NOW).counted);
    assert!(counters.reserve(&of(2, Some(7)), NOW).counted, "the same");
    assert!(counters.reserve(&of(3, None), NOW).counted, "none");
    assert_eq!(counters.reserve(&of(4, Some(8)), NOW + 1).over().unwrap().1, Gauge { used: 1, wait_ms: WINDOW_MS - 1 });
    counters.settle(2, Settlement::Undone, NOW);
    assert!(!counters.reserve(&of(4, Some(8)), NOW + 1).counted, "the first request still has the mark");
    counters.settle(1, Settlement::Undone, NOW);
    assert!(counters.reserve(&of(4, Some(8)), NOW + 1).counted);
}

#[test]
fn what_runs_is_counted_while_it_runs() {
    let mut counters = Counters::default();
    let ask = |id| ask(id, [None, None, Some(1), None, None, None]);
    assert!(counters.reserve(&ask(1), NOW).counted);
    assert_eq!(counters.reserve(&ask(2), NOW).over(), Some((Limit::Concurrent, Gauge { used: 1, wait_ms: SOON_MS })));
    counters.settle(1, Settlement::Used(Used { tokens: None, usd: None }), NOW);
    assert!(counters.reserve(&ask(2), NOW).counted);
}

#[test]
fn budgets_reserve_an_estimate_and_settle_with_the_truth() {
    let mut counters = Counters::default();
    let ask = |id| ask(id, [None, None, None, Some(250), Some(25), Some(1000)]);
    assert!(counters.reserve(&ask(1), NOW).counted);
    assert!(counters.reserve(&ask(2), NOW).counted);
    let refused = counters.reserve(&ask(3), NOW);
    assert!(!refused.counted);
    assert_eq!(refused.gauges.map(|gauge| gauge.used), [0, 0, 0, 200, 20, 20]);
    assert_eq!(refused.over().unwrap().1.wait_ms, calendar::DAY_MS);
    counters.settle(1, Settlement::Used(Used { tokens: Some(30), usd: Some(3) }), NOW);
    counters.settle(1, Settlement::Used(Used { tokens: Some(0), usd: Some(0) }), NOW);
    counters.settle(2, Settlement::Used(Used { tokens: None, usd: None }), NOW);
    assert_eq!(counters.look(ask(0).ceilings, &at(NOW)).map(|gauge| gauge.used), [0, 0, 0, 130, 13, 13]);
    assert!(counters.reserve(&ask(3), NOW).counted);
    // A new day begins at zero. A request of the previous day counts only towards its month when it ends.
    counters.settle(3, Settlement::Used(Used { tokens: Some(500), usd: Some(50) }), NOW + calendar::DAY_MS);
    let next = counters.look(ask(0).ceilings, &at(NOW + calendar::DAY_MS));
    assert_eq!(next.map(|gauge| gauge.used), [0, 0, 0, 0, 0, 63]);
}

#[test]
fn an_estimate_over_the_limit_lets_the_first_request_in() {
    let mut counters = Counters::default();
    let ask = |id| ask(id, [None, None, None, Some(5), Some(3), None]);
    assert!(counters.reserve(&ask(1), NOW).counted);
    assert!(!counters.reserve(&ask(2), NOW).counted);
}

#[test]
fn the_one_that_takes_longest_is_told() {
    let mut counters = Counters::default();
    let ask = |id| ask(id, [Some(1), Some(1), Some(1), None, None, None]);
    assert!(counters.reserve(&ask(1), NOW).counted);
    assert_eq!(counters.reserve(&ask(2), NOW).over().unwrap().0, Limit::Messages);
}

#[test]
fn without_enforcement_everything_is_counted() {
    let mut counters = Counters::default();
    for id in 1..=3 {
        let standing =
            counters.reserve(&Ask { enforce: false, ..ask(id, [Some(1), None, None, None, None, None]) }, NOW);
        assert!(standing.counted);
        assert_eq!(standing.over().is_some(), id > 1);
    }
    assert_eq!(counters.requests.len(), 3);
}

#[test]
fn what_is_kept_is_read_back_and_then_forgotten() {
    let mut counters = Counters::default();
    let ask = |id| ask(id, [Some(9), Some(9), None, Some(999), Some(99), Some(99)]);
    counters.reserve(&ask(1), NOW);
    let text = serde_json::to_string(&counters).unwrap();
    let mut back: Counters = serde_json::from_str(&text).unwrap();
    assert_eq!(back.look(ask(0).ceilings, &at(NOW)).map(|gauge| gauge.used), [1, 1, 0, 100, 10, 10]);
    assert!(!back.is_idle(&at(NOW + calendar::DAY_MS)), "the month is not over");
    assert!(!back.is_idle(&at(NOW + 40 * calendar::DAY_MS)), "the clock may go back");
    assert!(back.is_idle(&at(NOW + 80 * calendar::DAY_MS)));
}

#[test]
fn a_clock_that_was_set_back_keeps_the_order() {
    let mut counters = Counters::default();
    let ask = |id| ask(id, [Some(2), None, None, None, None, None]);
    counters.reserve(&ask(1), NOW);
    counters.reserve(&ask(2), NOW - 30_000);
    assert_eq!(counters.reserve(&ask(3), NOW).over().unwrap().1.wait_ms, 30_000);
}

#[test]
fn many_messages_cost_the_same_as_few() {
    // Each operation is bounded: 100,000 messages are undone and counted again.
    let mut counters = Counters::default();
    let ask = |id| ask(id, [None, Some(1_000_000), None, None, None, None]);
    let mut moment = at(NOW);
    for id in 0..100_000 {
        moment.now += 1;
        for settlement in [Settlement::Undone, Settlement::Used(Used::default())] {
            counters.gauges(&ask(id), &moment);
            counters.count(&ask(id), &moment);
            counters.settle(id, settlement, moment.now);
        }
    }
    assert_eq!(counters.look(ask(0).ceilings, &moment).map(|gauge| gauge.used)[1], 100_000);
}

const BUDGETS: Ceilings = Ceilings([None, None, None, Some(1_000_000), Some(1_000_000), Some(1_000_000)]);

fn budgets(counters: &mut Counters, now: i64) -> [i64; 3] {
    let [.., tokens, day, month] = counters.look(BUDGETS, &at(now)).map(|gauge| gauge.used);
    [tokens, day, month]
}

#[test]
fn a_use_that_is_found_later_replaces_what_was_estimated() {
    let mut counters = Counters::default();
    for id in 1..=3 {
        counters.reserve(&ask(id, BUDGETS.0), NOW);
    }
    counters.settle(1, Settlement::Pending(Used { tokens: Some(7), usd: None }), NOW);
    counters.settle(2, Settlement::Pending(Used::default()), NOW);
    counters.settle(3, Settlement::Used(Used::default()), NOW);
    assert_eq!(budgets(&mut counters, NOW), [207, 30, 30]);
    let text = serde_json::to_string(&counters).unwrap();
    let mut counters: Counters = serde_json::from_str(&text).unwrap();
    for id in [1, 1, 3, 4] {
        counters.correct(id, Used { tokens: Some(5), usd: Some(2) });
    }
    assert_eq!(budgets(&mut counters, NOW), [207, 22, 22], "known tokens stay, once, and only of pending requests");
    counters.correct(2, Used::default());
    counters.correct(2, Used { tokens: Some(0), usd: Some(0) });
    assert_eq!(budgets(&mut counters, NOW), [207, 22, 22], "never found: as estimated");
}

#[test]
fn a_late_use_does_not_change_a_new_day() {
    let mut counters = Counters::default();
    counters.reserve(&ask(1, BUDGETS.0), NOW);
    counters.settle(1, Settlement::Pending(Used::default()), NOW);
    let (tomorrow, next_month) = (NOW + calendar::DAY_MS, NOW + 31 * calendar::DAY_MS);
    let mut later = counters.clone();
    counters.correct(1, Used { tokens: Some(0), usd: Some(2) });
    assert_eq!(budgets(&mut counters, tomorrow), [0, 0, 2]);
    later.correct(1, Used { tokens: Some(0), usd: Some(2) });
    assert_eq!(budgets(&mut later, next_month), [0; 3]);
    assert!(!later.is_idle(&at(next_month)), "the clock may go back");
    assert!(later.is_idle(&at(NOW + 62 * calendar::DAY_MS)));
}

#[test]
fn requests_that_wait_for_their_use_are_bounded() {
    let mut counters = Counters::default();
    for id in 0..MOST_PENDING as u64 + 5 {
        counters.reserve(&Ask { enforce: false, ..ask(id, BUDGETS.0) }, NOW);
        counters.settle(id, Settlement::Pending(Used::default()), NOW);
    }
    assert_eq!(counters.pending.len(), MOST_PENDING);
}

mod any_order {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Each request is reserved, ends and is corrected, in any order with others and with repetitions. In the end the
        /// sums have the true use of each request.
        #[test]
        fn the_sums_are_the_true_use(
            uses in prop::collection::vec((0..500_i64, 0..500_i64, 0..4_u8), 1..12),
            order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..60),
        ) {
            let mut counters = Counters::default();
            let truth = |(tokens, usd, _): (i64, i64, u8)| Used { tokens: Some(tokens), usd: Some(usd) };
            let end = |counters: &mut Counters, id: usize| {
                let used = truth(uses[id]);
                let settlement = match uses[id].2 {
                    0 => Settlement::Used(used),
                    1 => Settlement::Pending(Used { usd: None, ..used }),
                    2 => Settlement::Pending(Used { tokens: None, ..used }),
                    _ => Settlement::Pending(Used::default()),
                };
                counters.settle(id as u64, settlement, NOW);
            };
            for id in 0..uses.len() {
                counters.reserve(&Ask { enforce: false, ..ask(id as u64, BUDGETS.0) }, NOW);
            }
            for (id, is_end) in order {
                let id = id.index(uses.len());
                if is_end { end(&mut counters, id) } else { counters.correct(id as u64, truth(uses[id])) }
            }
            for (id, used) in uses.iter().enumerate() {
                end(&mut counters, id);
                counters.correct(id as u64, truth(*used));
            }
            let [tokens, usd] = uses.iter().fold([0, 0], |sum, used| [sum[0] + used.0, sum[1] + used.1]);
            prop_assert_eq!(budgets(&mut counters, NOW), [tokens, usd, usd]);
        }
    }
}
