//! Two nodes and a command that share keys through PostgreSQL. `tests/external/postgres.sh` runs it, with the database in
//! `KEYS_POSTGRES`.

use mock_openrouter::MockServer;

use super::{Rig, SECRET, ask};
use crate::support::program;

#[tokio::test]
#[ignore = "needs PostgreSQL; tests/external/postgres.sh runs it"]
#[expect(clippy::disallowed_methods, reason = "the script chooses the database")]
async fn nodes_share_keys_through_postgres() {
    let ledger = std::env::var("KEYS_POSTGRES").unwrap();
    let mock = MockServer::start().await.unwrap();
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start = |directory| Rig::setup(&mock, directory).set(&[("CALLSIGN_LEDGER", &ledger)]).start();
    let nodes = [start(&directories[0]), start(&directories[1])];
    let command = async |line: &str| {
        let variables = [("CALLSIGN_LEDGER", ledger.as_str()), ("OPENROUTER_API_KEY", "sk-or-v1-of-a-test"), SECRET];
        program::callsign_beside(line, &variables).await
    };
    let said = command("key create --user ada").await;
    assert!(said.code == 0 && said.err.contains("applied by 2 running servers"), "{said:?}");
    let key = said.out.trim_end();
    for node in &nodes {
        assert_eq!(ask(node, key).await.status, 200);
    }
    let said = command("key revoke ada").await;
    assert_eq!(said.out, "revoked ada\napplied by 2 running servers\n", "{said:?}");
    for node in &nodes {
        assert_eq!(ask(node, key).await.status, 401);
    }
}
