//! The settings of limits and blocks.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::models::AllowedModels;
use callsign_core::allowance::{Allowance, Estimate};
use callsign_core::identity::row_seal::RowSeal;
use callsign_core::secret::Secret;

/// The settings of limits and blocks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits of all callers, unless overridden.
    pub default: Allowance,
    /// Overrides by name of a key.
    pub keys: HashMap<String, Allowance>,
    /// Overrides by name of a tenant.
    pub tenants: HashMap<String, Allowance>,
    /// Overrides by tenant (`None` for users without a tenant) and user id.
    pub users: HashMap<(Option<String>, String), Allowance>,
    /// Caps on the whole account.
    pub total: Allowance,
    /// Caps on whole keys, by name.
    pub key_totals: HashMap<String, Allowance>,
    /// Caps on whole tenants, by name.
    pub tenant_totals: HashMap<String, Allowance>,
    /// The allowed models, by scope.
    pub models: ModelSettings,
    /// The time zone of days and months.
    pub zone: TimeZone,
    /// Blocked users, by tenant and user id.
    pub blocked: HashSet<(Option<String>, String)>,
    /// True if limits are counted and logged but not enforced.
    pub dry_run: bool,
    /// The store's URL (`redis://…`), which may contain a password. `None` counts in memory.
    pub store: Option<Secret>,
    /// The behaviour while the store is unavailable.
    pub on_store_failure: OnStoreFailure,
    /// The estimated use of a request, reserved until its end.
    pub estimate: Estimate,
    /// True if budgets count what providers bill directly (docs/SPEC.md#cost).
    pub count_byok: bool,
    /// Auto-block after refusals by providers.
    pub auto_block: Option<AutoBlock>,
    /// The tenants that `[[users]]` entries name, with the place in the configuration.
    pub named_tenants: Vec<(String, String)>,
    /// The users of `[[users]]` entries, by tenant and user id.
    pub named_users: Vec<(Option<String>, String)>,
    /// Seals rows of keys in the database; `None` without the operator's secret. Then there are no such keys.
    pub key_seal: Option<RowSeal>,
    /// Maximum age of the list of keys while its place does not answer.
    pub keys_max_stale: Duration,
}

/// The allowed models by scope; absent where a scope does not set any.
#[derive(Clone, Debug, Default)]
pub struct ModelSettings {
    /// For all callers, unless overridden.
    pub default: Option<AllowedModels>,
    /// Overrides by name of a key.
    pub keys: HashMap<String, AllowedModels>,
    /// Overrides by name of a tenant.
    pub tenants: HashMap<String, AllowedModels>,
    /// Overrides by tenant and user id.
    pub users: HashMap<(Option<String>, String), AllowedModels>,
}

/// The values of [`Settings::on_store_failure`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreFailure {
    /// Each process counts in memory.
    #[default]
    Allow,
    /// Requests get 503 `limits_unavailable`.
    Deny,
}

/// Suspends a user after a number of refusals by providers within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoBlock {
    /// Number of refusals.
    pub refusals: u32,
    /// The period in which refusals are counted.
    pub within: Duration,
    /// Duration of the suspension.
    pub suspend: Duration,
}

impl Default for Settings {
    /// Returns settings without limits, blocks or store.
    fn default() -> Self {
        Self {
            default: Allowance::default(),
            keys: HashMap::new(),
            tenants: HashMap::new(),
            users: HashMap::new(),
            total: Allowance::default(),
            key_totals: HashMap::new(),
            tenant_totals: HashMap::new(),
            models: ModelSettings::default(),
            zone: TimeZone::UTC,
            blocked: HashSet::new(),
            dry_run: false,
            store: None,
            on_store_failure: OnStoreFailure::default(),
            estimate: Estimate { tokens: 0, usd: 0 },
            count_byok: true,
            auto_block: None,
            named_tenants: Vec::new(),
            named_users: Vec::new(),
            key_seal: None,
            keys_max_stale: Duration::from_mins(1),
        }
    }
}

impl Settings {
    /// Returns true if responses must be read for usage or refusals.
    pub fn reads_answers(&self) -> bool {
        self.auto_block.is_some() || self.allowances().any(|allowance| allowance.ceilings().has_budget())
    }

    /// Returns the limits of all scopes.
    pub(super) fn allowances(&self) -> impl Iterator<Item = Allowance> {
        let maps = [&self.keys, &self.tenants, &self.key_totals, &self.tenant_totals];
        let named = maps.into_iter().flat_map(HashMap::values).chain(self.users.values());
        named.chain([&self.default, &self.total]).copied()
    }
}
