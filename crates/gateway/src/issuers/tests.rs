use std::sync::LazyLock;

use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use jsonwebtoken::Algorithm::{self, ES256};
use serde_json::json;

use super::*;
use crate::upstream::control::MAX_BODY_BYTES;
use callsign_core::auth::issuer::{Issuer, TokenRules};
use key_server::KeyServer;
use signer::{Signer as Key, jwks};

#[path = "../../../../tests/it/support/key_server.rs"]
mod key_server;
#[path = "../../../../tests/it/support/signer.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod signer;

const JWKS: &str = "/jwks.json";
const NOW: i64 = 1_800_000_000;

static OLD: LazyLock<Key> = LazyLock::new(|| Key::generate(ES256, "old"));
static NEW: LazyLock<Key> = LazyLock::new(|| Key::generate(ES256, "new"));

/// One issuer whose keys are refreshed, and its verifier.
struct Setup {
    issuers: Issuers,
    verifier: Arc<Verifier>,
}

impl Setup {
    /// Starts the issuer and waits for the first fetch.
    async fn new(source: KeySource) -> Self {
        let setup = Self::loading(source);
        setup.wait_loaded().await;
        setup
    }

    /// Starts the issuer; the first fetch is running.
    fn loading(source: KeySource) -> Self {
        let verifier = Arc::new(Verifier::new([initial(&source).unwrap()]));
        let issuers = Issuers::start(vec![("test".into(), source)], &verifier).unwrap();
        Self { issuers, verifier }
    }

    /// Waits for the running fetch, if there is one.
    async fn wait_loaded(&self) {
        let running = self.issuers.feeds[0].state().running.clone();
        if let Some(fetch) = running {
            fetch_result(fetch).await;
        }
    }

    fn knows(&self, kid: &str) -> bool {
        self.verifier.key_set(0).contains(kid)
    }

    async fn refresh(&self, kid: &str) -> bool {
        self.issuers.refresh(&unknown_key(kid)).await
    }

    fn accepts(&self, key: &Key) -> bool {
        let token = key.token(&json!({"sub": "alice", "exp": NOW + 60}));
        self.verifier.verify(0, &issuer(&[ES256]), token.as_bytes(), NOW).is_ok()
    }
}

fn unknown_key(kid: &str) -> UnknownKey {
    UnknownKey { issuer: 0, kid: Some(kid.to_owned()) }
}

fn issuer(algorithms: &[Algorithm]) -> Issuer {
    Issuer {
        name: "test".into(),
        tenant: None,
        issuer: None,
        algorithms: algorithms.to_vec(),
        audience: vec![],
        for_console: false,
        authorized_parties: vec![],
        header: AUTHORIZATION,
        user_claim: "sub".into(),
        session_claim: None,
        chat_header: None,
        message_header: None,
        leeway: Duration::ZERO,
        token_rules: TokenRules::None,
        padded: false,
    }
}

async fn server() -> (KeyServer, KeySource) {
    let server = KeyServer::start().await;
    server.publish(JWKS, jwks([&*OLD]));
    let source = KeySource::Jwks(server.url(JWKS));
    (server, source)
}

