//! A ledger of one test, sample requests, and plain SQL on both engines.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use callsign_core::request_id::{RANDOM, RequestId};
use callsign_core::secret::Secret;
use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::outcome::Outcome;
use callsign_store::ledger::query::{By, Filter, UsageRow};
use callsign_store::ledger::settings::{Mode, Settings, Store};
use callsign_store::ledger::{Begun, Finished, Keeper, Ledger, Name, Reader, RequestLabels, SentIds};
use callsign_store::trusted_clock::TrustedClock;
use callsign_telemetry::metrics::Metrics;
use jiff::Timestamp;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

/// The settings, metrics, clock and data directory of one test's ledger.
pub(crate) struct Place {
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<TrustedClock>,
    /// The data directory, deleted on drop.
    pub(crate) directory: Arc<tempfile::TempDir>,
}

impl Place {
    /// Uses this store, or a SQLite file in a new data directory.
    pub(crate) fn new(store: Option<Store>) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let settings = Settings {
            store: Some(store.unwrap_or_else(|| Store::Sqlite(directory.path().join("ledger.db")))),
            mode: Mode::Fast,
            retention_days: 36_500,
            data_dir: Some(directory.path().to_owned()),
            data_dir_set: true,
        };
        Self { settings, metrics: Arc::default(), clock: Arc::new(TrustedClock::proven()), directory }
    }

    /// Returns the same data directory with a database that cannot be reached. Its rows are spilled.
    pub(crate) fn away(&self) -> Self {
        let unreachable = Store::Postgres(Secret::new("postgres://nobody@127.0.0.1:1/none"));
        let settings = Settings { store: Some(unreachable), ..self.settings.clone() };
        Self { settings, metrics: Arc::default(), clock: Arc::default(), directory: Arc::clone(&self.directory) }
    }

    pub(crate) fn open(&self) -> Ledger {
        Ledger::open(&self.settings, &self.metrics, &self.clock).unwrap()
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

    pub(crate) fn spill(&self) -> PathBuf {
        self.directory.path().join("ledger-spill.db")
    }

    /// Returns the number of rows in the spill file.
    pub(crate) async fn spilled(&self) -> i64 {
        if !self.spill().exists() {
            return 0;
        }
        let store = Store::Sqlite(self.spill());
        Self { settings: Settings { store: Some(store), ..self.settings.clone() }, ..Self::new(None) }
            .number("SELECT COUNT(*) FROM requests")
            .await
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

    /// Asserts that no row was lost and no database failure was met.
    pub(crate) fn assert_smooth(&self) {
        for name in ["callsign_ledger_failures_total", "callsign_ledger_lost_total"] {
            assert_eq!(self.counter(name), 0, "{name}");
        }
    }

    pub(crate) async fn total(&self) -> UsageRow {
        let rows = self.reader().usage(By::Tenant, &Filter::default()).await.unwrap();
        let mut total = UsageRow::default();
        for row in &rows {
            total.add(row);
        }
        total
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.settings.store, Some(Store::Sqlite(_)))
    }

    /// Connects to the database without the ledger's code.
    pub(crate) async fn connect(&self) -> Connection {
        match self.settings.store.as_ref().unwrap() {
            Store::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(5));
                Connection::Sqlite(SqliteConnection::connect_with(&options).await.unwrap())
            }
            Store::Postgres(url) => Connection::Postgres(PgConnection::connect(url.expose()).await.unwrap()),
        }
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) {
        self.connect().await.run(sql).await;
    }

    /// Returns the number that a query finds.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.connect().await.numbers(sql).await[0][0]
    }

    /// Makes the database unusable for everybody, until [`Broken::mend`].
    pub(crate) async fn break_down(&self) -> Broken {
        match self.settings.store.as_ref().unwrap() {
            Store::Sqlite(_) => {
                let mut lock = self.connect().await;
                lock.run("BEGIN EXCLUSIVE").await;
                Broken { connection: lock, mend: "ROLLBACK".to_owned() }
            }
            Store::Postgres(url) => {
                let (server, name) = url.expose().rsplit_once('/').unwrap();
                let connection = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
                let mut connection = Connection::Postgres(connection);
                connection.run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ";
                connection.run(&format!("{end}'{name}'")).await;
                Broken { connection, mend: format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true") }
            }
        }
    }

    /// Waits until all hours of the past are in the sums of days and months.
    pub(crate) async fn fold(&self) {
        let ledger = self.open();
        let hour = Timestamp::now().as_second() / 3_600 * 3_600_000_000;
        let left = format!(
            "SELECT COUNT(*) FROM sums WHERE grain = 0 AND bucket_us < {hour} \
             AND bucket_us >= (SELECT folded_us FROM state)"
        );
        until("the hours are folded", async || self.number(&left).await == 0).await;
        ledger.close().await;
    }

    /// Asserts that the sums at every width are those of the rows, per person and in all.
    pub(crate) async fn assert_sums(&self) {
        const SENT: &str = "(ending <> 3 OR COALESCE(error, '') = 'upstream_timeout')";
        let sum = |term: &str| format!("CAST(COALESCE(SUM({term}), 0) AS BIGINT)");
        let when = |condition: &str, value: &str| sum(&format!("CASE WHEN {condition} THEN {value} ELSE 0 END"));
        let amounts =
            ["prompt_tokens", "completion_tokens", "cached_tokens", "cost", "provider_cost"].map(sum).join(", ");
        let rows = [
            when(SENT, "1"),
            when(&format!("{SENT} AND error IS NOT NULL"), "1"),
            when(&format!("NOT {SENT}"), "count"),
            when("bill = 2", "1"),
            when("bill = 3", "1"),
            amounts.clone(),
        ]
        .join(", ");
        let sums = ["requests", "errors", "refused", "pending", "never"].map(sum).join(", ");
        let mut connection = self.connect().await;
        let query = format!("SELECT person, {rows} FROM ledger WHERE ending IS NOT NULL GROUP BY 1 ORDER BY 1");
        let expected = connection.numbers(&query).await;
        // The coarser sums do not hold the latest hours.
        let of = |grain: i32| {
            format!("grain = {grain} OR ({grain} <> 0 AND grain = 0 AND bucket_us >= (SELECT folded_us FROM state))")
        };
        for grain in [0, 1, 2, 4] {
            let query = format!("SELECT person, {sums}, {amounts} FROM sums WHERE {} GROUP BY 1 ORDER BY 1", of(grain));
            let mut found = connection.numbers(&query).await;
            found.retain(|row| row[1..].iter().any(|value| *value != 0));
            assert_eq!(found, expected, "sums of grain {grain}, and rows, by person");
        }
        let expected = connection.numbers(&format!("SELECT {rows} FROM requests WHERE ending IS NOT NULL")).await;
        let found = connection.numbers(&format!("SELECT {sums}, {amounts} FROM sums WHERE {}", of(3))).await;
        assert_eq!(found, expected, "sums of grain 3, and rows");
    }
}

