//! Measures the ledger's cost per request and the time of its queries.
//!
//! ```text
//! cargo bench -p callsign-store --bench ledger                       CPU per request, from begin to commit
//! cargo bench -p callsign-store --bench ledger -- fast 1000 20000    the same for 20,000 requests of 1,000 users
//! cargo bench -p callsign-store --bench ledger -- rows 1000000       writes a million rows, then times every query
//! cargo bench -p callsign-store --bench ledger -- rows 1000000 kept  the same in the directory `kept`; again: queries only
//! cargo bench -p callsign-store --bench ledger -- weight             disk and memory of hostile requests
//! ```
//!
//! `LEDGER=postgres://…` measures PostgreSQL instead of SQLite.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::unnecessary_literal_unwrap,
    reason = "a benchmark reads variables, prints its results and fails by panicking"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callsign_core::request_id::{RANDOM, RequestId};
use callsign_core::secret::Secret;
use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::outcome::Outcome;
use callsign_store::ledger::query::{By, Filter, Grouping, RequestFilter, Split, Step};
use callsign_store::ledger::settings::Settings;
use callsign_store::ledger::settings::{Mode, Store};
use callsign_store::ledger::{Begun, Finished, Ledger, Reader, RequestLabels, SentIds};
use callsign_store::org_ids::OrgIds;
use callsign_store::trusted_clock::TrustedClock;
use callsign_telemetry::metrics::Metrics;
use jiff::Timestamp;

/// The allocator of the shipped program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Requests per measurement.
const REQUESTS: u64 = 200_000;
/// Requests that begin together, every [`PAUSE`].
const BURST: u64 = 100;
/// Pause between bursts in `fast` mode, which makes 20,000 requests a second.
const PAUSE: Duration = Duration::from_millis(5);
/// Requests of each kind of the measurement `weight`.
const WEIGHED: u64 = 100_000;
/// Time limit of a search without an index.
const PATIENCE: Duration = Duration::from_millis(250);
/// Days over which these rows are spread.
const DAYS: u64 = 400;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => {
            for users in [1, 1_000, 20_000] {
                for mode in [Mode::Fast, Mode::Strict] {
                    cost(&directory.path().join(format!("{users}-{mode:?}")), REQUESTS, users, mode).await;
                }
            }
        }
        ["rows", rows] => fill_and_ask(directory.path(), rows.parse().unwrap()).await,
        ["rows", _, kept] if Path::new(kept).join("ledger.db").exists() => {
            let settings = settings(Path::new(kept), Mode::Fast);
            // Migrates the tables.
            open(&settings, &Arc::new(Metrics::new())).close().await;
            ask(&Reader::open(&settings).unwrap()).await;
        }
        ["rows", rows, kept] => fill_and_ask(Path::new(kept), rows.parse().unwrap()).await,
        ["weight"] => {
            for kind in KINDS {
                let this = std::env::current_exe().unwrap();
                // Each kind has a process of its own, because freed memory stays resident.
                assert!(std::process::Command::new(this).args(["weight", kind]).status().unwrap().success());
            }
        }
        ["weight", kind] => weight(directory.path(), kind).await,
        [mode, users, requests] => {
            let mode = if mode == "strict" { Mode::Strict } else { Mode::Fast };
            cost(directory.path(), requests.parse().unwrap(), users.parse().unwrap(), mode).await;
        }
        _ => println!("expected no arguments, `rows N`, `weight`, or MODE USERS REQUESTS"),
    }
}

fn settings(directory: &Path, mode: Mode) -> Settings {
    let store = match std::env::var("LEDGER") {
        Ok(url) => Store::Postgres(Secret::new(url)),
        Err(_) => Store::Sqlite(directory.join("ledger.db")),
    };
    Settings {
        store: Some(store),
        mode,
        retention_days: 36_500,
        data_dir: Some(directory.to_owned()),
        data_dir_set: true,
    }
}

/// Returns the CPU time of this process in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // Linux reports hundredths of a second (USER_HZ).
    ticks as f64 / 100.0
}

