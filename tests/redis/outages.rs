//! Outages of Redis: what was counted, blocked or changed meanwhile.

use callsign_core::allowance::{Ceilings, Limit};
use callsign_store::limits::{Calendar, Subject, look};
use http::Method;
use mock_openrouter::MockServer;

use crate::lossy::Lossy;
use crate::server::Redis;
use crate::support::client;
use crate::support::proxy::{ALICE, Callsign};
use crate::support::{self, within};
use crate::{ask, link, metric, node, of, until_up};

pub(crate) async fn an_outage_leaves_local_counts(redis: &mut Redis) {
    let mock = MockServer::start().await.unwrap();
    let node = node(&mock, redis, &[("CALLSIGN_LIMIT_MESSAGES_24H", "2")]);
    until_up(&node, 1).await;
    redis.kill();
    let ada = of("open-ada");
    for _ in 0..2 {
        assert_eq!(ask(&node, &ada).await.status, 200);
    }
    assert_eq!(ask(&node, &ada).await.status, 429, "the node counts locally during the outage");
    until_up(&node, 0).await;
    redis.restart();
    until_up(&node, 1).await;
    // Counts made during the outage are sent to Redis.
    within("the counts to be told", async {
        let ceilings = Ceilings([None, Some(2), None, None, None, None]);
        let link = link(redis).await;
        let subject = Subject::user(None, "open-ada");
        while look::in_store(&link, &Calendar::default(), subject, ceilings).await.unwrap()[1].used != 2 {}
    })
    .await;
    assert_eq!(ask(&node, &ada).await.status, 429);
    assert!(metric(&node, "callsign_limits_store_failures_total").await >= 1);
}

