//! The settings of limits and blocks.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use callsign_core::allowance::{Allowance, Estimate};
use callsign_core::secret::Secret;

/// The settings of limits and blocks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What everybody may use.
    pub default: Allowance,
    /// What differs, by the name of a key.
    pub keys: HashMap<String, Allowance>,
    /// What differs, by the name of a tenant.
    pub tenants: HashMap<String, Allowance>,
    /// What differs for one person, by tenant (`None`: the operator's own users) and user id.
    pub users: HashMap<(Option<String>, String), Allowance>,
    /// Who may use nothing.
    pub blocked: HashSet<(Option<String>, String)>,
    /// Counts and tells, refuses nobody.
    pub dry_run: bool,
    /// `redis://…`, which may hold a password; `None` counts in memory.
    pub store: Option<Secret>,
    /// What holds while the store is away.
    pub on_store_failure: OnStoreFailure,
    /// What a request is taken to use until its answer says.
    pub estimate: Estimate,
    /// When providers' refusals suspend a user.
    pub auto_block: Option<AutoBlock>,
    /// The tenants that `[[users]]` name, and where.
    pub named_tenants: Vec<(String, String)>,
}

/// See [`Limits::on_store_failure`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreFailure {
    /// Every callsign counts by itself.
    #[default]
    Allow,
    /// 503 `limits_unavailable`.
    Deny,
}

/// So many refusals of one user by providers within this time suspend the user for that long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoBlock {
    /// How many.
    pub refusals: u32,
    /// Within which time.
    pub within: Duration,
    /// For how long.
    pub suspend: Duration,
}

impl Default for Settings {
    /// No limits, no blocks, no shared store.
    fn default() -> Self {
        Self {
            default: Allowance::default(),
            keys: HashMap::new(),
            tenants: HashMap::new(),
            users: HashMap::new(),
            blocked: HashSet::new(),
            dry_run: false,
            store: None,
            on_store_failure: OnStoreFailure::default(),
            estimate: Estimate { tokens: 0, usd: 0 },
            auto_block: None,
            named_tenants: Vec::new(),
        }
    }
}

impl Settings {
    /// Whether what answers say decides anything.
    pub fn reads_answers(&self) -> bool {
        let mut all = [self.default].into_iter().chain(self.keys.values().copied());
        self.auto_block.is_some()
            || all.any(|allowance| allowance.ceilings().has_budget())
            || self.tenants.values().chain(self.users.values()).any(|allowance| allowance.ceilings().has_budget())
    }
}
