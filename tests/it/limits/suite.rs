//! The promises of the limit counters, for any store: `cargo test` runs them in memory, `tests/external/redis.sh` over
//! Redis.

use callsign_core::allowance::{Ceilings, Estimate, Limit};
use callsign_store::limits::{Ask, Gauge, Link, Memory, Settlement, Standing, Subject, Used};

/// The beginning of a month, 2026-01-01, in milliseconds.
pub(crate) const NOW: i64 = 1_767_225_600_000;
const DAY: i64 = 86_400_000;

/// A store of counters.
pub(crate) trait Engine {
    async fn reserve(&self, subject: Subject, ask: &Ask, now: i64) -> Standing;
    async fn settle(&self, subject: Subject, id: u64, settlement: Settlement, now: i64);
    async fn correct(&self, subject: Subject, id: u64, used: Used, now: i64);
}

impl Engine for Memory {
    async fn reserve(&self, subject: Subject, ask: &Ask, now: i64) -> Standing {
        Memory::reserve(self, subject, ask, now)
    }

    async fn settle(&self, subject: Subject, id: u64, settlement: Settlement, now: i64) {
        Memory::settle(self, subject, id, settlement, now);
    }

    async fn correct(&self, subject: Subject, id: u64, used: Used, now: i64) {
        Memory::correct(self, subject, id, used, now);
    }
}

impl Engine for Link {
    async fn reserve(&self, subject: Subject, ask: &Ask, now: i64) -> Standing {
        Link::reserve(self, subject, ask, Some(now)).await.unwrap()
    }

    async fn settle(&self, subject: Subject, id: u64, settlement: Settlement, _: i64) {
        Link::settle(self, subject, id, settlement).await.unwrap();
    }

    async fn correct(&self, subject: Subject, id: u64, used: Used, _: i64) {
        Link::correct(self, subject, id, used).await.unwrap();
    }
}

fn limit(limit: Limit, most: i64) -> Ceilings {
    let mut ceilings = Ceilings::default();
    ceilings.0[limit as usize] = Some(most);
    ceilings
}

fn ask(id: u64, ceilings: Ceilings) -> Ask {
    Ask { id, ceilings, message: Some(id), estimate: Estimate { tokens: 100, usd: 10 }, enforce: true }
}

/// Returns a subject that only one test uses.
fn somebody(name: &str) -> Subject {
    Subject::user(Some("suite"), name)
}

const USED: Settlement = Settlement::Used(Used { tokens: None, usd: None });

/// Tests all promises.
pub(crate) async fn all(engine: &impl Engine) {
    windows(engine).await;
    messages(engine).await;
    concurrency(engine).await;
    budgets(engine).await;
    late_costs(engine).await;
    giving_back(engine).await;
    days_and_months(engine).await;
    dry_runs(engine).await;
    subjects(engine).await;
    never_over(engine).await;
}

async fn windows(engine: &impl Engine) {
    let (who, two) = (somebody("windows"), limit(Limit::Rpm, 2));
    assert!(engine.reserve(who, &ask(1, two), NOW).await.counted);
    assert!(engine.reserve(who, &ask(2, two), NOW + 59_999).await.counted);
    let refused = engine.reserve(who, &ask(3, two), NOW + 59_999).await;
    assert!(!refused.counted);
    assert_eq!(refused.over(), Some((Limit::Rpm, Gauge { used: 2, wait_ms: 1 })));
    assert!(engine.reserve(who, &ask(3, two), NOW + 60_000).await.counted);
    assert_eq!(engine.reserve(who, &ask(4, two), NOW + 60_000).await.over().unwrap().1.wait_ms, 59_999);
}

