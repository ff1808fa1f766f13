//! Promises about sums.

use std::collections::BTreeMap;

use callsign_core::usage::Usage;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::outcome::Outcome;
use callsign_store::ledger::query::{By, Filter, Price, Split, Step, UsageRow};
use callsign_store::ledger::{Begun, Finished, RequestLabels};
use jiff::Timestamp;

use super::place::{Place, begun, begun_ago, finished, named, only, pending, refused, request};

/// Requests, errors and cost of one group.
type Counts = (u64, u64, i64);

/// The requests of `sums_are_those_of_the_requests`.
const REQUESTS: i64 = 700;

/// Returns one of these requests, with its user, tenant and key.
fn sample(number: i64, run: i64) -> (Begun, Finished) {
    let user = format!("user-{}", number % 13);
    let begun = begun_ago(&user, number % 50);
    let tenant = match number % 3 {
        0 => named("acme"),
        1 => named("umbrella"),
        _ => None,
    };
    let key = if number % 2 == 0 { "k-1" } else { "k-2" };
    let labels = RequestLabels { tenant, key: key.into(), ..begun.labels.clone() };
    let mut finished = finished(number * 1_001 + run);
    finished.model = (number % 5 != 0).then(|| format!("model-{}", number % 4).into());
    if number % 10 == 0 {
        (finished.status, finished.error) = (429, named("status_429"));
    }
    (Begun { labels, ..begun }, finished)
}

/// The sums by user, key, tenant and model over two runs match the requests.
pub(super) async fn sums_are_those_of_the_requests(place: Place) {
    let mut expected: BTreeMap<(String, Option<String>, Option<String>), Counts> = BTreeMap::new();
    for run in 0..2 {
        let ledger = place.open();
        for number in 0..REQUESTS {
            let (begun, finished) = sample(number, run);
            let text = |name: &Option<std::sync::Arc<str>>| name.as_deref().map(str::to_owned);
            let labels = &begun.labels;
            let keys = [
                (By::User, text(&labels.user), text(&labels.tenant)),
                (By::Key, Some(labels.key.as_ref().to_owned()), text(&labels.tenant)),
                (By::Tenant, text(&labels.tenant), text(&labels.tenant)),
                (By::Model, text(&finished.model), None),
            ];
            for (by, key, tenant) in keys {
                let sums = expected.entry((format!("{by:?}"), key, tenant)).or_default();
                let cost = finished.usage.cost.unwrap().0;
                *sums = (sums.0 + 1, sums.1 + u64::from(finished.error.is_some()), sums.2 + cost);
            }
            request(&ledger, begun, finished);
        }
        ledger.close().await;
    }
    let reader = place.reader();
    let mut found = BTreeMap::new();
    for by in [By::User, By::Key, By::Tenant, By::Model] {
        for line in reader.usage(by, &Filter::default()).await.unwrap() {
            found.insert((format!("{by:?}"), line.key, line.tenant), (line.requests, line.errors, line.cost.0));
        }
    }
    assert_eq!(found, expected);
    place.assert_sums().await;
    periods_are_exact(&place).await;
}

/// Sums over a period that is no whole number of hours, days or months.
async fn periods_are_exact(place: &Place) {
    let reader = place.reader();
    let month = Filter {
        since: Some(Timestamp::from_second(Timestamp::now().as_second() - 30 * 86_400 - 1_800).unwrap()),
        ..Filter::default()
    };
    let requests = |lines: Vec<UsageRow>| lines.iter().map(|line| line.requests).sum::<u64>();
    let count = |is_so: &dyn Fn(i64) -> bool| (0..REQUESTS).filter(|number| is_so(*number)).count() as u64 * 2;
    let in_a_month = count(&|number| number % 50 <= 30);
    assert_eq!(requests(reader.usage(By::Day, &month).await.unwrap()), in_a_month);
    assert_eq!(requests(reader.usage(By::User, &month).await.unwrap()), in_a_month);
    let theirs = Filter { user: Some("user-1".to_owned()), tenant: Some("acme".to_owned()), ..month.clone() };
    let expected = count(&|number| number % 50 <= 30 && number % 13 == 1 && number % 3 == 0);
    assert_eq!(requests(reader.usage(By::Model, &theirs).await.unwrap()), expected);
    assert_eq!(requests(reader.usage(By::Day, &theirs).await.unwrap()), expected);
    for (step, split) in [(Step::Hour, Split::Model), (Step::Day, Split::None), (Step::Day, Split::Model)] {
        let points = reader.series(step, split, &month).await.unwrap();
        assert_eq!(points.iter().map(|point| point.sums.requests).sum::<u64>(), in_a_month, "{step:?} {split:?}");
        assert!(points.is_sorted_by_key(|point| point.at));
    }
    let of_no_tenant = Filter { tenant: Some(String::new()), ..Filter::default() };
    let lines = reader.usage(By::User, &of_no_tenant).await.unwrap();
    assert_eq!(requests(lines), count(&|number| number % 3 == 2));
    let points = reader.series(Step::Day, Split::None, &of_no_tenant).await.unwrap();
    assert_eq!(points.iter().map(|point| point.sums.requests).sum::<u64>(), count(&|number| number % 3 == 2));
}

