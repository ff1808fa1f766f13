//! Keys, presets, and the callers and keys that serving needs.

use callsign_console::Role;
use rstest::rstest;

use super::*;
use callsign_core::auth::key::Grant;
use callsign_core::auth::preset::Preset;

#[test]
fn every_kind_of_key_is_in_one_list() {
    let text = key_entry("laptop", "sk-cs-very-secret-key-3", "user = \"carol\"\nheaders = { chat = \"X-Chat-Id\" }")
        + &key_entry(
            "webui",
            "sk-cs-very-secret-key-4",
            "preset = \"openwebui\"\nmetadata = { b = \"2\", a = \"1\" }\nexpires = 2027-01-01T00:00:00+01:00\n\
             disabled = true\nallowed_networks = [\"10.0.0.0/8\", \"2001:db8::1\"]",
        );
    let users = format!("alice = {KEY}==,\n bob={OTHER_KEY}\n");
    let variables =
        [("CALLSIGN_USER_KEYS", users.as_str()), ("CALLSIGN_APP_KEY", KEY), ("CALLSIGN_PRESET", "librechat")];
    let keys = with_file(&text, &variables).unwrap().config.callers.keys;
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["alice", "bob", "app", "laptop", "webui"]);
    assert_eq!(keys[0].grant, Grant::User("alice".to_owned()));
    assert_eq!(keys[0].digest, KeyDigest::of(format!("{KEY}==").as_bytes()), "split at the first `=`");
    assert_eq!(keys[2].grant, Grant::Preset(Preset::built_in("librechat").unwrap()));
    assert_eq!(keys[2].digest, KeyDigest::of(KEY.as_bytes()));
    assert_eq!(keys[3].chat_header.as_ref().unwrap(), "x-chat-id");
    assert!(!keys[3].disabled && keys[3].expires.is_none() && keys[3].from.is_empty());
    assert_eq!(keys[4].metadata, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
    assert_eq!(keys[4].expires.unwrap().to_string(), "2026-12-31T23:00:00Z");
    assert!(keys[4].disabled);
    let networks: Vec<_> = keys[4].from.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "2001:db8::1/128"]);
}

#[test]
fn entries_of_both_files_add_up() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        std::fs::write(directory.path().join(name), text).unwrap();
        directory.path().join(name)
    };
    let defaults = write("defaults.toml", key_entry("a", KEY, "user = \"a\""));
    let file = write("callsign.toml", key_entry("b", OTHER_KEY, "user = \"b\""));
    let keys = Config::load(&environment(&[]).defaults(defaults).file(Some(file))).unwrap().config.callers.keys;
    assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[rstest]
#[case("alice", "entry 1: has no `=`; write USER=KEY")]
#[case("alice=sk-cs-very-secret-key-1,sk-cs-very-secret-key-2", "entry 2: has no `=`; write USER=KEY")]
#[case("=sk-cs-very-secret-key-1", "entry 1: has no user; write USER=KEY")]
#[case("alice=short", "entry 1: the key has 5 bytes; at least 16 are required (make one: openssl rand -hex 32)")]
#[case(
    "sk-cs-very-secret-key-1=alice",
    "entry 1: the key has 5 bytes; at least 16 are required (make one: openssl rand -hex 32)"
)]
fn user_keys_are_pairs(#[case] value: &str, #[case] message: &str) {
    assert_eq!(problems(&[("CALLSIGN_USER_KEYS", value)]), format!("env CALLSIGN_USER_KEYS: {message}"));
}

#[test]
fn names_and_users_have_a_maximum_length() {
    let text = |length: usize| "x".repeat(length);
    let key = |name: &str, user: &str| key_entry(name, KEY, &format!("user = \"{user}\""));
    assert!(with_file(&key(&text(256), &text(512)), &[]).is_ok());
    let long = "has 257 bytes; at most 256 are accepted";
    assert_eq!(file_problems(&key(&text(257), "a")), format!("FILE:2: keys[].name: {long}"));
    let user = file_problems(&key("a", &text(513)));
    assert_eq!(user, "FILE:4: keys[].user: has 513 bytes; at most 512 are accepted");
    let tenant = file_problems(&format!("[[tenants]]\nname = \"{}\"", text(257)));
    assert_eq!(tenant, format!("FILE:2: tenants[].name: {long}"));
    let issuer =
        file_problems(&format!("[[issuers]]\nname = \"{}\"\npreset = \"clerk\"\nissuer = \"https://i\"", text(257)));
    assert_eq!(issuer, format!("FILE:2: issuers[].name: {long}"));
    let users = |length: usize| problems(&[("CALLSIGN_USER_KEYS", &format!("{}={KEY}", text(length)))]);
    assert_eq!(users(257), format!("env CALLSIGN_USER_KEYS: entry 1: the user {long}"));
    let shared = problems(&[("CALLSIGN_MISSING_USER", &format!("shared:{}", text(513)))]);
    assert!(shared.contains("with an id of at most 512 bytes"), "{shared}");
}

