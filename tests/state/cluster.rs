//! Three callsigns with a directory and a clock each, their Redis, and their PostgreSQL.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use mock_openrouter::MockServer;

use crate::board::Board;
use crate::caller::{SPENDERS, spender_id};
use crate::clocks;
use crate::kind::Kind;
use crate::postgres::{Postgres, Template};
use crate::redis::RedisWithCopies;
use crate::support::program::{self, Said, Server, callsign_beside};
use crate::support::proxy::APP_KEY;

/// Number of nodes.
pub(crate) const NODES: usize = 3;
/// The daily budget of a spender in nano-dollars: about 60 requests.
pub(crate) const BUDGET: u64 = 300_000_000;

pub(crate) struct Cluster {
    pub(crate) kind: Kind,
    pub(crate) board: Arc<Board>,
    pub(crate) mock: MockServer,
    pub(crate) redis: RedisWithCopies,
    pub(crate) postgres: Option<Postgres>,
    nodes: [Option<Server>; NODES],
    pub(crate) directories: [tempfile::TempDir; NODES],
    config: tempfile::NamedTempFile,
    /// Number of processes of nodes that were started.
    pub(crate) processes: u64,
    /// Number of times that Redis lost its memory or a part of it.
    pub(crate) redis_losses: u64,
    /// The times between which PostgreSQL lost what was written.
    pub(crate) postgres_losses: Vec<(Instant, Instant)>,
    /// Start of the round.
    pub(crate) began: Instant,
    /// Time of PostgreSQL's copy; the start, as long as there is none.
    pub(crate) postgres_copied: Instant,
}

impl Cluster {
    /// Starts everything. `template` is for PostgreSQL.
    pub(crate) async fn start(kind: Kind, template: Option<&Template>) -> Self {
        let postgres = match template {
            Some(template) => Some(Postgres::start(template).await),
            None => None,
        };
        let mut cluster = Self {
            kind,
            board: Arc::default(),
            mock: MockServer::start().await.unwrap(),
            redis: RedisWithCopies::start(),
            postgres,
            nodes: [const { None }; NODES],
            directories: [(); NODES].map(|()| tempfile::tempdir().unwrap()),
            config: program::file(&config()),
            processes: 0,
            redis_losses: 0,
            postgres_losses: Vec::new(),
            began: Instant::now(),
            postgres_copied: Instant::now(),
        };
        cluster.start_everything().await;
        cluster
    }

    fn variables(&self, node: usize) -> Vec<(String, String)> {
        let allow = if self.kind.has_postgres() { "deny" } else { "allow" };
        let own = [
            ("CALLSIGN_UPSTREAM_URL", self.mock.url()),
            ("CALLSIGN_CONFIG", self.config.path().to_str().unwrap().to_owned()),
            ("CALLSIGN_DATA_DIR", self.directories[node].path().to_str().unwrap().to_owned()),
            ("CALLSIGN_LEDGER", self.postgres.as_ref().map(Postgres::url).unwrap_or_default()),
            ("CALLSIGN_LEDGER_MODE", "strict".to_owned()),
            ("CALLSIGN_LIMIT_STORE", self.redis.url().to_owned()),
            ("CALLSIGN_LIMIT_ON_STORE_FAILURE", allow.to_owned()),
            ("OPENROUTER_API_KEY", "sk-or-v1-of-a-test".to_owned()),
            ("OPENROUTER_ORG_ID", "org_of_a_test".to_owned()),
            ("CALLSIGN_APP_KEY", APP_KEY.to_owned()),
            ("CALLSIGN_LOG", "error".to_owned()),
            ("SEND_END_USER_ID", "true".to_owned()),
            ("SEND_MESSAGE_ID", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        own.into_iter().chain(clocks::variables(node)).collect()
    }

    /// Returns the nodes that run.
    pub(crate) fn running(&self) -> Vec<usize> {
        (0..NODES).filter(|node| self.nodes[*node].is_some()).collect()
    }

    /// Starts a node, unless it runs. A strict node needs PostgreSQL for its start.
    pub(crate) async fn start_node(&mut self, node: usize) {
        if self.nodes[node].is_some() || self.postgres.as_ref().is_some_and(|postgres| !postgres.runs()) {
            return;
        }
        let variables = self.variables(node);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let server = Server::start("serve", &variables).await;
        self.board.set_address(node, Some(server.data));
        self.nodes[node] = Some(server);
        self.processes += 1;
    }

    /// Sends SIGKILL to a node.
    pub(crate) fn kill(&mut self, node: usize) {
        self.board.set_address(node, None);
        if let Some(server) = self.nodes[node].take() {
            let process = server.id();
            server.kill();
            clocks::clean(process);
        }
    }

    /// Starts the stores and nodes that do not run.
    pub(crate) async fn start_everything(&mut self) {
        self.redis.restart();
        if let Some(postgres) = &mut self.postgres {
            postgres.restart().await;
        }
        for node in 0..NODES {
            self.start_node(node).await;
        }
    }

    /// Runs a command about a person, with the directory and the clock of the person's node.
    pub(crate) async fn command(&self, person: usize, command: &str) -> Said {
        let variables = self.variables(person % NODES);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        callsign_beside(&format!("{command} person-{person}"), &variables).await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..NODES).for_each(|node| self.kill(node));
    }
}

/// Returns the configuration: a budget for each spender. In the time zone it is noon, so that no day ends in a round.
fn config() -> String {
    let hour = jiff::Timestamp::now().as_second() / 3600 % 24;
    let mut text = format!("[limits]\ntimezone = \"Etc/GMT{:+}\"\n", hour - 12);
    for spender in 0..SPENDERS {
        let (dollars, id) = (format!("0.{:09}", BUDGET % 1_000_000_000), spender_id(spender));
        write!(text, "[[users]]\nid = \"{id}\"\nlimits = {{ usd_day = \"{dollars}\" }}\n").unwrap();
    }
    text
}
