//! Keys in the database over Redis: two nodes, outages, and a Redis that lost everything.

use std::time::Duration;

use http::Method;
use mock_openrouter::MockServer;

use crate::server::Redis;
use crate::support::client;
use crate::support::proxy::{Callsign, Setup, until_free};
use crate::support::within;
use crate::{PLAIN, until_up};

const TOKEN: [(&str, &str); 2] =
    [("authorization", "Bearer an-admin-token-of-tests"), ("content-type", "application/json")];

fn setup(mock: &MockServer, redis: &Redis, directory: &tempfile::TempDir) -> Setup {
    Setup::to(&mock.url()).set(&[
        ("CALLSIGN_LIMIT_STORE", redis.url()),
        ("CALLSIGN_ADMIN_TOKEN", "an-admin-token-of-tests"),
        ("CALLSIGN_ID_SECRET", "a secret of some length for tests"),
        ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
        ("CALLSIGN_LEDGER", "off"),
    ])
}

async fn status(node: &Callsign, key: &str) -> u16 {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    client::post(&node.url("chat/completions"), &headers, PLAIN).await.status.as_u16()
}

async fn create(node: &Callsign, user: &str) -> String {
    let url = node.admin_url("api/v1/admin/keys");
    let answer = client::request(Method::POST, &url, &TOKEN, format!("{{\"user\":\"{user}\"}}")).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["key"].as_str().unwrap().to_owned()
}

async fn revoke(node: &Callsign, name: &str) {
    let url = node.admin_url(&format!("api/v1/admin/keys/{name}"));
    assert_eq!(client::request(Method::DELETE, &url, &TOKEN, "").await.status, 200);
}

/// The answer to a change comes when all nodes have applied it.
pub(crate) async fn nodes_share_keys(redis: &mut Redis) {
    let mock = MockServer::start().await.unwrap();
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let nodes = [setup(&mock, redis, &directories[0]).start(), setup(&mock, redis, &directories[1]).start()];
    for node in &nodes {
        until_up(node, 1).await;
    }
    let (ada, bob) = (create(&nodes[0], "keys-ada").await, create(&nodes[1], "keys-bob").await);
    for node in &nodes {
        assert_eq!((status(node, &ada).await, status(node, &bob).await), (200, 200));
    }
    revoke(&nodes[1], "keys-ada").await;
    for node in &nodes {
        assert_eq!((status(node, &ada).await, status(node, &bob).await), (401, 200));
    }
    // A Redis that lost everything gets all back, and nothing is revived.
    redis.kill();
    crate::outages::lose_everything(redis);
    redis.restart();
    let fresh = tempfile::tempdir().unwrap();
    let fresh = setup(&mock, redis, &fresh).start();
    within("the key", async { while status(&fresh, &bob).await != 200 {} }).await;
    assert_eq!(status(&fresh, &ada).await, 401);
    // A node that starts while Redis is away uses its copy, and refuses keys when that is too old.
    redis.kill();
    let [first, second] = nodes;
    drop(second);
    drop(first);
    until_free(directories[0].path()).await;
    let node =
        setup(&mock, redis, &directories[0]).adjust(|config| config.limits.keys_max_stale = Duration::from_hours(1));
    let node = node.start();
    assert_eq!((status(&node, &bob).await, status(&node, &ada).await), (200, 401));
    drop(node);
    until_free(directories[0].path()).await;
    let node = setup(&mock, redis, &directories[0]).adjust(|config| config.limits.keys_max_stale = Duration::ZERO);
    let node = node.start();
    within("the age", async { while status(&node, &bob).await != 503 {} }).await;
    redis.restart();
}