#[test]
fn a_key_is_configured_once() {
    let users = format!("alice={KEY}");
    let twice = problems(&[("CALLSIGN_USER_KEYS", &users), ("CALLSIGN_APP_KEY", KEY)]);
    let message = "contains a key that env CALLSIGN_USER_KEYS contains too; remove one of them";
    assert_eq!(twice, format!("env CALLSIGN_APP_KEY: {message}"));
    let users = format!("alice={KEY},bob={KEY}");
    assert!(problems(&[("CALLSIGN_USER_KEYS", &users)]).contains("contains a key that"));
    let listed = with_file(&key_entry("a", KEY, "user = \"a\""), &[("CALLSIGN_APP_KEY", KEY)]).unwrap_err();
    assert_eq!(listed, "FILE:2: keys: contains a key that env CALLSIGN_APP_KEY contains too; remove one of them");
}

#[rstest]
#[case("", "has neither user nor preset")]
#[case("user = \"a\"\npreset = \"generic\"", "has both user and preset")]
#[case("preset = \"openwebiu\"", "is not a preset; the nearest one is openwebui, and there are generic, openwebui, ")]
#[case("user = \"\"", "expected text that is not empty")]
#[case("user = \"a\"\nexpires = 2027-01-01", "expected a time with its offset")]
#[case("user = \"a\"\nexpires = \"soon\"", "expected a time with its offset")]
#[case("user = \"a\"\nallowed_networks = [\"10.0.0.0/8\", \"office\"]", "entry 2: expected a network")]
#[case("user = \"a\"\nheaders = { user = \"X-User-Id\" }", "is not a setting; the nearest one is keys[].user")]
#[case("user = \"a\"\nheaders = { chat = \"Authorization\" }", "has another meaning")]
#[case("user = \"a\"\nheaders = { chat = \"X_Chat_Id\" }", "contains `_`")]
#[case("user = \"a\"\nmetadata = { chat_id = \"x\" }", "is reserved for the caller's own id")]
#[case("user = \"a\"\ntenant = \"x\"", "names a tenant, but none is configured")]
#[case("preset = \"generic\"\nheaders = { chat = \"X-Chat-Id\" }", "applies only to a key with a user")]
#[case("preset = \"clerk\"", "is the preset of a token issuer, but no issuer has it")]
#[case("user = \"a\"\nissuer = \"x\"", "applies only to the preset of a token issuer; set preset")]
#[case("preset = \"generic\"\nissuer = \"x\"", "applies only to the preset of a token issuer; remove it")]
fn a_bad_entry_is_refused(#[case] lines: &str, #[case] message: &str) {
    let problems = file_problems(&key_entry("a", KEY, lines));
    assert_eq!(problems.lines().count(), 1, "{problems}");
    assert!(problems.contains(message), "{problems}");
}

#[test]
fn an_entry_has_a_unique_name_and_a_digest() {
    let twice = file_problems(&(key_entry("a", KEY, "user = \"a\"") + &key_entry("a", OTHER_KEY, "user = \"b\"")));
    assert_eq!(twice, "FILE:6: keys: has the name of an earlier entry; choose another");
    let test = file_problems(&key_entry("callsign-check", KEY, "user = \"a\""));
    assert!(test.contains("callsign-check is the name that live tests have in the ledger"), "{test}");
    let problems = file_problems("[[keys]]\nuser = \"a\"\n[[keys]]\nname = \"b\"\nsha256 = \"12\"\nuser = \"b\"");
    let lines: Vec<_> = problems.lines().collect();
    assert_eq!(lines[0], "FILE:2: keys: has no name; set it");
    assert_eq!(lines[1], "FILE:2: keys: has no sha256; callsign key create --print-only prints it");
    assert!(lines[2].starts_with("FILE:5: keys[].sha256: expected the 64 hexadecimal digits"), "{problems}");
}

