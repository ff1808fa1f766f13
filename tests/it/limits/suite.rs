//! The promises of the limit counters, for any store: `cargo test` runs them in memory, `tests/external/redis.sh` over
//! Redis.

use callsign_core::allowance::{Ceilings, Estimate, Limit};
use callsign_store::limits::{Ask, Calendar, Gauge, Link, Memory, Message, Settlement, Spent, Standing, Subject, Used};

/// The beginning of a month, 2026-01-01, in milliseconds.
pub(crate) const NOW: i64 = 1_767_225_600_000;
const DAY: i64 = 86_400_000;

/// A store of counters.
pub(crate) trait Engine {
    async fn reserve_all(&self, asks: &[(Subject, Ask)], now: i64) -> Vec<Standing>;
    async fn raise_all(&self, asks: &[(Subject, Ask)], now: i64) -> Vec<Standing>;
    async fn settle_of(&self, subject: Subject, of: (u64, Option<u64>), settlement: Settlement, now: i64);
    async fn correct(&self, subject: Subject, id: u64, used: Used, now: i64);
    async fn restore(&self, subject: Subject, spent: Spent, now: i64);

    async fn reserve(&self, subject: Subject, ask: &Ask, now: i64) -> Standing {
        self.reserve_all(&[(subject, *ask)], now).await[0]
    }

    async fn raise(&self, subject: Subject, ask: &Ask, now: i64) -> Standing {
        self.raise_all(&[(subject, *ask)], now).await[0]
    }

    async fn settle(&self, subject: Subject, id: u64, settlement: Settlement, now: i64) {
        self.settle_of(subject, (id, None), settlement, now).await;
    }
}

impl Engine for Memory {
    async fn reserve_all(&self, asks: &[(Subject, Ask)], now: i64) -> Vec<Standing> {
        Memory::reserve(self, asks, now)
    }

    async fn raise_all(&self, asks: &[(Subject, Ask)], now: i64) -> Vec<Standing> {
        Memory::raise(self, asks, now)
    }

    async fn settle_of(&self, subject: Subject, (id, _): (u64, Option<u64>), settlement: Settlement, now: i64) {
        Memory::settle(self, subject, id, settlement, now);
    }

    async fn correct(&self, subject: Subject, id: u64, used: Used, _: i64) {
        Memory::correct(self, subject, id, used);
    }

    async fn restore(&self, subject: Subject, spent: Spent, now: i64) {
        Memory::restore(self, subject, &spent, now);
    }
}

impl Engine for Link {
    async fn reserve_all(&self, asks: &[(Subject, Ask)], now: i64) -> Vec<Standing> {
        Link::reserve(self, asks, &Calendar::default().around(now), Some(now)).await.unwrap()
    }

    async fn raise_all(&self, asks: &[(Subject, Ask)], now: i64) -> Vec<Standing> {
        Link::raise(self, asks, &Calendar::default().around(now), Some(now)).await.unwrap()
    }

    async fn settle_of(&self, subject: Subject, of: (u64, Option<u64>), settlement: Settlement, now: i64) {
        Link::settle(self, subject, of, settlement, Some(now)).await.unwrap();
    }

    async fn correct(&self, subject: Subject, id: u64, used: Used, _: i64) {
        Link::correct(self, subject, id, used).await.unwrap();
    }

    async fn restore(&self, subject: Subject, spent: Spent, now: i64) {
        Link::restore(self, &[(subject, spent)], &Calendar::default().around(now), now).await.unwrap();
    }
}

fn limit(limit: Limit, most: i64) -> Ceilings {
    let mut ceilings = Ceilings::default();
    ceilings.0[limit as usize] = Some(most);
    ceilings
}

