//! Limits and blocks over a real Redis or Valkey. This program starts and kills the server itself, on a socket in a
//! temporary directory; `tests/external/redis.sh` runs it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and prints progress"
)]

mod keys;
mod lossy;
mod outages;
mod server;
#[path = "../it/limits/suite.rs"]
mod suite;
#[path = "../it/support/mod.rs"]
mod support;

use std::time::Duration;

use callsign_core::allowance::{Ceilings, Estimate};
use callsign_core::secret::Secret;
use callsign_store::limits::{Ask, Calendar, Link, Memory, Message, Settlement, Subject, Used, look};
use http::Method;
use mock_openrouter::MockServer;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use server::Redis;
use suite::{Engine, NOW};
use support::client::{self, Answer};
use support::proxy::{APP, Callsign, Setup};
use support::within;

const PLAIN: &str = r#"{"model":"m","messages":[]}"#;

async fn link(redis: &Redis) -> Link {
    let link = Link::new(&Secret::new(redis.url())).unwrap();
    link.dial().await.unwrap();
    link
}

#[tokio::main]
async fn main() {
    let redis = Redis::start();
    suite::all(&link(&redis).await).await;
    println!("ok the suite");
    same_as_in_memory(&redis).await;
    println!("ok random histories come out as in memory");
    let mut redis = redis;
    nodes_share_counters_and_blocks(&redis).await;
    println!("ok nodes share counters and blocks");
    leaving_early_does_not_beat_a_budget(&redis).await;
    println!("ok leaving early does not beat a budget");
    damaged_keys_cost_only_their_caller(&redis).await;
    println!("ok damaged keys cost only their caller");
    budgets_are_rebuilt(&mut redis).await;
    println!("ok budgets are rebuilt from the ledger");
    a_restarted_store_waits_for_its_budgets(&mut redis).await;
    println!("ok a restarted store waits for its budgets");
    outages::an_outage_leaves_local_counts(&mut redis).await;
    println!("ok open while the store is away");
    outages::a_lost_answer_counts_nothing_twice(&mut redis).await;
    println!("ok a lost answer counts nothing twice");
    outages::an_outage_closes_the_door(&mut redis).await;
    println!("ok closed while the store is away");
    outages::lost_blocks_are_given_back(&mut redis).await;
    println!("ok blocks outlive a store that lost everything");
    outages::an_older_store_gets_the_newer_blocks_back(&mut redis).await;
    println!("ok an older store gets the newer blocks back");
    outages::a_change_during_an_outage_is_passed_on(&mut redis).await;
    println!("ok a change during an outage is passed on");
    keys::nodes_share_keys(&mut redis).await;
    println!("ok nodes share keys, also over an outage");
}

