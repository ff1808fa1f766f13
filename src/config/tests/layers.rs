//! Precedence of the layers, sources of values, and conversion to text.

use super::*;
use callsign_core::auth::settings::ClientSession;
use callsign_core::identity::identifier::Identifier;
use callsign_gateway::proxy::settings::PromptCacheKey;
use callsign_store::ledger::settings::Mode;
use callsign_telemetry::logging::LogFormat;

#[test]
fn every_default_has_its_documented_value() {
    let Config { data, admin, callers, bodies, headers, upstream, shedding, ledger, limits, .. } = load(&[]).config;
    let Config { archive, drain, log, tenants, .. } = load(&[]).config;
    assert!(archive.place.is_none() && !archive.required && archive.by_default);
    assert_eq!((archive.retention_days, archive.sample_percent), (90, 100));
    assert!(
        limits.default == callsign_core::allowance::Allowance::default() && limits.store.is_none() && !limits.dry_run
    );
    assert!(ledger.store.is_none() && ledger.data_dir.is_none());
    assert_eq!((ledger.mode, ledger.retention_days), (Mode::Fast, 400));
    assert!(tenants.list.is_empty() && callers.issuers.is_empty());
    assert_eq!(data.listen.to_string(), "127.0.0.1:8484");
    assert!(data.tls.is_none() && data.cors_origins.is_empty());
    assert_eq!(admin.listen.unwrap().to_string(), "127.0.0.1:8485");
    assert!(admin.console.token.is_none());
    assert!(callers.keys.is_empty() && callers.passthrough.is_none());
    assert_eq!(callers.client_session, ClientSession::Drop);
    assert!(!tenants.operator.valves.any());
    assert_eq!(tenants.operator.max_id_chars, 128);
    assert_eq!(tenants.operator.formats[Identifier::CacheSession].to_string(), "{hmac user chat}");
    assert_eq!((bodies.max_bytes, bodies.buffer_bytes, bodies.buffer_total_bytes), (104_857_600, 262_144, 8_388_608));
    assert_eq!(bodies.prompt_cache_key, PromptCacheKey::Bind);
    assert!(!bodies.redact_account && bodies.remove.is_empty());
    assert_eq!(headers, Headers::default());
    assert_eq!(upstream.url.to_string(), "https://openrouter.ai/api/v1");
    assert_eq!((upstream.base_path(), upstream.port(), upstream.http2), ("/api/v1", 443, false));
    let seconds = [upstream.connect_timeout, upstream.first_byte_timeout, upstream.idle_timeout];
    assert_eq!(seconds.map(|time| time.as_secs()), [10, 600, 300]);
    let by_machine = (shedding.connections, shedding.connections_per_address, shedding.in_flight_per_caller);
    assert_eq!((by_machine, shedding.in_flight), ((None, None, None), 4096));
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
fn settings_of_an_unreadable_file_are_not_reported_as_missing() {
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
    assert!(config.tenants.operator.valves.trace && config.tenants.operator.valves[Identifier::Chat]);
    let pairs: Vec<_> = config.tenants.operator.metadata.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let expected = [("build", "12345678901234567890"), ("day", "2027-01-01"), ("flag", "true"), ("ratio", "1.10")];
    assert_eq!(pairs, expected);
}

#[test]
fn a_list_is_an_array_or_text_with_commas_or_line_breaks() {
    let names = |loaded: &Loaded| {
        loaded.config.data.cors_origins.iter().map(|o| o.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let both = ["https://a.example", "http://b.example:81"];
    assert_eq!(names(&load(&[("CALLSIGN_CORS_ORIGINS", "https://a.example, http://b.example:81")])), both);
    assert_eq!(names(&load(&[("CALLSIGN_CORS_ORIGINS", "https://a.example\nhttp://b.example:81\n")])), both);
    assert_eq!(
        names(&with_file("cors_origins = [\"https://a.example\", \"http://b.example:81\"]", &[]).unwrap()),
        both
    );
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
    assert_eq!(two, "env OPENROUTER_API_KEY_FILE: is set together with OPENROUTER_API_KEY; keep one");
    for order in ["api_key_file = \"PATH\"\napi_key = \"x\"", "api_key = \"x\"\napi_key_file = \"PATH\""] {
        let two = file_problems(&format!("[upstream]\n{}", order.replace("PATH", &path)));
        assert!(two.starts_with("FILE:3: upstream.api_key"), "{two}");
        assert!(two.ends_with("is set both as a value and as a file; keep one"), "{two}");
    }
    let gone = problems(&[("OPENROUTER_API_KEY_FILE", "/nowhere/key")]);
    assert!(gone.starts_with("env OPENROUTER_API_KEY_FILE: names a file that cannot be read: "), "{gone}");
    let empty = problems(&[("CALLSIGN_ID_SECRET_FILE", &secret("\n"))]);
    assert!(empty.ends_with("names an empty file; write the value into it"), "{empty}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_a_problem_only_where_it_is_ours() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let bytes = || OsString::from_vec(vec![b'x', 0xff]);
    let read = |name: &str| Config::load(&ConfigInputs::environment([(OsString::from(name), bytes())]));
    assert_eq!(read("CALLSIGN_LOG").unwrap_err().to_string(), "env CALLSIGN_LOG: is not UTF-8; set it to UTF-8 text");
    assert!(read("HOME").is_ok());
    assert!(Config::load(&ConfigInputs::environment([(bytes(), OsString::from("x"))])).is_ok());
}

#[test]
fn an_origin_that_many_apps_share_is_warned_of() {
    let warnings = |origins: &str| with_file(&format!("cors_origins = {origins}"), &[]).unwrap().warnings;
    let warned = warnings(r#"["https://chat.example", "tauri://localhost", "http://localhost"]"#);
    assert_eq!(warned.iter().filter(|warning| warning.contains("which many apps have as their origin")).count(), 2);
    let warned = warnings(r#"["app://obsidian.md", "http://localhost:3000"]"#);
    assert!(!warned.iter().any(|warning| warning.contains("many apps")), "{warned:?}");
}
