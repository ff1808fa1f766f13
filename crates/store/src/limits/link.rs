//! The connection to the shared store (Redis). All threads of a process share one multiplexed connection. After a
//! failure it is dropped for all of them, and `keeper` reconnects.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult, Value};

use super::ask::{Ask, Gauge, Settlement, Spent, Standing, Used};
use super::calendar::{Around, now_ms};
use super::counters::MOST_PENDING;
use super::subject::Subject;
use callsign_core::secret::Secret;

/// Maximum time that a request waits for the store.
const PATIENCE: Duration = Duration::from_millis(500);
/// Maximum time of connecting.
const DIALLING: Duration = Duration::from_secs(1);
/// Lease of a running request in the store. If it is not renewed, its process has died.
pub(super) const LEASE: Duration = Duration::from_mins(1);

/// The Lua scripts, in the order of [`Script`].
const SCRIPTS: [&str; 5] = [
    include_str!("redis/reserve.lua"),
    include_str!("redis/settle.lua"),
    include_str!("redis/renew.lua"),
    include_str!("redis/raise.lua"),
    include_str!("redis/restore.lua"),
];
/// Names the run of the store whose budgets were rebuilt. Another run may have lost its memory, or have an old copy.
const EPOCH: &str = "callsign:limits:epoch";
/// Marks a request that was counted elsewhere and told to the store, so that it counts once however often it is told.
const TOLD: &str = "callsign:limits:told:";
/// Maximum time in which a request is told again: the store may be away for that long.
const TELLING: Duration = Duration::from_hours(24);
/// Time in which one node rebuilds the budgets of a new run. After that another node does too, which is harmless.
const REBUILDING: Duration = Duration::from_secs(5);

/// A Lua script.
#[derive(Clone, Copy, Debug)]
enum Script {
    Reserve,
    Settle,
    Renew,
    Raise,
    Restore,
}

/// The connection to the store.
pub struct Link {
    client: redis::Client,
    live: ArcSwapOption<Live>,
    /// True if requests with budgets wait until the budgets of the store's run are rebuilt.
    guards_budgets: AtomicBool,
}

/// A connection without a known failure.
pub(super) struct Live {
    connection: MultiplexedConnection,
    /// The scripts' SHA-1 digests, in the order of `SCRIPTS`.
    scripts: [String; SCRIPTS.len()],
    /// Milliseconds by which the store's clock is ahead.
    ahead_ms: i64,
    /// The store's `run_id`, which changes with every restart. A constant if the store does not tell it.
    run: String,
    /// True once the budgets of this run are known to be rebuilt.
    is_rebuilt: AtomicBool,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may contain a password.
        f.debug_struct("Link").field("is_up", &self.is_up()).finish_non_exhaustive()
    }
}

impl Link {
    /// Creates a link to the store at this URL without connecting.
    ///
    /// # Errors
    /// An error if the URL is invalid. The configuration checks it before.
    pub fn new(url: &Secret) -> RedisResult<Self> {
        let client = redis::Client::open(url.expose())?;
        Ok(Self { client, live: ArcSwapOption::empty(), guards_budgets: AtomicBool::new(false) })
    }

