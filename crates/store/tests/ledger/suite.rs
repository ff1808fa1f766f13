//! The ledger's promises, for any database: `cargo test` runs them on SQLite, `tests/external/postgres.sh` on
//! PostgreSQL.

#![expect(
    clippy::type_complexity,
    clippy::unnecessary_wraps,
    reason = "a table of tests, and helpers with the types of row fields"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use callsign_core::request_id::{RANDOM, RequestId};
use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::outcome::Outcome;
use callsign_store::ledger::query::{By, Filter, Found, Kind, Mapping, Price, RequestFilter, Split, Step, UsageRow};
use callsign_store::ledger::settings::Settings;
use callsign_store::ledger::settings::{Mode, Store};
use callsign_store::ledger::{Begun, Entry, Finished, Keeper, Ledger, Reader, RequestLabels, SentIds};
use callsign_store::trusted_clock::TrustedClock;
use callsign_telemetry::metrics::Metrics;
use jiff::Timestamp;

/// The settings, metrics and data directory of one test's ledger.
pub(crate) struct Place {
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    /// The data directory, deleted on drop.
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    /// Uses this store, or a SQLite file in a new data directory.
    pub(crate) fn new(store: Option<Store>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            store: Some(store.unwrap_or_else(|| Store::Sqlite(directory.path().join("ledger.db")))),
            mode: Mode::Fast,
            retention_days: 400,
            data_dir: Some(directory.path().to_owned()),
            data_dir_set: true,
        };
        Self { settings, metrics: Arc::new(Metrics::new()), directory }
    }

    pub(crate) fn open(&self) -> Ledger {
        Ledger::open(&self.settings, &self.metrics, &Arc::new(TrustedClock::proven())).unwrap()
    }

    pub(crate) fn strict(mut self) -> Self {
        self.settings.mode = Mode::Strict;
        self
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(&self.settings).unwrap()
    }

    pub(crate) fn keeper(&self) -> Keeper {
        Keeper::open(&self.settings).unwrap()
    }

    pub(crate) fn spill(&self) -> std::path::PathBuf {
        self.directory.path().join("ledger-spill.db")
    }

    /// Opens and closes the ledger, which recovers rows that earlier runs left.
    pub(crate) async fn come_and_go(&self) {
        self.open().close().await;
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        let text = self.metrics.encode();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    async fn total(&self) -> UsageRow {
        let rows = self.reader().usage(By::Tenant, &Filter::default()).await.unwrap();
        let mut total = UsageRow::default();
        for row in rows {
            total.add(&row);
        }
        UsageRow { last_seen: None, ..total }
    }
}

/// Waits until a condition is true; fails after ten seconds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "timed out waiting until {what}");
}

/// Returns an id of a request that began at this time.
pub(crate) fn id(began_us: i64) -> RequestId {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut random = [0; RANDOM];
    random[..8].copy_from_slice(&number.to_be_bytes());
    RequestId::new(began_us, random)
}

pub(crate) fn begun(user: &str) -> Begun {
    let began_us = Timestamp::now().as_microsecond();
    let name = |text: String| Some(text.into());
    Begun {
        id: id(began_us),
        began_us,
        labels: RequestLabels {
            tenant: None,
            key: "owui".into(),
            user: name(user.to_owned()),
            session: name(format!("session of {user}")),
            chat: name(format!("chat of {user}")),
            message: name(format!("message of {user}")),
        },
        sent: SentIds { user: name(format!("acme_{user}")), ..SentIds::default() },
        endpoint: "chat".into(),
        account: Some("fingerprint".into()),
        markup: Markup::ONE,
    }
}

/// Like [`begun`], in this tenant.
fn begun_in(tenant: &str, user: &str) -> Begun {
    let mut begun = begun(user);
    begun.labels.tenant = Some(tenant.into());
    begun
}

