//! How much anybody may use, who may use nothing at all, and where that is counted (contract, section 6).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::reader::{Reader, Recorded};
use super::stanza::Stanza;
use super::values;
use crate::ledger::NanoUsd;
use crate::limits::{Allowance, Ceiling, Estimate, Limit};
use crate::secret::Secret;

/// The longest that a breaker looks back or holds: 30 days.
const LONGEST_SECONDS: u64 = 30 * 86_400;

/// The settings of limits and blocks.
#[derive(Clone, Debug)]
pub struct Limits {
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
    pub store_down: StoreDown,
    /// What a request is taken to use until its answer says.
    pub estimate: Estimate,
    /// When providers' refusals suspend a user.
    pub breaker: Option<Breaker>,
    /// The tenants that `[[users]]` name, and where.
    named_tenants: Vec<(String, String)>,
}

/// See [`Limits::store_down`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreDown {
    /// Every callsign counts by itself.
    #[default]
    Open,
    /// 503 `limits_unavailable`.
    Closed,
}

/// So many refusals of one user by providers within this time suspend the user for that long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// How many.
    pub refusals: u32,
    /// Within which time.
    pub within: Duration,
    /// For how long.
    pub suspend: Duration,
}

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Recorded> {
        let default = Limit::ALL.map(|limit| reader.optional(id(limit), |text| Ceiling::parse(limit, text)));
        let dry_run = reader.required("limits.dry_run", values::switch);
        let store = reader.optional("limits.store", store);
        let down = values::choice(&[("open", StoreDown::Open), ("closed", StoreDown::Closed)]);
        let store_down = reader.required("limits.store_down", down);
        let tokens = reader.required("limits.estimate_tokens", values::number(0, 1_000_000_000));
        let usd = reader.required("limits.estimate_usd", |text| {
            NanoUsd::parse(text).ok_or("takes an amount of US dollars, as 0.01")
        });
        let breaker = breaker(reader);
        let keys = overrides(reader, "keys");
        let tenants = overrides(reader, "tenants");
        let people = people(reader);
        let (mut users, mut blocked, mut named_tenants) = (HashMap::new(), HashSet::new(), Vec::new());
        for person in people? {
            named_tenants.extend(person.tenant.clone().map(|tenant| (tenant, person.source.clone())));
            let who = (person.tenant, person.id);
            if users.insert(who.clone(), person.allowance).is_some() {
                return reader.refuse(person.source, "is an earlier entry's person; say everything in one entry");
            }
            if person.blocked {
                blocked.insert(who);
            }
        }
        users.retain(|_, allowance| *allowance != Allowance::default());
        let (store, store_down) = (store?, store_down?);
        if store.is_none() && reader.is_set("limits.store_down") {
            reader.warn(&reader.place("limits.store_down"), "means nothing without CALLSIGN_LIMIT_STORE");
        }
        Ok(Self {
            default: gathered(default)?,
            keys: keys?,
            tenants: tenants?,
            users,
            blocked,
            dry_run: dry_run?,
            store,
            store_down,
            estimate: Estimate {
                tokens: i64::try_from(tokens?).unwrap_or(i64::MAX),
                usd: usd?.0.min(1_000_000_000_000_000),
            },
            breaker: breaker?,
            named_tenants,
        })
    }

    /// The same without any limit, block or store.
    #[must_use]
    pub fn none(&self) -> Self {
        Self {
            default: Allowance::default(),
            keys: HashMap::new(),
            tenants: HashMap::new(),
            users: HashMap::new(),
            blocked: HashSet::new(),
            store: None,
            breaker: None,
            named_tenants: Vec::new(),
            ..*self
        }
    }

    /// Whether what answers say decides anything.
    pub fn reads_answers(&self) -> bool {
        let mut all = [self.default].into_iter().chain(self.keys.values().copied());
        self.breaker.is_some()
            || all.any(|allowance| allowance.ceilings().has_budget())
            || self.tenants.values().chain(self.users.values()).any(|allowance| allowance.ceilings().has_budget())
    }

    /// People live in tenants that there are.
    pub(super) fn check(&self, tenants: &[&str], reader: &mut Reader<'_>) {
        for (named, source) in &self.named_tenants {
            if !tenants.contains(&named.as_str()) {
                reader.problems.push(source, "names a tenant that there is not; add it to [[tenants]]");
            }
        }
    }
}

