//! Three nodes of the release build share one Redis and one PostgreSQL and serve 200 users while nodes and Redis are
//! killed and restarted at random. Afterwards no limit may be overrun, no row lost or duplicated, and attribution must
//! be exact. `tests/external/cluster.sh` starts PostgreSQL and runs this program, which starts everything else.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, prints progress, and reads its settings from variables"
)]

mod books;
mod node;
#[path = "../redis/server.rs"]
mod server;
mod upstream;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use node::Nodes;
use server::Redis;
use upstream::Upstream;

/// Users. Each has `AT_A_TIME` concurrent requests.
const USERS: usize = 200;
const AT_A_TIME: usize = 2;
/// The share of a user's requests that the limit allows, in percent.
const ALLOWED: usize = 40;
/// The cost of an answer in millionths of a dollar. A request reserves twice that.
pub(crate) const COST: usize = 1_000;
/// The downtime of a killed node or Redis.
const PAUSE: Duration = Duration::from_millis(100);

/// The clients' results.
#[derive(Default)]
struct Seen {
    sent: AtomicU64,
    completed: Mutex<HashMap<String, usize>>,
    limited: AtomicU64,
    unavailable: AtomicU64,
    /// By user: requests whose outcome the client does not know.
    unknown: Mutex<HashMap<usize, usize>>,
    others: Mutex<HashSet<String>>,
}

type Http = Client<HttpConnector, Full<Bytes>>;

#[tokio::main]
async fn main() {
    let variable = |name: &str| std::env::var(name).ok();
    let requests: usize = variable("CLUSTER_REQUESTS").map_or(100_000, |text| text.parse().unwrap());
    let each = requests / USERS;
    let allowed = each * ALLOWED / 100;
    let postgres = variable("CLUSTER_POSTGRES").unwrap_or_else(|| panic!("run tests/external/cluster.sh"));
    let binary = variable("CALLSIGN").unwrap_or_else(|| panic!("CALLSIGN is not set; set it to a callsign binary"));

    let upstream = Upstream::start().await;
    let redis = Arc::new(Mutex::new(Redis::start()));
    let store = redis.lock().unwrap().url().to_owned();
    let nodes = Arc::new(Nodes::start(&binary, &upstream.url(), &store, &postgres, allowed));
    println!("three nodes; {USERS} users, {each} requests of each, of which {allowed} may pass");

    let (seen, over) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let began = Instant::now();
    let faults = tokio::spawn(faults(Arc::clone(&nodes), Arc::clone(&redis), Arc::clone(&over)));
    let http: Http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    let clients = (0..USERS * AT_A_TIME).map(|number| {
        let (http, nodes, seen) = (http.clone(), Arc::clone(&nodes), Arc::clone(&seen));
        let share = each / AT_A_TIME + usize::from(number / USERS < each % AT_A_TIME);
        tokio::spawn(async move {
            for turn in 0..share {
                one(&http, &nodes, &seen, number % USERS, &format!("m-{number}-{turn}")).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let (kills, restarts) = faults.await.unwrap();
    nodes.stop();
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let unknown: usize = seen.unknown.lock().unwrap().values().sum();
    println!(
        "{} requests in {:.1} s, {kills} node kills, {restarts} Redis restarts: {} answered, {} over a limit, \
         {} while the store was away, {unknown} broken off",
        load(&seen.sent),
        took.as_secs_f64(),
        seen.completed.lock().unwrap().len(),
        load(&seen.limited),
        load(&seen.unavailable),
    );
    assert_eq!(*seen.others.lock().unwrap(), HashSet::new(), "unexpected answers");
    limits_held(&upstream, &seen, allowed, kills);
    books::are_right(&postgres, &upstream, &seen.completed.lock().unwrap(), unknown).await;
}

/// Sends one request to a random node.
async fn one(http: &Http, nodes: &Nodes, seen: &Seen, user: usize, message: &str) {
    seen.sent.fetch_add(1, Ordering::Relaxed);
    let body =
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"user-{user} {message}"}}],"user":"forged"}}"#);
    let request = Request::post(format!("http://{}/v1/chat/completions", nodes.any()))
        .header("authorization", format!("Bearer {}", node::APP_KEY))
        .header("content-type", "application/json")
        .header("x-user-id", format!("user-{user}"))
        .header("x-message-id", message)
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(60), async {
        let answer = http.request(request).await.ok()?;
        let status = answer.status().as_u16();
        let code = answer.headers().get("x-callsign-error").map(|code| code.to_str().unwrap().to_owned());
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        Some((status, code, body))
    });
    match answer.await.unwrap_or(None) {
        Some((200, None, body)) if body.ends_with(b"}") => {
            seen.completed.lock().unwrap().insert(message.to_owned(), user);
        }
        Some((429, Some(code), _)) if code == "rate_limited" => {
            seen.limited.fetch_add(1, Ordering::Relaxed);
        }
        Some((503, Some(code), _)) if code == "limits_unavailable" => {
            seen.unavailable.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
        Some((status, code, body)) => {
            seen.others.lock().unwrap().insert(format!("{status} {code:?} {}", String::from_utf8_lossy(&body)));
        }
        None => {
            *seen.unknown.lock().unwrap().entry(user).or_default() += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Kills nodes and Redis until `over` is set. Returns the number of node kills and Redis restarts.
async fn faults(nodes: Arc<Nodes>, redis: Arc<Mutex<Redis>>, over: Arc<AtomicBool>) -> (usize, usize) {
    let (mut kills, mut restarts) = (0, 0);
    let pause = |least: u64, more: u64| tokio::time::sleep(Duration::from_millis(least + random() % more));
    while !over.load(Ordering::Relaxed) {
        pause(700, 1500).await;
        if random() % 3 == 0 {
            redis.lock().unwrap().kill();
            pause(100, 900).await;
            let redis = Arc::clone(&redis);
            tokio::task::spawn_blocking(move || redis.lock().unwrap().restart()).await.unwrap();
            restarts += 1;
        } else {
            let nodes = Arc::clone(&nodes);
            tokio::task::spawn_blocking(move || nodes.kill_one()).await.unwrap();
            kills += 1;
        }
    }
    (kills, restarts)
}

/// Returns a random number.
pub(crate) fn random() -> u64 {
    uuid::Uuid::now_v7().as_u64_pair().1 & (u64::MAX >> 2)
}

/// Checks that no user exceeded the limit, and that users lost a part of it only by kills.
fn limits_held(upstream: &Upstream, seen: &Seen, allowed: usize, kills: usize) {
    let unknown = seen.unknown.lock().unwrap();
    let arrived: Vec<usize> = (0..USERS).map(|user| upstream.of(user)).collect();
    let (least, most) = (arrived.iter().min().unwrap(), arrived.iter().max().unwrap());
    println!("of {allowed} that may pass, {least} to {most} have reached the upstream for each user");
    assert!(*most <= allowed + AT_A_TIME, "a limit was overrun by more than what was in flight");
    for (user, arrived) in arrived.iter().enumerate() {
        // A request that broke off may be counted without having been sent. A user with a money limit loses its
        // estimate, twice the cost, also for requests that ended but were not settled when their node was killed.
        let lost = 2 * (unknown.get(&user).copied().unwrap_or(0) + kills * AT_A_TIME + 1);
        assert!(arrived + lost >= allowed, "user-{user} has had {arrived} of {allowed}");
    }
}
