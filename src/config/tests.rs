//! What comes out of variables and files, and every problem and warning, through [`Config::load`] alone.

use std::path::Path;

use rstest::rstest;

use super::*;
use crate::secret::KeyDigest;

/// Secrets that no problem, warning or listing may repeat.
const KEY: &str = "sk-cs-very-secret-key-1";
const OTHER_KEY: &str = "sk-cs-very-secret-key-2";
const API_KEY: &str = "sk-or-v1-very-secret";
const ID_SECRET: &str = "a-very-secret-id-secret";

/// The least that serves.
const MINIMAL: [(&str, &str); 2] = [("OPENROUTER_API_KEY", API_KEY), ("CALLSIGN_APP_KEY", KEY)];

fn environment(variables: &[(&str, &str)]) -> Sources {
    Sources::environment(variables.iter().copied())
}

fn load(variables: &[(&str, &str)]) -> Loaded {
    Config::load(&environment(variables)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The problems of these variables, one per line; empty when there are none.
fn problems(variables: &[(&str, &str)]) -> String {
    Config::load(&environment(variables)).err().map(|problems| problems.to_string()).unwrap_or_default()
}

/// Loads a TOML text together with variables; what comes back names the file `FILE`.
fn with_file(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("callsign.toml");
    std::fs::write(&path, text).unwrap();
    let shorten = |text: &mut String| *text = text.replace(&path.display().to_string(), "FILE");
    match Config::load(&environment(variables).file(Some(path.clone()))) {
        Ok(mut loaded) => {
            loaded.effective.iter_mut().for_each(|row| shorten(&mut row.source));
            loaded.warnings.iter_mut().for_each(shorten);
            Ok(loaded)
        }
        Err(problems) => {
            let mut text = problems.to_string();
            shorten(&mut text);
            Err(text)
        }
    }
}

fn file_problems(text: &str) -> String {
    with_file(text, &[]).err().unwrap_or_default()
}

fn source_of<'l>(loaded: &'l Loaded, name: &str) -> &'l str {
    &loaded.effective.iter().find(|row| row.name == name).unwrap().source
}

fn value_of<'l>(loaded: &'l Loaded, name: &str) -> Option<&'l str> {
    loaded.effective.iter().find(|row| row.name == name).unwrap().value.as_deref()
}

/// A `[[keys]]` entry for `key` with these further lines.
fn stanza(name: &str, key: &str, lines: &str) -> String {
    let digest = KeyDigest::of(key.as_bytes()).to_hex();
    format!("[[keys]]\nname = \"{name}\"\nsha256 = \"{digest}\"\n{lines}\n")
}

