//! State in Redis: a hash of entries, a hash with their version, a hash of running servers. A sorted set has the version
//! with which each entry changed last, and a hash has the tokens of the latest versions.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use uuid::Uuid;

use super::entries::{self, Entry, Found, is_lifted};
use super::error::StateError;
use super::mark::{Mark, Node, Written};
use callsign_core::secret::Secret;

/// The keys share one Redis Cluster slot.
const ENTRIES: &str = "callsign:{state}:entries";
const MARK: &str = "callsign:{state}:mark";
const NODES: &str = "callsign:{state}:nodes";
const CHANGES: &str = "callsign:{state}:changes";
const VERSIONS: &str = "callsign:{state}:versions";
/// Number of entries of a page, and of changes that are read at once.
const PAGE: usize = 5_000;
/// Maximum time of connecting and of one command.
const PATIENCE: Duration = Duration::from_secs(1);
/// Servers that were silent longer are not listed.
const DAY_MS: i64 = 86_400_000;

/// Merges entries and changes the version. A lifted entry changes only to a later lifting. The last 10,000 versions are
/// remembered. `ARGV` is the new token, then pairs of field and value.
const WRITE: &str = r"
local before = redis.call('HGET', KEYS[2], 'token') or ''
local number = redis.call('HINCRBY', KEYS[2], 'number', 1)
for i = 2, #ARGV, 2 do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  local is_later = held and string.sub(ARGV[i + 1], 1, 1) == '1' and ARGV[i + 1] > held
  if not held or not string.match(held, '^1%d*$') or is_later then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[3], number, ARGV[i])
  end
end
redis.call('HSET', KEYS[2], 'token', ARGV[1])
redis.call('HSET', KEYS[4], number, ARGV[1])
redis.call('HDEL', KEYS[4], number - 10000)
return { before, number }
";
/// Returns token and number of the version, and pairs of field and value that changed since the version with the number
/// `ARGV[1]` and the token `ARGV[2]`. Nothing if that version is unknown, or if more than `ARGV[3]` entries changed.
const READ_CHANGES: &str = r"
if redis.call('HGET', KEYS[4], ARGV[1]) ~= ARGV[2] then return nil end
local fields = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf', 'LIMIT', 0, tonumber(ARGV[3]) + 1)
if #fields > tonumber(ARGV[3]) then return nil end
local rows = {}
for _, field in ipairs(fields) do
  local value = redis.call('HGET', KEYS[1], field)
  if value then
    rows[#rows + 1] = field
    rows[#rows + 1] = value
  end
end
return { redis.call('HGET', KEYS[2], 'token') or '', redis.call('HGET', KEYS[2], 'number') or '0', rows }
";
/// Records a server's sign of life if the version has the token `ARGV[1]`.
const BEAT: &str = r"
local mark = redis.call('HMGET', KEYS[1], 'token', 'number')
if (mark[1] or '') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local ms = time[1] .. string.format('%03d', math.floor(time[2] / 1000))
redis.call('HSET', KEYS[2], ARGV[2], (mark[2] or '0') .. ' ' .. ms .. ' ' .. ARGV[3])
return 1
";

/// Pairs of field and value.
type Rows = Vec<(Vec<u8>, Vec<u8>)>;
/// Seconds and microseconds, then pairs of node and value.
type NodesAnswer = ((i64, i64), Vec<(String, String)>);

/// The state of nodes that share a Redis.
pub(super) struct RedisPlace {
    client: redis::Client,
    connection: Option<MultiplexedConnection>,
}

impl std::fmt::Debug for RedisPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may contain a password.
        f.debug_struct("RedisPlace").finish_non_exhaustive()
    }
}

fn failed(error: &RedisError) -> StateError {
    // Only the kind, because other texts may contain the URL's password.
    StateError::Unavailable { place: "Redis (CALLSIGN_LIMIT_STORE)", reason: format!("{:?}", error.kind()) }
}

