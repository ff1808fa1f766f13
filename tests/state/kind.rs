//! The kinds of rounds. The seed selects one.

/// The kind of a round. One store at most loses its memory in a round, because budgets are lost with both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Redis is the home of the state, and goes back. Each node has a ledger file. During an outage of Redis the nodes
    /// count locally.
    RedisIsHome,
    /// PostgreSQL is the home of the state and the ledger, and goes back.
    PostgresGoesBack,
    /// PostgreSQL is the home of the state and the ledger; Redis goes back.
    RedisGoesBack,
}

/// Number of seeds in a row that give each kind.
pub(crate) const KINDS: u64 = 4;

impl Kind {
    pub(crate) fn of(seed: u64) -> Self {
        match seed % KINDS {
            1 => Self::PostgresGoesBack,
            3 => Self::RedisGoesBack,
            _ => Self::RedisIsHome,
        }
    }

    pub(crate) fn has_postgres(self) -> bool {
        self != Self::RedisIsHome
    }
}
