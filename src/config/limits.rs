//! Parses usage limits, configured blocks, and the store of the counters.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::reader::{Reader, Reported};
use super::table_reader::TableReader;
use super::values;
use callsign_core::allowance::{Allowance, Ceiling, Estimate, Limit};
use callsign_core::secret::Secret;
use callsign_core::usage::money::NanoUsd;
use callsign_store::limits::models::AllowedModels;
use callsign_store::limits::settings::{AutoBlock, ModelSettings, OnStoreFailure, Settings};
use jiff::tz::TimeZone;

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
    let total = totals(&mut |limit| {
        reader.optional(&format!("limits.total.{}", limit.name()), |text| Ceiling::parse(limit, text))
    });
    let (key_totals, tenant_totals) = (entry_totals(reader, "keys"), entry_totals(reader, "tenants"));
    let zone = reader.required("limits.timezone", zone);
    let default_models = reader.optional("limits.models", |text| models("limits.models", text));
    let key_models = entry_models(reader, "keys", "the key's limits.models");
    let tenant_models = entry_models(reader, "tenants", "the tenant's limits.models");
    let keys_max_stale = reader.required("keys_max_stale_seconds", values::seconds(1));
    let (mut users, mut blocked, mut named_tenants) = (HashMap::new(), HashSet::new(), Vec::new());
    let mut named_users = Vec::new();
    let mut user_models = HashMap::new();
    for person in people? {
        named_tenants.extend(person.tenant.clone().map(|tenant| (tenant, person.source.clone())));
        let who = (person.tenant, person.id);
        user_models.extend(person.models.map(|models| (who.clone(), models)));
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
        total: total?,
        key_totals: key_totals?,
        tenant_totals: tenant_totals?,
        models: ModelSettings {
            default: default_models?,
            keys: key_models?,
            tenants: tenant_models?,
            users: user_models,
        },
        zone: zone?,
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
        // Known with the identifiers.
        key_seal: None,
        keys_max_stale: keys_max_stale?,
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

/// Reads the caps of one scope.
fn totals(read: &mut impl FnMut(Limit) -> Result<Option<Ceiling>, Reported>) -> Result<Allowance, Reported> {
    gathered(Limit::ALL.map(read))
}

/// Reads the limits of keys or tenants by name.
fn overrides(reader: &mut Reader<'_>, list: &'static str) -> Result<HashMap<String, Allowance>, Reported> {
    by_name(reader, list, |entry| Ok(Some(allowance(entry)?).filter(|allowance| *allowance != Allowance::default())))
}

/// Reads the caps of whole keys or tenants by name.
fn entry_totals(reader: &mut Reader<'_>, list: &'static str) -> Result<HashMap<String, Allowance>, Reported> {
    by_name(reader, list, |entry| {
        let total = totals(&mut |limit| {
            entry.field(&format!("total_limits.{}", limit.name()), |text| Ceiling::parse(limit, text))
        });
        Ok(Some(total?).filter(|total| *total != Allowance::default()))
    })
}

/// Reads the allowed models of keys or tenants by name. Refusals name `setting`.
fn entry_models(
    reader: &mut Reader<'_>,
    list: &'static str,
    setting: &'static str,
) -> Result<HashMap<String, AllowedModels>, Reported> {
    by_name(reader, list, |entry| entry.field("limits.models", |text| models(setting, text)))
}

/// Reads a part of all entries of a list, by their names. Problems with names are reported where the entries are read.
fn by_name<T>(
    reader: &mut Reader<'_>,
    list: &'static str,
    read: impl Fn(&mut TableReader<'_, '_>) -> Result<Option<T>, Reported>,
) -> Result<HashMap<String, T>, Reported> {
    let mut all = Ok(HashMap::new());
    for entry in reader.layers.tables(list) {
        let name = reader.layers.get(&format!("{list}.{entry}.name")).map(|found| found.text);
        match (read(&mut TableReader::entry(reader, list, &entry)), &mut all) {
            (Ok(Some(value)), Ok(all)) => all.extend(name.map(|name| (name, value))),
            (Ok(_), _) => {}
            (Err(Reported), _) => all = Err(Reported),
        }
    }
    all
}

/// Parses a list of models, one on each line. `setting` is its name in refusals.
fn models(setting: &'static str, text: &str) -> Result<AllowedModels, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~:@/+-".contains(&byte);
    for (index, model) in text.lines().enumerate() {
        let name = model.strip_suffix('*').unwrap_or(model);
        if model.is_empty() || model.len() > 256 || !name.bytes().all(plain) {
            return Err(format!(
                "entry {}: expected a model as openai/gpt-4o-mini, or openai/* for all that begin so",
                index + 1
            ));
        }
    }
    Ok(AllowedModels::new(setting, text.lines().map(str::to_owned)))
}

fn zone(text: &str) -> Result<TimeZone, &'static str> {
    TimeZone::get(text).map_err(|_| "expected the name of an IANA time zone, as Europe/Berlin or UTC")
}