mod layers {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let Config { data, admin, callers, identifiers, bodies, headers, upstream, drain, log } = load(&[]).config;
        assert_eq!(data.listen.to_string(), "127.0.0.1:8484");
        assert!(data.tls.is_none() && data.cors_origins.is_empty());
        assert_eq!(admin.listen.unwrap().to_string(), "127.0.0.1:8485");
        assert!(admin.token.is_none());
        assert!(callers.keys.is_empty() && callers.passthrough.is_none());
        assert_eq!(callers.client_session, ClientSession::Drop);
        assert!(!identifiers.valves.any());
        assert_eq!(identifiers.max_id_chars, 128);
        assert_eq!(identifiers.formats.cache_session.to_string(), "{hmac user chat}");
        assert_eq!((bodies.max_bytes, bodies.hold_bytes, bodies.hold_total_bytes), (104_857_600, 262_144, 8_388_608));
        assert_eq!(bodies.prompt_cache_key, PromptCacheKey::Bind);
        assert!(!bodies.redact_account && bodies.remove.is_empty());
        assert_eq!(headers, Headers::default());
        assert_eq!(upstream.url.to_string(), "https://openrouter.ai/api/v1");
        assert_eq!((upstream.base_path(), upstream.port(), upstream.http2), ("/api/v1", 443, false));
        let seconds = [upstream.connect_timeout, upstream.first_byte_timeout, upstream.idle_timeout];
        assert_eq!(seconds.map(|time| time.as_secs()), [10, 600, 300]);
        assert_eq!((drain.total.as_secs(), drain.delay.as_secs()), (25, 0));
        assert_eq!(log, Log { filter: "info".to_owned(), format: LogFormat::Text });
    }

    #[test]
    fn a_variable_wins_over_the_file_and_the_file_over_the_defaults() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let defaults = write("defaults.toml", "listen = \"0.0.0.0:1\"\nadmin_listen = \"0.0.0.0:2\"\nlog = \"warn\"\n");
        let file = write("callsign.toml", "admin_listen = \"0.0.0.0:3\"\n\nlog = \"error\"\n");
        let sources = environment(&[("CALLSIGN_LOG", "debug")]).defaults(&defaults).file(Some(file.clone()));
        let loaded = Config::load(&sources).unwrap();
        assert_eq!(loaded.config.data.listen.port(), 1);
        assert_eq!(loaded.config.admin.listen.unwrap().port(), 3);
        assert_eq!(loaded.config.log.filter, "debug");
        assert_eq!(source_of(&loaded, "listen"), format!("default ({}:1)", defaults.display()));
        assert_eq!(source_of(&loaded, "admin_listen"), format!("{}:1", file.display()));
        assert_eq!(source_of(&loaded, "log"), "env CALLSIGN_LOG");
        assert_eq!(source_of(&loaded, "log_format"), "default");
    }

    #[test]
    fn a_file_of_defaults_need_not_exist_but_a_named_file_must() {
        assert!(Config::load(&environment(&[]).defaults("/nowhere/defaults.toml")).is_ok());
        let missing = problems(&[("CALLSIGN_CONFIG", "/nowhere/callsign.toml"), ("SEND_TRACE", "perhaps")]);
        assert!(missing.starts_with("/nowhere/callsign.toml: cannot be read: "), "{missing}");
        assert!(missing.contains("\nenv SEND_TRACE: "), "other problems are reported with it: {missing}");
    }

    #[test]
    fn what_an_unreadable_file_leaves_out_is_not_called_missing() {
        let sources = environment(&[("CALLSIGN_CONFIG", "/nowhere/callsign.toml")]).serving();
        assert_eq!(Config::load(&sources).unwrap_err().iter().count(), 1);
    }

    #[test]
    fn the_command_line_wins_over_callsign_config() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("callsign.toml");
        std::fs::write(&file, "log = \"error\"").unwrap();
        let variables = [("CALLSIGN_CONFIG", "/nowhere/callsign.toml")];
        assert_eq!(Config::load(&environment(&variables).file(Some(file))).unwrap().config.log.filter, "error");
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let loaded = load(&[("CALLSIGN_LISTEN", ""), ("CALLSIGN_APP_KEY", ""), ("CALLSIGN_NONSENSE", "")]);
        assert_eq!(source_of(&loaded, "listen"), "default");
        assert!(loaded.config.callers.keys.is_empty());
    }

    #[test]
    fn a_toml_value_is_text_whatever_toml_calls_it() {
        let text = "max_body_bytes = 0x1_00\nlog = \"info\"\n[valves]\nsend_trace = \"on\"\nsend_chat_id = 1\n[metadata]\n\
                    build = 12345678901234567890\nday = 2027-01-01\nratio = 1.10\nflag = true\n";
        let config = with_file(text, &[]).unwrap().config;
        assert_eq!(config.bodies.max_bytes, 256);
        assert!(config.identifiers.valves.trace && config.identifiers.valves.chat);
        let pairs: Vec<_> = config.identifiers.metadata.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let expected =
            [("build", "12345678901234567890"), ("day", "2027-01-01"), ("flag", "true"), ("ratio", "1.10")];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn a_list_is_an_array_or_text_with_commas_or_line_breaks() {
        let names = |loaded: &Loaded| loaded.config.data.cors_origins.iter().map(|o| o.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        let both = ["https://a.example", "http://b.example:81"];
        assert_eq!(names(&load(&[("CALLSIGN_CORS_ORIGINS", "https://a.example, http://b.example:81")])), both);
        assert_eq!(names(&load(&[("CALLSIGN_CORS_ORIGINS", "https://a.example\nhttp://b.example:81\n")])), both);
        assert_eq!(names(&with_file("cors_origins = [\"https://a.example\", \"http://b.example:81\"]", &[]).unwrap()), both);
        assert_eq!(names(&with_file("cors_origins = \"https://a.example,http://b.example:81\"", &[]).unwrap()), both);
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let secret = |text: &str| {
            let path = directory.path().join("secret");
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        for (text, expected) in [("abc", "abc"), ("abc\n", "abc"), ("abc\r\n", "abc")] {
            let loaded = load(&[("OPENROUTER_API_KEY_FILE", &secret(text))]);
            assert_eq!(loaded.config.upstream.api_key.unwrap().expose(), expected);
        }
        let path = secret("abc\n");
        let file = format!("[upstream]\napi_key_file = \"{path}\"");
        assert_eq!(with_file(&file, &[]).unwrap().config.upstream.api_key.unwrap().expose(), "abc");
        let variable_wins = with_file(&file, &[("OPENROUTER_API_KEY", API_KEY)]).unwrap();
        assert_eq!(variable_wins.config.upstream.api_key.unwrap().expose(), API_KEY);

        let two = problems(&[("OPENROUTER_API_KEY_FILE", &path), ("OPENROUTER_API_KEY", API_KEY)]);
        assert_eq!(two, "env OPENROUTER_API_KEY_FILE: and OPENROUTER_API_KEY are both set; keep one");
        for order in ["api_key_file = \"PATH\"\napi_key = \"x\"", "api_key = \"x\"\napi_key_file = \"PATH\""] {
            let two = file_problems(&format!("[upstream]\n{}", order.replace("PATH", &path)));
            assert!(two.starts_with("FILE:3: upstream.api_key"), "{two}");
            assert!(two.ends_with("is set both as a value and as a file; keep one"), "{two}");
        }
        let gone = problems(&[("OPENROUTER_API_KEY_FILE", "/nowhere/key")]);
        assert!(gone.starts_with("env OPENROUTER_API_KEY_FILE: cannot read /nowhere/key: "), "{gone}");
        let empty = problems(&[("CALLSIGN_ID_SECRET_FILE", &secret("\n"))]);
        assert!(empty.ends_with(" is empty"), "{empty}");
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf8_is_a_problem_only_where_it_is_ours() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt;
        let bytes = || OsString::from_vec(vec![b'x', 0xff]);
        let read = |name: &str| Config::load(&Sources::environment([(OsString::from(name), bytes())]));
        assert_eq!(read("CALLSIGN_LOG").unwrap_err().to_string(), "env CALLSIGN_LOG: is not UTF-8");
        assert!(read("HOME").is_ok());
        assert!(Config::load(&Sources::environment([(bytes(), OsString::from("x"))])).is_ok());
    }
}

mod names {
    use super::*;

    #[rstest]
    #[case("CALLSIGN_LISTN", "CALLSIGN_LISTEN")]
    #[case("CALLSIGN_UPSTREAM", "CALLSIGN_UPSTREAM_URL")]
    #[case("CALLSIGN_USERKEYS", "CALLSIGN_USER_KEYS")]
    #[case("CALLSIGN_ADMINTOKEN", "CALLSIGN_ADMIN_TOKEN")]
    #[case("CALLSIGN_PRESET_FILE", "CALLSIGN_PRESET")]
    #[case("CALLSIGN_", "CALLSIGN_LOG")]
    fn an_unknown_variable_names_the_nearest(#[case] name: &str, #[case] nearest: &str) {
        assert_eq!(problems(&[(name, "x")]), format!("env {name}: is no setting; the nearest one is {nearest}"));
    }

    #[rstest]
    #[case("lisen = \"x\"", "FILE:1: lisen: is no setting; the nearest one is listen")]
    #[case("\n[upstream]\nulr = \"x\"", "FILE:3: upstream.ulr: is no setting; the nearest one is upstream.url")]
    #[case("api_key = \"x\"", "FILE:1: api_key: is no setting; the nearest one is upstream.api_key")]
    #[case("preset_file = \"x\"", "FILE:1: preset_file: is no setting; the nearest one is preset")]
    #[case("[[keys]]\nsha = \"x\"", "FILE:2: keys[].sha: is no setting; the nearest one is keys[].sha256")]
    #[case("[tls]\ncert = \"x\"", "FILE:1: tls: is no setting; the nearest one is tls_key")]
    #[case("[nonsense]\n", "FILE:1: nonsense: is no setting; the nearest one is presets.*.session")]
    #[case("upstream = \"x\"", "FILE:1: upstream: is a section; write its settings below it")]
    #[case("keys = [1]", "FILE:1: keys[]: takes tables, as in [[keys]]")]
    #[case("listen = [\"x\"]", "FILE:1: listen: takes one value, not a list")]
    #[case("[listen]\nx = 1", "FILE:1: listen: takes a value, not a table")]
    #[case("[headers]\nforward = [[\"x\"]]", "FILE:2: headers.forward: takes a list of texts")]
    fn a_toml_key_that_leads_nowhere(#[case] text: &str, #[case] expected: &str) {
        let problems = file_problems(text);
        assert_eq!(problems.lines().next(), Some(expected), "{problems}");
    }

    #[test]
    fn what_kubernetes_injects_is_ignored() {
        let injected = [
            ("CALLSIGN_SERVICE_HOST", "10.0.0.1"),
            ("CALLSIGN_SERVICE_PORT", "8484"),
            ("CALLSIGN_SERVICE_PORT_HTTP", "8484"),
            ("CALLSIGN_PORT", "tcp://10.0.0.1:8484"),
            ("CALLSIGN_PORT_8484_TCP", "tcp://10.0.0.1:8484"),
            ("CALLSIGN_PORT_8484_TCP_PROTO", "tcp"),
            ("CALLSIGN_PORT_8484_TCP_PORT", "8484"),
            ("CALLSIGN_PORT_8484_TCP_ADDR", "10.0.0.1"),
            ("CALLSIGN_PORT_53_UDP_ADDR", "10.0.0.1"),
            ("CALLSIGN_ADMIN_SERVICE_HOST", "10.0.0.1"),
            ("CALLSIGN_ADMIN_SERVICE_PORT", "8485"),
            ("CALLSIGN_ADMIN_PORT", "tcp://10.0.0.1:8485"),
            ("CALLSIGN_ADMIN_PORT_8485_TCP_ADDR", "10.0.0.1"),
        ];
        assert_eq!(load(&injected).warnings, Vec::<String>::new());
        for name in ["CALLSIGN_ADMIN_PORT", "CALLSIGN_PORT_HTTP", "CALLSIGN_PORT_1_TCP_X", "CALLSIGN_PORT_1_TCP_ADDR_X"] {
            assert!(problems(&[(name, "8484")]).contains("is no setting"), "{name}");
        }
        let by_hand = load(&[("CALLSIGN_PORT", "8484")]).warnings;
        assert_eq!(by_hand, ["env CALLSIGN_PORT: is ignored, as Kubernetes sets it; use CALLSIGN_LISTEN"]);
    }

    #[test]
    fn a_slip_in_a_valve_or_format_is_a_warning() {
        for (name, meant) in [
            ("SEND_ENDUSER_ID", "SEND_END_USER_ID"),
            ("SEND_CHATID", "SEND_CHAT_ID"),
            ("USERS_ID_FORMAT", "USER_ID_FORMAT"),
        ] {
            assert_eq!(load(&[(name, "x")]).warnings, [format!("env {name}: is no setting; did you mean {meant}?")]);
        }
        assert!(load(&[("SEND_MAIL", "x"), ("DATE_FORMAT", "x"), ("OPENROUTER_BASE_URL", "x")]).warnings.is_empty());
    }

    #[test]
    fn a_syntax_error_gives_line_and_column_and_never_the_line() {
        let text = format!("listen = \"127.0.0.1:1\"\napp_key = \"{KEY}\nid_secret = {ID_SECRET}\n");
        let problems = file_problems(&text);
        assert!(problems.starts_with("FILE:2:"), "{problems}");
        assert!(problems.lines().all(|line| line.contains(": is not TOML: ")), "{problems}");
        assert!(!problems.contains("secret"), "{problems}");
    }

    #[test]
    fn control_characters_in_names_do_not_reach_the_terminal() {
        let problems = file_problems("\"\\u001b[2Jx\" = 1");
        assert!(problems.contains("\\u{1b}[2Jx"), "{problems}");
        assert!(!problems.contains('\u{1b}'));
    }
}

mod aliases {
    use super::*;

    #[test]
    fn each_stands_for_its_settings() {
        let tracking = load(&[("OPENROUTER_USER_TRACKING", "true")]);
        assert!(tracking.config.identifiers.valves.user);
        assert_eq!(source_of(&tracking, "valves.send_end_user_id"), "env OPENROUTER_USER_TRACKING");
        let prefix = load(&[("OPENROUTER_USER_PREFIX", "acme")]).config.identifiers;
        assert_eq!(prefix.formats.user.to_string(), "acme_{user}");
        let external = load(&[("OPENROUTER_EXTERNAL_USER", "mai_client")]).config.identifiers;
        assert_eq!(external.formats.user.to_string(), "mai_client_user_{sha256:8 user}");
        assert_eq!(external.missing_user.to_string(), "shared:mai_client");
    }

    #[test]
    fn one_that_agrees_with_its_setting_is_fine() {
        let same = [("OPENROUTER_USER_TRACKING", "1"), ("SEND_END_USER_ID", "yes")];
        assert!(load(&same).config.identifiers.valves.user);
        assert!(problems(&[("OPENROUTER_USER_PREFIX", "p"), ("USER_ID_FORMAT", "p_{user}")]).is_empty());
    }

    #[rstest]
    #[case(&[("OPENROUTER_USER_TRACKING", "1"), ("SEND_END_USER_ID", "0")], "SEND_END_USER_ID")]
    #[case(&[("OPENROUTER_USER_PREFIX", "p"), ("USER_ID_FORMAT", "q_{user}")], "USER_ID_FORMAT")]
    #[case(&[("OPENROUTER_EXTERNAL_USER", "p"), ("CALLSIGN_MISSING_USER", "reject")], "CALLSIGN_MISSING_USER")]
    fn one_that_differs_from_its_setting_is_an_error(#[case] variables: &[(&str, &str)], #[case] setting: &str) {
        let (alias, _) = variables[0];
        let expected = format!("env {alias}: stands for {setting}, which env {setting} sets to something else; keep one");
        assert_eq!(problems(variables), expected);
    }

    #[test]
    fn one_that_differs_from_the_file_is_an_error() {
        let problems = with_file("[formats]\nuser = \"q_{user}\"", &[("OPENROUTER_USER_PREFIX", "p")]).unwrap_err();
        let expected = "env OPENROUTER_USER_PREFIX: stands for USER_ID_FORMAT, which FILE:2 sets to something else; keep one";
        assert_eq!(problems, expected);
    }

    #[test]
    fn two_for_one_setting_are_an_error() {
        let problems = problems(&[("OPENROUTER_USER_PREFIX", "p"), ("OPENROUTER_EXTERNAL_USER", "p")]);
        let expected =
            "env OPENROUTER_EXTERNAL_USER: stands for USER_ID_FORMAT, and so does OPENROUTER_USER_PREFIX; keep one";
        assert_eq!(problems, expected);
    }

    #[test]
    fn a_brace_in_one_is_an_error() {
        for alias in ["OPENROUTER_USER_PREFIX", "OPENROUTER_EXTERNAL_USER"] {
            assert!(problems(&[(alias, "a{user}")]).starts_with(&format!("env {alias}: has a brace")));
        }
    }
}

mod callers {
    use super::*;
    use crate::caller::preset::Preset;

    #[test]
    fn every_kind_of_key_ends_in_one_list() {
        let text = stanza("laptop", "sk-cs-very-secret-key-3", "user = \"carol\"\nbring = { chat = \"X-Chat-Id\" }")
            + &stanza(
                "webui",
                "sk-cs-very-secret-key-4",
                "preset = \"openwebui\"\nmetadata = { b = \"2\", a = \"1\" }\nexpires = 2027-01-01T00:00:00+01:00\n\
                 disabled = true\nfrom = [\"10.0.0.0/8\", \"2001:db8::1\"]",
            );
        let users = format!("alice = {KEY}==,\n bob={OTHER_KEY}\n");
        let variables = [("CALLSIGN_USER_KEYS", users.as_str()), ("CALLSIGN_APP_KEY", KEY), ("CALLSIGN_PRESET", "librechat")];
        let keys = with_file(&text, &variables).unwrap().config.callers.keys;
        let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["alice", "bob", "app", "laptop", "webui"]);
        assert_eq!(keys[0].grant, Grant::User("alice".to_owned()));
        assert_eq!(keys[0].digest, KeyDigest::of(format!("{KEY}==").as_bytes()), "split at the first `=`");
        assert_eq!(keys[2].grant, Grant::Preset(Preset::built_in("librechat").unwrap()));
        assert_eq!(keys[2].digest, KeyDigest::of(KEY.as_bytes()));
        assert_eq!(keys[3].bring_chat.as_ref().unwrap(), "x-chat-id");
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
        let defaults = write("defaults.toml", stanza("a", KEY, "user = \"a\""));
        let file = write("callsign.toml", stanza("b", OTHER_KEY, "user = \"b\""));
        let keys = Config::load(&environment(&[]).defaults(defaults).file(Some(file))).unwrap().config.callers.keys;
        assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[rstest]
    #[case("alice", "entry 1 has no `=`; write USER=KEY")]
    #[case("alice=sk-cs-very-secret-key-1,sk-cs-very-secret-key-2", "entry 2 has no `=`; write USER=KEY")]
    #[case("=sk-cs-very-secret-key-1", "entry 1 has no user before its `=`")]
    #[case("alice=short", "the key of entry 1 has 5 bytes; at least 16 are needed (try: callsign key new)")]
    #[case("sk-cs-very-secret-key-1=alice", "the key of entry 1 has 5 bytes; at least 16 are needed (try: callsign key new)")]
    fn user_keys_are_pairs(#[case] value: &str, #[case] message: &str) {
        assert_eq!(problems(&[("CALLSIGN_USER_KEYS", value)]), format!("env CALLSIGN_USER_KEYS: {message}"));
    }

    #[test]
    fn one_key_lets_in_one_caller() {
        let users = format!("alice={KEY}");
        let twice = problems(&[("CALLSIGN_USER_KEYS", &users), ("CALLSIGN_APP_KEY", KEY)]);
        let message = "holds a key that stands elsewhere too (env CALLSIGN_USER_KEYS); one key lets in one caller";
        assert_eq!(twice, format!("env CALLSIGN_APP_KEY: {message}"));
        let users = format!("alice={KEY},bob={KEY}");
        assert!(problems(&[("CALLSIGN_USER_KEYS", &users)]).contains("one key lets in one caller"));
        let listed = with_file(&stanza("a", KEY, "user = \"a\""), &[("CALLSIGN_APP_KEY", KEY)]).unwrap_err();
        assert_eq!(listed, "FILE:2: keys: holds a key that stands elsewhere too (env CALLSIGN_APP_KEY); one key lets in one caller");
    }

    #[rstest]
    #[case("", "has neither a user nor a preset")]
    #[case("user = \"a\"\npreset = \"generic\"", "has both a user and a preset")]
    #[case("preset = \"openwebiu\"", "names no preset; there are generic, openwebui, ")]
    #[case("user = \"\"", "takes text that is not empty")]
    #[case("user = \"a\"\nexpires = 2027-01-01", "takes a moment with its offset")]
    #[case("user = \"a\"\nexpires = \"soon\"", "takes a moment with its offset")]
    #[case("user = \"a\"\nfrom = [\"10.0.0.0/8\", \"office\"]", "entry 2 is no network")]
    #[case("user = \"a\"\nbring = { user = \"X-User-Id\" }", "is no setting; the nearest one is keys[].user")]
    #[case("user = \"a\"\nbring = { chat = \"Authorization\" }", "has another meaning")]
    #[case("user = \"a\"\nbring = { chat = \"X_Chat_Id\" }", "has a `_`")]
    #[case("user = \"a\"\nmetadata = { chat_id = \"x\" }", "is reserved for the caller's own id")]
    #[case("user = \"a\"\ntenant = \"x\"", "is no setting")]
    fn a_bad_entry_is_refused(#[case] lines: &str, #[case] message: &str) {
        let problems = file_problems(&stanza("a", KEY, lines));
        assert_eq!(problems.lines().count(), 1, "{problems}");
        assert!(problems.contains(message), "{problems}");
    }

    #[test]
    fn an_entry_has_a_name_of_its_own_and_a_digest() {
        let twice = file_problems(&(stanza("a", KEY, "user = \"a\"") + &stanza("a", OTHER_KEY, "user = \"b\"")));
        assert_eq!(twice, "FILE:5: keys: has the name of an earlier entry; give each its own");
        let problems = file_problems("[[keys]]\nuser = \"a\"\n[[keys]]\nname = \"b\"\nsha256 = \"12\"\nuser = \"b\"");
        let lines: Vec<_> = problems.lines().collect();
        assert_eq!(lines[0], "FILE:2: keys: has no name; give it one");
        assert_eq!(lines[1], "FILE:2: keys: has no sha256; callsign key new prints it");
        assert!(lines[2].starts_with("FILE:5: keys[].sha256: takes the 64 hexadecimal digits"), "{problems}");
    }

    #[test]
    fn an_own_preset_names_its_headers() {
        let text = "preset = \"house\"\npassthrough = true\n[presets.house]\nuser = \"X-House-User\"\nchat = \"X-House-Chat\"";
        let callers = with_file(text, &[]).unwrap().config.callers;
        let house = callers.preset("house").unwrap();
        assert_eq!(house.headers().map(|name| name.as_str()).collect::<Vec<_>>(), ["x-house-user", "x-house-chat"]);
        assert_eq!(callers.passthrough, Some(house));
        assert_eq!(callers.preset("nonsense"), None);
    }

    #[rstest]
    #[case("[presets.house]\nchat = \"X-Chat\"", "FILE:2: presets.house: names no user header")]
    #[case("[presets.house]\nuser = \"X House\"", "FILE:2: presets.house.user: is no header name")]
    #[case("[presets.house]\nuser = \"X_House\"", "FILE:2: presets.house.user: has a `_`")]
    #[case("[presets.house]\nuser = \"Cookie\"", "FILE:2: presets.house.user: has another meaning")]
    #[case("[presets.generic]\nuser = \"X-Me\"", "presets.generic: has the name of a built-in preset")]
    #[case("[presets.\"a.b\"]\nuser = \"X-Me\"", "presets.a.b: takes a name of letters")]
    fn a_bad_preset_is_refused(#[case] text: &str, #[case] message: &str) {
        let problems = file_problems(text);
        assert!(problems.starts_with(message), "{problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }

    #[test]
    fn serving_needs_somebody_to_let_in_and_a_key_for_the_upstream() {
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
        let disabled = with_file(&stanza("a", KEY, "user = \"a\"\ndisabled = true"), &[("OPENROUTER_API_KEY", API_KEY)]);
        assert!(disabled.unwrap().config.check_serving().is_err());
    }
}

mod rules {
    use super::*;

    #[rstest]
    #[case("CALLSIGN_LISTEN", "8484")]
    #[case("CALLSIGN_LISTEN", "localhost:8484")]
    #[case("CALLSIGN_ADMIN_LISTEN", "none")]
    #[case("CALLSIGN_ADMIN_TOKEN", "fifteen-bytes-x")]
    #[case("CALLSIGN_APP_KEY", "fifteen-bytes-x")]
    #[case("CALLSIGN_CORS_ORIGINS", "https://chat.example/")]
    #[case("CALLSIGN_TLS_CERT", "cert.pem")]
    #[case("CALLSIGN_TLS_KEY", "key.pem")]
    #[case("CALLSIGN_PRESET", "openwebuy")]
    #[case("CALLSIGN_PASSTHROUGH", "maybe")]
    #[case("CALLSIGN_CLIENT_SESSION", "keep")]
    #[case("CALLSIGN_MISSING_USER", "shared:")]
    #[case("CALLSIGN_ID_SECRET", "short")]
    #[case("CALLSIGN_ID_SECRET", "ChangeMe-ChangeMe")]
    #[case("CALLSIGN_MAX_ID_CHARS", "0")]
    #[case("CALLSIGN_MAX_ID_CHARS", "257")]
    #[case("CALLSIGN_MAX_BODY_BYTES", "0")]
    #[case("CALLSIGN_HOLD_BODY_BYTES", "-1")]
    #[case("CALLSIGN_HOLD_BODY_BYTES", "104857601")]
    #[case("CALLSIGN_HOLD_TOTAL_BYTES", "8MB")]
    #[case("CALLSIGN_PROMPT_CACHE_KEY", "yes")]
    #[case("CALLSIGN_REDACT_ACCOUNT", "x")]
    #[case("CALLSIGN_DRAIN_SECONDS", "1.5")]
    #[case("CALLSIGN_DRAIN_DELAY_SECONDS", "26")]
    #[case("CALLSIGN_LOG", "info,=,x")]
    #[case("CALLSIGN_LOG_FORMAT", "JSON5")]
    #[case("OPENROUTER_API_KEY", "with blank")]
    #[case("CALLSIGN_UPSTREAM_URL", "https://user:pass@openrouter.ai/")]
    #[case("SEND_END_USER_ID", "si")]
    #[case("USER_ID_FORMAT", "acme")]
    #[case("CACHE_SESSION_ID_FORMAT", "{hmac:4 user}")]
    fn a_bad_value_is_one_problem_that_names_its_variable(#[case] name: &str, #[case] value: &str) {
        let problems = problems(&[(name, value)]);
        assert_eq!(problems.lines().count(), 1, "{problems}");
        assert!(problems.starts_with(&format!("env {name}: ")), "{problems}");
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let text = "bogus = 1\n[upstream]\nidle_timeout_seconds = 0\n[headers]\nforward = [\"cookie\", \"x-ok\", \"te\"]\n";
        let variables = [("CALLSIGN_LISTEN", "x"), ("CALLSIGN_MAX_ID_CHARS", "x"), ("SEND_CHAT_ID", "x"), ("CALLSIGN_X", "x")];
        let problems = with_file(text, &variables).unwrap_err();
        for place in [
            "FILE:1: bogus: ",
            "FILE:3: upstream.idle_timeout_seconds: ",
            "FILE:5: headers.forward: entry 1 (cookie) ",
            "FILE:5: headers.forward: entry 3 (te) ",
            "env CALLSIGN_LISTEN: ",
            "env CALLSIGN_MAX_ID_CHARS: ",
            "env SEND_CHAT_ID: ",
            "env CALLSIGN_X: ",
        ] {
            assert!(problems.lines().any(|line| line.starts_with(place)), "{place} in\n{problems}");
        }
        assert_eq!(problems.lines().count(), 8, "{problems}");
    }

    #[rstest]
    #[case("127.0.0.1:9", "off", "http://127.0.0.1:9/v1", true)]
    #[case("127.0.0.1:9", "off", "http://localhost:9/v1", true)]
    #[case("0.0.0.0:9", "off", "http://[::1]:9/v1", true)]
    #[case("0.0.0.0:9", "off", "http://0.0.0.0:9/v1", true)]
    #[case("192.0.2.7:80", "off", "http://192.0.2.7/v1", true)]
    #[case("127.0.0.1:443", "off", "https://LOCALHOST./v1", true)]
    #[case("127.0.0.1:9", "off", "http://[::ffff:127.0.0.1]:9/v1", true)]
    #[case("127.0.0.1:9", "127.0.0.1:10", "http://127.0.0.1:10/v1", true)]
    #[case("127.0.0.1:9", "off", "http://127.0.0.1:10/v1", false)]
    #[case("127.0.0.1:0", "127.0.0.1:0", "http://127.0.0.1:10/v1", false)]
    #[case("0.0.0.0:443", "off", "https://openrouter.ai/api/v1", false)]
    fn the_upstream_is_never_callsign_itself(
        #[case] listen: &str,
        #[case] admin: &str,
        #[case] url: &str,
        #[case] refused: bool,
    ) {
        let problems =
            problems(&[("CALLSIGN_LISTEN", listen), ("CALLSIGN_ADMIN_LISTEN", admin), ("CALLSIGN_UPSTREAM_URL", url)]);
        assert_eq!(problems.contains("env CALLSIGN_UPSTREAM_URL: is callsign itself"), refused, "{problems}");
    }

    #[test]
    fn the_ports_differ() {
        let clash = problems(&[("CALLSIGN_LISTEN", "0.0.0.0:8485")]);
        assert!(clash.contains("is the address of the data port"), "{clash}");
        assert!(problems(&[("CALLSIGN_LISTEN", "127.0.0.1:0"), ("CALLSIGN_ADMIN_LISTEN", "127.0.0.1:0")]).is_empty());
        assert!(load(&[("CALLSIGN_ADMIN_LISTEN", "off")]).config.admin.listen.is_none());
    }

    #[test]
    fn a_low_body_limit_lowers_the_default_of_what_is_held() {
        assert_eq!(load(&[("CALLSIGN_MAX_BODY_BYTES", "1000")]).config.bodies.hold_bytes, 1000);
        let set = problems(&[("CALLSIGN_MAX_BODY_BYTES", "1000"), ("CALLSIGN_HOLD_BODY_BYTES", "1001")]);
        assert!(set.starts_with("env CALLSIGN_HOLD_BODY_BYTES: is more than CALLSIGN_MAX_BODY_BYTES"), "{set}");
    }

    #[test]
    fn a_keyed_format_needs_the_secret_only_while_its_valve_is_on() {
        assert!(problems(&[("USER_ID_FORMAT", "{hmac:32 user}")]).is_empty());
        for variables in [
            [("USER_ID_FORMAT", "{hmac:32 user}"), ("SEND_END_USER_ID", "1")],
            [("CHAT_ID_FORMAT", "{seal chat}"), ("SEND_CHAT_ID", "1")],
            [("SEND_CACHE_SESSION_ID", "1"), ("SEND_END_USER_ID", "1")],
        ] {
            let problems = problems(&variables);
            assert!(problems.starts_with("CALLSIGN_ID_SECRET: is not set, but "), "{problems}");
            assert!(super::problems(&[variables[0], variables[1], ("CALLSIGN_ID_SECRET", ID_SECRET)]).is_empty());
        }
    }

    #[test]
    fn a_shared_id_over_the_limit_would_never_be_sent() {
        let problems = problems(&[("CALLSIGN_MISSING_USER", "shared:abcd"), ("CALLSIGN_MAX_ID_CHARS", "3")]);
        assert!(problems.starts_with("env CALLSIGN_MISSING_USER: shares an id longer than"), "{problems}");
    }

    #[rstest]
    #[case("authorization")]
    #[case("X-Api-Key")]
    #[case("api-key")]
    #[case("cookie")]
    #[case("proxy-authorization")]
    #[case("content-length")]
    #[case("transfer-encoding")]
    #[case("connection")]
    #[case("te")]
    #[case("host")]
    #[case("x-session-id")]
    #[case("x-claude-code-session-id")]
    #[case("session-id")]
    #[case("session_id")]
    #[case("thread-id")]
    #[case("conversation_id")]
    #[case("agent-session-id")]
    #[case("x-session-affinity")]
    #[case("forwarded")]
    #[case("x-forwarded-for")]
    #[case("x-forwarded-user")]
    #[case("x-real-ip")]
    #[case("x-external-user")]
    #[case("x_custom")]
    #[case("x-callsign-error")]
    #[case("x-user-id")]
    #[case("x-openwebui-user-email")]
    #[case("x-house-user")]
    #[case("x-brought-chat")]
    #[case("not a header")]
    fn a_name_that_may_not_leave_is_not_forwarded(#[case] name: &str) {
        let own = "[presets.house]\nuser = \"X-House-User\"\n"
            .to_owned() + &stanza("a", KEY, "user = \"a\"\nbring = { chat = \"X-Brought-Chat\" }");
        let problems = file_problems(&format!("[headers]\nforward = [\"x-fine\", \"{name}\"]\n{own}"));
        assert_eq!(problems.lines().count(), 1, "{problems}");
        assert!(problems.starts_with("FILE:2: headers.forward: "), "{problems}");
    }

    #[test]
    fn the_body_and_headers_take_what_is_theirs() {
        let text = "[headers]\nforward = [\"X-My-Header\"]\nhttp_referer = \"https://acme.example\"\n\
                    x_openrouter_title = \"Acme Chat\"\n[body]\nremove = [\"new_id\"]\n";
        let config = with_file(text, &[]).unwrap().config;
        assert_eq!(config.headers.forward, ["x-my-header"]);
        assert_eq!(config.headers.http_referer.unwrap(), "https://acme.example");
        assert_eq!(config.headers.x_openrouter_title.unwrap(), "Acme Chat");
        assert_eq!(config.bodies.remove, ["new_id"]);
        for name in ["model", "prompt_cache_key"] {
            assert!(file_problems(&format!("[body]\nremove = [\"{name}\"]")).contains("entry 1 "), "{name}");
        }
        assert!(file_problems("[metadata]\nuser_id = \"x\"").starts_with("FILE:2: metadata.user_id: is reserved"));
        assert!(file_problems("[headers]\nhttp_referer = \"a\\nb\"").contains("takes text that a header can hold"));
    }

    #[test]
    fn tls_takes_both_files() {
        let tls = load(&[("CALLSIGN_TLS_CERT", "c.pem"), ("CALLSIGN_TLS_KEY", "k.pem")]).config.data.tls.unwrap();
        assert_eq!((tls.cert.as_path(), tls.key.as_path()), (Path::new("c.pem"), Path::new("k.pem")));
    }
}

mod warnings {
    use super::*;

    fn warnings(variables: &[(&str, &str)]) -> Vec<String> {
        let all: Vec<_> = MINIMAL.into_iter().chain(variables.iter().copied()).collect();
        load(&all).warnings
    }

    #[rstest]
    #[case(&[("USER_ID_FORMAT", "p_{user}")], "env USER_ID_FORMAT: is not used, as its valve is off; set SEND_END_USER_ID=true to send it")]
    #[case(&[("USER_ID_FORMAT", "{sha256:8 user}"), ("SEND_END_USER_ID", "1")], "env USER_ID_FORMAT: keeps 8 digits of a hash")]
    #[case(&[("CHAT_ID_FORMAT", "{sha256 chat}"), ("SEND_CHAT_ID", "1")], "env CHAT_ID_FORMAT: hashes without the user")]
    #[case(&[("CACHE_SESSION_ID_FORMAT", "{chat}"), ("SEND_CACHE_SESSION_ID", "1")], "env CACHE_SESSION_ID_FORMAT: does not take in the user")]
    #[case(&[("CALLSIGN_PRESET", "librechat"), ("SEND_SESSION_ID", "1")], "env SEND_SESSION_ID: is on, but no key or preset brings what {session} needs")]
    #[case(&[("SESSION_ID_FORMAT", "{tenant}{session}"), ("SEND_SESSION_ID", "1")], "env SEND_SESSION_ID: is on, but no key or preset brings")]
    #[case(&[("CALLSIGN_USER_KEYS", "a=sk-or-v1-very-secret")], "env CALLSIGN_USER_KEYS: is the OpenRouter key itself")]
    fn what_was_hardly_meant_is_said(#[case] variables: &[(&str, &str)], #[case] expected: &str) {
        let warnings = warnings(variables);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with(expected), "{warnings:?}");
    }

    #[test]
    fn what_was_meant_is_not() {
        for variables in [
            &[("SEND_END_USER_ID", "1"), ("USER_ID_FORMAT", "{sha256:16 user}")][..],
            &[("CALLSIGN_PRESET", "librechat"), ("SEND_SESSION_ID", "1"), ("CALLSIGN_CLIENT_SESSION", "bind")],
            &[("SEND_CACHE_SESSION_ID", "1"), ("CALLSIGN_ID_SECRET", ID_SECRET)],
            &[("CALLSIGN_MISSING_USER", "shared:x"), ("USER_ID_FORMAT", "{tenant}{user}"), ("SEND_END_USER_ID", "1")],
        ] {
            assert_eq!(warnings(variables), Vec::<String>::new(), "{variables:?}");
        }
    }

    #[test]
    fn a_personal_key_brings_what_it_says() {
        let text = stanza("a", KEY, "user = \"a\"\nbring = { chat = \"X-Chat-Id\" }");
        let both = [("SEND_CHAT_ID", "1"), ("SEND_MESSAGE_ID", "1")];
        let warnings = with_file(&text, &both).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("env SEND_MESSAGE_ID: is on"), "{warnings:?}");
    }

    #[test]
    fn a_preset_that_nothing_reads_is_said() {
        let warnings = load(&[("CALLSIGN_PRESET", "openwebui")]).warnings;
        assert_eq!(warnings, ["env CALLSIGN_PRESET: is used by nothing; it goes with CALLSIGN_APP_KEY or CALLSIGN_PASSTHROUGH"]);
    }

    #[test]
    fn pairs_that_will_be_skipped_are_said() {
        let warnings = with_file("[metadata]\n\"a[0]\" = \"x\"", &[]).unwrap().warnings;
        assert!(warnings[0].starts_with("metadata: the pair a[0] is skipped"), "{warnings:?}");
        let many: String = (0..16).map(|index| format!("k{index:02} = \"x\"\n")).collect();
        let all = format!("[metadata]\n{many}");
        assert_eq!(with_file(&all, &[]).unwrap().warnings, Vec::<String>::new());
        let warnings = with_file(&all, &[("SEND_END_USER_ID", "1")]).unwrap().warnings;
        assert!(warnings[0].starts_with("metadata: there are more than 16 pairs"), "{warnings:?}");
    }
}

mod secrecy {
    use super::*;

    /// Every secret, each in the right place and in every wrong one.
    #[test]
    fn no_secret_is_ever_printed() {
        let secrets = [KEY, OTHER_KEY, API_KEY, ID_SECRET];
        let variables: Vec<&str> = settings::all().filter_map(|setting| setting.variable).collect();
        let mut printed = String::new();
        for secret in secrets {
            for variable in &variables {
                // A path and an aliased prefix are said aloud; nobody takes them for a place of a secret.
                if ["CALLSIGN_CONFIG", "CALLSIGN_TLS_CERT", "CALLSIGN_TLS_KEY"].contains(variable) {
                    continue;
                }
                match Config::load(&environment(&[(variable, secret)]).serving()) {
                    Ok(_) => {}
                    Err(problems) => printed += &format!("{problems}\n{problems:?}\n"),
                }
            }
            for path in settings::all().filter_map(|setting| setting.path).filter(|path| !path.contains(['*', '['])) {
                let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
                let table = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
                printed += &file_problems(&format!("{table}{name} = [[\"{secret}\"]]"));
                printed += &file_problems(&format!("{table}{name} = \"{secret}\" \"{secret}\""));
            }
        }
        let users = format!("alice={OTHER_KEY}");
        let all = [
            ("OPENROUTER_API_KEY", API_KEY),
            ("CALLSIGN_APP_KEY", KEY),
            ("CALLSIGN_USER_KEYS", users.as_str()),
            ("CALLSIGN_ID_SECRET", ID_SECRET),
            ("CALLSIGN_ADMIN_TOKEN", "a-very-secret-token"),
        ];
        let loaded = load(&all);
        let mut listing = Vec::new();
        crate::cli::config::print(&loaded, &mut listing).unwrap();
        printed += &format!("{loaded:?}{}", String::from_utf8(listing).unwrap());
        assert_eq!(value_of(&loaded, "user_keys"), Some("***"));
        for (index, _) in printed.match_indices("very-secret") {
            panic!("{}", printed.get(index.saturating_sub(200)..index + 20).unwrap());
        }
        assert!(printed.lines().count() > 100, "something was printed");
    }
}
