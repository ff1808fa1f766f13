//! The configured limits, prepared for the request path: finds the limits that apply to a caller. No I/O.

use std::collections::HashMap;

use super::settings::{AutoBlock, Settings};
use callsign_core::allowance::{Allowance, Ceilings, Estimate};
use callsign_core::identity::caller_identity::CallerIdentity;

/// The configured limits.
#[derive(Clone, Debug)]
pub struct Rules {
    default: Allowance,
    keys: HashMap<String, Allowance>,
    tenants: HashMap<String, Allowance>,
    /// Limits by user id, each with its tenant.
    users: HashMap<String, Vec<(Option<String>, Allowance)>>,
    blocked: HashMap<String, Vec<Option<String>>>,
    /// True if any limit is configured.
    limits: bool,
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
        let overrides = configured.keys.values().chain(configured.tenants.values()).chain(configured.users.values());
        Self {
            default: configured.default,
            keys: configured.keys.clone(),
            tenants: configured.tenants.clone(),
            limits: configured.default.is_any() || overrides.copied().any(Allowance::is_any),
            users,
            blocked,
            dry_run: configured.dry_run,
            estimate: configured.estimate,
            count_byok: configured.count_byok,
            auto_block: configured.auto_block,
        }
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

    /// Returns the limits of this caller. The user's limits override the key's, the tenant's and the defaults, in this
    /// order.
    pub fn ceilings(&self, sources: &CallerIdentity<'_>) -> Ceilings {
        if !self.limits {
            return Ceilings::default();
        }
        let user = sources.user.and_then(|user| self.users.get(user));
        let user = user.and_then(|tenants| tenants.iter().find(|(tenant, _)| tenant.as_deref() == sources.tenant));
        let user = user.map(|(_, allowance)| *allowance).unwrap_or_default();
        let key = self.keys.get(sources.key).copied().unwrap_or_default();
        let tenant = sources.tenant.and_then(|tenant| self.tenants.get(tenant)).copied().unwrap_or_default();
        user.over(key).over(tenant).over(self.default).ceilings()
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
            (rules.ceilings(&sources).0[0].unwrap(), rules.stops(&sources))
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
}