/// One entry of `[[users]]`.
struct Person {
    id: String,
    tenant: Option<String>,
    blocked: bool,
    allowance: Allowance,
    models: Option<AllowedModels>,
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
            let models = table_reader.field("limits.models", |text| models("your limits.models", text));
            Ok(Person {
                id: id?,
                tenant: tenant?,
                blocked: blocked?.unwrap_or_default(),
                allowance: allowance?,
                models: models?,
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
            models = ["a/b", "c/d"]
            timezone = "Europe/Berlin"
            total.usd_day = 50
            [[tenants]]
            name = "acme"
            limits = { rpm = 100, models = ["a/*"] }
            total_limits.usd_month = 1000
            [[keys]]
            name = "app"
            sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
            preset = "generic"
            limits.messages_24h = 10
            total_limits = { rpm = 600 }
            [[users]]
            id = "mallory"
            tenant = "acme"
            blocked = true
            [[users]]
            id = "ada"
            limits = { rpm = "off", usd_month = "20", models = [] }
        "#;
        let (limits, _) = load(&[("CALLSIGN_LIMIT_RPM", "30")], toml).unwrap();
        assert_eq!(limits.default.ceilings().0, [Some(30), None, None, None, Some(2_500_000_000), None]);
        assert_eq!(limits.tenants["acme"].ceilings().0[0], Some(100));
        assert_eq!(limits.keys["app"].ceilings().0[1], Some(10));
        let ada = limits.users[&(None, "ada".to_owned())].over(limits.default).ceilings();
        assert_eq!(ada.0, [None, None, None, None, Some(2_500_000_000), Some(20_000_000_000)]);
        assert_eq!(limits.users.len(), 1);
        assert_eq!(limits.total.ceilings().0[4], Some(50_000_000_000));
        assert_eq!(limits.key_totals["app"].ceilings().0[0], Some(600));
        assert_eq!(limits.tenant_totals["acme"].ceilings().0[5], Some(1_000_000_000_000));
        assert_eq!(limits.zone, TimeZone::get("Europe/Berlin").unwrap());
        let list = |setting, names: &[&str]| AllowedModels::new(setting, names.iter().map(|name| (*name).to_owned()));
        assert_eq!(limits.models.default, Some(list("limits.models", &["a/b", "c/d"])));
        assert_eq!(limits.models.tenants["acme"], list("the tenant's limits.models", &["a/*"]));
        assert_eq!(limits.models.users[&(None, "ada".to_owned())], list("your limits.models", &[]));
        assert!(limits.models.keys.is_empty());
        assert!(limits.blocked.contains(&(Some("acme".to_owned()), "mallory".to_owned())));
        assert!(limits.reads_answers());
    }

    #[test]
    fn problems_are_found_at_once_and_no_password_is_shown() {
        let toml = "[limits]\nrpm = 0\nusd_day = -1\ntimezone = \"Berlin\"\nmodels = [\"a b\"]\ntotal.rpm = 0\nauto_block_refusals = 0\n[[users]]\nblocked = true\n\
                    [[users]]\nid = \"a\"\ntenant = \"nowhere\"\n[[users]]\nid = \"b\"\nlimits.rpm = 1.5\n";
        let variables =
            [("CALLSIGN_LIMIT_STORE", "http://u:hunter2-hunter2@h"), ("CALLSIGN_LIMIT_ON_STORE_FAILURE", "ajar")];
        let problems = load(&variables, toml).unwrap_err();
        for wanted in [
            "limits.rpm",
            "limits.usd_day",
            "limits.auto_block_refusals",
            "limits.timezone",
            "limits.models: entry 1",
            "limits.total.rpm",
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
