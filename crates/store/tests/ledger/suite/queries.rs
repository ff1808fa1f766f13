//! Promises about queries (docs/SPEC.md#usage, docs/SPEC.md#requests).

use std::time::Duration;

use callsign_core::usage::outcome::Outcome;
use callsign_store::ledger::query::{By, Filter, Grouping, RequestFilter, Split, Step, UsageRow};
use callsign_store::ledger::{Begun, Finished, RequestLabels};
use jiff::Timestamp;

use super::place::{Place, begun_at, finished, named, only, pending, refused, request};

/// Midnight of a day; the sample requests begin after it.
const MIDNIGHT: i64 = 1_790_035_200;
const HOUR: i64 = 3_600;

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(MIDNIGHT + seconds).unwrap()
}

/// Returns a request of a user and key, this many seconds after midnight.
fn at(seconds: i64, user: &str, tenant: Option<&str>, key: &str) -> Begun {
    let begun = begun_at(user, (MIDNIGHT + seconds) * 1_000_000);
    let labels = RequestLabels { tenant: tenant.map(Into::into), key: key.into(), ..begun.labels.clone() };
    Begun { labels, ..begun }
}

fn answered(model: &str, provider: &str) -> Finished {
    Finished { model: named(model), provider: named(provider), ..finished(1) }
}

/// Writes six requests: the user `u1` sent the first one, and so on.
async fn fill(place: &Place) {
    let ledger = place.open();
    let failed = Finished { status: 502, error: named("status_502"), ..answered("m-2", "p-2") };
    for (begun, finished) in [
        (at(0, "u1", None, "k-1"), answered("m-1", "p-1")),
        (at(HOUR, "u2", Some("acme"), "k-1"), answered("m-1", "p-2")),
        (at(2 * HOUR, "u3", Some("acme"), "k-2"), failed),
        (at(3 * HOUR, "u4", None, "k-2"), refused(429, "rate_limited")),
        (at(24 * HOUR, "u5", None, "k-1"), Finished { model: named("m-2"), ..pending() }),
        (at(25 * HOUR, "u1", None, "k-1"), answered("m-2", "p-1")),
    ] {
        request(&ledger, begun, finished);
    }
    ledger.close().await;
}

pub(super) async fn requests_are_filtered(place: Place) {
    fill(&place).await;
    let common = |common: Filter| RequestFilter { common, ..RequestFilter::default() };
    let none = Filter::default;
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (RequestFilter::default(), vec!["u1", "u5", "u4", "u3", "u2", "u1"]),
        (common(Filter { user: text("u1"), ..none() }), vec!["u1", "u1"]),
        (common(Filter { user: text("u1"), tenant: text("acme"), ..none() }), vec![]),
        (common(Filter { tenant: text("acme"), ..none() }), vec!["u3", "u2"]),
        (common(Filter { tenant: text(""), key: text("k-2"), ..none() }), vec!["u4"]),
        (common(Filter { model: text("m-2"), ..none() }), vec!["u1", "u5", "u3"]),
        (common(Filter { model: text("openai/gpt-5"), ..none() }), vec!["u1", "u5", "u4", "u3", "u2", "u1"]),
        (common(Filter { provider: text("p-2"), ..none() }), vec!["u3", "u2"]),
        (common(Filter { status: Some(502), ..none() }), vec!["u3"]),
        (common(Filter { since: Some(time(2 * HOUR)), until: Some(time(24 * HOUR)), ..none() }), vec!["u4", "u3"]),
        (RequestFilter { error: text("rate_limited"), ..RequestFilter::default() }, vec!["u4"]),
        (RequestFilter { ending: text("client_gone"), ..RequestFilter::default() }, vec!["u5"]),
        (RequestFilter { ending: text("no such ending"), ..RequestFilter::default() }, vec![]),
    ];
    for (filter, expected) in cases {
        let page = place.reader().requests(&filter, 10, Duration::ZERO).await.unwrap();
        let users: Vec<_> = page.requests.iter().filter_map(|row| row.begun.labels.user.as_deref()).collect();
        assert_eq!((users, page.next, page.searched_back_to), (expected, None, None), "{filter:?}");
    }
    assert_eq!(place.reader().oldest().await.unwrap(), Some(time(0)));
}