#[test]
fn tokens_of_the_admin_port_have_a_name_a_digest_and_a_role() {
    let token =
        |name: &str, token: &str, lines: &str| key_entry(name, token, lines).replace("[[keys]]", "[[admin.tokens]]");
    let good =
        token("dana", KEY, "role = \"viewer\"\npersons = true") + &token("eve", OTHER_KEY, "role = \"operator\"");
    let tokens = with_file(&good, &[]).unwrap().config.admin.tokens;
    let read: Vec<_> = tokens.iter().map(|token| (token.name.as_str(), token.role, token.persons)).collect();
    assert_eq!(read, [("dana", Role::Viewer, true), ("eve", Role::Operator, false)]);
    for (entries, problem) in [
        (token("a", KEY, ""), "has no role; set it to viewer or operator"),
        (token("a", KEY, "role = \"root\""), "expected viewer or operator"),
        (token("admin", KEY, "role = \"viewer\""), "is the name of another operator in the audit log"),
        (token("cli:root", KEY, "role = \"viewer\""), "is the name of another operator in the audit log"),
        (
            token("a", KEY, "role = \"viewer\"") + &token("b", KEY, "role = \"viewer\""),
            "has the name or the token of an earlier entry",
        ),
    ] {
        let problems = file_problems(&entries);
        assert!(problems.contains(problem) && problems.lines().count() == 1, "{problems}");
    }
}

#[test]
fn an_own_preset_names_its_headers() {
    let text =
        "preset = \"house\"\npassthrough = true\n[presets.house]\nuser = \"X-House-User\"\nchat = \"X-House-Chat\"";
    let callers = with_file(text, &[]).unwrap().config.callers;
    let house = callers.preset("house").unwrap();
    assert_eq!(house.headers().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["x-house-user", "x-house-chat"]);
    assert_eq!(callers.passthrough, Some(house));
    assert_eq!(callers.preset("nonsense"), None);
}

#[rstest]
#[case("[presets.house]\nchat = \"X-Chat\"", "FILE:2: presets.house: has no user header")]
#[case("[presets.house]\nuser = \"X House\"", "FILE:2: presets.house.user: expected a header name")]
#[case("[presets.house]\nuser = \"X_House\"", "FILE:2: presets.house.user: contains `_`")]
#[case("[presets.house]\nuser = \"Cookie\"", "FILE:2: presets.house.user: has another meaning")]
#[case("[presets.clerk]\nuser = \"X-Me\"", "presets.clerk: has the name of a token issuer's preset")]
#[case("[presets.generic]\nuser = \"X-Me\"", "presets.generic: has the name of a built-in preset")]
#[case("[presets.\"a.b\"]\nuser = \"X-Me\"", "presets.a.b: expected a name of letters")]
fn a_bad_preset_is_refused(#[case] text: &str, #[case] message: &str) {
    let problems = file_problems(text);
    assert!(problems.starts_with(message), "{problems}");
    assert_eq!(problems.lines().count(), 1, "{problems}");
}

#[test]
fn serving_needs_a_caller_and_a_key_for_the_upstream() {
    let missing = |variables: &[(&str, &str)]| {
        let problems = Config::load(&environment(variables).serving()).err().map(|problems| problems.to_string());
        let names = problems.unwrap_or_default();
        names.lines().map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(missing(&[]), ["CALLSIGN_APP_KEY", "OPENROUTER_API_KEY"]);
    assert_eq!(missing(&[("CALLSIGN_APP_KEY", KEY)]), ["OPENROUTER_API_KEY"]);
    assert_eq!(missing(&[("OPENROUTER_API_KEY", API_KEY)]), ["CALLSIGN_APP_KEY"]);
    assert_eq!(missing(&[("CALLSIGN_PASSTHROUGH", "on")]), Vec::<String>::new());
    assert_eq!(missing(&[("CALLSIGN_PASSTHROUGH", "on"), ("CALLSIGN_APP_KEY", KEY)]), ["OPENROUTER_API_KEY"]);
    assert_eq!(missing(&MINIMAL), Vec::<String>::new());
    assert_eq!(missing(&[("CALLSIGN_APP_KEY", "short")]), ["env CALLSIGN_APP_KEY", "OPENROUTER_API_KEY"]);
    assert_eq!(load(&[]).config.check_serving().unwrap_err().iter().count(), 2);
    let disabled = with_file(&key_entry("a", KEY, "user = \"a\"\ndisabled = true"), &[("OPENROUTER_API_KEY", API_KEY)]);
    assert!(disabled.unwrap().config.check_serving().is_err());
}