async fn messages(engine: &impl Engine) {
    let who = somebody("messages");
    let of = |id, message| Ask { message, ..ask(id, limit(Limit::Messages, 1)) };
    assert!(engine.reserve(who, &of(1, Some(7)), NOW).await.counted);
    assert!(engine.reserve(who, &of(2, Some(7)), NOW).await.counted, "the same message");
    assert!(engine.reserve(who, &of(3, None), NOW).await.counted, "no message");
    let refused = engine.reserve(who, &of(4, Some(8)), NOW + 1).await;
    assert_eq!(refused.over(), Some((Limit::Messages, Gauge { used: 1, wait_ms: DAY - 1 })));
    engine.settle(who, 2, Settlement::Undone, NOW + 1).await;
    assert!(!engine.reserve(who, &of(4, Some(8)), NOW + 1).await.counted, "what repeats takes nothing away");
    engine.settle(who, 1, Settlement::Undone, NOW + 1).await;
    assert!(engine.reserve(who, &of(4, Some(8)), NOW + 1).await.counted);
    assert!(engine.reserve(who, &of(5, Some(9)), NOW + 1 + DAY).await.counted, "a day later");
}

async fn concurrency(engine: &impl Engine) {
    let (who, one) = (somebody("concurrency"), limit(Limit::Concurrent, 1));
    assert!(engine.reserve(who, &ask(1, one), NOW).await.counted);
    assert_eq!(engine.reserve(who, &ask(2, one), NOW).await.over().unwrap().1.used, 1);
    engine.settle(who, 1, USED, NOW).await;
    assert!(engine.reserve(who, &ask(2, one), NOW).await.counted);
    engine.settle(who, 2, Settlement::Undone, NOW).await;
    assert!(engine.reserve(who, &ask(3, one), NOW).await.counted);
}

async fn budgets(engine: &impl Engine) {
    let who = somebody("budgets");
    let ceilings = Ceilings([None, None, None, Some(250), Some(25), Some(1000)]);
    let used = |standing: Standing| standing.gauges.map(|gauge| gauge.used);
    assert!(engine.reserve(who, &ask(1, ceilings), NOW).await.counted);
    assert!(engine.reserve(who, &ask(2, ceilings), NOW).await.counted);
    let refused = engine.reserve(who, &ask(3, ceilings), NOW).await;
    assert!(!refused.counted, "what is reserved counts");
    assert_eq!(used(refused), [0, 0, 0, 200, 20, 20]);
    assert_eq!(refused.over().unwrap().1.wait_ms, DAY);
    for _ in 0..2 {
        engine.settle(who, 1, Settlement::Used(Used { tokens: Some(30), usd: Some(3) }), NOW).await;
    }
    engine.settle(who, 2, USED, NOW).await;
    let third = engine.reserve(who, &ask(3, ceilings), NOW).await;
    assert_eq!((third.counted, used(third)), (true, [0, 0, 0, 130, 13, 13]));
    engine.settle(who, 3, Settlement::Used(Used { tokens: Some(500), usd: Some(900) }), NOW).await;
    let over = engine.reserve(who, &ask(4, ceilings), NOW).await;
    assert_eq!((over.counted, used(over)), (false, [0, 0, 0, 630, 913, 913]), "more than was estimated");
    let small = somebody("small budget");
    let ceilings = Ceilings([None, None, None, Some(5), Some(3), None]);
    assert!(engine.reserve(small, &ask(1, ceilings), NOW).await.counted, "an estimate over the limit");
    assert!(!engine.reserve(small, &ask(2, ceilings), NOW).await.counted);
}

async fn late_costs(engine: &impl Engine) {
    let who = somebody("late costs");
    let ceilings = Ceilings([None, None, None, Some(1000), Some(100), Some(1000)]);
    let used = |standing: Standing| standing.gauges.map(|gauge| gauge.used)[3..].to_vec();
    let found = Used { tokens: Some(30), usd: Some(3) };
    for id in 1..=4 {
        engine.reserve(who, &ask(id, ceilings), NOW).await;
    }
    engine.correct(who, 1, found, NOW).await;
    engine.settle(who, 1, Settlement::Pending(Used { tokens: Some(40), usd: None }), NOW).await;
    engine.settle(who, 2, Settlement::Pending(Used::default()), NOW).await;
    engine.settle(who, 3, USED, NOW).await;
    engine.settle(who, 4, Settlement::Pending(Used::default()), NOW).await;
    assert_eq!(used(engine.reserve(who, &ask(5, ceilings), NOW).await), [340, 40, 40], "as estimated");
    for id in [1, 1, 2, 3] {
        engine.correct(who, id, found, NOW).await;
    }
    assert_eq!(used(engine.reserve(who, &ask(6, ceilings), NOW).await), [370, 36, 36], "once, and only pending ones");
    engine.reserve(who, &ask(7, ceilings), NOW + DAY).await;
    engine.correct(who, 4, Used { tokens: Some(0), usd: Some(0) }, NOW + DAY).await;
    let tomorrow = used(engine.reserve(who, &ask(8, ceilings), NOW + DAY).await);
    assert_eq!(tomorrow, [100, 10, 46], "of yesterday, and of this month");
}

