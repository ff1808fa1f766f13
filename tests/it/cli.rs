//! The commands that read only the configuration: their output, their exit codes, and that they print no secret.

use std::net::TcpListener;

use crate::support::program::{Variables, callsign, callsign_reading, file};

const VALVES: Variables<'static> = &[
    ("SEND_END_USER_ID", "true"),
    ("SEND_SESSION_ID", "true"),
    ("SEND_CHAT_ID", "true"),
    ("USER_ID_FORMAT", "intellisync_{sha256:16 user}"),
];
const USER: &str = "user_2N4ZuACdqJrGGgz5c2egqQnwZaN";

#[test]
fn id_prints_what_would_be_sent() {
    let said = callsign(&format!("id --user {USER} --session s1 --chat c1 --endpoint responses"), VALVES);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r#"
    {
      "user": "intellisync_bfe1bd65d9faa81a",
      "session_id": "s1",
      "safety_identifier": "intellisync_bfe1bd65d9faa81a",
      "metadata": {
        "user_id": "intellisync_bfe1bd65d9faa81a",
        "session_id": "s1",
        "chat_id": "c1"
      }
    }
    "#);
    let said = callsign("id --user alice --session s1 --endpoint rerank", VALVES);
    insta::assert_snapshot!(said.out, @r#"
    {
      "user": "intellisync_2bd806c97f0e00af",
      "session_id": "s1",
      "headers": {
        "x-session-id": "s1"
      }
    }
    "#);
}

#[test]
fn id_cleans_values_as_headers_are_cleaned() {
    let said = callsign("id --user null", VALVES);
    assert_eq!((said.code, said.out.as_str()), (0, "{}\n"));
    assert!(said.err.contains("the user id is ignored"), "{}", said.err);

    let said = callsign(&format!("id --chat {}", "x".repeat(513)), VALVES);
    assert_eq!((said.code, said.out.as_str()), (0, "{}\n"));
    assert!(said.err.contains("the chat id is ignored"), "{}", said.err);

    let format = [VALVES, &[("CHAT_ID_FORMAT", "c_{chat}")]].concat();
    let said = callsign(&format!("id --chat {}", "x".repeat(511)), &format);
    assert_eq!((said.code, said.out.as_str()), (0, "{}\n"));
    assert!(said.err.contains("chat_id is not sent: longer than"), "{}", said.err);

    let said = callsign("id --user alice", &[]);
    assert_eq!((said.code, said.out.as_str()), (0, "{}\n"));
    assert!(said.err.contains("all valves are off"), "{}", said.err);
}

#[test]
fn id_refuses_what_the_proxy_would_refuse() {
    let said = callsign("id --chat c1", &[("CALLSIGN_MISSING_USER", "reject")]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("403 user_required"), "{}", said.err);

    let said = callsign("id --user alice --endpoint files", VALVES);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("chat/completions"), "{}", said.err);
}