fn counter(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.encode();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// Returns the number of rows in the database and in the spill file.
fn written(metrics: &Metrics) -> u64 {
    counter(metrics, "callsign_ledger_rows_total") + counter(metrics, "callsign_ledger_spilled_total")
}

fn open(settings: &Settings, metrics: &Arc<Metrics>) -> Ledger {
    Ledger::open(settings, metrics, &Arc::new(TrustedClock::proven())).unwrap()
}

/// Returns the start of request `number`, now or at a time in seconds since 1970.
fn begun(number: u64, users: u64, at: Option<u64>) -> Begun {
    let user = format!("a3d0d2c1-7f49-4b6b-9a3b-{:012x}", number % users);
    let chat: Arc<str> = format!("5f3c0d7a-1111-4b6b-9a3b-{:012x}", number % (users * 5)).into();
    let now = || Timestamp::now().as_microsecond();
    let began_us = at.map_or_else(now, |seconds| i64::try_from(seconds * 1_000_000).unwrap());
    let mut random = [0; RANDOM];
    // As random as those of the program, and different.
    random[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    random[8..].copy_from_slice(&number.to_be_bytes()[1..]);
    Begun {
        id: RequestId::new(began_us, random),
        began_us,
        labels: RequestLabels {
            tenant: number.is_multiple_of(7).then(|| "acme".into()),
            key: "openwebui".into(),
            user: Some(user.as_str().into()),
            session: Some(format!("sess-{:024x}", number % (users * 2)).into()),
            chat: Some(Arc::clone(&chat)),
            message: Some(format!("9d0f3c7a-2222-4b6b-9a3b-{number:012x}").into()),
        },
        sent: SentIds {
            user: Some(format!("acme_{user}").into()),
            session: Some(format!("{:064x}", number % (users * 5)).into()),
            chat: Some(chat),
            ..SentIds::default()
        },
        endpoint: "chat".into(),
        account: Some("0123456789abcdef".into()),
        markup: Markup::ONE,
    }
}

fn finished(number: u64) -> Finished {
    const MODELS: [&str; 6] = [
        "openai/gpt-5",
        "anthropic/claude-sonnet-4.5",
        "google/gemini-2.5-pro",
        "deepseek/deepseek-chat",
        "meta-llama/llama-4",
        "mistralai/mistral-large",
    ];
    let failed = number.is_multiple_of(50);
    let is_gone = number.is_multiple_of(97);
    Finished {
        outcome: Some(if is_gone { Outcome::ClientGone } else { Outcome::Complete }),
        status: if failed { 429 } else { 200 },
        error: failed.then(|| "rate_limit_exceeded".into()),
        limit: None,
        bill: if is_gone { Bill::Pending } else { Bill::Known },
        requested_model: None,
        model: Some(MODELS[usize::try_from(number % 6).unwrap()].into()),
        provider: Some("OpenAI".into()),
        generation: None,
        usage: Usage {
            prompt_tokens: Some(1_000 + number % 500),
            completion_tokens: Some(number % 300),
            cached_tokens: Some(number % 900),
            reasoning_tokens: None,
            cost: (!is_gone).then_some(NanoUsd(i64::try_from(420_000 + number % 1000).unwrap())),
            ..Usage::default()
        },
        request_bytes: 1024,
        response_bytes: 2048,
        head_us: Some(200_000),
        first_output_us: Some(300_000 + number % 1000),
        duration_us: 900_000,
    }
}

async fn cost(directory: &Path, requests: u64, users: u64, mode: Mode) {
    let metrics = Arc::new(Metrics::new());
    let ledger = open(&settings(directory, mode), &metrics);
    let (before, began) = (cpu(), Instant::now());
    let mut idle = Duration::ZERO;
    for first in (0..requests).step_by(usize::try_from(BURST).unwrap()) {
        let mut waiting = Vec::new();
        for number in first..first + BURST {
            let entry = ledger.begin(begun(number, users, None));
            entry.answered(Some(&format!("gen-1790000000-{number:020}")));
            waiting.extend(entry.finish(finished(number)));
        }
        for committed in waiting {
            committed.await;
        }
        if mode == Mode::Fast {
            tokio::time::sleep(PAUSE).await;
            idle += PAUSE;
        }
    }
    ledger.close().await;
    let (cpu, wall) = (cpu() - before, began.elapsed());
    // The cost of generating and pacing the requests, which is subtracted.
    let (before, began) = (crate::cpu(), Instant::now());
    for first in (0..requests).step_by(usize::try_from(BURST).unwrap()) {
        for number in first..first + BURST {
            std::hint::black_box((begun(number, users, None), finished(number)));
            std::hint::black_box(format!("gen-1790000000-{number:020}"));
        }
        if mode == Mode::Fast {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let (generation, _) = (crate::cpu() - before, began);
    println!(
        "{mode:?}, {users} users: {:.2} µs of CPU per request ({:.2} including its generation), {:.0} requests/s, lost {}, spilled {}",
        (cpu - generation) * 1e6 / requests as f64,
        cpu * 1e6 / requests as f64,
        requests as f64 / wall.saturating_sub(idle.min(wall / 2)).as_secs_f64(),
        counter(&metrics, "callsign_ledger_lost_total"),
        counter(&metrics, "callsign_ledger_spilled_total"),
    );
}

async fn fill_and_ask(directory: &Path, rows: u64) {
    let metrics = Arc::new(Metrics::new());
    let settings = settings(directory, Mode::Fast);
    let ledger = open(&settings, &metrics);
    let now = u64::try_from(Timestamp::now().as_second()).unwrap();
    let began = Instant::now();
    for number in 0..rows {
        let at = now - DAYS * 86_400 + number * DAYS * 86_400 / rows;
        let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let entry = ledger.begin(begun(scattered, 1_000, Some(at)));
        entry.answered(Some(&format!("gen-{at}-{number:020}")));
        entry.finish(finished(scattered));
        if number % 10_000 == 9_999 {
            while written(&metrics) + 20_000 < number {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    let wall = began.elapsed().as_secs_f64();
    println!("{rows} rows over {DAYS} days in {wall:.1} s, {:.0} per second", rows as f64 / wall);
    // A running ledger adds each hour to the sums of days and months when it is over.
    let reader = Reader::open(&settings).unwrap();
    let oldest = Filter { until: Some(Timestamp::from_second(0).unwrap()), ..Filter::default() };
    while reader.usage(By::Tenant, &oldest).await.is_err()
        || folded(&settings).await < i64::try_from(now).unwrap() - 7_200
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("folded after {:.1} s", began.elapsed().as_secs_f64());
    ledger.close().await;
    if let Ok(file) = std::fs::metadata(directory.join("ledger.db")) {
        println!("{} MB, {} bytes per row", file.len() / 1_000_000, file.len() / rows);
    }
    ask(&reader).await;
}

/// Returns the first hour that is not in the sums of days and months, in seconds since 1970.
async fn folded(settings: &Settings) -> i64 {
    number(settings, "SELECT folded_us FROM state").await / 1_000_000
}

/// Returns the number that a query gives.
async fn number(settings: &Settings, sql: &'static str) -> i64 {
    use sqlx::{Connection as _, Row as _};
    match settings.store.as_ref().unwrap() {
        Store::Sqlite(path) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::query(sql).fetch_one(&mut connection).await.unwrap().get(0)
        }
        Store::Postgres(url) => {
            let mut connection = sqlx::PgConnection::connect(url.expose()).await.unwrap();
            sqlx::query(sql).fetch_one(&mut connection).await.unwrap().get(0)
        }
    }
}

/// The kinds of requests of the measurement `weight`: those of [`begun`], those with ids of 512 bytes and invented
/// models from one user, and the same with an invented user in each.
const KINDS: [&str; 3] = ["ordinary", "hostile", "hostile-users"];

/// Returns a text of this many bytes that is different for each number and cannot be compressed.
#[expect(clippy::unnecessary_wraps, reason = "the fields are optional")]
fn long(number: u64, salt: u64, bytes: usize) -> Option<Arc<str>> {
    let mut seed = number.wrapping_mul(31).wrapping_add(salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut text = String::new();
    while text.len() < bytes {
        seed = (seed ^ (seed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9).wrapping_add(1);
        text.extend(seed.to_be_bytes().map(|byte| char::from(b'a' + byte % 26)));
    }
    text.truncate(bytes);
    Some(text.into())
}

/// Writes requests of one kind, and prints their disk and the process's memory.
async fn weight(directory: &Path, kind: &str) {
    let metrics = Arc::new(Metrics::new());
    let settings = settings(directory, Mode::Fast);
    let ledger = open(&settings, &metrics);
    for number in 0..WEIGHED {
        let (mut begun, mut finished) = (begun(number, 1_000, None), finished(number));
        if kind != "ordinary" {
            let person = if kind == "hostile-users" { number } else { 0 };
            begun.labels.user = long(person, 0, 512);
            begun.labels.session = long(number, 1, 512);
            begun.labels.chat = long(number, 2, 512);
            begun.labels.message = long(number, 3, 512);
            begun.sent = SentIds {
                user: long(person, 4, 512),
                session: long(number, 5, 256),
                metadata_session: None,
                chat: begun.labels.chat.clone(),
                message: begun.labels.message.clone(),
            };
            finished.requested_model = long(number, 6, 256);
        }
        ledger.begin(begun).finish(finished);
        if number % 1_000 == 999 {
            while written(&metrics) + 2_000 < number {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    let all = "SELECT COUNT(*) FROM requests WHERE NOT EXISTS (SELECT 1 FROM unsummed)";
    while number(&settings, all).await.cast_unsigned() < WEIGHED {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let memory = [of("VmRSS"), of("VmHWM")].join(", ").replace('\t', " ");
    ledger.close().await;
    let disk = std::fs::metadata(directory.join("ledger.db")).map_or(0, |file| file.len());
    println!("{WEIGHED} {kind} requests: {} bytes of disk each, {memory}", disk / WEIGHED);
}

async fn timed<T>(name: &str, query: impl Future<Output = Result<T, callsign_store::ledger::LedgerError>>) -> T {
    let began = Instant::now();
    let answer = query.await.unwrap();
    println!("{:>8.1} ms  {name}", began.elapsed().as_secs_f64() * 1e3);
    answer
}

async fn ask(reader: &Reader) {
    let all = Filter::default();
    let since = |days: i64| Filter {
        since: Some(Timestamp::from_second(Timestamp::now().as_second() - days * 86_400).unwrap()),
        ..Filter::default()
    };
    let user = Some("a3d0d2c1-7f49-4b6b-9a3b-000000000007".to_owned());
    timed("(connect)", reader.owner_of("nobody's")).await;
    for by in [By::User, By::Model, By::Day, By::Month, By::Key, By::Tenant, By::Provider] {
        let periods = [("all", all.clone()), ("90 days", since(90)), ("57 days", since(57)), ("7 days", since(7))];
        for (time, filter) in periods.iter().map(|(time, filter)| (time, filter)).chain([(&"1 day", &since(1))]) {
            timed(&format!("usage by {by:?}, {time}"), reader.usage(by, filter)).await;
        }
    }
    let grouping = Grouping { first: By::User, second: Some(By::Model) };
    timed("usage by user and model, all", reader.usage(grouping, &all)).await;
    let theirs = Filter { user: user.clone(), ..Filter::default() };
    for (name, filter) in [("all", &all), ("90 days", &since(90)), ("one user", &theirs)] {
        timed(&format!("series by day, {name}"), reader.series(Step::Day, Split::None, filter)).await;
        timed(&format!("series by day and model, {name}"), reader.series(Step::Day, Split::Model, filter)).await;
        timed(&format!("speed, {name}"), reader.speed(filter)).await;
        timed(&format!("errors, {name}"), reader.errors(filter)).await;
    }
    timed("series by hour, 7 days", reader.series(Step::Hour, Split::Model, &since(7))).await;
    timed("statistics", reader.statistics()).await;
    timed("mappings, first page", reader.mappings(None, 100)).await;
    let user = user.unwrap();
    timed("mapping", reader.mapping(&user, None)).await;
    timed("identifiers of one user", reader.identifiers_of(&user, None, 100)).await;
    timed("whois user", reader.whois(&format!("acme_{user}"), &OrgIds::default())).await;
    timed("whois upstream, unknown id", reader.whois(&"a".repeat(64), &OrgIds::from_iter(["org_1".to_owned()]))).await;
    let page = timed("pending costs, first page", reader.pending(&all, None)).await;
    timed("pending costs, next page", reader.pending(&all, page.last().map(|pending| pending.id))).await;
    timed("number of pending costs", reader.unpriced()).await;
    let mut filter = RequestFilter { common: theirs, ..RequestFilter::default() };
    timed("requests of one user", reader.requests(&filter, 100, PATIENCE)).await;
    filter.common = Filter { key: Some("openwebui".to_owned()), ..Filter::default() };
    timed("requests of one key", reader.requests(&filter, 100, PATIENCE)).await;
    filter.common = Filter::default();
    timed("latest requests", reader.requests(&filter, 100, PATIENCE)).await;
    filter.error = Some("rate_limit_exceeded".to_owned());
    timed("requests with an error", reader.requests(&filter, 100, PATIENCE)).await;
    filter.error = None;
    filter.common = Filter { model: Some("no such model".to_owned()), ..Filter::default() };
    timed("requests of an unknown model, until the patience ends", reader.requests(&filter, 100, PATIENCE)).await;
}