/// Runs random histories in memory and in Redis, and compares every answer.
async fn same_as_in_memory(redis: &Redis) {
    let (redis, memory) = (link(redis).await, Memory::default());
    // The clock also goes back, by up to a month.
    let step = prop_oneof![
        4 => Just(1_i64),
        8 => 1..2_000_i64,
        8 => 1..70_000_i64,
        4 => 1..90_000_000_i64,
        1 => Just(2_700_000_000),
        1 => -90_000_000..0_i64,
        1 => Just(-2_700_000_000),
    ];
    let most = || prop::option::of(1..6_i64);
    let message = (1..5_u64, prop::option::of(1..3_u64), any::<bool>());
    let ask = (
        prop::collection::vec(most(), 6),
        prop::collection::vec(most(), 6),
        prop::option::of(message),
        0..3_i64,
        any::<bool>(),
    );
    let end = (0..6_u8, prop::option::of(0..9_i64), prop::option::of(0..9_i64));
    let history = prop::collection::vec((step, ask, prop::option::of((0..40_u64, end))), 40);
    let mut runner = TestRunner::deterministic();
    let mut compared = 0;
    for number in 0..120 {
        let [who, all] = ["history", "total"].map(|kind| Subject::user(Some(kind), &number.to_string()));
        let (mut now, mut next, mut backs) = (NOW + 40 * 86_400_000, 0, 0);
        let mut asks = Vec::new();
        for (step, (own, total, message, estimate, enforce), end) in history.new_tree(&mut runner).unwrap().current() {
            now += step;
            next += 1;
            // Memory forgets closed chats at the latest time, Redis at its own. New ones are used once the clock went back.
            backs += u64::from(step < 0);
            let ceilings = |most: &[Option<i64>]| {
                let mut ceilings = Ceilings([None; 6]);
                ceilings.0.copy_from_slice(most);
                // Memory has no leases. The leases of the scripts have their own test.
                ceilings.0[2] = None;
                ceilings
            };
            let message = message.map(|(mark, chat, is_named)| Message {
                mark: if is_named { mark + 1000 } else { next },
                chat: chat.map(|chat| chat + 10 * backs),
                is_named,
            });
            let estimate = Estimate { tokens: estimate, usd: estimate };
            let of = |most: &[Option<i64>]| Ask { id: next, ceilings: ceilings(most), message, estimate, enforce };
            let both = [(who, of(&own)), (all, of(&total))];
            let (a, b) = (memory.reserve_all(&both, now).await, redis.reserve_all(&both, now).await);
            assert_eq!(a, b, "history {number}, request {next}: {both:?}");
            compared += 1;
            asks.push(both);
            if let Some((which, (kind, tokens, usd))) = end {
                let both = asks[usize::try_from(which).unwrap() % asks.len()];
                let id = both[0].1.id;
                let used = Used { tokens, usd };
                let settlement = match kind {
                    0 => Settlement::Undone,
                    1 => Settlement::Failed,
                    2 => Settlement::Used(used),
                    _ => Settlement::Pending(used),
                };
                if kind == 5 {
                    let estimate = Estimate { tokens: 3, usd: tokens.unwrap_or(4) };
                    let raised = both.map(|(subject, ask)| (subject, Ask { estimate, ..ask }));
                    let (a, b) = (memory.raise_all(&raised, now).await, redis.raise_all(&raised, now).await);
                    assert_eq!(a, b, "history {number}, raise after {next}: {raised:?}");
                    continue;
                }
                for (subject, ask) in both {
                    let of = (id, ask.message.and_then(|message| message.chat));
                    memory.settle_of(subject, of, settlement, now).await;
                    redis.settle_of(subject, of, settlement, now).await;
                    if kind == 4 {
                        let used = Used { tokens: Some(1), usd: Some(2) };
                        Engine::correct(&memory, subject, id, used, now).await;
                        Engine::correct(&redis, subject, id, used, now).await;
                    }
                }
            }
        }
    }
    println!("   {compared} answers compared");
}

fn node(mock: &MockServer, redis: &Redis, variables: &[(&str, &str)]) -> Callsign {
    let variables =
        [&[("CALLSIGN_LIMIT_STORE", redis.url()), ("CALLSIGN_ADMIN_TOKEN", "an-admin-token-of-tests")], variables]
            .concat();
    Setup::to(&mock.url()).set(&variables).start()
}

async fn ask(callsign: &Callsign, headers: client::Headers<'_>) -> Answer {
    client::post(&callsign.url("chat/completions"), headers, PLAIN).await
}

fn of(user: &str) -> Vec<(&str, &str)> {
    [APP, &[("x-user-id", user)]].concat()
}

