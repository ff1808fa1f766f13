//! The connection to the shared store: one for the whole process, on which requests of all threads share the way. Whoever
//! meets a failure gives it up for all; `keeper` dials again.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult, Value};

use super::counters::{Ask, Gauge, Settlement, Standing};
use super::subject::Subject;
use callsign_core::secret::Secret;

/// A request waits no longer for the store.
const PATIENCE: Duration = Duration::from_millis(500);
/// Dialling takes no longer.
const DIALLING: Duration = Duration::from_secs(1);
/// A request that has not been heard of for so long does not run any more: its callsign has died.
pub(super) const LEASE: Duration = Duration::from_mins(1);

/// What runs in the store.
const SCRIPTS: [&str; 3] =
    [include_str!("redis/reserve.lua"), include_str!("redis/settle.lua"), include_str!("redis/renew.lua")];

/// See the module.
pub struct Link {
    client: redis::Client,
    live: ArcSwapOption<Live>,
}

/// A connection that works, as far as is known.
pub(super) struct Live {
    connection: MultiplexedConnection,
    /// The scripts' digests, in their order.
    scripts: [String; 3],
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Link").field("is_up", &self.is_up()).finish_non_exhaustive()
    }
}

impl Link {
    /// To the store at this URL; nothing is dialled yet.
    ///
    /// # Errors
    /// When it is none; the configuration has looked.
    pub fn new(url: &Secret) -> RedisResult<Self> {
        Ok(Self { client: redis::Client::open(url.expose())?, live: ArcSwapOption::empty() })
    }

    /// Dials, and brings the scripts.
    ///
    /// # Errors
    /// When the store cannot be reached, or is not ready yet.
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

    /// Whether it works, as far as is known.
    pub fn is_up(&self) -> bool {
        self.live.load().is_some()
    }

    /// The connection; `None` while the store is away.
    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.live.load_full()
    }

    /// Gives a connection up, unless there is another one already.
    pub(super) fn lost(&self, of: &Arc<Live>) {
        let now = self.live.load();
        if now.as_ref().is_some_and(|now| Arc::ptr_eq(now, of)) {
            self.live.store(None);
        }
    }

    /// Asks something of the store; a failure gives the connection up.
    pub(super) async fn ask<T: redis::FromRedisValue>(&self, command: &mut impl Command) -> Result<T, StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        let answer = command.run(live.connection.clone()).await;
        answer.and_then(|value| Ok(redis::from_redis_value(value)?)).map_err(|error: RedisError| {
            self.lost(&live);
            StoreUnavailableError(Some(error.to_string()))
        })
    }
}

impl Link {
    /// See [`super::counters::Counters::reserve`], by the store's clock unless a test says otherwise.
    ///
    /// # Errors
    /// [`StoreUnavailableError`]; whether it was counted is then not known.
    pub async fn reserve(&self, subject: Subject, ask: &Ask, now_ms: Option<i64>) -> Result<Standing, StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        let answer = self.ask::<Vec<i64>>(&mut live.reserve(subject, ask, now_ms)).await?;
        standing(&answer).ok_or(StoreUnavailableError(None))
    }

    /// See [`super::counters::Counters::settle`].
    ///
    /// # Errors
    /// [`StoreUnavailableError`]; it may be done again.
    pub async fn settle(&self, subject: Subject, id: u64, settlement: Settlement) -> Result<(), StoreUnavailableError> {
        let live = self.live().ok_or(StoreUnavailableError(None))?;
        self.ask::<redis::Value>(&mut live.settle(subject, id, settlement)).await.map(drop)
    }
}

/// The store does not answer, or not as it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store of limits does not answer{}", .0.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
pub struct StoreUnavailableError(pub(super) Option<String>);

/// One command or several.
pub(super) trait Command {
    /// Sends it.
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

    /// See [`super::counters::Counters::reserve`]. `now_ms` is the store's own clock unless a test says otherwise.
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

    /// See [`super::counters::Counters::settle`].
    pub(super) fn settle(&self, subject: Subject, id: u64, settlement: Settlement) -> redis::Cmd {
        let mut command = self.script(1, &keys(subject));
        let told = |amount: Option<i64>| amount.map(|amount| amount.to_string()).unwrap_or_default();
        let (undone, tokens, usd) = match settlement {
            Settlement::Undone => (1, String::new(), String::new()),
            Settlement::Used { tokens, usd } => (0, told(tokens), told(usd)),
        };
        command.arg(member(id)).arg(undone).arg(tokens).arg(usd);
        command
    }

    /// Says that a request still runs.
    pub(super) fn renew(&self, subject: Subject, id: u64) -> redis::Cmd {
        let [_, _, concurrent, _] = keys(subject);
        let mut command = self.script(2, &[concurrent]);
        command.arg(member(id)).arg(LEASE.as_millis().to_string());
        command
    }
}

/// What the store answers to a reservation.
fn standing(answer: &[i64]) -> Option<Standing> {
    let (counted, pairs) = answer.split_first()?;
    let mut gauges = [Gauge::default(); 6];
    for (gauge, pair) in gauges.iter_mut().zip(pairs.chunks_exact(2)) {
        *gauge = Gauge { used: pair[0], wait_ms: pair[1] };
    }
    (pairs.len() == 12).then_some(Standing { counted: *counted == 1, gauges })
}

/// All keys of a subject live in one slot.
fn keys(subject: Subject) -> [String; 4] {
    ["r", "m", "c", "b"].map(|kind| format!("callsign:{{{}}}:{kind}", subject.hex()))
}

fn member(id: u64) -> String {
    format!("{id:016x}")
}
