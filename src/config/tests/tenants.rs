//! `[[tenants]]`, and their keys and issuers.

use callsign_core::tenant::Tenant;
use rstest::rstest;

use super::*;
use callsign_core::identity::caller_identity::CallerIdentity as Caller;
use callsign_core::identity::identifier::{Identifier, TABLE};
use callsign_core::identity::valve::Valves;

/// Returns a `[[tenants]]` entry.
fn tenant(name: &str, lines: &str) -> String {
    format!("[[tenants]]\nname = \"{name}\"\n{lines}\n")
}

/// Returns a key of this tenant.
fn member(tenant: &str) -> String {
    key_entry(
        tenant,
        &format!("sk-cs-very-secret-key-of-{tenant}"),
        &format!("preset = \"generic\"\ntenant = \"{tenant}\""),
    )
}

fn user_of(tenant: &Tenant) -> Option<String> {
    let caller = Caller { tenant: Some(&tenant.name), user: Some("u"), ..Caller::default() };
    tenant.policy.render(Identifier::User, &caller)
}

#[test]
fn a_tenant_inherits_what_it_does_not_set() {
    let operator = "missing_user = \"reject\"\n[valves]\nsend_end_user_id = true\nsend_chat_id = true\n\
                    [formats]\nuser = \"op_{user}\"\n[metadata]\na = \"operator\"\nb = \"operator\"\n";
    let acme = tenant(
        "acme",
        "openrouter_api_key = \"sk-or-acme\"\nmissing_user = \"shared:acme\"\nformats = { user = \"acme_{user}\" }\n\
         valves = { send_chat_id = false, send_session_id = true }\nmetadata = { b = \"acme\" }",
    );
    let text = operator.to_owned() + &acme + &tenant("plain", "") + &member("acme") + &member("plain");
    let loaded = with_file(&text, &[]).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let [acme, plain] = &loaded.config.tenants.list[..] else { panic!() };
    assert_eq!(acme.api_key.as_ref().unwrap().expose(), "sk-or-acme");
    assert!(plain.api_key.is_none());
    assert_eq!((user_of(acme).as_deref(), user_of(plain).as_deref()), (Some("acme_u"), Some("op_u")));
    assert_eq!(
        (acme.policy.missing_user.to_string(), plain.policy.missing_user.to_string()),
        ("shared:acme".into(), "reject".into())
    );
    assert_eq!(acme.policy.valves, Valves::on(&[Identifier::User, Identifier::Session]));
    assert_eq!(plain.policy.valves, Valves::on(&[Identifier::User, Identifier::Chat]));
    let pairs: Vec<_> = acme.policy.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(pairs, ["b=acme", "a=operator", "b=operator"], "the first of a name wins");
}

#[test]
fn a_tenant_can_set_every_valve_and_format() {
    let settings =
        TABLE.iter().map(|row| format!("{} = true\n{} = \"{}_{{user}}\"\n", row.valve.path, row.format.path, row.name));
    let settings: String = settings.chain(["valves.send_trace = true\n".to_owned()]).collect();
    let config = with_file(&tenant("acme", &settings), &[]).unwrap().config;
    let policy = &config.tenants.list[0].policy;
    assert!(policy.valves.list().into_iter().all(|valve| valve.on));
    for row in &TABLE {
        assert_eq!(policy.formats[row.identifier].to_string(), format!("{}_{{user}}", row.name));
    }
    assert!(!config.tenants.operator.valves.any(), "the operator's are unchanged");
}

#[test]
fn each_tenant_has_a_secret_of_its_own() {
    let text = tenant("a", "") + &tenant("b", "") + &tenant("c", "id_secret = \"a-very-secret-secret-of-c\"");
    let variables = [("CALLSIGN_ID_SECRET", ID_SECRET), ("USER_ID_FORMAT", "{hmac user}"), ("SEND_END_USER_ID", "1")];
    let config = with_file(&text, &variables).unwrap().config;
    let mut ids: Vec<_> = config.tenants.list.iter().map(|tenant| user_of(tenant).unwrap()).collect();
    let plain = Caller { user: Some("u"), ..Caller::default() };
    ids.push(config.tenants.operator.render(Identifier::User, &plain).unwrap());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "one user id, four tenants, four identifiers");
}

#[rstest]
#[case("name = \"\"", "FILE:2: tenants[].name: expected text")]
#[case("name = \"a\\u001fb\"", "FILE:2: tenants[].name: expected text")]
#[case("name = \"passthrough-1\"", "FILE:2: tenants[].name: begins with passthrough-")]
#[case("missing_user = \"omit\"", "FILE:2: tenants: has no name; set it")]
#[case("name = \"a\"\nmissing_user = \"shared:\"", "FILE:3: tenants[].missing_user: expected omit")]
#[case("name = \"a\"\nformats = { user = \"all\" }", "FILE:3: tenants[].formats.user: names no field")]
#[case("name = \"a\"\nvalves = { send_chat_id = \"si\" }", "FILE:3: tenants[].valves.send_chat_id: expected true")]
#[case("name = \"a\"\nid_secret = \"short\"", "FILE:3: tenants[].id_secret: has 5 bytes")]
#[case("name = \"a\"\nopenrouter_api_key = \"a b\"", "FILE:3: tenants[].openrouter_api_key: expected visible ASCII")]
#[case("name = \"a\"\nmetadata = { user_id = \"x\" }", "FILE:3: tenants[].metadata.user_id: is reserved")]
#[case("name = \"a\"\nlimits = { rpm = 0 }", "FILE:3: tenants[].limits.rpm: takes a whole number")]
#[case("name = \"a\"\nlimits = { rps = 1 }", "FILE:3: tenants[].limits.rps: is not a setting")]
#[case(
    "name = \"a\"\nvalves.send_chat_id = true\nformats.chat = \"{hmac user chat}\"",
    "FILE:2: tenants: has no id_secret, nor is there a CALLSIGN_ID_SECRET, but FILE:4: tenants[].formats.chat uses hmac"
)]
#[case("name = \"a\"\n[[tenants]]\nname = \"a\"", "FILE:4: tenants: has the name of an earlier entry")]
fn a_bad_tenant_is_one_problem(#[case] lines: &str, #[case] message: &str) {
    let problems = file_problems(&format!("[[tenants]]\n{lines}"));
    assert_eq!(problems.lines().count(), 1, "{problems}");
    assert!(problems.starts_with(message), "{problems}");
}