/// Every promise with its name.
pub(crate) const ALL: [(&str, fn(Place) -> Told); 17] = [
    ("a_request_can_be_read_back", |place| Box::pin(a_request_can_be_read_back(place))),
    ("sums_are_those_of_the_requests", |place| Box::pin(sums_are_those_of_the_requests(place))),
    ("what_runs_is_noted_and_finishes_as_one_row", |place| Box::pin(what_runs_is_noted_and_finishes_as_one_row(place))),
    ("a_dropped_request_is_a_client_that_left", |place| Box::pin(a_dropped_request_is_a_client_that_left(place))),
    ("errors_are_counted_by_kind", |place| Box::pin(errors_are_counted_by_kind_and_refusals_are_no_requests(place))),
    ("what_a_dead_run_left_is_taken_over_once", |place| Box::pin(what_a_dead_run_left_is_taken_over_once(place))),
    ("a_price_that_comes_late_moves_the_sums", |place| Box::pin(a_price_that_comes_late_moves_the_sums(place))),
    ("a_forgotten_person_leaves_only_sums", |place| Box::pin(a_forgotten_person_leaves_only_sums(place))),
    ("what_is_too_old_is_deleted", |place| Box::pin(what_is_too_old_is_deleted(place))),
    ("two_users_with_one_identifier", |place| Box::pin(two_users_with_one_identifier_are_a_collision(place))),
    ("the_form_that_a_provider_reports", |place| Box::pin(the_form_that_a_provider_reports_is_found(place))),
    ("an_identifier_in_several_tenants", |place| Box::pin(an_identifier_in_several_tenants_is_found_in_each(place))),
    ("two_nodes_share_a_ledger", |place| Box::pin(two_nodes_share_a_ledger(place))),
    ("strict_means_that_the_row_is_there", |place| Box::pin(strict_means_that_the_row_is_there(place))),
    ("odd_text_stays_text", |place| Box::pin(odd_text_stays_text(place))),
    ("a_ledger_without_rows", |place| Box::pin(a_ledger_without_rows_answers_with_nothing(place))),
    ("rows_in_the_spill_file_count_once", |place| Box::pin(rows_in_the_spill_file_count_once(place))),
];

/// A running test of a promise.
type Told = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// Like [`begun`], with a start this many days ago.
fn begun_ago(user: &str, days: u64) -> Begun {
    let began_us = Timestamp::now().as_microsecond() - i64::try_from(days).unwrap() * 86_400_000_000;
    Begun { id: id(began_us), began_us, ..begun(user) }
}

pub(crate) fn finished(cost: i64) -> Finished {
    Finished {
        outcome: Some(Outcome::Complete),
        status: 200,
        error: None,
        limit: None,
        bill: Bill::Known,
        requested_model: Some("openai/gpt-5".into()),
        model: Some("openai/gpt-5".into()),
        provider: Some("OpenAI".into()),
        generation: None,
        usage: Usage {
            prompt_tokens: Some(11),
            completion_tokens: Some(7),
            cached_tokens: Some(3),
            reasoning_tokens: Some(2),
            cost: Some(NanoUsd(cost)),
            ..Usage::default()
        },
        request_bytes: 100,
        response_bytes: 200,
        head_us: Some(1_500),
        first_output_us: Some(2_000),
        duration_us: 2_500,
    }
}

/// The end of a request whose cost is pending.
fn pending() -> Finished {
    Finished {
        outcome: Some(Outcome::ClientGone),
        bill: Bill::Pending,
        model: None,
        usage: Usage::default(),
        ..finished(0)
    }
}

/// Records a complete request in fast mode.
pub(crate) fn request(ledger: &Ledger, begun: Begun, finished: Finished) {
    let entry = ledger.begin(begun);
    assert!(entry.finish(finished).is_none(), "fast mode returned a future to wait for");
}

fn only<T>(mut list: Vec<T>) -> T {
    assert_eq!(list.len(), 1);
    list.remove(0)
}