async fn giving_back(engine: &impl Engine) {
    let who = somebody("giving back");
    let ceilings = Ceilings([Some(1), Some(1), Some(1), Some(100), Some(10), Some(10)]);
    for id in 1..=5 {
        assert!(engine.reserve(who, &ask(id, ceilings), NOW).await.counted, "{id}");
        let full = engine.reserve(who, &ask(100 + id, ceilings), NOW).await;
        assert!(!full.counted && full.gauges.iter().all(|gauge| gauge.wait_ms > 0), "{full:?}");
        engine.settle(who, id, Settlement::Undone, NOW).await;
        engine.settle(who, id, Settlement::Undone, NOW).await;
    }
}

async fn days_and_months(engine: &impl Engine) {
    let who = somebody("days and months");
    let ceilings = Ceilings([None, None, None, Some(1000), Some(100), Some(1000)]);
    let used = |standing: Standing| standing.gauges.map(|gauge| gauge.used)[3..].to_vec();
    let later = NOW + 30 * DAY;
    engine.reserve(who, &ask(1, ceilings), later).await;
    engine.settle(who, 1, Settlement::Used(Used { tokens: Some(1), usd: Some(2) }), later).await;
    engine.reserve(who, &ask(2, ceilings), later + DAY - 1).await;
    // 1 February, a new month.
    assert_eq!(used(engine.reserve(who, &ask(3, ceilings), later + DAY).await), [0, 0, 0]);
    engine.settle(who, 2, Settlement::Used(Used { tokens: Some(700), usd: Some(70) }), later + DAY).await;
    assert_eq!(used(engine.reserve(who, &ask(4, ceilings), later + DAY).await), [100, 10, 10], "of last month");
    assert_eq!(used(engine.reserve(who, &ask(5, ceilings), later + 2 * DAY).await), [0, 0, 20]);
    engine.settle(who, 4, Settlement::Used(Used { tokens: Some(700), usd: Some(70) }), later + 2 * DAY).await;
    assert_eq!(used(engine.reserve(who, &ask(6, ceilings), later + 2 * DAY).await), [100, 10, 90], "of this month");
    let month = engine.reserve(who, &ask(7, Ceilings([None, None, None, None, None, Some(50)])), later + 2 * DAY).await;
    assert_eq!(month.over(), Some((Limit::UsdMonth, Gauge { used: 100, wait_ms: 27 * DAY })));
}

async fn dry_runs(engine: &impl Engine) {
    let who = somebody("dry runs");
    for id in 1..=3 {
        let standing = engine.reserve(who, &Ask { enforce: false, ..ask(id, limit(Limit::Rpm, 1)) }, NOW).await;
        assert!(standing.counted);
        assert_eq!((standing.gauges[0].used, standing.over().is_some()), (i64::try_from(id).unwrap() - 1, id > 1));
    }
}

async fn subjects(engine: &impl Engine) {
    let one = limit(Limit::Rpm, 1);
    for who in [somebody("a"), somebody("b"), Subject::user(None, "a"), Subject::user(Some("other"), "a")] {
        assert!(engine.reserve(who, &ask(1, one), NOW).await.counted);
        assert!(!engine.reserve(who, &ask(2, one), NOW).await.counted);
    }
}

/// Concurrent requests do not exceed a limit.
async fn never_over(engine: &impl Engine) {
    let who = somebody("never over");
    let ceilings = Ceilings([Some(7), None, None, None, None, None]);
    let all = (1..=100).map(|id| async move { engine.reserve(who, &ask(id, ceilings), NOW).await.counted });
    let counted = futures_util::future::join_all(all).await;
    assert_eq!(counted.into_iter().filter(|counted| *counted).count(), 7);
}
