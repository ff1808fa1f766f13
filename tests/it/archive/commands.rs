//! `callsign archive …` and `serve` with an archive, run as processes.

use std::process::Command;

use mock_openrouter::MockServer;
use serde_json::{Value, json};

use super::{PASSWORD, Rig, read_all};
use crate::support::client;
use crate::support::program::{Said, Server, callsign};
use crate::support::proxy::{ALICE, ALICE_KEY, OPERATOR_KEY};
use crate::support::within;

/// Runs `callsign archive …` with nothing set except directory and password.
fn archive(rig: &Rig, line: &str) -> Said {
    with_password(rig, line, PASSWORD)
}

fn with_password(rig: &Rig, line: &str, password: &str) -> Said {
    let path = rig.path().display().to_string();
    // The archive commands ignore problems of other settings.
    let variables =
        [("CALLSIGN_ARCHIVE_DIR", path.as_str()), ("CALLSIGN_ARCHIVE_PASSWORD", password), ("CALLSIGN_LISTEN", "x")];
    callsign(&format!("archive {line}"), &variables)
}

#[tokio::test]
async fn archives_are_listed_shown_and_verified() {
    let rig = Rig::with(|setup| setup.set(&[("USER_ID_FORMAT", "acme_{user}"), ("SEND_END_USER_ID", "true")])).await;
    let answer = rig.chat("alice", "c1", "m1", &json!({"model": "openai/gpt-4o", "stream": true})).await;
    rig.chat("alice", "c2", "m2", &json!({"model": "mock/error-429"})).await;
    rig.chat("bob", "c3", "m3", &json!({"model": "m"})).await;
    rig.archives(3).await;

    let said = archive(&rig, "list");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let lines: Vec<_> = said.out.lines().collect();
    assert!(lines[0].contains("  200  complete         openai/gpt-4o  acme_alice/c1/m1.zip"), "{lines:?}");
    assert!(lines[1].contains("  429  complete ") && lines[1].ends_with("acme_alice/c2/m2.zip"), "{lines:?}");
    for (line, count) in [
        ("list --user alice", 2),
        ("list --user acme_alice", 2),
        ("list --chat c3", 1),
        ("list --user alice --chat c3", 0),
        ("list --since 1h", 3),
        ("list --since 2100-01-01", 0),
        ("list --tenant acme", 0),
    ] {
        let said = archive(&rig, line);
        assert_eq!((said.out.lines().count(), said.code), (count, i32::from(count == 0)), "{line}: {}", said.out);
    }

    let generation = answer.header("x-generation-id").to_owned();
    for id in ["m1", "c1", "acme_alice/c1/m1.zip", &generation] {
        let said = archive(&rig, &format!("show {id}"));
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{id}");
        assert!(said.out.starts_with("==== acme_alice/c1/m1.zip\n---- meta.json\n"), "{id}: {}", said.out);
        assert!(said.out.contains("---- response.sse\n") && said.out.contains("data: [DONE]"));
        assert_eq!(said.out.matches("==== ").count(), 1, "{id}");
    }
    for id in ["alice", "acme_alice"] {
        assert_eq!(archive(&rig, &format!("show {id}")).out.matches("==== ").count(), 2, "{id}");
    }
    let said = archive(&rig, "show m1 --part response");
    assert_eq!(said.out.as_bytes(), answer.body, "exactly as it was relayed");
    let meta: Value = serde_json::from_str(&archive(&rig, "show m1 --part meta").out).unwrap();
    assert_eq!(meta["generation"], generation);
    let said = archive(&rig, "show nobody");
    assert_eq!((said.code, said.out.as_str()), (1, ""));

    let said = archive(&rig, "verify");
    assert_eq!((said.code, said.out.as_str()), (0, "3 of 3 archives are intact\n"));
    let path = rig.path().join("acme_bob/c3/m3.zip");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle - 40..middle + 40].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let said = archive(&rig, "verify");
    assert_eq!((said.code, said.out.as_str()), (1, "2 of 3 archives are intact\n"));
    assert!(said.err.starts_with("acme_bob/c3/m3.zip "), "{}", said.err);
    let said = archive(&rig, "verify --format json");
    let whole: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, said.err.as_str(), &whole["archives"], &whole["intact"]), (1, "", &3.into(), &2.into()));
    assert_eq!(whole["damaged"].as_array().unwrap().len(), 1);
    assert_eq!(whole["damaged"][0]["path"], "acme_bob/c3/m3.zip");

    let said = with_password(&rig, "verify", "another long password");
    assert_eq!((said.code, said.out.as_str()), (1, "0 of 3 archives are intact\n"));
    let said = with_password(&rig, "show m1", "another long password");
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("acme_alice/c1/m1.zip was written with another password"), "{}", said.err);
}