async fn a_request_can_be_read_back(place: Place) {
    let ledger = place.open();
    let entry = ledger.begin(begun("alice"));
    entry.answered(Some("gen-1"));
    entry.finish(finished(1_260_000));
    ledger.close().await;

    let reader = place.reader();
    let line = only(reader.usage(By::User, &Filter::default()).await.unwrap());
    let expected = UsageRow {
        key: Some("alice".to_owned()),
        external_user_id: Some("acme_alice".to_owned()),
        requests: 1,
        prompt_tokens: 11,
        completion_tokens: 7,
        cached_tokens: 3,
        reasoning_tokens: 2,
        cost: NanoUsd(1_260_000),
        charged: NanoUsd(1_260_000),
        last_seen: line.last_seen,
        ..UsageRow::default()
    };
    assert_eq!(line, expected);
    for (identifier, kind) in [
        ("alice", Kind::User),
        ("acme_alice", Kind::User),
        ("session of alice", Kind::Session),
        ("chat of alice", Kind::Chat),
        ("message of alice", Kind::Message),
        ("gen-1", Kind::Generation),
    ] {
        let found = only(reader.whois(identifier, None).await.unwrap());
        let expected = Found {
            kind,
            identifier: identifier.to_owned(),
            user: Some("alice".to_owned()),
            key: Some("owui".to_owned()),
            tenant: None,
            first_seen: line.last_seen,
            last_seen: line.last_seen,
            requests: 1,
        };
        assert_eq!(found, expected, "{identifier}");
    }
    assert_eq!(reader.whois("acme_bob", None).await.unwrap(), []);
    let owner = only(reader.owner_of("gen-1").await.unwrap());
    assert_eq!((owner.tenant, owner.key, owner.user), (None, "owui".to_owned(), Some("alice".to_owned())));
    assert_eq!(reader.owner_of("gen-2").await.unwrap(), []);
    let mapping = only(reader.mapping("alice", None).await.unwrap());
    assert_eq!((mapping.external_user_id.as_deref(), mapping.requests), (Some("acme_alice"), 1));
    assert_eq!(reader.identifiers_of("alice", Some(""), 10).await.unwrap().len(), 4);
}

/// The sums by user, app, tenant and model over two runs match the requests.
async fn sums_are_those_of_the_requests(place: Place) {
    let mut expected: std::collections::BTreeMap<(By2, Option<String>, Option<String>), (u64, u64, i64)> =
        std::collections::BTreeMap::new();
    for run in 0..2_u32 {
        let ledger = place.open();
        for number in 0..700_u32 {
            let user = format!("user-{}", number % 13);
            let tenant = ["acme", "umbrella"].get((number % 3) as usize).copied();
            let key = ["k-1", "k-2"][(number % 2) as usize];
            let mut begun = begun_ago(&user, u64::from(number % 50));
            begun.labels.tenant = tenant.map(Into::into);
            begun.labels.key = key.into();
            let cost = i64::from(number) * 1_001 + i64::from(run);
            let mut finished = finished(cost);
            finished.model = (number % 5 != 0).then(|| format!("model-{}", number % 4).into());
            if number % 10 == 0 {
                finished.status = 429;
                finished.error = Some("status_429".into());
            }
            let keys = [
                (By2::User, Some(user.clone()), tenant),
                (By2::Key, Some(key.to_owned()), tenant),
                (By2::Tenant, tenant.map(str::to_owned), tenant),
                (By2::Model, finished.model.as_deref().map(str::to_owned), None),
            ];
            for (by, key, tenant) in keys {
                let sums = expected.entry((by, key, tenant.map(str::to_owned))).or_default();
                *sums = (sums.0 + 1, sums.1 + u64::from(number % 10 == 0), sums.2 + cost);
            }
            request(&ledger, begun, finished);
        }
        ledger.close().await;
    }
    let reader = place.reader();
    let mut found = std::collections::BTreeMap::new();
    for (by2, by) in [(By2::User, By::User), (By2::Key, By::Key), (By2::Tenant, By::Tenant), (By2::Model, By::Model)] {
        for line in reader.usage(by, &Filter::default()).await.unwrap() {
            found.insert((by2, line.key, line.tenant), (line.requests, line.errors, line.cost.0));
        }
    }
    assert_eq!(found, expected);

    // Sums over a period that is no whole number of hours, days or months.
    let month = Filter {
        since: Some(Timestamp::from_second(Timestamp::now().as_second() - 30 * 86_400 - 1_800).unwrap()),
        ..Filter::default()
    };
    let requests = |lines: Vec<UsageRow>| lines.iter().map(|line| line.requests).sum::<u64>();
    let by_days = requests(reader.usage(By::Day, &month).await.unwrap());
    let in_a_month = (0..700_u32).filter(|number| number % 50 <= 30).count() as u64 * 2;
    assert_eq!(by_days, in_a_month);
    assert_eq!(requests(reader.usage(By::User, &month).await.unwrap()), in_a_month);
    let theirs = Filter { user: Some("user-1".to_owned()), tenant: Some("acme".to_owned()), ..month.clone() };
    let expected = (0..700_u32).filter(|n| n % 50 <= 30 && n % 13 == 1 && n % 3 == 0).count() as u64 * 2;
    assert_eq!(requests(reader.usage(By::Model, &theirs).await.unwrap()), expected);
    assert_eq!(requests(reader.usage(By::Day, &theirs).await.unwrap()), expected);
    let points = reader.series(Step::Hour, Split::Model, &month).await.unwrap();
    assert_eq!(points.iter().map(|point| point.sums.requests).sum::<u64>(), in_a_month);
    assert!(points.is_sorted_by_key(|point| point.at));
    let of_no_tenant = Filter { tenant: Some(String::new()), ..Filter::default() };
    let lines = reader.usage(By::User, &of_no_tenant).await.unwrap();
    assert_eq!(requests(lines), (0..700_u32).filter(|number| number % 3 == 2).count() as u64 * 2);
}

