//! Parses usage limits, configured blocks, and the store of the counters.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::reader::{Reader, Reported};
use super::table_reader::TableReader;
use super::values;
use callsign_core::allowance::{Allowance, Ceiling, Estimate, Limit};
use callsign_core::secret::Secret;
use callsign_core::usage::money::NanoUsd;
use callsign_store::limits::settings::{AutoBlock, OnStoreFailure, Settings};

/// Maximum of both auto-block times, in seconds: 30 days.
const LONGEST_SECONDS: u64 = 30 * 86_400;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Settings, Reported> {
    let default = Limit::ALL.map(|limit| reader.optional(id(limit), |text| Ceiling::parse(limit, text)));
    let dry_run = reader.required("limits.dry_run", values::switch);
    let store = reader.optional("limits.store", store);
    let choice = values::choice(&[("allow", OnStoreFailure::Allow), ("deny", OnStoreFailure::Deny)]);
    let on_store_failure = reader.required("limits.on_store_failure", choice);
    let tokens = reader.required("limits.estimate_tokens", values::number(0, 1_000_000_000));
    let usd = reader.required("limits.estimate_usd", |text| {
        NanoUsd::parse(text).ok_or("expected an amount of US dollars, as 0.01")
    });
    let count_byok = reader.required("limits.count_byok", values::switch);
    let auto_block = auto_block(reader);
    let keys = overrides(reader, "keys");
    let tenants = overrides(reader, "tenants");
    let people = people(reader);
    let (mut users, mut blocked, mut named_tenants) = (HashMap::new(), HashSet::new(), Vec::new());
    let mut named_users = Vec::new();
    for person in people? {
        named_tenants.extend(person.tenant.clone().map(|tenant| (tenant, person.source.clone())));
        let who = (person.tenant, person.id);
        if users.insert(who.clone(), person.allowance).is_some() {
            return reader.refuse(person.source, "has the user of an earlier entry; merge them into one");
        }
        named_users.push(who.clone());
        if person.blocked {
            blocked.insert(who);
        }
    }
    users.retain(|_, allowance| *allowance != Allowance::default());
    let (store, on_store_failure) = (store?, on_store_failure?);
    if store.is_none() && reader.is_set("limits.on_store_failure") {
        let place = reader.place("limits.on_store_failure");
        reader.warn(&place, "has no effect without CALLSIGN_LIMIT_STORE; set that or remove this");
    }
    Ok(Settings {
        default: gathered(default)?,
        keys: keys?,
        tenants: tenants?,
        users,
        blocked,
        dry_run: dry_run?,
        store,
        on_store_failure,
        estimate: Estimate {
            tokens: i64::try_from(tokens?).unwrap_or(i64::MAX),
            usd: usd?.0.min(1_000_000_000_000_000),
        },
        count_byok: count_byok?,
        auto_block: auto_block?,
        named_tenants,
        named_users,
    })
}

/// Checks that the tenants in `[[users]]` are configured.
pub(super) fn check(limits: &Settings, tenants: &[&str], reader: &mut Reader<'_>) {
    for (named, source) in &limits.named_tenants {
        if !tenants.contains(&named.as_str()) {
            reader.problems.push(source, "names a tenant that is not configured; add it to [[tenants]]");
        }
    }
}
/// Returns the setting of a limit.
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

fn gathered(read: [Result<Option<Ceiling>, Reported>; 6]) -> Result<Allowance, Reported> {
    let mut allowance = Allowance::default();
    for (place, read) in allowance.0.iter_mut().zip(read) {
        *place = read?;
    }
    Ok(allowance)
}

/// Reads the `limits` of one entry of a list.
fn allowance(table_reader: &mut TableReader<'_, '_>) -> Result<Allowance, Reported> {
    gathered(Limit::ALL.map(|limit| table_reader.field(id(limit), |text| Ceiling::parse(limit, text))))
}