#[test]
fn a_shared_id_fits_for_tenants_too() {
    let text = tenant("a", &format!("missing_user = \"shared:{}\"", "x".repeat(20)));
    let problems = with_file(&text, &[("CALLSIGN_MAX_ID_CHARS", "19")]).unwrap_err();
    assert!(problems.starts_with("FILE:3: tenants[].missing_user: shares an id longer"), "{problems}");
}

#[test]
fn keys_and_issuers_name_configured_tenants() {
    let problems = file_problems(&(tenant("acme", "") + &member("amce")));
    assert!(problems.ends_with("keys: names a tenant that is not configured; there are acme"), "{problems}");
    let issuer =
        "[[issuers]]\nname = \"i\"\npreset = \"openwebui-jwt\"\nsecret = \"a-very-secret-jwt\"\ntenant = \"acme\"\n";
    let keyed = |tenant_line: &str| {
        tenant("acme", "")
            + &tenant("b", "")
            + issuer
            + &key_entry("k", KEY, &format!("preset = \"openwebui-jwt\"\n{tenant_line}"))
    };
    let config = with_file(&keyed(""), &[]).unwrap().config;
    assert_eq!(config.callers.tenant_of(&config.callers.keys[0]), Some("acme"));
    assert!(with_file(&keyed("tenant = \"acme\""), &[]).is_ok());
    let differing = file_problems(&keyed("tenant = \"b\""));
    assert!(differing.contains("keys: sets another tenant than its issuer"), "{differing}");
}

#[test]
fn the_operators_key_is_not_needed_where_every_tenant_has_one() {
    let serving = |text: &str| with_file(text, &[]).unwrap().config.check_serving().is_ok();
    let paying = tenant("acme", "openrouter_api_key = \"sk-or-acme\"");
    assert!(serving(&(paying.clone() + &member("acme"))));
    assert!(!serving(&(tenant("acme", "") + &member("acme"))));
    let other = key_entry("x", KEY, "user = \"x\"");
    assert!(!serving(&(paying + &member("acme") + &other)));
}

#[test]
fn warnings_concern_only_a_tenants_own_settings() {
    let warnings = |text: &str, variables: &[(&str, &str)]| with_file(text, variables).unwrap().warnings;
    let unused = warnings(&tenant("acme", ""), &[]);
    assert_eq!(unused, ["FILE:2: tenants: is a tenant that no key and no issuer names; set tenant in one of them"]);
    let short = tenant("acme", "formats = { user = \"{sha256:8 user}\" }\nvalves = { send_end_user_id = true }")
        + &member("acme");
    assert!(
        warnings(&short, &[])[0].starts_with("FILE:3: tenants[].formats.user: keeps 8 digits"),
        "{:?}",
        warnings(&short, &[])
    );
    let closed = tenant("acme", "formats = { user = \"{user}\" }") + &member("acme");
    assert!(warnings(&closed, &[])[0].starts_with("FILE:3: tenants[].formats.user: is not used"));
    let inherited = tenant("acme", "") + &member("acme");
    let variables = [("USER_ID_FORMAT", "{sha256:8 user}"), ("SEND_END_USER_ID", "1")];
    assert_eq!(warnings(&inherited, &variables).len(), 1, "reported once, for the operator's format");
    let named = [("USER_ID_FORMAT", "{tenant}_{user}"), ("SEND_END_USER_ID", "1")];
    assert_eq!(warnings(&inherited, &named), Vec::<String>::new());
    let person =
        tenant("acme", "valves = { send_chat_id = true }") + &key_entry("a", KEY, "user = \"a\"\ntenant = \"acme\"");
    let lacking = warnings(&person, &[]);
    assert_eq!(lacking.len(), 1, "{lacking:?}");
    assert!(
        lacking[0].starts_with("FILE:3: tenants[].valves.send_chat_id: is on, but")
            && lacking[0].ends_with("(tenant acme)")
    );
}

#[test]
fn no_secret_of_an_entry_is_listed() {
    let text = tenant(
        "acme",
        "openrouter_api_key = \"sk-or-very-secret\"\nid_secret = \"a-very-secret-secret\"\nmissing_user = \"reject\"",
    ) + "[[issuers]]\nname = \"i\"\npreset = \"openwebui-jwt\"\nsecret = \"a-very-secret-jwt\"\n";
    let loaded = with_file(&text, &[]).unwrap();
    assert!(!format!("{loaded:?}").contains("very-secret"));
    assert_eq!(value_of(&loaded, "tenants[0].openrouter_api_key"), Some("***"));
    assert_eq!(value_of(&loaded, "issuers[0].secret"), Some("***"));
    assert_eq!(value_of(&loaded, "issuers[0].preset"), Some("openwebui-jwt"));
    assert_eq!(value_of(&loaded, "tenants[0].missing_user"), Some("reject"));
}