async fn metric(callsign: &Callsign, name: &str) -> u64 {
    let text = client::get(&callsign.admin_url("metrics"), &[]).await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

async fn until_up(callsign: &Callsign, up: u64) {
    within("the store", async { while metric(callsign, "callsign_limits_store_up").await != up {} }).await;
}

async fn nodes_share_counters_and_blocks(redis: &Redis) {
    let mock = MockServer::start().await.unwrap();
    let limits = [("CALLSIGN_LIMIT_MESSAGES_24H", "4"), ("CALLSIGN_LIMIT_CONCURRENT", "3")];
    let nodes = [node(&mock, redis, &limits), node(&mock, redis, &limits)];
    for node in &nodes {
        until_up(node, 1).await;
    }
    let ada = of("shared-ada");
    for number in 0..4 {
        assert_eq!(ask(&nodes[number % 2], &ada).await.status, 200);
    }
    for node in &nodes {
        let refused = ask(node, &ada).await;
        assert_eq!((refused.status.as_u16(), refused.header("x-callsign-error")), (429, "rate_limited"));
    }
    // A reservation is refunded on one node and made again on the other.
    let bob = of("shared-bob");
    for number in 0..8 {
        let bad = client::post(&nodes[number % 2].url("chat/completions"), &bob, "not json").await;
        assert_eq!(bad.header("x-callsign-error"), "invalid_json", "{}", bad.text());
        within("it to be given back", async { while running(redis, "shared-bob").await > 0 {} }).await;
    }
    assert_eq!(ask(&nodes[0], &bob).await.status, 200);
    // A block on one node applies on the other.
    let url = nodes[0].admin_url("api/v1/admin/users/shared-bob/block");
    let token = [("authorization", "Bearer an-admin-token-of-tests"), ("content-type", "application/json")];
    let since = std::time::Instant::now();
    assert_eq!(client::request(Method::PUT, &url, &token, "").await.status, 200);
    assert_eq!(ask(&nodes[0], &bob).await.status, 403);
    within("the block", async { while ask(&nodes[1], &bob).await.status != 403 {} }).await;
    println!("   a block held on the other node after {} ms", since.elapsed().as_millis());
    assert!(since.elapsed() < Duration::from_secs(5));
    assert_eq!(client::request(Method::DELETE, &url, &token, "").await.status, 200);
    within("the end of it", async { while ask(&nodes[1], &bob).await.status == 403 {} }).await;
}

/// Returns the number of a user's running requests in Redis.
async fn running(redis: &Redis, user: &str) -> i64 {
    let ceilings = Ceilings([None, None, Some(3), None, None, None]);
    let (link, calendar) = (link(redis).await, Calendar::default());
    let gauges = look::in_store(&link, &calendar, Subject::user(None, user), ceilings).await;
    gauges.unwrap()[2].used
}

/// Two nodes, a hundred requests at once and then one after another: what is sent fits the budget at list prices.
async fn leaving_early_does_not_beat_a_budget(redis: &Redis) {
    let mock = MockServer::start().await.unwrap();
    let limits = [("CALLSIGN_LIMIT_USD_DAY", "0.9")];
    let nodes = [node(&mock, redis, &limits), node(&mock, redis, &limits)];
    for node in &nodes {
        until_up(node, 1).await;
        within("prices", async { while metric(node, "callsign_limits_priced_models").await == 0 {} }).await;
    }
    let before = mock.begun();
    let begun = || mock.begun() - before;
    let gate = r#"{"model":"mock/gate-head","models":["openai/gpt-4o-mini"],"messages":[],"stream":true}"#;
    let (ada, urls) = (of("leaving-ada"), nodes.each_ref().map(|node| node.url("chat/completions")));
    let post = |number: usize| client::post(&urls[number % 2], &ada, gate);
    let refused = async || {
        let name = r#"callsign_limits_refused_total{limit="usd_day"}"#;
        metric(&nodes[0], name).await + metric(&nodes[1], name).await
    };
    tokio::select! {
        // At the worst each holds a flat estimate that leaves no room for the list price of another.
        answers = futures_util::future::join_all((0..100).map(post)) => {
            assert!(answers.iter().all(|answer| answer.status == 429), "{answers:?}");
        }
        () = within("the reservations", async { while refused().await < 100 - u64::try_from(begun()).unwrap() {} }) => {}
    }
    assert!(begun() <= 10, "{} at $0.0888 each", begun());
    let last = loop {
        let next = before + begun() + 1;
        tokio::select! {
            answer = post(next) => break answer,
            () = mock.wait_begun(next) => {}
        }
    };
    assert_eq!((last.status.as_u16(), begun()), (429, 10), "{}", last.text());
}

/// A key of one caller that has the wrong type, as after a mistake by hand.
async fn damaged_keys_cost_only_their_caller(redis: &Redis) {
    let mock = MockServer::start().await.unwrap();
    let node = node(&mock, redis, &[("CALLSIGN_LIMIT_CONCURRENT", "3")]);
    until_up(&node, 1).await;
    let failures = async || metric(&node, "callsign_limits_store_failures_total").await;
    let before = failures().await;
    let gate = r#"{"model":"mock/gate-head","messages":[],"stream":true}"#;
    let (damaged, whole) = (of("damaged-ada"), of("whole-bob"));
    let url = node.url("chat/completions");
    {
        let both = futures_util::future::join(client::post(&url, &damaged, gate), client::post(&url, &whole, gate));
        let mut both = std::pin::pin!(both);
        tokio::select! {
            _ = &mut both => panic!("the upstream waits"),
            () = async { while running(redis, "damaged-ada").await + running(redis, "whole-bob").await < 2 {} } => {}
        }
        let client = redis::Client::open(redis.url().replace("unix://", "redis+unix://")).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let key = format!("callsign:{{{}}}:o", Subject::user(None, "damaged-ada").hex());
        let mut damage = redis::pipe();
        damage.del(&key).ignore().set(&key, "no hash").ignore();
        damage.query_async::<()>(&mut connection).await.unwrap();
        // Both clients leave.
    }
    mock.release(usize::MAX >> 4);
    within("the end of the other's request", async { while running(redis, "whole-bob").await > 0 {} }).await;
    within("the report", async { while metric(&node, "callsign_limits_unsettled_total").await == 0 {} }).await;
    assert_eq!(metric(&node, "callsign_limits_store_up").await, 1);
    assert_eq!(ask(&node, &whole).await.status, 200);
    assert_eq!(ask(&node, &damaged).await.status, 200, "counted here");
    assert_eq!(metric(&node, "callsign_limits_store_up").await, 1);
    assert_eq!(failures().await, before);
}

/// A store that has lost its memory gets the budgets back.
async fn budgets_are_rebuilt(redis: &mut Redis) {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let data = [("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()), ("CALLSIGN_LIMIT_USD_DAY", "5")];
    let node = node(&mock, redis, &data);
    until_up(&node, 1).await;
    for _ in 0..2 {
        assert_eq!(ask(&node, &of("rebuilt-ada")).await.status, 200);
    }
    let ceilings = Ceilings([None, None, None, None, Some(5_000_000_000), None]);
    let until_used = async |redis: &Redis| {
        let (link, subject) = (link(redis).await, Subject::user(None, "rebuilt-ada"));
        within("the budget", async {
            while look::in_store(&link, &Calendar::default(), subject, ceilings).await.unwrap()[4].used != 840_000 {}
        })
        .await;
    };
    until_used(redis).await;
    redis.kill();
    outages::lose_everything(redis);
    redis.restart();
    until_used(redis).await;
}

/// With `deny` nobody spends from a budget that a store without its memory, or with an old copy, counts as unspent.
async fn a_restarted_store_waits_for_its_budgets(redis: &mut Redis) {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    // The first request leaves less than its reservation of $0.01.
    let variables = [
        ("CALLSIGN_DATA_DIR", directory.path().to_str().unwrap()),
        ("CALLSIGN_LIMIT_USD_DAY", "0.0101"),
        ("CALLSIGN_LIMIT_ON_STORE_FAILURE", "deny"),
    ];
    let data = std::path::Path::new(redis.url().strip_prefix("unix://").unwrap()).with_file_name("appendonlydir");
    let copy = data.with_file_name("copy");
    let node = node(&mock, redis, &variables);
    let ada = of("waiting-ada");
    let first_judgement = async || {
        loop {
            match ask(&node, &ada).await.status.as_u16() {
                503 => {}
                status => return status,
            }
        }
    };
    redis.kill();
    assert!(std::process::Command::new("cp").arg("-a").args([&data, &copy]).status().unwrap().success());
    redis.restart();
    assert_eq!(within("the budgets", first_judgement()).await, 200);
    within("the end of the budget", async { while ask(&node, &ada).await.status != 429 {} }).await;
    redis.kill();
    outages::lose_everything(redis);
    redis.restart();
    assert_eq!(within("the budgets", first_judgement()).await, 429, "after the loss of its memory");
    redis.kill();
    outages::lose_everything(redis);
    std::fs::rename(&copy, &data).unwrap();
    redis.restart();
    assert_eq!(within("the budgets", first_judgement()).await, 429, "with an old copy");
}
