//! The configured limits, prepared for the request path: finds the limits that apply to a caller. No I/O.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::models::AllowedModels;
use super::overrides::OverrideList;
use super::settings::{AutoBlock, ModelSettings, Settings};
use super::subject::Subject;
use callsign_core::allowance::{Allowance, Ceilings, Estimate, Limit};
use callsign_core::identity::caller_identity::CallerIdentity;

/// Everything that a limit counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One user, or one key without users.
    Caller,
    /// All callers of a key (`[[keys]].total_limits`).
    Key,
    /// All callers of a tenant (`[[tenants]].total_limits`).
    Tenant,
    /// All callers whom the operator pays for (`[limits.total]`).
    Account,
}

/// The limits of one subject of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeLimits {
    /// The scope.
    pub scope: Scope,
    /// The subject whose counters apply.
    pub subject: Subject,
    /// The limits in force.
    pub ceilings: Ceilings,
}

/// The configured limits.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "settings and what follows from them")]
pub struct Rules {
    default: Allowance,
    keys: HashMap<String, Allowance>,
    tenants: HashMap<String, Allowance>,
    /// Limits by user id, each with its tenant.
    users: HashMap<String, Vec<(Option<String>, Allowance)>>,
    total: Allowance,
    key_totals: HashMap<String, Allowance>,
    tenant_totals: HashMap<String, Allowance>,
    models: ModelSettings,
    blocked: HashMap<String, Vec<Option<String>>>,
    /// True if any limit of callers is configured.
    limits: bool,
    budgets: bool,
    dollar_budgets: bool,
    /// The time zone of days and months.
    pub zone: TimeZone,
    /// As in [`Settings`].
    pub dry_run: bool,
    /// As in [`Settings`].
    pub estimate: Estimate,
    /// As in [`Settings`].
    pub count_byok: bool,
    /// As in [`Settings`].
    pub auto_block: Option<AutoBlock>,
}

impl Rules {
    /// Creates the rules from settings.
    pub fn new(configured: &Settings) -> Self {
        let mut users: HashMap<String, Vec<_>> = HashMap::new();
        for ((tenant, user), allowance) in &configured.users {
            users.entry(user.clone()).or_default().push((tenant.clone(), *allowance));
        }
        let mut blocked: HashMap<String, Vec<_>> = HashMap::new();
        for (tenant, user) in &configured.blocked {
            blocked.entry(user.clone()).or_default().push(tenant.clone());
        }
        let has = |of: fn(Ceilings) -> bool| configured.allowances().any(|allowance| of(allowance.ceilings()));
        let overrides = configured.keys.values().chain(configured.tenants.values()).chain(configured.users.values());
        Self {
            default: configured.default,
            keys: configured.keys.clone(),
            tenants: configured.tenants.clone(),
            limits: configured.default.is_any() || overrides.copied().any(Allowance::is_any),
            budgets: has(Ceilings::has_budget),
            dollar_budgets: has(|ceilings| {
                Limit::ALL.iter().any(|limit| limit.is_money() && ceilings.of(*limit).is_some())
            }),
            users,
            total: configured.total,
            key_totals: configured.key_totals.clone(),
            tenant_totals: configured.tenant_totals.clone(),
            models: configured.models.clone(),
            blocked,
            zone: configured.zone.clone(),
            dry_run: configured.dry_run,
            estimate: configured.estimate,
            count_byok: configured.count_byok,
            auto_block: configured.auto_block,
        }
    }

    /// Returns true if any budget is configured. Run-time limits may be budgets too.
    pub fn has_budgets(&self) -> bool {
        self.budgets
    }

    /// Returns true if any budget in dollars is configured. Run-time limits may be such too.
    pub fn has_dollar_budgets(&self) -> bool {
        self.dollar_budgets
    }