/// Reads the limits of keys or tenants by name. Problems with names are reported where the entries are read.
fn overrides(reader: &mut Reader<'_>, list: &'static str) -> Result<HashMap<String, Allowance>, Reported> {
    let mut all = Ok(HashMap::new());
    for entry in reader.layers.tables(list) {
        let name = reader.layers.get(&format!("{list}.{entry}.name")).map(|found| found.text);
        match (allowance(&mut TableReader::entry(reader, list, &entry)), &mut all) {
            (Ok(allowance), Ok(all)) if allowance != Allowance::default() => {
                all.extend(name.map(|name| (name, allowance)));
            }
            (Ok(_), _) => {}
            (Err(Reported), _) => all = Err(Reported),
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

fn people(reader: &mut Reader<'_>) -> Result<Vec<Person>, Reported> {
    let entries = reader.layers.tables("users").into_iter();
    let read: Vec<_> = entries
        .map(|entry| {
            let mut table_reader = TableReader::entry(reader, "users", &entry);
            let id = table_reader.needed("id", "set it to a user id", values::name);
            let tenant = table_reader.field("tenant", values::name);
            let blocked = table_reader.field("blocked", values::switch);
            let allowance = allowance(&mut table_reader);
            Ok(Person {
                id: id?,
                tenant: tenant?,
                blocked: blocked?.unwrap_or_default(),
                allowance: allowance?,
                source: table_reader.source,
            })
        })
        .collect();
    read.into_iter().collect()
}

fn auto_block(reader: &mut Reader<'_>) -> Result<Option<AutoBlock>, Reported> {
    let refusals = reader.optional("limits.auto_block_refusals", values::number(1, 1000));
    let seconds = || values::number(1, LONGEST_SECONDS);
    let within = reader.required("limits.auto_block_window_seconds", seconds());
    let suspend = reader.required("limits.auto_block_suspend_seconds", seconds());
    let (refusals, within, suspend) = (refusals?, within?, suspend?);
    Ok(refusals.map(|refusals| AutoBlock {
        refusals: u32::try_from(refusals).unwrap_or(u32::MAX),
        within: Duration::from_secs(within),
        suspend: Duration::from_secs(suspend),
    }))
}

/// Parses the store's URL. The client's own error is not shown, because it may contain the password.
fn store(text: &str) -> Result<Secret, &'static str> {
    let known = ["redis://", "valkey://", "unix://", "redis+unix://", "valkey+unix://"];
    let is_known = known.iter().any(|scheme| text.starts_with(scheme));
    if is_known && redis::Client::open(text).is_ok() {
        return Ok(Secret::new(text));
    }
    Err("expected redis://USER:PASSWORD@HOST:PORT/DATABASE, or unix:///PATH")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigInputs};

    fn load(variables: &[(&str, &str)], toml: &str) -> Result<(Settings, Vec<String>), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), toml).unwrap();
        let sources = ConfigInputs::environment(variables.iter().copied()).file(Some(file.path().to_owned()));
        let loaded = Config::load(&sources);
        loaded.map(|loaded| (loaded.config.limits, loaded.warnings)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn nothing_is_limited_by_default() {
        let (limits, _) = load(&[], "").unwrap();
        assert_eq!(limits.default, Allowance::default());
        assert!(limits.keys.is_empty() && limits.tenants.is_empty() && limits.users.is_empty());
        assert!(limits.blocked.is_empty() && !limits.dry_run && limits.store.is_none() && limits.auto_block.is_none());
        assert_eq!(limits.on_store_failure, OnStoreFailure::Allow);
        assert_eq!(limits.estimate, Estimate { tokens: 2000, usd: 10_000_000 });
        assert!(!limits.reads_answers());
    }

    #[test]
    fn limits_are_read_at_every_level() {
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
        let toml = "[limits]\nrpm = 0\nusd_day = -1\nauto_block_refusals = 0\n[[users]]\nblocked = true\n\
                    [[users]]\nid = \"a\"\ntenant = \"nowhere\"\n[[users]]\nid = \"b\"\nlimits.rpm = 1.5\n";
        let variables =
            [("CALLSIGN_LIMIT_STORE", "http://u:hunter2-hunter2@h"), ("CALLSIGN_LIMIT_ON_STORE_FAILURE", "ajar")];
        let problems = load(&variables, toml).unwrap_err();
        for wanted in [
            "limits.rpm",
            "limits.usd_day",
            "limits.auto_block_refusals",
            "LIMIT_STORE:",
            "LIMIT_ON_STORE_FAILURE",
            "has no id",
            "users[].limits.rpm",
        ] {
            assert!(problems.contains(wanted), "{wanted}: {problems}");
        }
        assert!(!problems.contains("hunter2"), "{problems}");
        let nowhere = load(&[], "[[users]]\nid = \"a\"\ntenant = \"nowhere\"\n").unwrap_err();
        assert!(nowhere.contains("a tenant that is not configured"), "{nowhere}");
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
        let (_, warnings) = load(&[("CALLSIGN_LIMIT_ON_STORE_FAILURE", "deny")], "").unwrap();
        assert!(warnings.iter().any(|warning| warning.contains("CALLSIGN_LIMIT_STORE")), "{warnings:?}");
    }
}