fn ask(id: u64, ceilings: Ceilings) -> Ask {
    Ask { id, ceilings, message: Some(Message::new(id)), estimate: Estimate { tokens: 100, usd: 10 }, enforce: true }
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
    chats(engine).await;
    raises(engine).await;
    several_subjects(engine).await;
    restores(engine).await;
    clocks(engine).await;
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
    let of =
        |id, message: Option<u64>| Ask { message: message.map(Message::new), ..ask(id, limit(Limit::Messages, 1)) };
    assert!(engine.reserve(who, &of(1, Some(7)), NOW).await.counted);
    assert!(engine.reserve(who, &of(2, Some(7)), NOW).await.counted, "the same message");
    assert!(engine.reserve(who, &of(3, None), NOW).await.counted, "no message");
    let refused = engine.reserve(who, &of(4, Some(8)), NOW + 1).await;
    assert_eq!(refused.over(), Some((Limit::Messages, Gauge { used: 1, wait_ms: DAY - 1 })));
    engine.settle(who, 2, Settlement::Undone, NOW + 1).await;
    assert!(!engine.reserve(who, &of(4, Some(8)), NOW + 1).await.counted, "the first request still has the mark");
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

/// All but `rpm` is given back.
async fn giving_back(engine: &impl Engine) {
    let who = somebody("giving back");
    let ceilings = Ceilings([Some(5), Some(1), Some(1), Some(100), Some(10), Some(10)]);
    for id in 1..=5 {
        assert!(engine.reserve(who, &ask(id, ceilings), NOW).await.counted, "{id}");
        let full = engine.reserve(who, &ask(100 + id, ceilings), NOW).await;
        assert!(!full.counted && full.gauges[1..].iter().all(|gauge| gauge.wait_ms > 0), "{full:?}");
        engine.settle(who, id, Settlement::Undone, NOW).await;
        engine.settle(who, id, Settlement::Undone, NOW).await;
    }
    assert_eq!(engine.reserve(who, &ask(6, ceilings), NOW).await.over().unwrap().0, Limit::Rpm);
}

/// Requests without a message id join the open message of their chat.
async fn chats(engine: &impl Engine) {
    let who = somebody("chats");
    let one = limit(Limit::Messages, 1);
    let of =
        |id, chat: u64| Ask { message: Some(Message { mark: id, chat: Some(chat), is_named: false }), ..ask(id, one) };
    let chat = |id| (id, Some(7));
    assert!(engine.reserve(who, &of(1, 7), NOW).await.counted);
    assert!(!engine.reserve(who, &of(2, 8), NOW).await.counted, "another chat");
    for id in 3..8 {
        assert!(engine.reserve(who, &of(id, 7), NOW + 50_000).await.counted, "a title while the answer runs: {id}");
    }
    assert!(!engine.reserve(who, &of(8, 7), NOW + 50_000).await.counted, "at most five");
    engine.settle_of(who, chat(7), Settlement::Undone, NOW + 50_000).await;
    assert!(engine.reserve(who, &of(9, 7), NOW + 50_000).await.counted, "one was given back");
    engine.settle_of(who, chat(9), Settlement::Undone, NOW + 50_000).await;
    for id in [1, 3, 4, 5, 6] {
        engine.settle_of(who, chat(id), USED, NOW + 60_000).await;
    }
    let named = Ask { message: Some(Message { mark: 77, chat: Some(7), is_named: true }), ..ask(11, one) };
    assert!(!engine.reserve(who, &named, NOW + 60_000).await.counted, "a message id joins nothing");
    assert!(engine.reserve(who, &of(12, 7), NOW + 80_000).await.counted, "open for 20 s");
    engine.settle_of(who, chat(12), Settlement::Failed, NOW + 80_000).await;
    assert!(!engine.reserve(who, &of(10, 7), NOW + 100_001).await.counted, "no longer open");
    // A message without a request that was answered is none.
    let who = somebody("failed chats");
    for id in 1..=3 {
        assert!(engine.reserve(who, &of(id, 7), NOW).await.counted, "{id}");
    }
    for id in 1..=3 {
        assert!(!engine.reserve(who, &of(9, 8), NOW).await.counted, "{id}");
        engine.settle_of(who, chat(id), Settlement::Undone, NOW).await;
    }
    assert!(engine.reserve(who, &of(9, 8), NOW).await.counted);
    // F13: a request that breaks does not take the mark of its twin.
    let who = somebody("twins");
    for id in [1, 2] {
        assert!(engine.reserve(who, &Ask { message: Some(Message::new(5)), ..ask(id, one) }, NOW).await.counted);
    }
    engine.settle(who, 2, USED, NOW).await;
    engine.settle(who, 1, Settlement::Undone, NOW).await;
    assert!(!engine.reserve(who, &ask(3, one), NOW).await.counted);
}

/// The difference to the flat estimate is reserved later.
async fn raises(engine: &impl Engine) {
    let who = somebody("raises");
    let ceilings = Ceilings([None, None, None, Some(1000), Some(100), Some(60)]);
    let with = |id, tokens, usd| Ask { estimate: Estimate { tokens, usd }, ..ask(id, ceilings) };
    let used = |standing: Standing| standing.gauges.map(|gauge| gauge.used)[3..].to_vec();
    for id in [1, 2] {
        assert!(engine.reserve(who, &ask(id, ceilings), NOW).await.counted);
    }
    let raised = engine.raise(who, &with(1, 300, 50), NOW).await;
    assert_eq!((raised.counted, used(raised)), (true, vec![100, 10, 10]), "the use of others");
    let refused = engine.raise(who, &with(2, 100, 11), NOW).await;
    assert_eq!(
        (refused.counted, refused.over().unwrap()),
        (false, (Limit::UsdMonth, Gauge { used: 50, wait_ms: 31 * DAY }))
    );
    assert!(engine.raise(who, &with(2, 100, 1), NOW).await.counted, "less always fits");
    assert_eq!(used(engine.reserve(who, &ask(3, ceilings), NOW).await), [400, 51, 51]);
    engine.settle(who, 1, Settlement::Used(Used { tokens: Some(5), usd: Some(7) }), NOW).await;
    assert_eq!(used(engine.reserve(who, &ask(4, ceilings), NOW).await), [105, 8, 8]);
    assert!(engine.raise(who, &with(99, 9999, 9999), NOW).await.counted, "it does not run");
    assert!(
        engine.raise(who, &with(4, 9999, 9999), NOW).await.over().is_some(),
        "at most the limit, with another beside"
    );
    let dry = Ask { enforce: false, ..with(4, 9999, 9999) };
    assert!(engine.raise(who, &dry, NOW).await.counted);
    assert_eq!(used(engine.reserve(who, &ask(5, ceilings), NOW).await), [1105, 68, 68]);
}

/// A request is counted for all its subjects, or for none.
async fn several_subjects(engine: &impl Engine) {
    let (ada, bob, all) = (somebody("several ada"), somebody("several bob"), somebody("several all"));
    let two = limit(Limit::Rpm, 2);
    let of = |who, id| [(who, ask(id, two)), (all, ask(id, limit(Limit::Rpm, 3)))];
    for id in [1, 2] {
        assert!(engine.reserve_all(&of(ada, id), NOW).await.iter().all(|standing| standing.counted));
    }
    let refused = engine.reserve_all(&of(ada, 3), NOW).await;
    assert_eq!(refused.iter().map(|standing| standing.counted).collect::<Vec<_>>(), [false, false]);
    assert!(engine.reserve_all(&of(bob, 4), NOW).await.iter().all(|standing| standing.counted), "nothing was taken");
    let full = engine.reserve_all(&of(bob, 5), NOW).await;
    assert_eq!(full.iter().map(|standing| standing.over().is_some()).collect::<Vec<_>>(), [false, true]);
    assert_eq!(engine.reserve(bob, &ask(6, two), NOW).await.gauges[0].used, 1);
    // The same for estimates.
    let budget = limit(Limit::UsdDay, 100);
    let of = |usd| [ada, all].map(|who| (who, Ask { estimate: Estimate { tokens: 0, usd }, ..ask(9, budget) }));
    engine.reserve_all(&of(10), NOW).await;
    engine.reserve(all, &ask(10, budget), NOW).await;
    let raised = engine.raise_all(&of(95), NOW).await;
    assert_eq!(
        raised.iter().map(|standing| (standing.counted, standing.over().is_none())).collect::<Vec<_>>(),
        [(false, true), (false, false)]
    );
    assert_eq!(engine.reserve(ada, &ask(11, budget), NOW).await.gauges[4].used, 10, "nothing was taken");
}

/// Budgets are raised to what the ledger knows, and never lowered.
async fn restores(engine: &impl Engine) {
    let who = somebody("restores");
    let ceilings = Ceilings([None, None, None, Some(1000), Some(100), Some(1000)]);
    let used = |standing: Standing| standing.gauges.map(|gauge| gauge.used)[3..].to_vec();
    engine.restore(who, Spent { tokens_day: 200, usd_day: 5, usd_month: 300 }, NOW).await;
    assert_eq!(used(engine.reserve(who, &ask(1, ceilings), NOW).await), [200, 5, 300]);
    engine.restore(who, Spent { tokens_day: 250, usd_day: 90, usd_month: 0 }, NOW).await;
    assert_eq!(used(engine.reserve(who, &ask(2, ceilings), NOW).await), [300, 90, 310]);
    assert_eq!(used(engine.reserve(who, &ask(3, ceilings), NOW + DAY).await), [0, 0, 320]);
}

/// Days and months go back when the clock does.
async fn clocks(engine: &impl Engine) {
    let who = somebody("clocks");
    let ceilings = Ceilings([None, None, None, Some(1000), Some(20), Some(1000)]);
    let used = |standing: Standing| standing.gauges.map(|gauge| gauge.used)[3..].to_vec();
    engine.reserve(who, &ask(1, ceilings), NOW).await;
    engine.settle(who, 1, Settlement::Pending(Used::default()), NOW).await;
    let ahead = NOW + 40 * DAY;
    for id in [2, 3] {
        engine.reserve(who, &ask(id, ceilings), ahead).await;
    }
    let over = engine.reserve(who, &ask(4, ceilings), ahead).await;
    assert_eq!(over.over().unwrap(), (Limit::UsdDay, Gauge { used: 20, wait_ms: DAY }));
    assert_eq!(used(engine.reserve(who, &ask(5, ceilings), NOW).await), [100, 10, 10], "as before");
    engine.correct(who, 1, Used { tokens: Some(1), usd: Some(1) }, NOW).await;
    engine.settle(who, 2, Settlement::Used(Used { tokens: Some(1), usd: Some(1) }), NOW).await;
    assert_eq!(used(engine.reserve(who, &ask(6, ceilings), NOW).await), [101, 11, 11]);
    assert_eq!(used(engine.reserve(who, &ask(7, ceilings), ahead).await), [101, 11, 11], "the days are told apart");
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