/// [`By`] with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum By2 {
    User,
    Key,
    Tenant,
    Model,
}

async fn what_runs_is_noted_and_finishes_as_one_row(place: Place) {
    let ledger = place.open();
    let entry = ledger.begin(begun("alice"));
    let reader = place.reader();
    entry.answered(Some("gen-long"));
    until("the begun request is written", async || !reader.owner_of("gen-long").await.unwrap().is_empty()).await;
    assert_eq!(place.total().await.requests, 0, "a running request is already counted");
    entry.finish(finished(5));
    ledger.close().await;
    assert_eq!(only(reader.whois("gen-long", None).await.unwrap()).requests, 1);
    assert_eq!((place.total().await.requests, place.total().await.cost), (1, NanoUsd(5)));
}

async fn a_dropped_request_is_a_client_that_left(place: Place) {
    let ledger = place.open();
    drop::<Entry>(ledger.begin(begun("alice")));
    ledger.close().await;
    let total = place.total().await;
    assert_eq!((total.requests, total.errors, total.cost), (1, 0, NanoUsd(0)));
}

async fn errors_are_counted_by_kind_and_refusals_are_no_requests(place: Place) {
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
            let error = error.map(Into::into);
            request(&ledger, begun("alice"), Finished { outcome: Some(outcome), status, error, ..finished(0) });
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
}

/// The previous run died: its requests are counted once, and its in-flight requests are given up once.
async fn what_a_dead_run_left_is_taken_over_once(place: Place) {
    let ledger = place.open();
    let entry = ledger.begin(begun("alice"));
    entry.answered(Some("gen-dead"));
    request(&ledger, begun("bob"), finished(7));
    ledger.close().await;
    entry.finish(finished(1));
    assert_eq!(place.total().await.requests, 1);
    for _ in 0..3 {
        place.come_and_go().await;
    }
    let total = place.total().await;
    assert_eq!((total.requests, total.errors, total.cost), (2, 0, NanoUsd(7)));
    let pending = only(place.reader().pending(&Filter::default(), None).await.unwrap());
    assert_eq!((pending.generation.as_str(), pending.key.as_str()), ("gen-dead", "owui"));
    assert_eq!(only(place.reader().mapping("alice", None).await.unwrap()).requests, 1);
}

async fn a_price_that_comes_late_moves_the_sums(place: Place) {
    let ledger = place.open();
    let mut late = begun("alice");
    late.markup = "1.5".parse().unwrap();
    late.labels.tenant = Some("acme".into());
    let id = late.id;
    let entry = ledger.begin(late);
    entry.answered(Some("gen-late"));
    entry.finish(pending());
    request(&ledger, begun("bob"), finished(10));
    ledger.close().await;

    let found = only(place.reader().pending(&Filter::default(), None).await.unwrap());
    assert_eq!((found.id, found.tenant.as_deref(), place.total().await.pending), (id, Some("acme"), 1));
    let price = Price {
        usage: Usage { cost: Some(NanoUsd(1_001)), prompt_tokens: Some(30), ..Usage::default() },
        model: Some("openai/gpt-5".into()),
        provider: None,
    };
    let keeper = place.keeper();
    assert!(keeper.price(id, &price).await.unwrap());
    let dearer = Price { usage: Usage { cost: Some(NanoUsd(9_999)), ..price.usage }, ..price.clone() };
    assert!(!keeper.price(id, &price).await.unwrap(), "the same price counts once");
    assert!(!keeper.price(id, &dearer).await.unwrap(), "a known cost is not replaced");
    assert!(!keeper.price(self::id(0), &price).await.unwrap(), "an unknown request has no price");

    let total = place.total().await;
    assert_eq!((total.requests, total.cost, total.charged), (2, NanoUsd(1_011), NanoUsd(1_512)));
    assert_eq!(total.prompt_tokens, 41);
    let models = place.reader().usage(By::Model, &Filter::default()).await.unwrap();
    assert_eq!(only(models).requests, 2, "the request still counts for the unknown model");
    assert_eq!((total.pending, place.reader().pending(&Filter::default(), None).await.unwrap()), (0, Vec::new()));
}

