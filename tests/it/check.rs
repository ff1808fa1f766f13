//! `callsign check` as a process: it passes for good configurations and fails for bad ones.

use std::path::Path;

use serde_json::Value;

use crate::support::program::{Said, Variables, callsign, file};

const KEY: &str = "sk-cs-very-secret-key";
const APP: Variables<'static> = &[("OPENROUTER_API_KEY", "sk-or-v1-very-secret"), ("CALLSIGN_APP_KEY", KEY)];
const VALVES: Variables<'static> = &[
    ("SEND_END_USER_ID", "true"),
    ("SEND_SESSION_ID", "true"),
    ("SEND_CHAT_ID", "true"),
    ("SEND_MESSAGE_ID", "true"),
    ("SEND_TRACE", "true"),
];

fn assert_passes(said: &Said, what: &str) {
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{what}: {}", said.out);
    assert!(said.out.contains("passed: 24 checks"), "{what}: {}", said.out);
    assert!(!said.out.contains("very-secret"), "{what}: {}", said.out);
}

#[test]
fn every_way_in_passes() {
    let personal =
        [("OPENROUTER_API_KEY", "sk-or-v1-very-secret"), ("CALLSIGN_USER_KEYS", "alice=sk-cs-very-secret-key")];
    let own = [("CALLSIGN_PASSTHROUGH", "true"), ("CALLSIGN_PRESET", "openwebui")];
    let strict = [APP, VALVES, &[("CALLSIGN_MISSING_USER", "reject"), ("CALLSIGN_BUFFER_BODY_BYTES", "0")]].concat();
    let agents = [&personal, VALVES, &[("CALLSIGN_CLIENT_SESSION", "bind")]].concat();
    let cache = [APP, VALVES, &[("SEND_CACHE_SESSION_ID", "1"), ("CALLSIGN_ID_SECRET", "very-secret-and-long-enough")]]
        .concat();
    let keep = [APP, &[("CALLSIGN_PROMPT_CACHE_KEY", "keep")]].concat();
    let drop = [APP, &[("CALLSIGN_PROMPT_CACHE_KEY", "drop"), ("CALLSIGN_ADMIN_LISTEN", "off")]].concat();
    for variables in [APP, &personal, &own, &strict, &agents, &cache, &keep, &drop] {
        assert_passes(&callsign("check", variables), &format!("{variables:?}"));
    }
}

#[test]
fn the_operators_own_headers_pairs_and_removals_are_checked_too() {
    let file = file(&format!(
        "[valves]\nsend_end_user_id = true\n[formats]\nuser = \"{{tenant}}{{sha256:16 user}}\"\n\
         [metadata]\ndeployment = \"eu-1\"\n[body]\nremove = [\"max_tokens\", \"house id\"]\n\
         [headers]\nforward = [\"traceparent\"]\nhttp_referer = \"https://acme.example\"\nx_openrouter_title = \"Acme\"\n\
         [[keys]]\nname = \"alice\"\nsha256 = \"{}\"\nuser = \"alice\"\nmetadata = {{ team = \"red\" }}\n\
         headers = {{ chat = \"X-Chat\" }}\nallowed_networks = [\"192.0.2.1\"]\n",
        "ab".repeat(32)
    ));
    let line = format!("check --config {}", file.path().display());
    assert_passes(&callsign(&line, &[("OPENROUTER_API_KEY", "sk-or-v1-very-secret")]), "a file");
}

#[test]
fn tls_is_part_of_it() {
    let certificate = rcgen::generate_simple_self_signed(["callsign.example".to_owned()]).unwrap();
    let (cert, key) = (file(&certificate.cert.pem()), file(&certificate.signing_key.serialize_pem()));
    let (cert, key) = (cert.path().to_str().unwrap(), key.path().to_str().unwrap());
    let tls = |cert, key| [APP, &[("CALLSIGN_TLS_CERT", cert), ("CALLSIGN_TLS_KEY", key)]].concat();
    assert_passes(&callsign("check", &tls(cert, key)), "TLS");

    let said = callsign("check", &tls(key, key));
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.out.contains("✗ start") && said.out.contains("contains no certificate"), "{}", said.out);
}

