use std::path::Path;

use super::*;
use crate::ledger::settings::Mode;
use crate::state::Entry;

fn settings(directory: &Path) -> ledger::settings::Settings {
    ledger::settings::Settings {
        store: None,
        mode: Mode::Fast,
        retention_days: 1,
        data_dir: Some(directory.to_owned()),
        data_dir_set: true,
    }
}

fn open(directory: &Path, access: Access) -> (StateStore, Mutex<Entries>) {
    let state = StateStore::new(&settings(directory), None, access).unwrap();
    (state, Mutex::new(Entries::new(|entry: &Entry| entry.body.starts_with('{'))))
}

fn bodies(entries: &Mutex<Entries>) -> Vec<String> {
    let mut bodies: Vec<_> = entries.lock().of("block").map(|entry| entry.body.to_string()).collect();
    bodies.sort();
    bodies
}

#[tokio::test]
async fn a_command_and_a_server_exchange_entries_and_an_acknowledgement() {
    let directory = tempfile::tempdir().unwrap();
    let (mut server, of_server) = open(directory.path(), Access::Server);
    assert!(server.sync(&of_server, &|_| {}).await.failed.is_empty());
    server.beat("node", "name").await;
    let (mut command, of_command) = open(directory.path(), Access::Command);
    command.sync(&of_command, &|_| {}).await;
    let op = of_command.lock().add("block", "{1}");
    let (number, _) = command.sync(&of_command, &|_| {}).await.stored.unwrap();
    // The server has not applied it, and cannot say that it has.
    server.beat("node", "name").await;
    let applied = command.nodes().await[0].applied;
    assert!(applied < number, "{applied} of {number}");
    server.sync(&of_server, &|_| {}).await;
    assert_eq!(bodies(&of_server), ["{1}"]);
    server.beat("node", "name").await;
    assert_eq!(command.nodes().await[0].applied, number);
    of_server.lock().lift("block", op);
    server.sync(&of_server, &|_| {}).await;
    command.sync(&of_command, &|_| {}).await;
    assert!(bodies(&of_command).is_empty());
    server.leave("node").await;
    assert!(command.nodes().await.is_empty());
}

/// `state.db` is gone, empty, or the copy of a moment before the latest block.
#[rstest::rstest]
#[case::gone(|file: &Path, _: &[u8]| std::fs::remove_file(file).unwrap())]
#[case::empty(|file: &Path, _: &[u8]| std::fs::write(file, "").unwrap())]
#[case::old(|file: &Path, old: &[u8]| std::fs::write(file, old).unwrap())]
#[tokio::test]
async fn a_new_process_does_not_take_a_lost_list_for_an_empty_one(
    #[case] lose: fn(&Path, &[u8]),
    #[values(Access::Server, Access::Command)] access: Access,
) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state.db");
    let mut old = Vec::new();
    for number in 1..=2 {
        let (mut server, entries) = open(directory.path(), Access::Server);
        entries.lock().add("block", "{}");
        assert!(server.sync(&entries, &|_| {}).await.failed.is_empty());
        server.leave("nobody").await;
        drop(server);
        if number == 1 {
            old = std::fs::read(&file).unwrap();
        }
    }
    lose(&file, &old);
    for _ in 0..2 {
        let (mut next, entries) = open(directory.path(), access);
        let failed = next.sync(&entries, &|_| {}).await.failed;
        assert!(matches!(failed[..], [StateError::Outdated { .. }]), "{failed:?}");
        assert!(failed[0].is_of_file());
    }
    std::fs::remove_file(directory.path().join("state.version")).unwrap();
    let (mut next, entries) = open(directory.path(), Access::Server);
    assert!(next.sync(&entries, &|_| {}).await.failed.is_empty(), "the operator has accepted it");
}

/// A running server gives the entries back, and the next one starts with them.
#[tokio::test]
async fn a_list_that_a_running_server_has_given_back_is_the_latest_one() {
    let directory = tempfile::tempdir().unwrap();
    let (mut server, entries) = open(directory.path(), Access::Server);
    for body in ["{1}", "{2}", "{3}"] {
        entries.lock().add("block", body);
        server.sync(&entries, &|_| {}).await;
    }
    std::fs::remove_file(directory.path().join("state.db")).unwrap();
    assert!(server.sync(&entries, &|_| {}).await.failed.is_empty());
    server.leave("nobody").await;
    let (mut next, found) = open(directory.path(), Access::Server);
    assert!(next.sync(&found, &|_| {}).await.failed.is_empty());
    assert_eq!(bodies(&found), ["{1}", "{2}", "{3}"]);
}

#[tokio::test]
async fn a_file_that_went_back_or_is_gone_gets_the_entries_back() {
    let directory = tempfile::tempdir().unwrap();
    let (mut server, entries) = open(directory.path(), Access::Server);
    entries.lock().add("block", "{old}");
    server.sync(&entries, &|_| {}).await;
    server.leave("nobody").await;
    let (path, copy) = (directory.path().join("state.db"), directory.path().join("copy"));
    std::fs::copy(&path, &copy).unwrap();
    entries.lock().add("block", "{new}");
    server.sync(&entries, &|_| {}).await;
    for is_restored in [true, false] {
        for suffix in ["", "-wal", "-shm"] {
            let _absent = std::fs::remove_file(directory.path().join(format!("state.db{suffix}")));
        }
        if is_restored {
            std::fs::copy(&copy, &path).unwrap();
        }
        let synced = server.sync(&entries, &|_| {}).await;
        assert!(synced.restored > 0 && synced.failed.is_empty(), "{synced:?}");
        let (mut other, of_other) = open(directory.path(), Access::Command);
        other.sync(&of_other, &|_| {}).await;
        assert_eq!(bodies(&of_other), ["{new}", "{old}"]);
    }
}

#[tokio::test]
async fn commands_do_not_migrate() {
    let directory = tempfile::tempdir().unwrap();
    let (mut server, entries) = open(directory.path(), Access::Server);
    server.sync(&entries, &|_| {}).await;
    let change = |sql: &'static str| {
        let path = directory.path().join("state.db");
        async move {
            use sqlx::Connection as _;
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::sqlite::SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    };
    let failed = || async {
        let (mut command, entries) = open(directory.path(), Access::Command);
        command.sync(&entries, &|_| {}).await.failed
    };
    change("UPDATE callsign_state_migrations SET version = 9 WHERE version = 2").await;
    assert_eq!(failed().await, [StateError::Newer("state.db")]);
    change("DELETE FROM callsign_state_migrations").await;
    assert_eq!(failed().await, [StateError::NotPrepared("state.db")]);
}