/// A database that nobody can use.
pub(crate) struct Broken {
    connection: Connection,
    mend: String,
}

impl Broken {
    pub(crate) async fn mend(mut self) {
        self.connection.run(&self.mend).await;
    }
}

/// A connection to either engine.
pub(crate) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Connection {
    pub(crate) async fn run(&mut self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => drop(sql.execute(connection).await.unwrap()),
            Self::Postgres(connection) => drop(sql.execute(connection).await.unwrap()),
        }
    }

    /// Returns the rows of a query for numbers of 64 bits.
    pub(crate) async fn numbers(&mut self, sql: &str) -> Vec<Vec<i64>> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
                rows.iter().map(|row| (0..row.len()).map(|column| row.get(column)).collect()).collect()
            }
            Self::Postgres(connection) => {
                let rows = sqlx::query(sql).fetch_all(connection).await.unwrap();
                rows.iter().map(|row| (0..row.len()).map(|column| row.get(column)).collect()).collect()
            }
        }
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

/// Returns the id of a request that began at this time.
pub(crate) fn id_at(began_us: i64) -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; RANDOM];
    random[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    RequestId::new(began_us, random)
}

/// Returns the start of a request at this time.
pub(crate) fn begun_at(user: &str, began_us: i64) -> Begun {
    Begun {
        id: id_at(began_us),
        began_us,
        labels: RequestLabels {
            tenant: None,
            key: "owui".into(),
            user: Some(user.into()),
            session: Some(format!("session of {user}").into()),
            chat: Some(format!("chat of {user}").into()),
            message: Some(format!("message of {user}").into()),
        },
        sent: SentIds { user: Some(format!("acme_{user}").into()), ..SentIds::default() },
        endpoint: "chat".into(),
        account: Some("account".into()),
        markup: Markup::ONE,
    }
}

/// Returns the start of a request that begins now.
pub(crate) fn begun(user: &str) -> Begun {
    begun_at(user, Timestamp::now().as_microsecond())
}

/// Returns the start of a request this many days ago.
pub(crate) fn begun_ago(user: &str, days: i64) -> Begun {
    begun_at(user, (Timestamp::now().as_second() - days * 86_400) * 1_000_000)
}

/// Returns the start of a request of a tenant.
pub(crate) fn begun_of(tenant: &str, user: &str) -> Begun {
    let begun = begun(user);
    Begun { labels: RequestLabels { tenant: named(tenant), ..begun.labels.clone() }, ..begun }
}

#[expect(clippy::unnecessary_wraps, reason = "the type of a row's fields")]
pub(crate) fn named(name: &str) -> Option<Name> {
    Some(name.into())
}

/// Returns the end of a complete request with this cost.
pub(crate) fn finished(cost: i64) -> Finished {
    Finished {
        outcome: Some(Outcome::Complete),
        status: 200,
        error: None,
        limit: None,
        bill: Bill::Known,
        requested_model: named("openai/gpt-5"),
        model: named("openai/gpt-5"),
        provider: named("OpenAI"),
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
        head_us: Some(1_200),
        first_output_us: Some(1_500),
        duration_us: 2_500,
    }
}

/// Returns the end of a request whose cost is not known yet.
pub(crate) fn pending() -> Finished {
    let outcome = Some(Outcome::ClientGone);
    Finished { outcome, bill: Bill::Pending, model: None, provider: None, usage: Usage::default(), ..finished(0) }
}

/// Returns the end of a request that callsign refused.
pub(crate) fn refused(status: u16, error: &str) -> Finished {
    Finished {
        outcome: Some(Outcome::Refused),
        status,
        error: named(error),
        bill: Bill::Free,
        model: None,
        provider: None,
        usage: Usage::default(),
        first_output_us: None,
        ..finished(0)
    }
}

/// Records a request in fast mode.
pub(crate) fn request(ledger: &Ledger, begun: Begun, finished: Finished) {
    let entry = ledger.begin(begun);
    assert!(entry.finish(finished).is_none(), "fast mode returned a future to wait for");
}

/// Returns the only element.
pub(crate) fn only<T>(mut list: Vec<T>) -> T {
    assert_eq!(list.len(), 1);
    list.remove(0)
}
