//! Invalid values, and rules between settings.

use std::path::Path;

use rstest::rstest;

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
#[case("CALLSIGN_BUFFER_BODY_BYTES", "-1")]
#[case("CALLSIGN_BUFFER_BODY_BYTES", "104857601")]
#[case("CALLSIGN_BUFFER_TOTAL_BYTES", "8MB")]
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
    let variables =
        [("CALLSIGN_LISTEN", "x"), ("CALLSIGN_MAX_ID_CHARS", "x"), ("SEND_CHAT_ID", "x"), ("CALLSIGN_X", "x")];
    let problems = with_file(text, &variables).unwrap_err();
    for place in [
        "FILE:1: bogus: ",
        "FILE:3: upstream.idle_timeout_seconds: ",
        "FILE:5: headers.forward: entry 1: cookie ",
        "FILE:5: headers.forward: entry 3: te ",
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
#[case("10.0.2.7:80", "off", "http://10.0.2.7/v1", true)]
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
fn a_low_body_limit_lowers_the_default_buffer() {
    assert_eq!(load(&[("CALLSIGN_MAX_BODY_BYTES", "1000")]).config.bodies.buffer_bytes, 1000);
    let set = problems(&[("CALLSIGN_MAX_BODY_BYTES", "1000"), ("CALLSIGN_BUFFER_BODY_BYTES", "1001")]);
    assert!(set.starts_with("env CALLSIGN_BUFFER_BODY_BYTES: is more than CALLSIGN_MAX_BODY_BYTES"), "{set}");
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
fn headers_with_identity_or_framing_are_not_forwarded(#[case] name: &str) {
    let own = "[presets.house]\nuser = \"X-House-User\"\n".to_owned()
        + &key_entry("a", KEY, "user = \"a\"\nheaders = { chat = \"X-Brought-Chat\" }");
    let problems = file_problems(&format!("[headers]\nforward = [\"x-fine\", \"{name}\"]\n{own}"));
    assert_eq!(problems.lines().count(), 1, "{problems}");
    assert!(problems.starts_with("FILE:2: headers.forward: "), "{problems}");
}

#[test]
fn body_and_headers_are_read() {
    let text = "[headers]\nforward = [\"X-My-Header\"]\nhttp_referer = \"https://acme.example\"\n\
                x_openrouter_title = \"Acme Chat\"\n[body]\nremove = [\"new_id\"]\n";
    let config = with_file(text, &[]).unwrap().config;
    assert_eq!(config.headers.forward, ["x-my-header"]);
    assert_eq!(config.headers.http_referer.unwrap(), "https://acme.example");
    assert_eq!(config.headers.x_openrouter_title.unwrap(), "Acme Chat");
    assert_eq!(config.bodies.remove, ["new_id"]);
    for name in ["model", "prompt_cache_key"] {
        assert!(file_problems(&format!("[body]\nremove = [\"{name}\"]")).contains("entry 1: "), "{name}");
    }
    assert!(file_problems("[metadata]\nuser_id = \"x\"").starts_with("FILE:2: metadata.user_id: is reserved"));
    assert!(file_problems("[headers]\nhttp_referer = \"a\\nb\"").contains("expected the value of a header"));
}

#[test]
fn tls_needs_both_files() {
    let tls = load(&[("CALLSIGN_TLS_CERT", "c.pem"), ("CALLSIGN_TLS_KEY", "k.pem")]).config.data.tls.unwrap();
    assert_eq!((tls.cert.as_path(), tls.key.as_path()), (Path::new("c.pem"), Path::new("k.pem")));
}

#[test]
fn no_setting_is_accepted_and_ignored() {
    for setting in settings::all().filter(|setting| !setting.is_pattern()) {
        let value = "\u{7f}";
        if let Some(variable) = setting.variable {
            let problems = problems(&[(variable, value)]);
            assert!(!problems.is_empty(), "{variable} accepts any value");
        }
        if let Some(path) = setting.path {
            let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
            let table = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
            let problems = file_problems(&format!("{table}{name} = \"\\u007f\""));
            assert!(problems.contains(&format!(": {path}: ")), "{path}: {problems}");
        }
    }
}

#[test]
fn allowed_server_tools_need_a_session_of_the_user() {
    let load = |more: &[(&str, &str)]| {
        let variables =
            [&[("CALLSIGN_SERVER_TOOLS", "allow"), ("CALLSIGN_APP_KEY", "sk-cs-a-key-of-one-app-0123456789")], more];
        let variables = variables.concat().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Config::load(&ConfigInputs::environment(variables))
    };
    assert!(load(&[]).unwrap().config.tenants.operator.container_keys);
    assert!(load(&[("SEND_SESSION_ID", "1"), ("SESSION_ID_FORMAT", "{sha256 user session}")]).is_ok());
    for refused in [
        &[("SEND_SESSION_ID", "1")][..],
        &[("SEND_CACHE_SESSION_ID", "1"), ("CACHE_SESSION_ID_FORMAT", "{sha256 chat}")],
        &[("CALLSIGN_PROMPT_CACHE_KEY", "keep")],
    ] {
        let problems = format!("{:?}", load(refused).unwrap_err());
        assert!(problems.contains("CALLSIGN_SERVER_TOOLS=allow"), "{problems}");
    }
}