    /// Connects and loads the scripts.
    ///
    /// # Errors
    /// An error if the store cannot be reached or is not ready yet.
    pub async fn dial(&self) -> RedisResult<()> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(DIALLING)).set_response_timeout(Some(PATIENCE));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut scripts = <[String; SCRIPTS.len()]>::default();
        for (digest, script) in scripts.iter_mut().zip(SCRIPTS) {
            *digest = redis::cmd("SCRIPT").arg("LOAD").arg(script).query_async(&mut connection).await?;
        }
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut connection).await?;
        let ahead_ms = seconds * 1000 + micros / 1000 - now_ms();
        // A user of Redis may lack the right to this command.
        let server: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await.unwrap_or_default();
        let run = server.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or("run").trim().to_owned();
        let is_rebuilt = AtomicBool::new(false);
        self.live.store(Some(Arc::new(Live { connection, scripts, ahead_ms, run, is_rebuilt })));
        Ok(())
    }

    /// Has requests with budgets wait until the budgets of the store's run are rebuilt.
    pub fn guard_budgets(&self) {
        self.guards_budgets.store(true, Ordering::Relaxed);
    }

    /// Returns the store's run; empty while the store is unavailable.
    pub fn run(&self) -> String {
        self.live().map(|live| live.run.clone()).unwrap_or_default()
    }

    /// Returns true if the budgets of the store's run are known to be rebuilt.
    pub(super) fn is_rebuilt(&self) -> bool {
        self.live().is_some_and(|live| live.is_rebuilt.load(Ordering::Relaxed))
    }

    /// Returns the store's time in milliseconds since 1970, as far as it is known.
    pub(super) fn now_ms(&self) -> i64 {
        now_ms() + self.live().map_or(0, |live| live.ahead_ms)
    }

    /// Returns true if the budgets of the store's run are not rebuilt, and this node is the one to do it.
    pub(super) async fn claims_rebuilding(&self) -> bool {
        let Some(live) = self.live() else { return false };
        let Ok(epoch) = self.ask::<Option<String>>(redis::cmd("GET").arg(EPOCH)).await else { return false };
        let is_rebuilt = epoch.as_ref() == Some(&live.run);
        live.is_rebuilt.store(is_rebuilt, Ordering::Relaxed);
        if is_rebuilt {
            return false;
        }
        // An old copy has the claims of other runs.
        let mut claim = redis::cmd("SET");
        claim.arg(format!("{EPOCH}:{}", live.run)).arg("rebuilding").arg("NX").arg("PX");
        claim.arg(REBUILDING.as_millis().to_string());
        self.ask::<Option<String>>(&mut claim).await.is_ok_and(|set| set.is_some())
    }

    /// Records that the budgets of a run are rebuilt.
    ///
    /// # Errors
    /// [`StoreUnavailableError`]. The budgets must be rebuilt again.
    pub async fn rebuilt(&self, run: &str) -> Result<(), StoreUnavailableError> {
        self.ask::<redis::Value>(redis::cmd("SET").arg(EPOCH).arg(run)).await.map(drop)
    }

    /// Returns true if there is a connection without a known failure.
    pub fn is_up(&self) -> bool {
        self.live.load().is_some()
    }

    /// Returns the connection; `None` while the store is unavailable.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.live.load_full()
    }

    /// Drops a failed connection, unless it was replaced already.
    pub(super) fn lost(&self, of: &Arc<Live>) {
        let now = self.live.load();
        if now.as_ref().is_some_and(|now| Arc::ptr_eq(now, of)) {
            self.live.store(None);
        }
    }

    /// Runs a command. A failure drops the connection, unless it is one of the data of the command's keys.
    pub(super) async fn ask<T: redis::FromRedisValue>(
        &self,
        command: &mut impl Command,
    ) -> Result<T, StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        let answer = command.run(live.connection.clone()).await;
        answer.and_then(|value| Ok(redis::from_redis_value(value)?)).map_err(|error: RedisError| {
            if !is_of_keys(&error) {
                self.lost(&live);
            }
            StoreUnavailableError(Some(error.to_string()))
        })
    }
}