/// Redis runs the scripts of a pipeline, and its answer does not arrive. The node tells the requests again.
pub(crate) async fn a_lost_answer_counts_nothing_twice(redis: &mut Redis) {
    let directory = tempfile::tempdir().unwrap();
    let lossy = Lossy::start(directory.path().join("lossy.sock"), redis.socket());
    let mock = MockServer::start().await.unwrap();
    let url = lossy.url();
    let node = node(&mock, redis, &[("CALLSIGN_LIMIT_TOKENS_DAY", "1000000"), ("CALLSIGN_LIMIT_STORE", &url)]);
    until_up(&node, 1).await;
    let ada = of("lossy-ada");
    assert_eq!(ask(&node, &ada).await.status, 200);
    let of_one = used_tokens(redis, "lossy-ada").await;
    assert!(of_one > 0);
    redis.kill();
    for _ in 0..2 {
        assert_eq!(ask(&node, &ada).await.status, 200);
    }
    until_up(&node, 0).await;
    lossy.lose_one_answer();
    redis.restart();
    within("the counts to be told again", async {
        while lossy.answers_after_the_lost_one() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(used_tokens(redis, "lossy-ada").await, 3 * of_one);
}

/// Returns the tokens of a user's day in Redis.
async fn used_tokens(redis: &Redis, user: &str) -> i64 {
    let ceilings = Ceilings([None, None, None, Some(1_000_000), None, None]);
    let subject = Subject::user(None, user);
    let gauges = look::in_store(&link(redis).await, &Calendar::default(), subject, ceilings).await.unwrap();
    gauges[Limit::TokensDay as usize].used
}

pub(crate) async fn an_outage_closes_the_door(redis: &mut Redis) {
    let mock = MockServer::start().await.unwrap();
    let node = node(&mock, redis, &[("CALLSIGN_LIMIT_RPM", "50"), ("CALLSIGN_LIMIT_ON_STORE_FAILURE", "deny")]);
    until_up(&node, 1).await;
    assert_eq!(ask(&node, ALICE).await.status, 200);
    redis.kill();
    let refused = ask(&node, ALICE).await;
    assert_eq!((refused.status.as_u16(), refused.header("x-callsign-error")), (503, "limits_unavailable"));
    assert_eq!(refused.header("retry-after"), "1");
    redis.restart();
    within("recovery", async { while ask(&node, ALICE).await.status != 200 {} }).await;
}

/// Deletes the data of a stopped Redis.
pub(crate) fn lose_everything(redis: &Redis) {
    let socket = std::path::Path::new(redis.url().strip_prefix("unix://").unwrap());
    std::fs::remove_dir_all(socket.with_file_name("appendonlydir")).unwrap();
}

pub(crate) async fn lost_blocks_are_given_back(redis: &mut Redis) {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let data = [("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()), ("CALLSIGN_LEDGER", "off")];
    let first = node(&mock, redis, &data);
    until_up(&first, 1).await;
    let url = first.admin_url("api/v1/admin/users/lost-ada/block");
    let token = [("authorization", "Bearer an-admin-token-of-tests"), ("content-type", "application/json")];
    assert_eq!(client::request(Method::PUT, &url, &token, "").await.status, 200);
    let ada = of("lost-ada");
    // The answer to a block comes when all nodes have it.
    redis.kill();
    lose_everything(redis);
    // A node that starts while Redis is down.
    drop(first);
    support::proxy::until_free(directory.path()).await;
    let first = node(&mock, redis, &data);
    assert_eq!(ask(&first, &ada).await.status, 403);
    redis.restart();
    until_up(&first, 1).await;
    let fresh = node(&mock, redis, &[]);
    within("the list to be back", async { while ask(&fresh, &ada).await.status != 403 {} }).await;
    assert_eq!(ask(&first, &ada).await.status, 403);
}

/// Copies or restores the data of a stopped Redis.
fn copy_data(from: &std::path::Path, to: &std::path::Path) {
    let _absent = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

const TOKEN: [(&str, &str); 2] =
    [("authorization", "Bearer an-admin-token-of-tests"), ("content-type", "application/json")];

async fn change(method: Method, node: &Callsign, user: &str) -> serde_json::Value {
    let url = node.admin_url(&format!("api/v1/admin/users/{user}/block"));
    let answer = client::request(method, &url, &TOKEN, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

pub(crate) async fn an_older_store_gets_the_newer_blocks_back(redis: &mut Redis) {
    let mock = MockServer::start().await.unwrap();
    let nodes = [node(&mock, redis, &[]), node(&mock, redis, &[])];
    for node in &nodes {
        until_up(node, 1).await;
    }
    change(Method::PUT, &nodes[0], "old-ada").await;
    let live = std::path::Path::new(redis.url().strip_prefix("unix://").unwrap()).with_file_name("appendonlydir");
    let saved = live.with_file_name("saved");
    redis.kill();
    copy_data(&live, &saved);
    redis.restart();
    for node in &nodes {
        until_up(node, 1).await;
    }
    let told = change(Method::PUT, &nodes[1], "new-bob").await;
    assert_eq!((&told["kept"], &told["applied"]), (&true.into(), &2.into()), "{told}");
    change(Method::DELETE, &nodes[0], "old-ada").await;
    // Redis is back with a copy from before the block of bob, and is changed at once.
    redis.kill();
    copy_data(&saved, &live);
    redis.restart();
    let said = support::program::callsign_beside(
        "block new-eve",
        &[("CALLSIGN_LIMIT_STORE", redis.url()), ("CALLSIGN_LEDGER", "off")],
    )
    .await;
    assert!(said.out.starts_with("blocked new-eve"), "{said:?}");
    for node in &nodes {
        for (user, status) in [("old-ada", 200), ("new-bob", 403), ("new-eve", 403)] {
            within("the merged list", async { while ask(node, &of(user)).await.status != status {} }).await;
        }
    }
    drop(nodes);
    let fresh = node(&mock, redis, &[]);
    for (user, status) in [("old-ada", 200), ("new-bob", 403), ("new-eve", 403)] {
        assert_eq!(ask(&fresh, &of(user)).await.status, status, "{user}");
    }
}

pub(crate) async fn a_change_during_an_outage_is_passed_on(redis: &mut Redis) {
    let mock = MockServer::start().await.unwrap();
    let nodes = [node(&mock, redis, &[]), node(&mock, redis, &[])];
    for node in &nodes {
        until_up(node, 1).await;
    }
    redis.kill();
    let told = change(Method::PUT, &nodes[0], "away-ada").await;
    assert_eq!(told["kept"], false, "{told}");
    assert_eq!(ask(&nodes[0], &of("away-ada")).await.status, 403, "in force here at once");
    let (status, text) = nodes[0].ready().await;
    assert!(status == 200 && text.contains("degraded: a place of state is unavailable"), "{text}");
    redis.restart();
    within("the block", async { while ask(&nodes[1], &of("away-ada")).await.status != 403 {} }).await;
}