    /// Returns true if the configuration blocks this caller.
    pub fn stops(&self, sources: &CallerIdentity<'_>) -> bool {
        !self.blocked.is_empty()
            && sources
                .user
                .and_then(|user| self.blocked.get(user))
                .is_some_and(|tenants| tenants.iter().any(|tenant| tenant.as_deref() == sources.tenant))
    }

    /// Returns true if the configuration blocks users or limits callers. Limits that are only tried out do not count.
    pub fn tell_users_apart(&self) -> bool {
        !self.blocked.is_empty() || (self.limits && !self.dry_run)
    }

    /// Returns the limits of this caller: what operators have set while callsign runs, else what is configured.
    pub fn ceilings(&self, sources: &CallerIdentity<'_>, overrides: &OverrideList) -> Ceilings {
        overrides.over(sources, self.configured(sources))
    }

    /// Returns the configured limits of this caller. The user's limits override the key's, the tenant's and the defaults,
    /// in this order, each limit separately.
    pub fn configured(&self, sources: &CallerIdentity<'_>) -> Ceilings {
        if !self.limits && sources.stored.is_none_or(|key| !key.limits.is_any()) {
            return Ceilings::default();
        }
        let [user, key, tenant] = [self.user(sources), self.key(sources), self.tenant(sources)];
        user.over(key).over(tenant).over(self.default).ceilings()
    }

    fn user(&self, sources: &CallerIdentity<'_>) -> Allowance {
        let tenants = sources.user.and_then(|user| self.users.get(user));
        let own = tenants.and_then(|own| own.iter().find(|(tenant, _)| tenant.as_deref() == sources.tenant));
        own.map(|(_, allowance)| *allowance).unwrap_or_default()
    }

    fn key(&self, sources: &CallerIdentity<'_>) -> Allowance {
        if let Some(key) = sources.stored {
            return key.limits;
        }
        self.keys.get(sources.key).copied().unwrap_or_default()
    }

    fn tenant(&self, sources: &CallerIdentity<'_>) -> Allowance {
        sources.tenant.and_then(|tenant| self.tenants.get(tenant)).copied().unwrap_or_default()
    }

    /// Returns the limits of the caller and of the totals that it belongs to, if they have any. `operator_pays` is false
    /// for callers with an OpenRouter key of their own, who take nothing from the account.
    pub fn scopes(
        &self,
        sources: &CallerIdentity<'_>,
        operator_pays: bool,
        overrides: &OverrideList,
    ) -> Vec<ScopeLimits> {
        let total = |of: Option<&Allowance>| of.copied().unwrap_or_default().ceilings();
        let of = |scope, subject, ceilings| ScopeLimits { scope, subject, ceilings };
        let mut scopes = Vec::new();
        let ceilings = self.ceilings(sources, overrides);
        if ceilings.is_any() {
            scopes.push(of(Scope::Caller, Subject::of(sources), ceilings));
        }
        if operator_pays {
            if let Some(key) = self.key_totals.get(sources.key) {
                scopes.push(of(Scope::Key, Subject::whole_key(sources.key), total(Some(key))));
            }
            if let Some((name, tenant)) = sources.tenant.and_then(|name| Some((name, self.tenant_totals.get(name)?))) {
                scopes.push(of(Scope::Tenant, Subject::whole_tenant(name), total(Some(tenant))));
            }
            if self.total.is_any() {
                scopes.push(of(Scope::Account, Subject::account(), total(Some(&self.total))));
            }
        }
        scopes.retain(|scope| scope.ceilings.is_any());
        scopes
    }