impl Link {
    /// Runs a pipeline that ignores errors. Returns the answer of each command.
    ///
    /// # Errors
    /// [`StoreUnavailableError`], also if a command failed for a reason that is not one of the data of its keys. Commands
    /// may have been run.
    pub(super) async fn ask_each(
        &self,
        commands: &mut redis::Pipeline,
    ) -> Result<Vec<RedisResult<Value>>, StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        let answers: RedisResult<Vec<RedisResult<Value>>> = commands.query_async(&mut live.connection.clone()).await;
        let failed = |error: &RedisError| {
            self.lost(&live);
            StoreUnavailableError(Some(error.to_string()))
        };
        let answers = answers.map_err(|error| failed(&error))?;
        match answers.iter().filter_map(|answer| answer.as_ref().err()).find(|error| !is_of_keys(error)) {
            None => Ok(answers),
            Some(error) => Err(failed(error)),
        }
    }

    /// Does what [`super::Memory::reserve`] does, in the store and with the store's clock unless a test sets `now_ms`.
    /// `around` has the days and months around the store's time.
    ///
    /// # Errors
    /// [`StoreUnavailableError`], also while guarded budgets are not rebuilt. The request may have been counted.
    pub async fn reserve(
        &self,
        asks: &[(Subject, Ask)],
        around: &Around,
        now_ms: Option<i64>,
    ) -> Result<Vec<Standing>, StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        let is_guarded = self.guards_budgets.load(Ordering::Relaxed)
            && asks.iter().any(|(_, ask)| ask.enforce && ask.ceilings.has_budget());
        let run = if is_guarded { &live.run } else { "" };
        let answer = self.ask::<Vec<i64>>(&mut live.reserve(asks, around, now_ms, run, None)).await?;
        standings(&answer, asks.len()).ok_or(StoreUnavailableError(None))
    }

    /// Does what [`super::Memory::raise`] does, in the store.
    ///
    /// # Errors
    /// [`StoreUnavailableError`]. The estimate may have been raised.
    pub async fn raise(
        &self,
        asks: &[(Subject, Ask)],
        around: &Around,
        now_ms: Option<i64>,
    ) -> Result<Vec<Standing>, StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        let at = around.at(now_ms.unwrap_or_else(|| self.now_ms()));
        let mut command =
            live.script(Script::Raise, asks.iter().flat_map(|(subject, _)| [key(*subject, "b"), key(*subject, "o")]));
        let Some((_, first)) = asks.first() else { return Ok(Vec::new()) };
        command.arg(member(first.id)).arg(now_ms.unwrap_or(0)).arg(i32::from(first.enforce));
        command.arg(first.estimate.tokens).arg(first.estimate.usd).arg(at.next_day).arg(at.next_month);
        ceilings(&mut command, asks);
        let answer = self.ask::<Vec<i64>>(&mut command).await?;
        standings(&answer, asks.len()).ok_or(StoreUnavailableError(None))
    }

    /// Does what [`super::Memory::settle`] does, in the store.
    ///
    /// # Errors
    /// [`StoreUnavailableError`]. The call can be retried.
    pub async fn settle(
        &self,
        subject: Subject,
        (id, chat): (u64, Option<u64>),
        settlement: Settlement,
        now_ms: Option<i64>,
    ) -> Result<(), StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        self.ask::<redis::Value>(&mut live.settle(subject, (id, chat), settlement, now_ms)).await.map(drop)
    }

    /// Does what [`super::Memory::correct`] does, in the store.
    ///
    /// # Errors
    /// [`StoreUnavailableError`]. The call can be retried.
    pub async fn correct(&self, subject: Subject, id: u64, used: Used) -> Result<(), StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        self.ask::<redis::Value>(&mut live.correct(subject, id, used)).await.map(drop)
    }

    /// Does what [`super::Memory::restore`] does, in the store.
    ///
    /// # Errors
    /// [`StoreUnavailableError`]. The call can be retried.
    pub async fn restore(
        &self,
        all: &[(Subject, Spent)],
        around: &Around,
        now_ms: i64,
    ) -> Result<(), StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        let at = around.at(now_ms);
        for part in all.chunks(256) {
            let mut commands = redis::pipe();
            for (subject, spent) in part {
                let mut command = live.script(Script::Restore, [key(*subject, "b")]);
                command.arg(at.day).arg(spent.tokens_day).arg(spent.usd_day).arg(at.month).arg(spent.usd_month);
                commands.add_command(command).ignore();
            }
            self.ask::<redis::Value>(&mut commands).await?;
        }
        Ok(())
    }
}

/// Returns true if the store refuses a command because of what its keys hold. Other commands may succeed.
fn is_of_keys(error: &RedisError) -> bool {
    matches!(error.code(), Some("WRONGTYPE" | "ERR"))
}

/// The store is unavailable or gave an unexpected answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limits' store is unavailable{}", .0.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
pub struct StoreUnavailableError(pub(super) Option<String>);

/// One command or a pipeline.
pub(super) trait Command {
    /// Sends the command.
    async fn run(&mut self, connection: MultiplexedConnection) -> RedisResult<Value>;
}

impl Command for redis::Cmd {
    async fn run(&mut self, mut connection: MultiplexedConnection) -> RedisResult<Value> {
        self.query_async(&mut connection).await
    }
}

impl Command for redis::Pipeline {
    async fn run(&mut self, mut connection: MultiplexedConnection) -> RedisResult<Value> {
        self.query_async(&mut connection).await
    }
}