/// Advances the clock. No request is running meanwhile, so real sockets are not affected.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Lets other tasks run until `done` returns true. Panics with `what` after 20 s.
async fn until(what: &str, done: impl Fn() -> bool) {
    let looking = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn keys_are_fetched_at_start() {
    let (server, source) = server().await;
    let setup = Setup::new(source).await;
    assert!(setup.accepts(&OLD) && !setup.accepts(&NEW));
    assert_eq!(server.asked(), [JWKS]);
}

#[tokio::test]
async fn the_first_request_waits_for_the_first_fetch() {
    let (server, source) = server().await;
    server.hold();
    let setup = Setup::loading(source);
    server.wait_asked(1).await;
    let (asked, ()) = tokio::join!(setup.refresh("old"), async { server.release() });
    assert!(asked && setup.accepts(&OLD));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn unknown_keys_trigger_two_fetches_and_then_one_a_minute() {
    let (server, source) = server().await;
    let setup = Setup::new(source).await;
    let minute = Duration::from_mins(1);
    for (waited, expected, asked) in [
        (Duration::ZERO, [true, true, false, false], 3),
        (Duration::from_secs(59), [false; 4], 3),
        (Duration::from_secs(1), [true, false, false, false], 4),
        (minute, [true, false, false, false], 5),
        (10 * minute, [true, true, false, false], 7),
    ] {
        pass(waited).await;
        let mut worth = Vec::new();
        for number in 0..4 {
            worth.push(setup.refresh(&format!("unknown-{number}")).await);
        }
        assert_eq!((&worth[..], server.asked().len()), (&expected[..], asked), "after {waited:?}");
    }
    assert!(setup.accepts(&OLD));
}

#[tokio::test]
async fn a_flood_of_unknown_keys_triggers_two_fetches() {
    let (server, source) = server().await;
    let setup = Setup::new(source).await;
    let unknown_keys: Vec<UnknownKey> = (0..1000).map(|number| unknown_key(&format!("unknown-{number}"))).collect();
    join_all(unknown_keys.iter().map(|signer| setup.issuers.refresh(signer))).await;
    join_all(unknown_keys.iter().map(|signer| setup.issuers.refresh(signer))).await;
    let unnamed = UnknownKey { issuer: 0, kid: None };
    join_all((0..1000).map(|_| setup.issuers.refresh(&unnamed))).await;
    assert_eq!(server.asked().len(), 1 + 2);
}

#[tokio::test]
async fn concurrent_requests_wait_for_the_same_fetch() {
    let (server, source) = server().await;
    let setup = Setup::new(source).await;
    server.publish(JWKS, jwks([&*OLD, &*NEW]));
    server.hold();
    let new = unknown_key("new");
    let all = join_all((0..100).map(|_| setup.issuers.refresh(&new)));
    let (worth, ()) = tokio::join!(all, async {
        server.wait_asked(2).await;
        server.release();
    });
    assert_eq!(worth, [true; 100]);
    assert_eq!(server.asked().len(), 2);
    assert!(setup.accepts(&OLD) && setup.accepts(&NEW));
}

#[tokio::test]
async fn a_fetch_that_began_before_a_key_rotation_is_followed_by_another() {
    let (server, source) = server().await;
    let setup = Setup::new(source).await;
    server.hold();
    // An unknown key triggers a fetch of the old set; the issuer rotates its keys while that fetch runs.
    let (unknown, new) = (unknown_key("unknown"), unknown_key("new"));
    let (_, worth, ()) = tokio::join!(setup.issuers.refresh(&unknown), setup.issuers.refresh(&new), async {
        server.wait_asked(2).await;
        server.publish(JWKS, jwks([&*NEW]));
        server.release();
    });
    assert!(worth && setup.accepts(&NEW));
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_client_that_disconnects_does_not_cancel_the_fetch() {
    let (server, source) = server().await;
    let setup = Setup::new(source).await;
    server.publish(JWKS, jwks([&*NEW]));
    server.hold();
    let new = unknown_key("new");
    {
        let leaving = setup.issuers.refresh(&new);
        tokio::select! {
            biased;
            _ = leaving => panic!("refreshed without an answer"),
            () = server.wait_asked(2) => {}
        }
    }
    let (worth, ()) = tokio::join!(setup.refresh("new"), async { server.release() });
    assert!(worth && setup.accepts(&NEW));
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_slow_issuer_does_not_delay_known_keys() {
    let (server, source) = server().await;
    let setup = Setup::new(source).await;
    server.hold();
    let new = unknown_key("new");
    let waiting = setup.issuers.refresh(&new);
    tokio::select! {
        biased;
        _ = waiting => panic!("refreshed without an answer"),
        () = server.wait_asked(2) => {}
    }
    // `accepts` is not async, so it cannot wait.
    assert!(setup.accepts(&OLD));
}

#[tokio::test]
async fn keys_stay_in_use_when_a_fetch_fails() {
    let (server, source) = server().await;
    let setup = Setup::new(source).await;
    for body in ["", "<html>", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#] {
        server.publish(JWKS, body);
        pass(Duration::from_mins(1)).await;
        assert!(!setup.refresh("new").await && setup.accepts(&OLD), "{body}");
    }
    server.publish(JWKS, jwks([&*NEW]));
    for status in [201, 204, 304, 404, 500, 503] {
        server.fail(JWKS, status);
        pass(Duration::from_mins(1)).await;
        assert!(!setup.refresh("new").await && setup.accepts(&OLD), "{status}");
    }
    let asked = server.asked().len();
    assert_eq!(asked, 1 + 5 + 6);
    drop(server);
    pass(Duration::from_mins(1)).await;
    assert!(!setup.refresh("new").await && setup.accepts(&OLD));
    assert!(!setup.accepts(&NEW));
}

#[tokio::test]
async fn a_key_that_the_issuer_removed_is_refused() {
    let (server, source) = server().await;
    let setup = Setup::new(source).await;
    server.publish(JWKS, jwks([&*NEW]));
    assert!(setup.refresh("new").await);
    assert!(setup.accepts(&NEW) && !setup.accepts(&OLD));
}

#[tokio::test]
async fn keys_are_fetched_once_an_hour() {
    let (server, source) = server().await;
    let setup = Setup::new(source).await;
    // Waits until the task of the scheduled fetches sleeps.
    until("asleep", || Arc::strong_count(&setup.issuers.feeds[0]) == 2).await;
    tokio::task::yield_now().await;
    server.publish(JWKS, jwks([&*NEW]));
    pass(REFRESH_INTERVAL.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!(server.asked().len(), 1);
    pass(Duration::from_secs(2)).await;
    until("the hourly fetch", || setup.knows("new")).await;
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn keys_are_dropped_after_a_day_without_a_successful_fetch() {
    let (server, source) = server().await;
    let setup = Setup::new(source).await;
    tokio::task::yield_now().await;
    server.fail(JWKS, 500);
    pass(MAX_KEY_AGE.saturating_sub(Duration::from_secs(5))).await;
    server.wait_asked(2).await;
    setup.wait_loaded().await;
    assert!(setup.knows("old"));
    tokio::task::yield_now().await;
    pass(RETRY_INTERVAL).await;
    until("the end of the keys", || !setup.knows("old")).await;
    // The next successful fetch restores them.
    server.publish(JWKS, jwks([&*OLD]));
    pass(RETRY_INTERVAL).await;
    until("the keys", || setup.knows("old")).await;
}

#[tokio::test]
async fn dropping_the_issuers_ends_the_hourly_fetches() {
    let (_server, source) = server().await;
    let Setup { issuers, verifier } = Setup::new(source).await;
    drop(issuers);
    until("the end of the task", || Arc::strong_count(&verifier) == 1).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (server, _) = server().await;
    let other = KeyServer::start().await;
    other.publish(JWKS, jwks([&*OLD]));
    for location in [JWKS.to_owned(), other.url(JWKS), "http://192.0.2.1/".to_owned()] {
        server.redirect("/moved", &location);
        let setup = Setup::new(KeySource::Jwks(server.url("/moved"))).await;
        assert!(!setup.knows("old"), "{location}");
    }
    assert_eq!((server.asked(), other.asked().len()), (vec!["/moved".to_owned(); 3], 0));
}

#[tokio::test]
async fn a_key_set_over_one_mebibyte_is_refused() {
    let server = KeyServer::start().await;
    for (size, fits) in [(MAX_BODY_BYTES, true), (MAX_BODY_BYTES + 1, false), (8 * MAX_BODY_BYTES, false)] {
        let mut body = jwks([&*OLD]);
        body.push_str(&" ".repeat(size - body.len()));
        server.publish(JWKS, body);
        let setup = Setup::new(KeySource::Jwks(server.url(JWKS))).await;
        assert_eq!(setup.knows("old"), fits, "{size}");
    }
}

#[tokio::test]
async fn the_openid_configuration_must_name_its_issuer() {
    let server = KeyServer::start().await;
    server.publish(JWKS, jwks([&*OLD]));
    let (issuer, path) = (server.url("/realm"), "/realm/.well-known/openid-configuration");
    for (named, keys, found) in [
        (issuer.clone(), server.url(JWKS), true),
        (format!("{issuer}/"), server.url(JWKS), false),
        (server.url(""), server.url(JWKS), false),
        ("https://other.example".into(), server.url(JWKS), false),
        (issuer.to_uppercase(), server.url(JWKS), false),
        (issuer.clone(), "http://192.0.2.1/jwks".into(), false),
        (issuer.clone(), "file:///etc/passwd".into(), false),
        (issuer.clone(), JWKS.into(), false),
        (issuer.clone(), server.url("/nowhere"), false),
    ] {
        server.publish(path, json!({"issuer": named, "jwks_uri": keys, "more": 1}).to_string());
        let setup = Setup::new(KeySource::Discovery(issuer.clone())).await;
        assert_eq!(setup.knows("old"), found, "{named} {keys}");
    }
    for wrong in ["", "{}", "[]", r#"{"issuer":null,"jwks_uri":null}"#] {
        server.publish(path, wrong);
        assert!(!Setup::new(KeySource::Discovery(issuer.clone())).await.knows("old"), "{wrong}");
    }
    // A final slash is part of the issuer's name, but is not doubled in the URL.
    let slashed = format!("{issuer}/");
    server.publish(path, json!({"issuer": slashed, "jwks_uri": server.url(JWKS)}).to_string());
    assert!(Setup::new(KeySource::Discovery(slashed)).await.knows("old"));
}

#[tokio::test]
async fn load_balancer_keys_are_fetched_one_by_one() {
    let server = KeyServer::start().await;
    let (first, second) = ("0f3b8a0e-9c1d-4c57-8f51-77f6b2a2a001", "0f3b8a0e-9c1d-4c57-8f51-77f6b2a2a002");
    server.publish(&format!("/keys/{first}"), OLD.pem().to_owned());
    server.publish(&format!("/keys/{second}"), NEW.pem().to_owned());
    server.publish("/keys/", OLD.pem().to_owned());
    server.publish("/x", OLD.pem().to_owned());
    let setup = Setup::new(KeySource::PemByKid(server.url("/keys/"))).await;
    let long = "a".repeat(129);
    for kid in ["", ".", "..", "../x", "a/b", "a?b", "a#b", "a%2fb", "a_b", "a.b", "a b", "ä", "a\n", "\u{0}", &long] {
        assert!(!setup.refresh(kid).await, "{kid:?}");
    }
    assert_eq!(server.asked(), [""; 0], "nothing was fetched, and the budget is unused");
    // Two requests at once: the second does not take the first request's fetch for its own.
    let (one, two) = tokio::join!(setup.refresh(first), setup.refresh(second));
    assert!(one && two && setup.knows(first) && setup.knows(second));
    assert_eq!(server.asked(), [format!("/keys/{first}"), format!("/keys/{second}")]);
    assert!(!setup.refresh("third").await);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn load_balancer_keys_are_dropped_when_they_are_no_longer_published() {
    let server = KeyServer::start().await;
    let (first, second) = ("/keys/first", "/keys/second");
    server.publish(first, OLD.pem().to_owned());
    server.publish(second, NEW.pem().to_owned());
    let setup = Setup::new(KeySource::PemByKid(server.url("/keys"))).await;
    assert!(setup.refresh("first").await && setup.refresh("second").await);
    tokio::task::yield_now().await;
    // The hourly fetch requests each of them again; one is no longer published.
    server.fail(first, 404);
    pass(REFRESH_INTERVAL).await;
    until("the end of one key", || !setup.knows("first")).await;
    assert!(setup.knows("second"));
    assert_eq!(server.asked()[2..], [first, second]);
    // After a failed fetch a key stays for a day, and not longer.
    server.fail(second, 500);
    tokio::task::yield_now().await;
    pass(MAX_KEY_AGE.saturating_sub(Duration::from_secs(5))).await;
    server.wait_asked(5).await;
    setup.wait_loaded().await;
    assert!(setup.knows("second"));
    // A successful fetch of another key does not refresh this one.
    server.publish("/keys/third", OLD.pem().to_owned());
    assert!(setup.refresh("third").await);
    tokio::task::yield_now().await;
    pass(RETRY_INTERVAL).await;
    until("the end of the keys", || !setup.knows("second")).await;
}

#[tokio::test]
async fn keys_of_files_and_secrets_are_not_refreshed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), jwks([&*OLD])).unwrap();
    let setup = Setup::new(KeySource::File(file.path().to_owned())).await;
    assert!(setup.accepts(&OLD));
    assert!(!setup.refresh("new").await);
    let secret = Setup::new(KeySource::Secret(callsign_core::secret::Secret::new("a shared secret"))).await;
    assert!(!secret.refresh("new").await);
    assert!(!secret.issuers.refresh(&UnknownKey { issuer: 7, kid: None }).await);
    std::fs::write(file.path(), "{}").unwrap();
    assert!(matches!(initial(&KeySource::File(file.path().to_owned())), Err(FetchError::Keys(_))));
    assert!(matches!(initial(&KeySource::File("/nowhere/jwks.json".into())), Err(FetchError::File(_))));
}