async fn a_forgotten_person_leaves_only_sums(place: Place) {
    let ledger = place.open();
    for _ in 0..3 {
        let mut theirs = begun_in("acme", "mallory-the-forgotten");
        theirs.labels.key = "mallorys-laptop".into();
        let entry = ledger.begin(theirs);
        entry.answered(Some("gen-of-mallory"));
        entry.finish(Finished { status: 500, error: Some("status_500".into()), ..finished(5) });
        request(&ledger, begun("bob"), finished(7));
    }
    // The same user id in another tenant is another person.
    request(&ledger, begun_in("umbrella", "mallory-the-forgotten"), finished(11));
    ledger.close().await;
    let before = place.total().await;

    let forgotten = place.keeper().forget("mallory-the-forgotten", Some("acme")).await.unwrap();
    assert_eq!((forgotten.requests, forgotten.identifiers), (3, 5));
    assert_eq!(place.total().await, before);
    let reader = place.reader();
    for identifier in ["mallory-the-forgotten", "acme_mallory-the-forgotten", "message of mallory-the-forgotten"] {
        let found = only(reader.whois(identifier, None).await.unwrap());
        assert_eq!(found.tenant.as_deref(), Some("umbrella"), "{identifier}");
    }
    assert_eq!(reader.whois("gen-of-mallory", None).await.unwrap(), []);
    let apps = reader.usage(By::Key, &Filter::default()).await.unwrap();
    assert!(apps.iter().all(|line| line.key.as_deref() != Some("mallorys-laptop")), "{apps:?}");
    let nameless = apps.iter().find(|line| line.key.is_none()).unwrap();
    assert_eq!((nameless.tenant.as_deref(), nameless.requests, nameless.cost), (Some("acme"), 3, NanoUsd(15)));
    assert_eq!(reader.errors(&Filter::default()).await.unwrap()[0].requests, 3);

    place.keeper().forget("mallory-the-forgotten", Some("umbrella")).await.unwrap();
    assert_eq!(place.total().await, before);
    for text in ["mallory", "gen-of"] {
        assert!(!is_in_files(place.directory.path(), text), "{text} is still in a file");
    }
    assert!(is_in_files(place.directory.path(), "bob") || matches!(place.settings.store, Some(Store::Postgres(_))));
}