impl Live {
    fn script(&self, script: Script, keys: impl IntoIterator<Item = String>) -> redis::Cmd {
        let keys: Vec<_> = keys.into_iter().collect();
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.scripts[script as usize]).arg(keys.len()).arg(keys);
        command
    }

    /// Builds the call of `reserve.lua` for a request that was counted in memory at `at_ms`. It may be called again.
    pub(super) fn tell(&self, asks: &[(Subject, Ask)], around: &Around, at_ms: i64) -> redis::Cmd {
        self.reserve(asks, around, Some(at_ms), "", Some(TELLING))
    }

    /// Builds the call of `reserve.lua`. Tests set `now_ms`; `None` uses the store's clock. All `asks` are of one request,
    /// and differ in subject and limits. The script refuses to count if the budgets of `run` are not rebuilt, unless it is
    /// empty. With `telling` it counts the request only once in this time.
    fn reserve(
        &self,
        asks: &[(Subject, Ask)],
        around: &Around,
        now_ms: Option<i64>,
        run: &str,
        telling: Option<Duration>,
    ) -> redis::Cmd {
        let chat = asks.first().and_then(|(_, ask)| ask.message?.chat);
        let keys = asks.iter().flat_map(|(subject, _)| {
            let [requests, messages, marks, concurrent] = ["r", "m", "n", "c"].map(|kind| key(*subject, kind));
            let [sums, open, pending] = ["b", "o", "p"].map(|kind| key(*subject, kind));
            [requests, messages, marks, chat_key(*subject, chat), concurrent, sums, open, pending]
        });
        let id = asks.first().map(|(_, ask)| member(ask.id)).unwrap_or_default();
        let mut command = self.script(Script::Reserve, keys.chain([format!("{TOLD}{id}"), EPOCH.to_owned()]));
        let Some((_, first)) = asks.first() else { return command };
        let message = first.message;
        command
            .arg(id)
            .arg(now_ms.unwrap_or(0))
            .arg(i32::from(first.enforce))
            .arg(message.map(|message| member(message.mark)).unwrap_or_default())
            .arg(i32::from(message.is_some_and(|message| message.is_named)))
            .arg(chat.map(member).unwrap_or_default())
            .arg(first.estimate.tokens)
            .arg(first.estimate.usd)
            .arg(LEASE.as_millis().to_string())
            .arg(around.first_day)
            .arg(around.days.as_slice())
            .arg(around.first_month)
            .arg(around.months.as_slice())
            .arg(run)
            .arg(telling.map(|telling| telling.as_secs().to_string()).unwrap_or_default());
        ceilings(&mut command, asks);
        command
    }

    /// Builds the call of `settle.lua` at the end of a request of this chat.
    pub(super) fn settle(
        &self,
        subject: Subject,
        (id, chat): (u64, Option<u64>),
        settlement: Settlement,
        now_ms: Option<i64>,
    ) -> redis::Cmd {
        let mode = match settlement {
            Settlement::Undone => "undone",
            Settlement::Failed => "failed",
            Settlement::Used(_) => "used",
            Settlement::Pending(_) => "pending",
        };
        self.exchange(subject, (id, chat), mode, settlement.used(), now_ms)
    }

    /// Builds the call of `settle.lua` for the use of a pending request.
    pub(super) fn correct(&self, subject: Subject, id: u64, used: Used) -> redis::Cmd {
        self.exchange(subject, (id, None), "correct", used, None)
    }

    fn exchange(
        &self,
        subject: Subject,
        (id, chat): (u64, Option<u64>),
        mode: &str,
        used: Used,
        now_ms: Option<i64>,
    ) -> redis::Cmd {
        let [messages, marks, concurrent] = ["m", "n", "c"].map(|kind| key(subject, kind));
        let [sums, open, pending] = ["b", "o", "p"].map(|kind| key(subject, kind));
        let keys = [messages, marks, chat_key(subject, chat), concurrent, sums, open, pending];
        let mut command = self.script(Script::Settle, keys);
        let told = |amount: Option<i64>| amount.map(|amount| amount.to_string()).unwrap_or_default();
        command.arg(member(id)).arg(mode).arg(told(used.tokens)).arg(told(used.usd));
        command.arg(MOST_PENDING).arg(now_ms.unwrap_or(0));
        command
    }

    /// Builds the command that gives back the place under the limit `concurrent`.
    pub(super) fn leave(subject: Subject, id: u64) -> redis::Cmd {
        let mut command = redis::cmd("ZREM");
        command.arg(key(subject, "c")).arg(member(id));
        command
    }

    /// Builds the call of `renew.lua`, which renews a request's lease.
    pub(super) fn renew(&self, subject: Subject, id: u64) -> redis::Cmd {
        let mut command = self.script(Script::Renew, [key(subject, "c")]);
        command.arg(member(id)).arg(LEASE.as_millis().to_string());
        command
    }
}

fn ceilings(command: &mut redis::Cmd, asks: &[(Subject, Ask)]) {
    for (_, ask) in asks {
        for most in ask.ceilings.0 {
            command.arg(most.map(|most| most.to_string()).unwrap_or_default());
        }
    }
}

/// Parses the store's answer to a reservation for this number of subjects.
fn standings(answer: &[i64], subjects: usize) -> Option<Vec<Standing>> {
    let (counted, gauges) = answer.split_first()?;
    let standings = gauges.chunks_exact(12).map(|pairs| {
        let mut gauges = [Gauge::default(); 6];
        for (gauge, pair) in gauges.iter_mut().zip(pairs.chunks_exact(2)) {
            *gauge = Gauge { used: pair[0], wait_ms: pair[1] };
        }
        Standing { counted: *counted == 1, gauges }
    });
    (gauges.len() == 12 * subjects).then(|| standings.collect())
}

/// Returns a key of a subject. The keys of one subject share one slot of Redis Cluster.
fn key(subject: Subject, kind: &str) -> String {
    format!("callsign:{{{}}}:{kind}", subject.hex())
}

/// Returns the key of a chat's open message.
fn chat_key(subject: Subject, chat: Option<u64>) -> String {
    key(subject, &format!("t{}", chat.map(member).unwrap_or_default()))
}

fn member(id: u64) -> String {
    format!("{id:016x}")
}