pub(super) async fn errors_are_counted_by_kind_and_refusals_are_no_requests(place: Place) {
    let ledger = place.open();
    let ends = [
        (Outcome::Complete, 200, None, 1),
        (Outcome::Complete, 429, Some("status_429"), 2),
        (Outcome::Complete, 200, Some("server_error"), 1),
        (Outcome::UpstreamCut, 200, Some("upstream_cut"), 3),
        (Outcome::Refused, 502, Some("upstream_unreachable"), 4),
        (Outcome::Refused, 504, Some("upstream_timeout"), 1),
    ];
    for (outcome, status, error, times) in ends {
        for _ in 0..times {
            let ended = match error {
                Some(error) => refused(status, error),
                None => finished(0),
            };
            request(&ledger, begun("alice"), Finished { outcome: Some(outcome), ..ended });
        }
    }
    ledger.close().await;
    let errors = place.reader().errors(&Filter::default()).await.unwrap();
    let errors: Vec<_> = errors.iter().map(|errors| (errors.kind.as_str(), errors.requests)).collect();
    let expected = [
        ("upstream_unreachable", 4),
        ("upstream_cut", 3),
        ("status_429", 2),
        ("server_error", 1),
        ("upstream_timeout", 1),
    ];
    assert_eq!(errors, expected);
    let total = place.total().await;
    assert_eq!((total.requests, total.errors, total.refused), (8, 7, 4));
    place.assert_sums().await;
}

/// Amounts and counts that overflow 64 bits in their sum are neither refused nor rounded.
pub(super) async fn sums_stop_at_their_limit(place: Place) {
    const MILLION: i64 = 1_000_000_000_000_000;
    let ledger = place.open();
    let huge = |user: &str| {
        let usage = Usage { prompt_tokens: Some(u64::MAX), cost: Some(NanoUsd(i64::MAX)), ..Usage::default() };
        let begun = Begun { markup: "1000".parse().unwrap(), ..begun(user) };
        request(&ledger, begun, Finished { usage, request_bytes: u64::MAX, ..finished(0) });
    };
    huge("carol");
    for number in 0..9_300 {
        request(&ledger, begun("alice"), finished(MILLION));
        if number % 3_000 == 0 {
            huge("bob");
        }
    }
    ledger.close().await;
    place.assert_smooth();
    assert_eq!(place.counter("callsign_ledger_rejected_total"), 0);
    let reader = place.reader();
    let most = NanoUsd(4_000_000_000_000_000_000);
    for line in reader.usage(By::User, &Filter::default()).await.unwrap() {
        assert_eq!((line.cost, line.charged), (most, most), "{:?}", line.key);
    }
    let line = only(reader.usage(By::Model, &Filter::default()).await.unwrap());
    assert!(line.cost > most && line.requests == 9_305, "{line:?}");
    assert_eq!(only(reader.speed(&Filter::default()).await.unwrap()).answers, 9_305);
}

/// A process that dies leaves batches that are not in the sums. The next one adds them, once.
pub(super) async fn large_batches_are_summed_once(place: Place) {
    let ledger = place.open();
    for number in 0..300 {
        let finished = if number % 3 == 0 { pending() } else { finished(7) };
        let entry = ledger.begin(begun(&format!("user-{}", number % 9)));
        entry.answered(Some("gen"));
        entry.finish(finished);
    }
    ledger.close().await;
    place.assert_sums().await;
    // The rows of a run that has died, before anything was added.
    let mut connection = place.connect().await;
    for table in ["sums", "speed", "identifiers", "requests_by_person"] {
        connection.run(&format!("DELETE FROM {table}")).await;
    }
    connection.run("INSERT INTO nodes (node, seen_us) VALUES ('dead', 0)").await;
    connection
        .run(
            "INSERT INTO unsummed (node, number, ids) SELECT 'dead', ROW_NUMBER() OVER (ORDER BY id), id FROM requests",
        )
        .await;
    // A late cost of a row that is not in the sums.
    let row = place.reader().pending(&Filter::default(), None).await.unwrap().remove(0);
    let usage = Usage { cost: Some(NanoUsd(100)), ..Usage::default() };
    assert!(place.keeper().price(row.id, &Price { usage, ..Price::default() }).await.unwrap());
    place.assert_sums().await;
    for _ in 0..2 {
        place.come_and_go().await;
        place.assert_sums().await;
    }
    let total = place.total().await;
    assert_eq!((total.requests, total.pending, total.cost), (300, 99, NanoUsd(200 * 7 + 100)));
    assert_eq!(place.number("SELECT COUNT(*) FROM unsummed").await, 0);
}

/// Opens a ledger that was written before there were sums of years.
pub(super) async fn an_older_ledger_gets_sums_of_years(place: Place) {
    let ledger = place.open();
    for days in [0, 1, 40, 400, 800] {
        request(&ledger, begun_ago("ada", days), finished(7));
    }
    ledger.close().await;
    place.fold().await;
    let years = "SELECT COUNT(*) FROM sums WHERE grain = 4";
    let count = place.number(years).await;
    assert!(count >= 2, "{count}");
    place.run("DELETE FROM sums WHERE grain = 4").await;
    place.run("DELETE FROM _sqlx_migrations WHERE version = 2").await;
    place.fold().await;
    assert_eq!(place.number(years).await, count);
    place.assert_sums().await;
    assert_eq!(place.total().await.requests, 5);
}