/// Returns true if any file in the directory contains this text.
fn is_in_files(directory: &Path, text: &str) -> bool {
    std::fs::read_dir(directory).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

async fn what_is_too_old_is_deleted(mut place: Place) {
    let ledger = place.open();
    for days in [500, 399, 41, 39, 0] {
        request(&ledger, begun_ago(&format!("user-{days}"), days), finished(1));
    }
    ledger.close().await;
    let users = async |place: &Place| {
        let mut lines = place.reader().usage(By::User, &Filter::default()).await.unwrap();
        lines.sort_by(|a, b| a.key.cmp(&b.key));
        lines.into_iter().filter_map(|line| line.key).collect::<Vec<_>>()
    };
    for (kept, expected) in [
        (400, vec!["user-0", "user-39", "user-399", "user-41"]),
        (40, vec!["user-0", "user-39"]),
        (400, vec!["user-0", "user-39"]),
    ] {
        place.settings.retention_days = kept;
        // Retention deletes one part at the opening and one after each batch.
        let ledger = place.open();
        let reader = place.reader();
        until("what is too old is gone", async || users(&place).await == expected).await;
        ledger.close().await;
        assert_eq!(reader.usage(By::Day, &Filter::default()).await.unwrap().len(), expected.len());
        assert_eq!(reader.statistics().await.unwrap().users, expected.len() as u64);
    }
    assert_eq!(place.reader().whois("user-41", None).await.unwrap(), []);
    assert_eq!(place.reader().whois("message of user-41", None).await.unwrap(), []);
    assert_eq!(place.reader().whois("message of user-39", None).await.unwrap().len(), 1);
}

async fn two_users_with_one_identifier_are_a_collision(place: Place) {
    let with = |user: &str, sent: Option<&str>, tenant: &str| {
        let mut begun = begun_in(tenant, user);
        begun.labels.user = (!user.is_empty()).then(|| user.into());
        begun.sent.user = sent.map(Into::into);
        begun
    };
    let ledger = place.open();
    request(&ledger, with("alice", Some("same"), "acme"), finished(1));
    request(&ledger, with("bob", Some("bobs"), "acme"), finished(1));
    request(&ledger, with("carol", Some("same"), "umbrella"), finished(1));
    request(&ledger, with("dave", None, "acme"), finished(1));
    request(&ledger, with("", Some("same"), "acme"), finished(1));
    ledger.close().await;
    let statistics = place.reader().statistics().await.unwrap();
    assert_eq!((statistics.users, statistics.mapped, statistics.unmapped), (4, 3, 1));
    assert_eq!((statistics.distinct, statistics.collisions), (3, Vec::new()));
    assert_eq!(place.counter("callsign_ledger_collisions_total"), 0);

    for _ in 0..2 {
        let ledger = place.open();
        request(&ledger, with("erin", Some("same"), "acme"), finished(1));
        ledger.close().await;
    }
    assert_eq!(
        place.counter("callsign_ledger_collisions_total"),
        1,
        "a collision is counted once, when it first happens"
    );
    let collision = only(place.reader().statistics().await.unwrap().collisions);
    let of_acme = |user: &str| (Some("acme".to_owned()), user.to_owned());
    assert_eq!(
        (collision.external_user_id.as_str(), collision.users),
        ("same", vec![of_acme("alice"), of_acme("erin")])
    );
}

async fn the_form_that_a_provider_reports_is_found(place: Place) {
    let ledger = place.open();
    request(&ledger, begun("alice"), finished(1));
    request(&ledger, begun("bob"), finished(1));
    ledger.close().await;
    // printf %s org_1-acme_alice | sha256sum
    let form = "3672edf7a00c2ad74de7881e6bc66ab75abe7b5731c00797d63b39441de9b50b";
    let reader = place.reader();
    let found = only(reader.whois(form, Some("org_1")).await.unwrap());
    assert_eq!((found.kind, found.user.as_deref(), found.identifier.as_str()), (Kind::Upstream, Some("alice"), form));
    assert_eq!(reader.whois(form, None).await.unwrap(), []);
    assert_eq!(reader.whois(form, Some("org_2")).await.unwrap(), []);
}

async fn an_identifier_in_several_tenants_is_found_in_each(place: Place) {
    let ledger = place.open();
    for tenant in [None, Some("acme"), Some("umbrella")] {
        let mut begun = begun("alice");
        begun.labels.tenant = tenant.map(Into::into);
        request(&ledger, begun, finished(1));
    }
    ledger.close().await;
    let reader = place.reader();
    let tenants_of = |mappings: Vec<Mapping>| mappings.into_iter().map(|mapping| mapping.tenant).collect::<Vec<_>>();
    let all = [None, Some("acme".to_owned()), Some("umbrella".to_owned())];
    assert_eq!(tenants_of(reader.mapping("alice", None).await.unwrap()), all);
    assert_eq!(tenants_of(reader.mapping("alice", Some("")).await.unwrap()), all[..1]);
    assert_eq!(reader.whois("alice", None).await.unwrap().len(), 3);
    let first = reader.mappings(None, 2).await.unwrap();
    let rest = reader.mappings(first.last(), 2).await.unwrap();
    assert_eq!([tenants_of(first), tenants_of(rest)].concat(), all);
}

/// Returns true if a request of this user is in the ledger.
async fn is_noted(place: &Place, user: &str) -> bool {
    let common = Filter { user: None, ..Filter::default() };
    let filter = RequestFilter { common, ..RequestFilter::default() };
    let page = place.reader().requests(&filter, 100, Duration::MAX).await.unwrap();
    page.requests.iter().any(|request| request.begun.labels.user.as_deref() == Some(user))
}

async fn two_nodes_share_a_ledger(place: Place) {
    let other = Place { settings: place.settings.clone(), ..Place::new(None) };
    let (one, two) = (place.open(), other.open());
    let long = one.begin(begun("long"));
    until("the long one is noted", async || is_noted(&place, "long").await).await;
    for number in 0..500 {
        let user = format!("user-{}", number % 7);
        request(&one, begun(&user), finished(1));
        request(&two, begun(&user), finished(1));
    }
    two.close().await;
    // A restart must not give up requests that run on another node.
    other.come_and_go().await;
    long.finish(finished(1));
    one.close().await;
    let total = place.total().await;
    assert_eq!((total.requests, total.cost), (1001, NanoUsd(1001)));
    assert_eq!(place.reader().statistics().await.unwrap().users, 8);
}

async fn strict_means_that_the_row_is_there(place: Place) {
    let place = place.strict();
    let ledger = place.open();
    let reader = place.reader();
    for number in 0..20 {
        let generation = format!("gen-{number}");
        let entry = ledger.begin(begun("alice"));
        entry.answered(Some(&generation));
        entry.finish(finished(1)).unwrap().await;
        assert_eq!(reader.owner_of(&generation).await.unwrap().len(), 1, "{generation}");
    }
    assert!(ledger.is_available());
    ledger.close().await;
    assert_eq!(place.total().await.requests, 20);
}

async fn odd_text_stays_text(place: Place) {
    let ledger = place.open();
    let odd = "'); DROP TABLE requests; --\u{1F600} \u{202E}\"$1 ?1";
    let mut finished = finished(1);
    finished.model = Some(format!("{odd}\0").into());
    request(&ledger, begun(odd), finished);
    ledger.close().await;
    let reader = place.reader();
    assert_eq!(only(reader.whois(odd, None).await.unwrap()).user.as_deref(), Some(odd));
    let model = only(reader.usage(By::Model, &Filter::default()).await.unwrap()).key.unwrap();
    assert_eq!(model, format!("{odd}\u{fffd}"));
    assert_eq!(place.counter("callsign_ledger_failures_total"), 0);
}

async fn a_ledger_without_rows_answers_with_nothing(place: Place) {
    for _ in 0..2 {
        let reader = place.reader();
        assert_eq!(reader.usage(By::User, &Filter::default()).await.unwrap(), []);
        assert_eq!(reader.series(Step::Day, Split::Model, &Filter::default()).await.unwrap(), []);
        assert_eq!(reader.whois("x", Some("org")).await.unwrap(), []);
        assert_eq!(reader.statistics().await.unwrap().users, 0);
        assert_eq!(reader.pending(&Filter::default(), None).await.unwrap(), []);
        assert_eq!(reader.unpriced().await.unwrap(), (0, 0));
        assert_eq!(
            (reader.oldest().await.unwrap(), reader.speed(&Filter::default()).await.unwrap()),
            (None, Vec::new())
        );
        // Without a database, and with an empty one.
        place.come_and_go().await;
    }
}

/// A spill file that comes back repeatedly counts every request once.
async fn rows_in_the_spill_file_count_once(place: Place) {
    // A ledger with the same data directory whose database cannot be reached.
    let away = Place {
        settings: place.settings.clone(),
        metrics: Arc::new(Metrics::new()),
        directory: tempfile::tempdir().unwrap(),
    };
    let mut away = away;
    away.settings.store =
        Some(Store::Postgres(callsign_core::secret::Secret::new("postgres://nobody@127.0.0.1:1/none")));
    let ledger = away.open();
    for number in 0..50 {
        request(&ledger, begun(&format!("user-{}", number % 5)), finished(3));
    }
    let entry = ledger.begin(begun("long"));
    until("the begun request is spilled", async || away.counter("callsign_ledger_spilled_total") == 51).await;
    entry.finish(finished(3));
    ledger.close().await;
    assert_eq!(away.counter("callsign_ledger_lost_total"), 0);

    // The file comes back as it was, also from a copy.
    let spilled = std::fs::read(place.spill()).unwrap();
    for _ in 0..3 {
        std::fs::write(place.spill(), &spilled).unwrap();
        place.come_and_go().await;
        let total = place.total().await;
        assert_eq!((total.requests, total.cost), (51, NanoUsd(153)));
        assert_eq!(only(place.reader().mapping("user-1", None).await.unwrap()).requests, 10);
    }
}
