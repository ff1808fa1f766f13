//! The data directory: one server uses it, commands of root leave it to its owner, and blocks in it survive SIGKILL.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use mock_openrouter::MockServer;

use crate::support::client;
use crate::support::program::{Server, callsign, callsign_beside};
use crate::support::proxy::{APP, APP_KEY};

const PLAIN: &str = r#"{"model":"m","messages":[]}"#;

fn variables<'v>(upstream: &'v str, directory: &'v Path) -> Vec<(&'v str, &'v str)> {
    vec![
        ("CALLSIGN_UPSTREAM_URL", upstream),
        ("CALLSIGN_DATA_DIR", directory.to_str().unwrap()),
        ("CALLSIGN_LEDGER", "off"),
        ("OPENROUTER_API_KEY", "sk-or-v1-of-a-test"),
        ("CALLSIGN_APP_KEY", APP_KEY),
    ]
}

async fn status(server: &Server, user: &str) -> u16 {
    let headers = [APP, &[("x-user-id", user)]].concat();
    client::post(&format!("http://{}/v1/chat/completions", server.data), &headers, PLAIN).await.status.as_u16()
}

async fn probe(server: &Server, path: &str) -> (u16, String) {
    // The waiting server names only its admin port.
    let answer = client::get(&format!("http://{}/{path}", server.data), &[]).await;
    (answer.status.as_u16(), answer.text())
}

#[tokio::test]
async fn a_second_server_waits_for_the_directory_and_takes_it_over() {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (url, path) = (mock.url(), directory.path());
    let variables = variables(&url, path);
    let first = Server::start("serve", &variables).await;
    let mut second = Server::start("serve", &variables).await;
    assert_eq!(probe(&second, "healthz").await, (200, "alive\n".to_owned()));
    assert_eq!(probe(&second, "readyz").await, (503, "data directory in use\n".to_owned()));
    let waits = second.logged("another callsign uses the data directory").await;
    assert!(waits.contains(&format!("process={}", first.id())), "{waits}");
    let third = Server::start("serve", &variables).await;
    third.terminate();
    let (exit, _) = third.ended().await;
    assert_eq!(exit.code(), Some(0), "SIGTERM ends the wait");
    // Commands work beside the running server, and the one that waits is no server.
    let said = callsign_beside("block ada", &variables).await;
    assert!(said.code == 0 && said.out.ends_with("applied by 1 running server\n"), "{said:?}");
    assert_eq!(status(&first, "ada").await, 403);
    first.kill();
    assert!(second.line().await.contains("listening on http://"));
}

#[tokio::test]
async fn acknowledged_blocks_survive_a_kill() {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (url, path) = (mock.url(), directory.path());
    let variables = variables(&url, path);
    let offline = callsign_beside("block early", &variables).await;
    assert!(offline.out.ends_with("no server is running here; it applies when one starts\n"), "{offline:?}");
    for round in 0..3 {
        let server = Server::start("serve", &variables).await;
        let user = format!("user-{round}");
        assert_eq!(status(&server, &user).await, 200);
        assert_eq!(callsign_beside(&format!("block {user}"), &variables).await.code, 0);
        server.kill();
    }
    let server = Server::start("serve", &variables).await;
    for user in ["early", "user-0", "user-1", "user-2"] {
        assert_eq!(status(&server, user).await, 403, "{user}");
    }
}

#[test]
fn what_a_command_of_root_creates_belongs_to_the_owner_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    // Below a directory that only this user may enter, as the directory of a unit with `DynamicUser`.
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let own = std::fs::metadata(&data).unwrap().uid();
    // Only root can give a directory away. For others it is their own.
    let owner = if own == 0 { 65_534 } else { own };
    chown(&data, Some(owner), None).unwrap();
    let variables = variables("http://127.0.0.1:9", &data);
    let said = callsign("block ada", &variables);
    assert_eq!(said.code, 0, "{said:?}");
    let files: Vec<_> = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.iter().any(|file| file.file_name() == "state.db"), "{files:?}");
    for file in files {
        let metadata = file.metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (owner, 0o600), "{file:?}");
    }
    assert!(callsign("block --list", &variables).out.contains("ada"));
}
