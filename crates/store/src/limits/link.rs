//! The connection to the shared store (Redis). All threads of a process share one multiplexed connection. After a
//! failure it is dropped for all of them, and `keeper` reconnects.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult, Value};

use super::counters::{Ask, Gauge, MOST_PENDING, Settlement, Standing, Used};
use super::subject::Subject;
use callsign_core::secret::Secret;

/// Maximum time that a request waits for the store.
const PATIENCE: Duration = Duration::from_millis(500);
/// Maximum time of connecting.
const DIALLING: Duration = Duration::from_secs(1);
/// Lease of a running request in the store. If it is not renewed, its process has died.
pub(super) const LEASE: Duration = Duration::from_mins(1);

/// The Lua scripts.
const SCRIPTS: [&str; 3] =
    [include_str!("redis/reserve.lua"), include_str!("redis/settle.lua"), include_str!("redis/renew.lua")];

/// The connection to the store.
pub struct Link {
    client: redis::Client,
    live: ArcSwapOption<Live>,
}

/// A connection without a known failure.
pub(super) struct Live {
    connection: MultiplexedConnection,
    /// The scripts' SHA-1 digests, in the order of `SCRIPTS`.
    scripts: [String; 3],
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
        Ok(Self { client: redis::Client::open(url.expose())?, live: ArcSwapOption::empty() })
    }

    /// Connects and loads the scripts.
    ///
    /// # Errors
    /// An error if the store cannot be reached or is not ready yet.
    pub async fn dial(&self) -> RedisResult<()> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(DIALLING)).set_response_timeout(Some(PATIENCE));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut scripts = <[String; 3]>::default();
        for (digest, script) in scripts.iter_mut().zip(SCRIPTS) {
            *digest = redis::cmd("SCRIPT").arg("LOAD").arg(script).query_async(&mut connection).await?;
        }
        self.live.store(Some(Arc::new(Live { connection, scripts })));
        Ok(())
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

    /// Runs a command. A failure drops the connection.
    pub(super) async fn ask<T: redis::FromRedisValue>(
        &self,
        command: &mut impl Command,
    ) -> Result<T, StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        let answer = command.run(live.connection.clone()).await;
        answer.and_then(|value| Ok(redis::from_redis_value(value)?)).map_err(|error: RedisError| {
            self.lost(&live);
            StoreUnavailableError(Some(error.to_string()))
        })
    }
}

impl Link {
    /// Runs [`super::counters::Counters::reserve`] in the store, with the store's clock unless a test sets `now_ms`.
    ///
    /// # Errors
    /// [`StoreUnavailableError`]. The request may have been counted.
    pub async fn reserve(
        &self,
        subject: Subject,
        ask: &Ask,
        now_ms: Option<i64>,
    ) -> Result<Standing, StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        let answer = self.ask::<Vec<i64>>(&mut live.reserve(subject, ask, now_ms)).await?;
        standing(&answer).ok_or(StoreUnavailableError(None))
    }

    /// Runs [`super::counters::Counters::settle`] in the store.
    ///
    /// # Errors
    /// [`StoreUnavailableError`]. The call can be retried.
    pub async fn settle(&self, subject: Subject, id: u64, settlement: Settlement) -> Result<(), StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        self.ask::<redis::Value>(&mut live.settle(subject, id, settlement)).await.map(drop)
    }

    /// Runs [`super::counters::Counters::correct`] in the store.
    ///
    /// # Errors
    /// [`StoreUnavailableError`]. The call can be retried.
    pub async fn correct(&self, subject: Subject, id: u64, used: Used) -> Result<(), StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        self.ask::<redis::Value>(&mut live.correct(subject, id, used)).await.map(drop)
    }
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
    fn script(&self, which: usize, keys: &[String]) -> redis::Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.scripts[which]).arg(keys.len()).arg(keys);
        command
    }

    /// Builds the call of `reserve.lua`. Tests set `now_ms`; `None` uses the store's clock.
    pub(super) fn reserve(&self, subject: Subject, ask: &Ask, now_ms: Option<i64>) -> redis::Cmd {
        let mut command = self.script(0, &keys(subject));
        command.arg(member(ask.id)).arg(now_ms.unwrap_or(0)).arg(i32::from(ask.enforce));
        for most in ask.ceilings.0 {
            command.arg(most.map(|most| most.to_string()).unwrap_or_default());
        }
        command
            .arg(ask.message.map(member).unwrap_or_default())
            .arg(ask.estimate.tokens)
            .arg(ask.estimate.usd)
            .arg(LEASE.as_millis().to_string());
        command
    }

    /// Builds the call of `settle.lua` at the end of a request.
    pub(super) fn settle(&self, subject: Subject, id: u64, settlement: Settlement) -> redis::Cmd {
        let (mode, used) = match settlement {
            Settlement::Undone => ("undone", Used::default()),
            Settlement::Used(used) => ("used", used),
            Settlement::Pending(used) => ("pending", used),
        };
        self.exchange(subject, id, mode, used)
    }

    /// Builds the call of `settle.lua` for the use of a pending request.
    pub(super) fn correct(&self, subject: Subject, id: u64, used: Used) -> redis::Cmd {
        self.exchange(subject, id, "correct", used)
    }

    fn exchange(&self, subject: Subject, id: u64, mode: &str, used: Used) -> redis::Cmd {
        let mut command = self.script(1, &keys(subject));
        let told = |amount: Option<i64>| amount.map(|amount| amount.to_string()).unwrap_or_default();
        command.arg(member(id)).arg(mode).arg(told(used.tokens)).arg(told(used.usd)).arg(MOST_PENDING);
        command
    }

    /// Builds the call of `renew.lua`, which renews a request's lease.
    pub(super) fn renew(&self, subject: Subject, id: u64) -> redis::Cmd {
        let [_, _, concurrent, _] = keys(subject);
        let mut command = self.script(2, &[concurrent]);
        command.arg(member(id)).arg(LEASE.as_millis().to_string());
        command
    }
}

/// Parses the store's answer to a reservation.
fn standing(answer: &[i64]) -> Option<Standing> {
    let (counted, pairs) = answer.split_first()?;
    let mut gauges = [Gauge::default(); 6];
    for (gauge, pair) in gauges.iter_mut().zip(pairs.chunks_exact(2)) {
        *gauge = Gauge { used: pair[0], wait_ms: pair[1] };
    }
    (pairs.len() == 12).then_some(Standing { counted: *counted == 1, gauges })
}

/// Returns a subject's keys. They share one Redis Cluster slot.
fn keys(subject: Subject) -> [String; 4] {
    ["r", "m", "c", "b"].map(|kind| format!("callsign:{{{}}}:{kind}", subject.hex()))
}

fn member(id: u64) -> String {
    format!("{id:016x}")
}