pub(super) async fn requests_are_read_in_pages(place: Place) {
    let ledger = place.open();
    let mut expected = Vec::new();
    for number in 0..25 {
        let user = if number % 2 == 0 { "alice" } else { "bob" };
        let begun = at(number, user, None, "k-1");
        expected.push((user, begun.id));
        request(&ledger, begun, finished(1));
    }
    ledger.close().await;
    expected.reverse();
    for user in [None, Some("alice")] {
        let mut filter = RequestFilter::default();
        filter.common.user = user.map(str::to_owned);
        let mut found = Vec::new();
        loop {
            let page = place.reader().requests(&filter, 10, Duration::ZERO).await.unwrap();
            assert!(page.requests.len() <= 10 && page.searched_back_to.is_none());
            found.extend(page.requests.iter().map(|request| request.begun.id));
            filter.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        let theirs = expected.iter().filter(|(of, _)| user.is_none_or(|user| user == *of));
        assert_eq!(found, theirs.map(|(_, id)| *id).collect::<Vec<_>>());
    }
}

/// Without patience a search returns after its first part, and tells how far it came.
pub(super) async fn a_search_without_index_stops_and_goes_on(place: Place) {
    let ledger = place.open();
    request(&ledger, at(0, "alice", None, "k-1"), answered("rare", "p-1"));
    for number in 1..=5_500 {
        request(&ledger, at(number, "alice", None, "k-1"), answered("usual", "p-1"));
    }
    ledger.close().await;
    let mut filter = RequestFilter::default();
    filter.common.model = Some("rare".to_owned());
    let reader = place.reader();
    let first = reader.requests(&filter, 10, Duration::ZERO).await.unwrap();
    assert_eq!((first.requests.len(), first.searched_back_to), (0, Some(time(500))));
    let rest =
        reader.requests(&RequestFilter { before: first.next, ..filter.clone() }, 10, Duration::ZERO).await.unwrap();
    assert_eq!((rest.requests.len(), rest.next, rest.searched_back_to), (1, None, None));
    let at_once = reader.requests(&filter, 10, Duration::MAX).await.unwrap();
    assert_eq!((at_once.requests.len(), at_once.next, at_once.searched_back_to), (1, None, None));
    // An indexed filter needs no patience.
    filter.common = Filter { user: Some("nobody".to_owned()), ..Filter::default() };
    assert_eq!(reader.requests(&filter, 10, Duration::ZERO).await.unwrap().searched_back_to, None);
}

pub(super) async fn usage_has_filters_and_two_groupings(place: Place) {
    fill(&place).await;
    let reader = place.reader();
    let usage = async |first: By, second: By, filter: Filter| {
        let grouping = Grouping { first, second: Some(second) };
        let mut lines: Vec<_> = reader.usage(grouping, &filter).await.unwrap();
        lines.sort_by(|a, b| (&a.key, &a.second).cmp(&(&b.key, &b.second)));
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        lines.iter().map(|line| (text(&line.key), text(&line.second), line.requests + line.refused)).collect::<Vec<_>>()
    };
    let line = |first: &str, second: &str, requests: u64| (first.to_owned(), second.to_owned(), requests);
    let all = Filter::default;
    assert_eq!(
        usage(By::User, By::Model, all()).await,
        [
            line("u1", "m-1", 1),
            line("u1", "m-2", 1),
            line("u2", "m-1", 1),
            line("u3", "m-2", 1),
            line("u4", "", 1),
            line("u5", "m-2", 1)
        ]
    );
    let first_day = Filter { until: Some(time(24 * HOUR)), ..all() };
    assert_eq!(
        usage(By::Key, By::Provider, first_day).await,
        [line("k-1", "p-1", 1), line("k-1", "p-2", 1), line("k-2", "", 1), line("k-2", "p-2", 1)]
    );
    let days = ["2026-09-22", "2026-09-23"];
    let of_key = Filter { key: Some("k-1".to_owned()), tenant: Some(String::new()), ..all() };
    assert_eq!(usage(By::Key, By::Day, of_key).await, [line("k-1", days[0], 1), line("k-1", days[1], 2)]);
    let of_provider = Filter { provider: Some("p-2".to_owned()), ..all() };
    assert_eq!(
        usage(By::Hour, By::Tenant, of_provider).await,
        [line("2026-09-22T01:00Z", "acme", 1), line("2026-09-22T02:00Z", "acme", 1)]
    );
    let refused = Filter { status: Some(429), ..all() };
    assert_eq!(usage(By::Month, By::User, refused).await, [line("2026-09", "u4", 1)]);
    let of_model = Filter { model: Some("m-2".to_owned()), since: Some(time(24 * HOUR)), ..all() };
    assert_eq!(usage(By::User, By::Key, of_model).await, [line("u1", "k-1", 1), line("u5", "k-1", 1)]);
    let points = reader.series(Step::Day, Split::None, &all()).await.unwrap();
    let counts = |points: &[callsign_store::ledger::query::Point]| {
        points.iter().map(|point| (point.at, point.sums.requests, point.sums.refused)).collect::<Vec<_>>()
    };
    assert_eq!(counts(&points), [(time(0), 3, 1), (time(24 * HOUR), 2, 0)]);
    let of_user = Filter { user: Some("u1".to_owned()), ..all() };
    let points = reader.series(Step::Day, Split::Model, &of_user).await.unwrap();
    assert_eq!(counts(&points), [(time(0), 1, 0), (time(24 * HOUR), 1, 0)]);

    // The short form tells the same, as far as it goes.
    let short = |rows: Vec<UsageRow>| {
        let row = |row: UsageRow| (row.total_cost(), row.key, row.second, row.tenant, row.requests, row.refused);
        rows.into_iter().map(row).collect::<Vec<_>>()
    };
    let two = Grouping { first: By::User, second: Some(By::Key) };
    for by in [Grouping::from(By::User), By::Key.into(), By::Tenant.into(), By::Model.into(), By::Month.into(), two] {
        let (whole, brief) = (reader.usage(by, &all()).await.unwrap(), reader.spend(by, &all()).await.unwrap());
        assert!(!whole.is_empty());
        assert_eq!(short(whole), short(brief));
    }
    // Sums without people are those of all people.
    let total = |rows: &[UsageRow]| {
        rows.iter().map(|row| (row.requests, row.refused)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    };
    let people = total(&reader.usage(By::User, &all()).await.unwrap());
    for by in [By::Model, By::Provider, By::Month, By::Day] {
        assert_eq!(total(&reader.usage(by, &all()).await.unwrap()), people, "{by:?}");
    }
}

/// Days are read from other sums if no user, key or tenant is named. Both tell the same.
pub(super) async fn days_are_the_same_with_and_without_people(place: Place) {
    fill(&place).await;
    place.fold().await;
    let reader = place.reader();
    let text = |text: &str| Some(text.to_owned());
    let none = Filter::default;
    for filter in [
        none(),
        Filter { model: text("m-2"), ..none() },
        Filter { provider: text("p-2"), ..none() },
        Filter { status: Some(502), ..none() },
        Filter { tenant: text("acme"), ..none() },
        Filter { tenant: text(""), ..none() },
        Filter { since: Some(time(2 * HOUR)), until: Some(time(25 * HOUR)), ..none() },
    ] {
        let mut expected = std::collections::BTreeMap::new();
        for line in reader.usage(Grouping { first: By::Day, second: Some(By::User) }, &filter).await.unwrap() {
            let (requests, cost) = expected.entry(line.key).or_insert((0, 0));
            *requests += line.requests + line.refused;
            *cost += line.cost.0;
        }
        let found = reader.usage(By::Day, &filter).await.unwrap();
        let found: Vec<_> =
            found.into_iter().map(|line| (line.key, (line.requests + line.refused, line.cost.0))).collect();
        assert!(!found.is_empty());
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{filter:?}");
    }
}

/// 90 answers begin after 100 ms and 10 after a second. Failures and requests without output do not count.
pub(super) async fn speed_is_read_from_classes_of_times(place: Place) {
    let ledger = place.open();
    for number in 0..100 {
        let first_us = if number < 90 { 100_000 } else { 1_000_000 };
        let finished = Finished {
            first_output_us: Some(first_us),
            head_us: Some(50_000),
            duration_us: first_us + 1_000_000,
            ..answered("m-1", "p-1")
        };
        request(&ledger, at(number, "alice", None, "k-1"), finished.clone());
        for other in [
            Finished { outcome: Some(Outcome::ClientGone), ..finished.clone() },
            Finished { error: named("server_error"), ..finished.clone() },
            Finished { first_output_us: None, ..finished },
        ] {
            request(&ledger, at(number, "alice", None, "k-1"), other);
        }
    }
    request(&ledger, at(48 * HOUR, "alice", None, "k-1"), answered("m-1", "p-2"));
    ledger.close().await;
    let speeds = place.reader().speed(&Filter::default()).await.unwrap();
    let [speed, other] = &speeds[..] else { panic!("{speeds:?}") };
    assert_eq!((speed.model.as_deref(), speed.provider.as_deref()), (Some("m-1"), Some("p-1")));
    assert_eq!((speed.answers, speed.head_us, speed.tokens_per_second), (100, 50_000, Some(7.0)));
    assert!((65_536..104_858).contains(&speed.p50_us), "{speed:?}");
    assert!((687_194..1_099_512).contains(&speed.p95_us), "{speed:?}");
    assert_eq!((other.provider.as_deref(), other.answers), (Some("p-2"), 1));
    let later = Filter { since: Some(time(47 * HOUR)), ..Filter::default() };
    assert_eq!(only(place.reader().speed(&later).await.unwrap()), *other);
    let of_provider = Filter { provider: Some("p-2".to_owned()), ..Filter::default() };
    assert_eq!(only(place.reader().speed(&of_provider).await.unwrap()), *other);
}

pub(super) async fn nothing_is_found_in_an_empty_period(place: Place) {
    fill(&place).await;
    let reader = place.reader();
    let filter = Filter { since: Some(time(2 * HOUR)), until: Some(time(HOUR)), ..Filter::default() };
    assert_eq!(reader.usage(By::User, &filter).await.unwrap(), []);
    assert_eq!(reader.series(Step::Day, Split::None, &filter).await.unwrap(), []);
    assert_eq!(reader.speed(&filter).await.unwrap(), []);
    assert_eq!(reader.errors(&filter).await.unwrap(), []);
    let filter = RequestFilter { common: filter, ..RequestFilter::default() };
    assert_eq!(reader.requests(&filter, 1, Duration::ZERO).await.unwrap().requests, []);
}