#[test]
fn it_prints_one_json_document() {
    let variables = [APP, VALVES, &[("CHAT_ID_FORMAT", "{sha256:8 chat}")]].concat();
    let said = callsign("check --format json", &variables);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert!(!said.out.contains("very-secret"), "{}", said.out);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["passed"], true);
    assert_eq!(report["warnings"].as_array().unwrap().len(), 3, "{report}");
    assert_eq!(report["valves"]["SEND_TRACE"], true);
    assert_eq!(report["valves"]["SEND_CACHE_SESSION_ID"], false);
    assert_eq!(report["formats"]["chat"], "{sha256:8 chat}");
    assert_eq!(report["checks"].as_array().unwrap().len(), 24);
    let first = &report["checks"][0];
    assert_eq!((&first["name"], &first["passed"]), (&"chat/completions: identifiers".into(), &true.into()));
    assert!(first["detail"].as_str().unwrap().starts_with("user, session_id, metadata"), "{first}");
    let received = &report["received"];
    assert_eq!(received["headers"]["authorization"], "***");
    assert_eq!(received["headers"]["content-type"], "application/json");
    assert_eq!(received["body"]["user"], "user_2N4ZuACdqJrGGgz5c2egqQnwZaN");
    assert_eq!(received["body"]["metadata"]["message_id"], "msg_1");
    assert!(said.out.contains(r#"{"n":1.10,"big":12345678901234567890123"#), "{}", said.out);
}

#[test]
fn what_does_not_get_through_fails() {
    let said = callsign("check", &[APP, &[("CALLSIGN_MAX_BODY_BYTES", "100")]].concat());
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.out.contains("✗ chat/completions: arrives") && said.out.contains("413"), "{}", said.out);
    assert!(said.out.contains("FAILED: 4 of 4 checks"), "{}", said.out);

    let said = callsign("check --format json", &[APP, &[("CALLSIGN_MAX_BODY_BYTES", "100")]].concat());
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &report["passed"], &report["received"]), (1, &false.into(), &Value::Null));
}

#[test]
fn what_could_not_serve_is_invalid() {
    let said = callsign("check", &[]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("OPENROUTER_API_KEY") && said.err.contains("CALLSIGN_APP_KEY"), "{}", said.err);
}

#[test]
fn every_ready_file_passes() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let paths = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    assert!(!paths.is_empty(), "{}", directory.display());
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        // The first command in the file sets the variables that the file needs; `…` stands for a value to fill in.
        let command = text.lines().find(|line| line.contains("callsign serve")).unwrap_or_default();
        let words = command.split_whitespace().filter_map(|word| word.split_once('='));
        let shown: Vec<_> = words.map(|(name, value)| (name, value.replace('…', "-very-secret-0123456789"))).collect();
        let mut variables: Vec<_> = shown.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if shown.is_empty() {
            variables.extend_from_slice(APP);
        }
        let (secrets, text) = with_secret_files(&text);
        let copy = file(&text);
        assert_passes(
            &callsign(&format!("check --config {}", copy.path().display()), &variables),
            &path.display().to_string(),
        );
        drop(secrets);
    }
}

/// Creates the secret files that a text names below `/run/secrets` in a temporary directory, and rewrites the text's
/// paths.
fn with_secret_files(text: &str) -> (tempfile::TempDir, String) {
    const HOME: &str = "/run/secrets/";
    let directory = tempfile::tempdir().unwrap();
    for (index, rest) in text.split(HOME).skip(1).enumerate() {
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap();
        std::fs::write(directory.path().join(name), format!("very-secret-0123456789-{index}\n")).unwrap();
    }
    let text = text.replace(HOME, &format!("{}/", directory.path().display()));
    (directory, text)
}