/// The setting of a limit.
fn id(limit: Limit) -> &'static str {
    match limit {
        Limit::Rpm => "limits.rpm",
        Limit::Messages => "limits.messages_24h",
        Limit::Concurrent => "limits.concurrent",
        Limit::TokensDay => "limits.tokens_day",
        Limit::UsdDay => "limits.usd_day",
        Limit::UsdMonth => "limits.usd_month",
    }
}

fn gathered(read: [Result<Option<Ceiling>, Recorded>; 6]) -> Result<Allowance, Recorded> {
    let mut allowance = Allowance::default();
    for (place, read) in allowance.0.iter_mut().zip(read) {
        *place = read?;
    }
    Ok(allowance)
}

/// The `limits` of one entry of a list.
fn allowance(stanza: &mut Stanza<'_, '_>) -> Result<Allowance, Recorded> {
    gathered(Limit::ALL.map(|limit| stanza.field(id(limit), |text| Ceiling::parse(limit, text))))
}

/// The limits of keys or tenants, by name. What is wrong with a name is said where the entry itself is read.
fn overrides(reader: &mut Reader<'_>, list: &'static str) -> Result<HashMap<String, Allowance>, Recorded> {
    let mut all = Ok(HashMap::new());
    for entry in reader.layers.tables(list) {
        let name = reader.layers.get(&format!("{list}.{entry}.name")).map(|found| found.text);
        match (allowance(&mut Stanza::entry(reader, list, &entry)), &mut all) {
            (Ok(allowance), Ok(all)) if allowance != Allowance::default() => {
                all.extend(name.map(|name| (name, allowance)));
            }
            (Ok(_), _) => {}
            (Err(Recorded), _) => all = Err(Recorded),
        }
    }
    all
}

/// One entry of `[[users]]`.
struct Person {
    id: String,
    tenant: Option<String>,
    blocked: bool,
    allowance: Allowance,
    source: String,
}

fn people(reader: &mut Reader<'_>) -> Result<Vec<Person>, Recorded> {
    let entries = reader.layers.tables("users").into_iter();
    let read: Vec<_> = entries
        .map(|entry| {
            let mut stanza = Stanza::entry(reader, "users", &entry);
            let id = stanza.needed("id", "say whom it is about", values::name);
            let tenant = stanza.field("tenant", values::name);
            let blocked = stanza.field("blocked", values::switch);
            let allowance = allowance(&mut stanza);
            Ok(Person {
                id: id?,
                tenant: tenant?,
                blocked: blocked?.unwrap_or_default(),
                allowance: allowance?,
                source: stanza.source,
            })
        })
        .collect();
    read.into_iter().collect()
}

fn breaker(reader: &mut Reader<'_>) -> Result<Option<Breaker>, Recorded> {
    let refusals = reader.optional("limits.breaker_refusals", values::number(1, 1000));
    let seconds = || values::number(1, LONGEST_SECONDS);
    let within = reader.required("limits.breaker_window_seconds", seconds());
    let suspend = reader.required("limits.breaker_suspend_seconds", seconds());
    let (refusals, within, suspend) = (refusals?, within?, suspend?);
    Ok(refusals.map(|refusals| Breaker {
        refusals: u32::try_from(refusals).unwrap_or(u32::MAX),
        within: Duration::from_secs(within),
        suspend: Duration::from_secs(suspend),
    }))
}