#[test]
fn archives_cannot_be_read_without_directory_and_password() {
    for (variables, missing) in [
        (&[][..], "CALLSIGN_ARCHIVE_DIR: is not set"),
        (&[("CALLSIGN_ARCHIVE_DIR", "/nowhere")][..], "CALLSIGN_ARCHIVE_PASSWORD: is not set"),
    ] {
        let said = callsign("archive list", variables);
        assert_eq!((said.code, said.out.as_str()), (2, ""));
        assert!(said.err.contains(missing), "{}", said.err);
    }
    let said =
        callsign("archive list", &[("CALLSIGN_ARCHIVE_DIR", "/nowhere"), ("CALLSIGN_ARCHIVE_PASSWORD", PASSWORD)]);
    assert_eq!(said.code, 2);
}

#[test]
fn serve_never_skips_an_archive_silently() {
    let serving = [("OPENROUTER_API_KEY", OPERATOR_KEY), ("CALLSIGN_APP_KEY", "sk-cs-a-key-of-one-app-0123456789")];
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    for (more, code, why) in [
        (&[("CALLSIGN_ARCHIVE_DIR", "/a")][..], 2, "CALLSIGN_ARCHIVE_PASSWORD: is not set"),
        (&[("CALLSIGN_ARCHIVE_DIR", "/a"), ("CALLSIGN_ARCHIVE_PASSWORD", "fifteen-letters")], 2, "at least 16"),
        (&[("CALLSIGN_ARCHIVE_REQUIRED", "true")], 2, "requires the archive"),
        (
            &[("CALLSIGN_ARCHIVE_DIR", &path), ("CALLSIGN_ARCHIVE_PASSWORD", PASSWORD)],
            2,
            "cannot write to the archive directory",
        ),
    ] {
        let ports = [("CALLSIGN_LISTEN", "127.0.0.1:0"), ("CALLSIGN_ADMIN_LISTEN", "off")];
        let said = callsign("serve", &[&serving[..], &ports, more].concat());
        assert_eq!(said.code, code, "{}", said.err);
        assert!((said.err + &said.out).contains(why), "{why}");
    }
}

/// A killed process leaves only complete archives; the next start removes its temporary files.
#[tokio::test]
async fn a_crash_leaves_no_half_archive() {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display().to_string();
    let (url, keys) = (mock.url(), format!("alice={ALICE_KEY}"));
    let variables = [
        ("CALLSIGN_UPSTREAM_URL", url.as_str()),
        ("OPENROUTER_API_KEY", OPERATOR_KEY),
        ("CALLSIGN_USER_KEYS", &keys),
        ("CALLSIGN_ARCHIVE_DIR", &path),
        ("CALLSIGN_ARCHIVE_PASSWORD", PASSWORD),
        ("CALLSIGN_LOG", "info"),
    ];
    let body = json!({"model": "mock/long-2000", "stream": true}).to_string();
    for _ in 0..3 {
        let server = Server::start("serve", &variables).await;
        let url = format!("http://{}/v1/chat/completions", server.data);
        for _ in 0..10 {
            assert_eq!(client::post(&url, ALICE, body.clone()).await.status, 200);
        }
        server.kill();
        for archived in read_all(directory.path()) {
            assert_eq!(archived.names(), ["meta.json", "headers.json", "request.json", "response.sse"]);
        }
    }
    std::fs::write(directory.path().join(".tmp/left-over.zip"), "half").unwrap();
    let server = Server::start("serve", &variables).await;
    assert_eq!(std::fs::read_dir(directory.path().join(".tmp")).unwrap().count(), 0, "left-over files are removed");
    let before = read_all(directory.path()).len();
    let url = format!("http://{}/v1/chat/completions", server.data);
    assert_eq!(client::post(&url, ALICE, body).await.status, 200);
    server.terminate();
    let (status, _) = within("the end", server.ended()).await;
    assert!(status.success());
    assert_eq!(read_all(directory.path()).len(), before + 1, "a clean shutdown writes queued archives");
}

/// The disk has encrypted bytes only. Tracing every file that callsign opens would need another program, so this test
/// searches the files that remain after a request; temporary files that were deleted are not covered.
#[tokio::test]
async fn nothing_that_was_said_is_on_the_disk_in_clear_text() {
    let rig = Rig::start().await;
    let secret = "a-prompt-that-nobody-else-may-read";
    rig.chat("u", "c", "m", &json!({"model": "m", "prompt": secret.repeat(100)})).await;
    rig.archives(1).await;
    let found = Command::new("grep").args(["-r", "-a", "-l", secret]).arg(rig.path()).output().unwrap();
    assert_eq!(found.status.code(), Some(1), "{}", String::from_utf8_lossy(&found.stdout));
}