impl RedisPlace {
    pub(super) fn new(url: &Secret) -> Result<Self, StateError> {
        let client = redis::Client::open(url.expose()).map_err(|_| StateError::Address("CALLSIGN_LIMIT_STORE"))?;
        Ok(Self { client, connection: None })
    }

    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Runs a pipeline. A failure drops the connection.
    async fn run<T: redis::FromRedisValue>(&mut self, pipeline: &redis::Pipeline) -> Result<T, StateError> {
        let mut connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(PATIENCE))
                .set_response_timeout(Some(PATIENCE));
            let opened = self.client.get_multiplexed_async_connection_with_config(&config).await;
            opened.map_err(|error| failed(&error))?
        };
        let answer = pipeline.query_async(&mut connection).await.map_err(|error| failed(&error))?;
        self.connection = Some(connection);
        Ok(answer)
    }

    pub(super) async fn mark(&mut self) -> Result<Mark, StateError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HMGET").arg(MARK).arg("token").arg("number");
        let ((token, number),): ((Option<String>, Option<i64>),) = self.run(&pipeline).await?;
        Ok(Mark { number: number.unwrap_or_default(), token: token.unwrap_or_default() })
    }

    pub(super) async fn changes(&mut self, since: &Mark) -> Result<Option<(Mark, Found)>, StateError> {
        let mut pipeline = redis::pipe();
        let command = pipeline.cmd("EVAL").arg(READ_CHANGES).arg(4).arg(ENTRIES).arg(MARK).arg(CHANGES).arg(VERSIONS);
        command.arg(since.number).arg(&since.token).arg(PAGE);
        let (answer,): (Option<(String, i64, Rows)>,) = self.run(&pipeline).await?;
        Ok(answer.map(|(token, number, rows)| (Mark { number, token }, found(&rows))))
    }

    pub(super) async fn page(&mut self, after: &str) -> Result<(Found, Option<String>), StateError> {
        let cursor = if after.is_empty() { "0" } else { after };
        let mut pipeline = redis::pipe();
        pipeline.cmd("HSCAN").arg(ENTRIES).arg(cursor).arg("COUNT").arg(PAGE);
        let ((next, rows),): ((String, Rows),) = self.run(&pipeline).await?;
        Ok((found(&rows), Some(next).filter(|next| next != "0")))
    }

    pub(super) async fn write(&mut self, entries: &[Entry]) -> Result<Written, StateError> {
        let token = Uuid::now_v7().simple().to_string();
        let mut pipeline = redis::pipe();
        let command = pipeline.cmd("EVAL").arg(WRITE).arg(4).arg(ENTRIES).arg(MARK).arg(CHANGES).arg(VERSIONS);
        command.arg(&token);
        for entry in entries {
            command.arg(field(entry)).arg(format!("{}{}", u8::from(entry.lifted), entry.body));
        }
        let ((before, number),): ((String, i64),) = self.run(&pipeline).await?;
        Ok(Written { before, after: Mark { number, token } })
    }

    pub(super) async fn remove(&mut self, entries: &[Entry]) -> Result<(), StateError> {
        let mut pipeline = redis::pipe();
        for (command, key) in [("HDEL", ENTRIES), ("ZREM", CHANGES)] {
            let command = pipeline.cmd(command).arg(key);
            for entry in entries {
                command.arg(field(entry));
            }
        }
        self.run::<redis::Value>(&pipeline).await.map(drop)
    }

    pub(super) async fn beat(&mut self, node: &str, name: &str, mark: &Mark) -> Result<bool, StateError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("EVAL").arg(BEAT).arg(2).arg(MARK).arg(NODES).arg(&mark.token).arg(node).arg(name);
        let (beaten,): (bool,) = self.run(&pipeline).await?;
        Ok(beaten)
    }

    pub(super) async fn nodes(&mut self) -> Result<Vec<Node>, StateError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("TIME").cmd("HGETALL").arg(NODES);
        let ((seconds, micros), rows): NodesAnswer = self.run(&pipeline).await?;
        let now_ms = seconds * 1000 + micros / 1000;
        let read = |(node, value): (String, String)| {
            let mut words = value.splitn(3, ' ');
            let (applied, seen_ms) = (words.next()?.parse().ok()?, words.next()?.parse::<i64>().ok()?);
            let age_ms = now_ms.saturating_sub(seen_ms);
            let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or_default());
            (age_ms < DAY_MS).then(|| Node { node, name: words.next().unwrap_or_default().to_owned(), applied, age })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    pub(super) async fn leave(&mut self, node: &str) -> Result<(), StateError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("HDEL").arg(NODES).arg(node);
        self.run::<redis::Value>(&pipeline).await.map(drop)
    }
}

fn field(entry: &Entry) -> String {
    format!("{} {}", entry.kind, entry.op.simple())
}

/// Reads entries.
fn found(rows: &Rows) -> Found {
    let mut found = Found::default();
    for (field, value) in rows {
        match entry(field, value) {
            Some(entry) => found.entries.push(entry),
            None => found.unreadable += 1,
        }
    }
    found
}

/// Reads an entry; `None` if it is none.
fn entry(field: &[u8], value: &[u8]) -> Option<Entry> {
    let (kind, op) = std::str::from_utf8(field).ok()?.split_once(' ')?;
    let op = entries::op(op);
    // An entry whose value is damaged is in force, and its reader decides what its text still says.
    let (mark, body) = match value {
        [b'1', number @ ..] => (true, number),
        [b'0', body @ ..] | body => (false, body),
    };
    let body = String::from_utf8_lossy(body);
    Some(Entry { kind: kind.into(), op, lifted: is_lifted(mark, &body), body: body.into() })
}