/// A URL that the client of the store can use. What is wrong with it is not repeated: it may hold a password.
fn store(text: &str) -> Result<Secret, &'static str> {
    let known = ["redis://", "valkey://", "unix://", "redis+unix://", "valkey+unix://"];
    let is_known = known.iter().any(|scheme| text.starts_with(scheme));
    if is_known && redis::Client::open(text).is_ok() {
        return Ok(Secret::new(text));
    }
    Err("takes redis://USER:PASSWORD@HOST:PORT/DATABASE, or unix:///PATH")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    fn load(variables: &[(&str, &str)], toml: &str) -> Result<(Limits, Vec<String>), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), toml).unwrap();
        let sources = Sources::environment(variables.iter().copied()).file(Some(file.path().to_owned()));
        let loaded = Config::load(&sources);
        loaded.map(|loaded| (loaded.config.limits, loaded.warnings)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn nothing_is_limited_unless_told() {
        let (limits, _) = load(&[], "").unwrap();
        assert_eq!(limits.default, Allowance::default());
        assert!(limits.keys.is_empty() && limits.tenants.is_empty() && limits.users.is_empty());
        assert!(limits.blocked.is_empty() && !limits.dry_run && limits.store.is_none() && limits.breaker.is_none());
        assert_eq!(limits.store_down, StoreDown::Open);
        assert_eq!(limits.estimate, Estimate { tokens: 2000, usd: 10_000_000 });
        assert!(!limits.reads_answers());
    }

    #[test]
    fn every_place_has_its_limits() {
        let toml = r#"
            [limits]
            rpm = 60
            usd_day = 2.5
            [[tenants]]
            name = "acme"
            limits = { rpm = 100 }
            [[keys]]
            name = "app"
            sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
            preset = "generic"
            limits.messages_24h = 10
            [[users]]
            id = "mallory"
            tenant = "acme"
            blocked = true
            [[users]]
            id = "ada"
            limits = { rpm = "off", usd_month = "20" }
        "#;
        let (limits, _) = load(&[("CALLSIGN_LIMIT_RPM", "30")], toml).unwrap();
        assert_eq!(limits.default.ceilings().0, [Some(30), None, None, None, Some(2_500_000_000), None]);
        assert_eq!(limits.tenants["acme"].ceilings().0[0], Some(100));
        assert_eq!(limits.keys["app"].ceilings().0[1], Some(10));
        let ada = limits.users[&(None, "ada".to_owned())].over(limits.default).ceilings();
        assert_eq!(ada.0, [None, None, None, None, Some(2_500_000_000), Some(20_000_000_000)]);
        assert_eq!(limits.users.len(), 1);
        assert!(limits.blocked.contains(&(Some("acme".to_owned()), "mallory".to_owned())));
        assert!(limits.reads_answers());
    }

    #[test]
    fn problems_are_found_at_once_and_no_password_is_shown() {
        let toml = "[limits]\nrpm = 0\nusd_day = -1\nbreaker_refusals = 0\n[[users]]\nblocked = true\n\
                    [[users]]\nid = \"a\"\ntenant = \"nowhere\"\n[[users]]\nid = \"b\"\nlimits.rpm = 1.5\n";
        let variables = [("CALLSIGN_LIMIT_STORE", "http://u:hunter2-hunter2@h"), ("CALLSIGN_LIMIT_STORE_DOWN", "ajar")];
        let problems = load(&variables, toml).unwrap_err();
        for wanted in [
            "limits.rpm",
            "limits.usd_day",
            "limits.breaker_refusals",
            "LIMIT_STORE:",
            "LIMIT_STORE_DOWN",
            "has no id",
            "users[].limits.rpm",
        ] {
            assert!(problems.contains(wanted), "{wanted}: {problems}");
        }
        assert!(!problems.contains("hunter2"), "{problems}");
        let nowhere = load(&[], "[[users]]\nid = \"a\"\ntenant = \"nowhere\"\n").unwrap_err();
        assert!(nowhere.contains("a tenant that there is not"), "{nowhere}");
        let twice = load(&[], "[[users]]\nid = \"a\"\n[[users]]\nid = \"a\"\nblocked = true\n").unwrap_err();
        assert!(twice.contains("earlier entry"), "{twice}");
    }

    #[test]
    fn stores_are_redis_by_network_or_socket() {
        for text in ["redis://h", "redis://u:p@h:6380/2", "unix:///run/redis.sock", "valkey://h"] {
            assert!(store(text).is_ok(), "{text}");
        }
        for text in ["", "h:6379", "http://h", "rediss://h", "memory"] {
            assert!(store(text).is_err(), "{text}");
        }
        let (_, warnings) = load(&[("CALLSIGN_LIMIT_STORE_DOWN", "closed")], "").unwrap();
        assert!(warnings.iter().any(|warning| warning.contains("CALLSIGN_LIMIT_STORE")), "{warnings:?}");
    }
}