    /// Returns the models that this caller may use; `None` if all.
    pub fn models(&self, sources: &CallerIdentity<'_>) -> Option<&AllowedModels> {
        let ModelSettings { default, keys, tenants, users } = &self.models;
        let user = sources.user.filter(|_| !users.is_empty());
        let user = user.and_then(|user| users.get(&(sources.tenant.map(str::to_owned), user.to_owned())));
        let tenant = || sources.tenant.and_then(|tenant| tenants.get(tenant));
        user.or_else(|| keys.get(sources.key)).or_else(tenant).or(default.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callsign_core::allowance::Ceiling;

    fn at(amount: i64) -> Allowance {
        Allowance([Some(Ceiling::At(amount)), None, None, None, None, None])
    }

    #[test]
    fn the_closest_limit_holds_and_people_are_told_apart_by_tenant() {
        let mut configured = Settings::default();
        assert!(!Rules::new(&configured).limits);
        configured.default = at(1);
        configured.tenants.insert("acme".into(), at(2));
        configured.keys.insert("app".into(), at(3));
        configured.users.insert((Some("acme".into()), "ada".into()), at(4));
        configured.blocked.insert((None, "mallory".into()));
        let rules = Rules::new(&configured);
        let of = |tenant, key, user| {
            let sources = CallerIdentity { tenant, key, user, ..CallerIdentity::default() };
            (rules.configured(&sources).0[0].unwrap(), rules.stops(&sources))
        };
        assert_eq!(of(None, "k", Some("ada")), (1, false));
        assert_eq!(of(Some("acme"), "k", Some("bob")), (2, false));
        assert_eq!(of(Some("acme"), "app", Some("bob")), (3, false));
        assert_eq!(of(Some("acme"), "app", Some("ada")), (4, false));
        assert_eq!(of(Some("acme"), "k", None), (2, false));
        assert_eq!(of(None, "k", Some("mallory")), (1, true));
        assert_eq!(of(Some("acme"), "k", Some("mallory")), (2, false));
        assert_eq!(of(Some("passthrough-1"), "k", Some("ada")), (1, false));
    }

    #[test]
    fn totals_hold_beside_the_callers_limits_and_not_for_keys_of_callers() {
        let mut configured = Settings { total: at(9), ..Settings::default() };
        configured.tenant_totals.insert("acme".into(), at(7));
        configured.key_totals.insert("app".into(), at(8));
        configured.users.insert((Some("acme".into()), "ada".into()), at(4));
        let rules = Rules::new(&configured);
        let of = |tenant, key, operator_pays| {
            let sources = CallerIdentity { tenant, key, user: Some("ada"), ..CallerIdentity::default() };
            let scopes = rules.scopes(&sources, operator_pays, &OverrideList::default()).into_iter();
            scopes.map(|scope| (scope.scope, scope.ceilings.0[0].unwrap())).collect::<Vec<_>>()
        };
        let account = (Scope::Account, 9);
        assert_eq!(of(None, "k", true), [account]);
        assert_eq!(of(Some("acme"), "k", true), [(Scope::Caller, 4), (Scope::Tenant, 7), account]);
        assert_eq!(of(Some("acme"), "app", true), [(Scope::Caller, 4), (Scope::Key, 8), (Scope::Tenant, 7), account]);
        assert_eq!(of(Some("passthrough-1"), "app", false), []);
    }

    #[test]
    fn the_closest_list_of_models_holds() {
        let list = |setting| AllowedModels::new(setting, []);
        let mut configured = Settings::default();
        let of = |configured: &Settings, tenant, key, user| {
            let sources = CallerIdentity { tenant, key, user, ..CallerIdentity::default() };
            Rules::new(configured).models(&sources).cloned()
        };
        assert_eq!(of(&configured, None, "k", None), None);
        configured.models.default = Some(list("default"));
        configured.models.tenants.insert("acme".into(), list("tenant"));
        configured.models.keys.insert("app".into(), list("key"));
        configured.models.users.insert((Some("acme".into()), "ada".into()), list("user"));
        assert_eq!(of(&configured, None, "k", Some("ada")), Some(list("default")));
        assert_eq!(of(&configured, Some("acme"), "k", Some("bob")), Some(list("tenant")));
        assert_eq!(of(&configured, Some("acme"), "app", Some("bob")), Some(list("key")));
        assert_eq!(of(&configured, Some("acme"), "app", Some("ada")), Some(list("user")));
    }
}