#[test]
fn explain_shows_before_and_after() {
    let request = r#"{
        "model": "openai/gpt-4o", "user": "mallory", "\u0053ession_id": "stolen",
        "messages": [{"role": "user", "content": "Who am I? Please tell me."}], "temperature": 1.10,
        "metadata": {"user_id": "root"}, "callback_url": "https://elsewhere.example", "prompt_cache_key": "k",
        "stream": true
    }"#;
    let said = callsign_reading("explain --user alice --session tab-1", VALVES, request);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r#"
    POST /v1/chat/completions
    from user alice, session tab-1

      model             "openai/gpt-4o"
    - user              "mallory"                       client-supplied identifier
    - \u0053ession_id   "stolen"                        client-supplied identifier (another spelling of session_id)
      messages          [{"role": "user", "content": "Who am I? Plea…
      temperature       1.10
    - metadata          {"user_id": "root"}             client-supplied, may contain identifiers
    - callback_url      "https://elsewhere.example"     would send results to a URL chosen by the client
    - prompt_cache_key  "k"                             bound to the caller
      stream            true
    + user              "intellisync_2bd806c97f0e00af"  SEND_END_USER_ID
    + session_id        "tab-1"                         SEND_SESSION_ID
    + metadata
    +   user_id         "intellisync_2bd806c97f0e00af"  SEND_END_USER_ID
    +   session_id      "tab-1"                         SEND_SESSION_ID
    + prompt_cache_key  "887ababf019a0818…              bound to the caller
    ! chat_id           not sent                        the caller has no value for it

    body: 324 → 544 bytes; removed members become spaces, all other bytes are unchanged
    "#);
    let said = callsign_reading("explain --user alice --session tab-1 --format json", VALVES, request);
    let whole: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(whole["caller"], serde_json::json!({"user": "alice", "session": "tab-1"}));
    assert_eq!((&whole["bytes_before"], &whole["bytes_after"]), (&324.into(), &544.into()));
    let members: Vec<_> = whole["members"].as_array().unwrap().iter().collect();
    let of = |name: &str| -> Vec<_> {
        members.iter().filter(|member| member["name"] == name).map(|member| &member["treatment"]).collect()
    };
    assert_eq!(of("user"), ["removed", "written"]);
    assert_eq!(of("model"), ["kept"]);
    assert_eq!(of("metadata.user_id"), ["written"]);
    assert_eq!(of("chat_id"), ["omitted"]);
}

#[test]
fn explain_shows_headers_static_pairs_and_what_is_left_out() {
    let file = file("[metadata]\ndeployment = \"eu-1\"\n[body]\nremove = [\"tracking\"]\n");
    let line = format!("explain --config {} --user alice --session tab-1", file.path().display());
    let said = callsign_reading(&format!("{line} --endpoint embeddings"), VALVES, r#"{"input":"x","tracking":7}"#);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!(said.out, @r#"
    POST /v1/embeddings
    from user alice, session tab-1

      input                "x"
    - tracking             7                               [body] remove
    + user                 "intellisync_2bd806c97f0e00af"  SEND_END_USER_ID
    + session_id           "tab-1"                         SEND_SESSION_ID
    + header x-session-id  tab-1                           SEND_SESSION_ID
    ! chat_id              not sent                        the caller has no value for it

    body: 26 → 85 bytes; removed members become spaces, all other bytes are unchanged
    "#);

    let trace = [VALVES, &[("SEND_TRACE", "true")]].concat();
    let said = callsign_reading(&format!("{line} --endpoint /v1/messages"), &trace, r#"{"prompt_cache_key":1}"#);
    insta::assert_snapshot!(said.out, @r#"
    POST /v1/messages
    from user alice, session tab-1

    - prompt_cache_key  1                               not a string, so it cannot be bound to the caller
    + user              "intellisync_2bd806c97f0e00af"  SEND_END_USER_ID
    + session_id        "tab-1"                         SEND_SESSION_ID
    + metadata
    +   user_id         "intellisync_2bd806c97f0e00af"  SEND_END_USER_ID
    + trace                                             SEND_TRACE
    +   user_id         "intellisync_2bd806c97f0e00af"  SEND_END_USER_ID
    +   session_id      "tab-1"                         SEND_SESSION_ID
    +   deployment      "eu-1"                          [metadata]
    ! chat_id           not sent                        the caller has no value for it

    body: 22 → 313 bytes; removed members become spaces, all other bytes are unchanged
    "#);
}

#[test]
fn explain_takes_a_sample_caller_and_says_so() {
    let said = callsign_reading("explain", &[], "{}");
    assert_eq!(said.code, 0);
    assert!(said.out.contains("from user user_2N4ZuACdqJrGGgz5c2egqQnwZaN"), "{}", said.out);
    assert!(said.out.contains("(sample caller; choose another with --user)"), "{}", said.out);
    assert!(said.out.contains("All valves are off"), "{}", said.out);
}

#[test]
fn explain_tells_where_a_body_is_wrong() {
    let said = callsign_reading("explain", VALVES, r#"{"a":1,}"#);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("400 invalid_json") && said.err.contains("byte 7"), "{}", said.err);

    let said = callsign_reading("explain", VALVES, b"{\"a\":\"\xff\"}");
    assert!(said.err.contains("byte 6: not UTF-8"), "{}", said.err);

    let said = callsign_reading("explain", &[("CALLSIGN_MAX_BODY_BYTES", "3")], "{\"a\":1}");
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("413 body_too_large"), "{}", said.err);
}

#[test]
fn a_new_key_is_shown_once_and_its_entry_lets_it_in() {
    for (line, variable, holder) in [
        ("key create --print-only --user alice", "CALLSIGN_USER_KEYS=alice=", "user = \"alice\""),
        ("key create --print-only --app chat", "CALLSIGN_APP_KEY=", "preset = \"generic\""),
        ("key create --print-only --app chat --preset openwebui", "CALLSIGN_APP_KEY=", "preset = \"openwebui\""),
    ] {
        let said = callsign(line, &[]);
        assert_eq!(said.code, 0, "{line}");
        // The standard output has the key alone, for `KEY=$(callsign key create …)`.
        let key = said.out.trim_end();
        assert!(key.starts_with("sk-cs-") && key.len() == 46, "{key}");
        assert!(said.err.contains(&format!("{variable}KEY")) && !said.err.contains(key), "{}", said.err);
        assert_eq!(said.err.contains("CALLSIGN_MISSING_USER=reject"), line.contains("--app"), "{}", said.err);
        let (_, entry) = said.err.split_once("[[keys]]").unwrap();
        assert!(entry.contains(holder), "{entry}");

        let file = file(&format!("[[keys]]{entry}"));
        let line = format!("key list --config {}", file.path().display());
        let digest = &callsign_core::secret::KeyDigest::of(key.as_bytes()).to_hex()[..12];
        let listed = callsign(&line, &[]);
        assert!(listed.out.contains(digest) && !listed.out.contains(key), "{}", listed.out);

        // The name is taken now.
        let again =
            callsign("key create --print-only --user alice", &[("CALLSIGN_CONFIG", file.path().to_str().unwrap())]);
        assert_eq!(again.err.contains("name = \"alice-2\""), entry.contains("name = \"alice\""), "{}", again.err);
    }
}

#[test]
fn a_new_key_has_exactly_one_holder() {
    for line in [
        "key create --print-only",
        "key create --print-only --user a --app b",
        "key create --print-only --user a --preset generic",
        "key create --print-only --user a\u{200b}b",
    ] {
        let said = callsign(line, &[]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{line}");
    }
    let said = callsign("key create --print-only --app chat --preset openwebiu", &[]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("openwebui"), "{}", said.err);

    let own = file("[presets.house]\nuser = \"X-House-User\"\n");
    let said =
        callsign(&format!("key create --print-only --app chat --preset house --config {}", own.path().display()), &[]);
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn the_list_of_keys_tells_their_state() {
    let digest = |byte: &str| byte.repeat(32);
    let file = file(&format!(
        "[[keys]]\nname = \"old\"\nsha256 = \"{}\"\nuser = \"bob\"\nexpires = 2020-01-01T00:00:00Z\n\
         [[keys]]\nname = \"off\"\nsha256 = \"{}\"\npreset = \"librechat\"\ndisabled = true\nallowed_networks = [\"10.0.0.0/8\"]\n",
        digest("ab"),
        digest("cd")
    ));
    let variables = [("CALLSIGN_USER_KEYS", "alice=sk-cs-very-secret-key"), ("CALLSIGN_PASSTHROUGH", "true")];
    let said = callsign(&format!("key list --config {}", file.path().display()), &variables);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    // Replaces path, line and column.
    let path = format!("{}:", file.path().display());
    let lines = said.out.lines().map(|line| match line.split_once(&path) {
        Some((before, _)) => format!("{before}FILE\n"),
        None => format!("{line}\n"),
    });
    insta::assert_snapshot!(lines.collect::<String>(), @"
    NAME   CALLERS                                         STATE     EXPIRES               FROM        SHA-256       CONFIGURED
    alice  user alice                                      valid     never                 anywhere    ebc4878740fa  env CALLSIGN_USER_KEYS
    old    user bob                                        expired   2020-01-01T00:00:00Z  anywhere    abababababab  FILE
    off    users named in x-librechat-user-id (librechat)  disabled  never                 10.0.0.0/8  cdcdcdcdcdcd  FILE
    Pass-through is on: OpenRouter keys (sk-or-…) are accepted too and pay for their requests.
    ");

    let said = callsign("key list", &[]);
    assert!(said.out.contains("There is no key"), "{}", said.out);
}

#[test]
fn config_prints_values_with_their_sources_and_no_secret() {
    let variables = [("OPENROUTER_API_KEY", "sk-or-v1-very-secret"), ("SEND_END_USER_ID", "yes")];
    let said = callsign("config", &variables);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let row = |name: &str| {
        let row = said.out.lines().find(|line| line.starts_with(name)).unwrap();
        row.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("upstream.api_key"), "upstream.api_key *** env OPENROUTER_API_KEY");
    assert_eq!(row("valves.send_end_user_id"), "valves.send_end_user_id yes env SEND_END_USER_ID");
    assert!(!said.out.contains("very-secret"), "{}", said.out);
}

#[test]
fn every_command_refuses_an_invalid_configuration() {
    for line in [
        "config",
        "check",
        "check --format json",
        "explain",
        "id",
        "key list",
        "key create --print-only --user a",
        "serve",
    ] {
        let said = callsign_reading(line, &[("CALLSIGN_LISTEN", "here"), ("CALLSIGN_MAX_ID_CHARS", "many")], "{}");
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{line}");
        assert!(said.err.contains("CALLSIGN_LISTEN") && said.err.contains("CALLSIGN_MAX_ID_CHARS"), "{}", said.err);
    }
}

#[test]
fn healthcheck_says_in_one_line_why_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let closing = std::thread::spawn(move || drop(listener.accept()));
    for (variables, reason) in [
        ([("CALLSIGN_ADMIN_LISTEN", address.as_str())], address.as_str()),
        ([("CALLSIGN_ADMIN_LISTEN", "127.0.0.1:0")], "port 0"),
        ([("CALLSIGN_ADMIN_LISTEN", "here")], "configuration is invalid"),
    ] {
        let said = callsign("healthcheck", &variables);
        assert_eq!((said.code, said.out.as_str()), (1, ""));
        assert!(said.err.lines().count() == 1 && said.err.contains(reason), "{}", said.err);
    }
    closing.join().unwrap();
}

#[test]
fn what_shows_or_lists_has_a_json_form() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    let variables = [
        ("CALLSIGN_DATA_DIR", place),
        ("CALLSIGN_ARCHIVE_DIR", place),
        ("CALLSIGN_ARCHIVE_PASSWORD", "a-password-of-this-test"),
        ("CALLSIGN_LIMIT_RPM", "60"),
    ];
    assert_eq!(callsign("block mallory --unseen --reason test", &variables).code, 0);
    let json = |line: &str, code: i32| -> serde_json::Value {
        let said = callsign(&format!("{line} --format json"), &variables);
        assert_eq!(said.code, code, "{line}: {}", said.err);
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{line}: {error}: {}", said.out))
    };
    let settings = json("config", 0);
    let row = |name: &str| settings["settings"].as_array().unwrap().iter().find(|row| row["name"] == name).cloned();
    assert_eq!(row("limits.rpm").unwrap()["value"], "60");
    assert_eq!(row("archive.password").unwrap()["value"], "***");
    assert_eq!(json("block --list", 0)[0]["id"], "mallory");
    let limits = json("limits show alice", 0);
    assert_eq!((&limits[0]["limit"], &limits[0]["of"]), (&"rpm".into(), &"60".into()));
    assert_eq!(json("archive list", 1), serde_json::json!([]));
    assert_eq!(json("usage", 0), serde_json::json!([]));
    assert_eq!(json("requests", 1), serde_json::json!([]));
    assert_eq!(json("audit --since 1h", 0)[0]["act"], "block");
}

#[test]
fn every_command_names_a_user_in_the_same_way() {
    for command in ["explain", "id", "usage", "requests", "archive list", "key create", "ledger repair"] {
        let said = callsign(&format!("{command} --help"), &[]).out;
        assert!(said.contains("--user <ID>"), "{command}: {said}");
    }
    for command in ["limits show", "limits set", "limits reset", "forget", "export"] {
        let said = callsign(&format!("{command} --help"), &[]).out;
        assert!(said.contains("<USER>") && !said.contains("--user <"), "{command}: {said}");
    }
}

#[test]
fn an_end_of_a_block_is_given_as_a_duration() {
    for line in ["block alice --until 2026-12-31", "limits set alice rpm=1 --until 2026-12-31"] {
        let said = callsign(line, &[]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{line}");
        for hint in ["unexpected argument '--until", "'--for'", "--for 24h"] {
            assert!(said.err.contains(hint), "{line}: {hint}: {}", said.err);
        }
    }
    assert!(!callsign("block --help", &[]).out.contains("--until"));
}

#[test]
fn help_shows_examples_and_explains_its_terms() {
    for command in ["serve", "check"] {
        let said = callsign(&format!("{command} --help"), &[]).out;
        for part in ["Examples:\n  callsign ", "A valve (SEND_END_USER_ID", "A preset (CALLSIGN_PRESET"] {
            assert!(said.contains(part), "{command}: {part}: {said}");
        }
    }
}

#[test]
fn columns_are_for_the_table() {
    let directory = tempfile::tempdir().unwrap();
    let variables = [("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap())];
    for line in
        ["usage --wide --format json", "usage --columns requests --format csv", "usage --wide --columns requests"]
    {
        assert_eq!(callsign(line, &variables).code, 2, "{line}");
    }
    assert_eq!(callsign("usage --wide", &variables).code, 0);
}

#[test]
fn help_names_every_command() {
    let said = callsign("--help", &[]);
    assert_eq!(said.code, 0);
    for command in ["serve", "check", "explain", "id", "config", "key", "healthcheck"] {
        assert!(said.out.contains(&format!("\n  {command} ")), "{command}: {}", said.out);
    }
    assert_eq!(callsign("", &[]).code, 2);
    assert_eq!(callsign("serv", &[]).code, 2);
}

#[test]
fn the_example_of_concepts_is_what_explain_prints() {
    let page = include_str!("../../docs/CONCEPTS.md");
    let (_, rest) = page.split_once("<!-- explain -->").unwrap();
    let (_, shown) = rest.split_once("docs/example-request.json\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let variables =
        [("SEND_END_USER_ID", "true"), ("SEND_CHAT_ID", "true"), ("USER_ID_FORMAT", "acme_{sha256:16 user}")];
    let request = include_str!("../../docs/example-request.json");
    let said = callsign_reading("explain --user alice --chat chat-7", &variables, request);
    assert_eq!((said.code, said.out.as_str()), (0, shown), "{}", said.err);
}

#[test]
fn a_tenants_identifiers_are_its_own() {
    let file = file(
        "[valves]\nsend_end_user_id = true\n[formats]\nuser = \"{tenant}_{user}\"\n[[tenants]]\nname = \"acme\"\n\
         [[tenants]]\nname = \"globex\"\nformats = { user = \"g_{user}\" }\n",
    );
    let path = file.path().display();
    let said = |words: &str| callsign(&format!("{words} --config {path}"), &[]);
    assert!(said("id --user alice --tenant acme").out.contains(r#""user": "acme_alice""#));
    assert!(said("id --user alice --tenant globex").out.contains(r#""user": "g_alice""#));
    let unknown = said("id --user alice --tenant initech");
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("acme, globex"), "{}", unknown.err);
    let line = format!("explain --user alice --tenant globex --config {path}");
    assert!(callsign_reading(&line, &[], "{}").out.contains("g_alice"));
}
