use std::sync::LazyLock;

use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use jsonwebtoken::Algorithm::{self, ES256};
use serde_json::json;

use super::*;
use crate::caller::issuer::Issuer;
use crate::caller::jwt::Trap;
use crate::caller::signer::{Signer as Key, jwks};
use crate::upstream::control::LARGEST;
use key_server::KeyServer;

#[path = "../../tests/it/support/key_server.rs"]
mod key_server;

const JWKS: &str = "/jwks.json";
const NOW: i64 = 1_800_000_000;

static OLD: LazyLock<Key> = LazyLock::new(|| Key::generate(ES256, "old"));
static NEW: LazyLock<Key> = LazyLock::new(|| Key::generate(ES256, "new"));

/// One issuer under care.
struct Care {
    issuers: Issuers,
    verifier: Arc<Verifier>,
}

impl Care {
    /// Has had its first load.
    async fn of(source: KeySource) -> Self {
        let care = Self::begun(source);
        care.loaded().await;
        care
    }

    /// Its first load is under way.
    fn begun(source: KeySource) -> Self {
        let verifier = Arc::new(Verifier::new([initial(&source).unwrap()]));
        let issuers = Issuers::start(vec![("test".into(), source)], &verifier).unwrap();
        Self { issuers, verifier }
    }

    /// Waits for the fetch that is under way, if one is.
    async fn loaded(&self) {
        let running = self.issuers.feeds[0].flight().running.clone();
        if let Some(flight) = running {
            landed(flight).await;
        }
    }

    fn knows(&self, kid: &str) -> bool {
        self.verifier.key_set(0).holds(kid)
    }

    async fn refresh(&self, kid: &str) -> bool {
        self.issuers.refresh(&signer(kid)).await
    }

    fn accepts(&self, key: &Key) -> bool {
        let token = key.token(&json!({"sub": "alice", "exp": NOW + 60}));
        self.verifier.verify(0, &issuer(&[ES256]), token.as_bytes(), NOW).is_ok()
    }
}

fn signer(kid: &str) -> Signer {
    Signer { issuer: 0, kid: Some(kid.to_owned()) }
}

fn issuer(algorithms: &[Algorithm]) -> Issuer {
    Issuer {
        name: "test".into(),
        tenant: None,
        issuer: None,
        algorithms: algorithms.to_vec(),
        audience: vec![],
        authorized_parties: vec![],
        header: AUTHORIZATION,
        user_claim: "sub".into(),
        session_claim: None,
        bring_chat: None,
        bring_message: None,
        leeway: Duration::ZERO,
        trap: Trap::None,
        padded: false,
    }
}

async fn server() -> (KeyServer, KeySource) {
    let server = KeyServer::start().await;
    server.publish(JWKS, jwks([&*OLD]));
    let source = KeySource::Jwks(server.url(JWKS));
    (server, source)
}

/// Lets time pass. No request is under way meanwhile, so that real sockets do not mind.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Lets other tasks run until `done`; they are woken by themselves, this only looks.
async fn until(what: &str, done: impl Fn() -> bool) {
    let looking = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn keys_are_loaded_without_being_asked_for() {
    let (server, source) = server().await;
    let care = Care::of(source).await;
    assert!(care.accepts(&OLD) && !care.accepts(&NEW));
    assert_eq!(server.asked(), [JWKS]);
}

#[tokio::test]
async fn the_first_request_waits_for_the_first_load() {
    let (server, source) = server().await;
    server.hold();
    let care = Care::begun(source);
    server.wait_asked(1).await;
    let (asked, ()) = tokio::join!(care.refresh("old"), async { server.release() });
    assert!(asked && care.accepts(&OLD));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_unknown_key_is_fetched_twice_at_most_and_then_once_a_minute() {
    let (server, source) = server().await;
    let care = Care::of(source).await;
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
            worth.push(care.refresh(&format!("unknown-{number}")).await);
        }
        assert_eq!((&worth[..], server.asked().len()), (&expected[..], asked), "after {waited:?}");
    }
    assert!(care.accepts(&OLD));
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_two_fetches() {
    let (server, source) = server().await;
    let care = Care::of(source).await;
    let signers: Vec<Signer> = (0..1000).map(|number| signer(&format!("unknown-{number}"))).collect();
    join_all(signers.iter().map(|signer| care.issuers.refresh(signer))).await;
    join_all(signers.iter().map(|signer| care.issuers.refresh(signer))).await;
    let unnamed = Signer { issuer: 0, kid: None };
    join_all((0..1000).map(|_| care.issuers.refresh(&unnamed))).await;
    assert_eq!(server.asked().len(), 1 + 2);
}

#[tokio::test]
async fn everybody_waits_for_the_same_fetch() {
    let (server, source) = server().await;
    let care = Care::of(source).await;
    server.publish(JWKS, jwks([&*OLD, &*NEW]));
    server.hold();
    let new = signer("new");
    let all = join_all((0..100).map(|_| care.issuers.refresh(&new)));
    let (worth, ()) = tokio::join!(all, async {
        server.wait_asked(2).await;
        server.release();
    });
    assert_eq!(worth, [true; 100]);
    assert_eq!(server.asked().len(), 2);
    assert!(care.accepts(&OLD) && care.accepts(&NEW));
}

#[tokio::test]
async fn a_fetch_that_began_before_the_rotation_is_not_the_last_word() {
    let (server, source) = server().await;
    let care = Care::of(source).await;
    server.hold();
    // Somebody's unknown key has the old set fetched; the issuer rotates while that is on its way.
    let (unknown, new) = (signer("unknown"), signer("new"));
    let (_, worth, ()) = tokio::join!(care.issuers.refresh(&unknown), care.issuers.refresh(&new), async {
        server.wait_asked(2).await;
        server.publish(JWKS, jwks([&*NEW]));
        server.release();
    });
    assert!(worth && care.accepts(&NEW));
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn whoever_leaves_does_not_take_the_fetch_along() {
    let (server, source) = server().await;
    let care = Care::of(source).await;
    server.publish(JWKS, jwks([&*NEW]));
    server.hold();
    let new = signer("new");
    {
        let leaving = care.issuers.refresh(&new);
        tokio::select! {
            biased;
            _ = leaving => panic!("answered by nobody"),
            () = server.wait_asked(2) => {}
        }
    }
    let (worth, ()) = tokio::join!(care.refresh("new"), async { server.release() });
    assert!(worth && care.accepts(&NEW));
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_slow_issuer_slows_nobody_whose_key_is_known() {
    let (server, source) = server().await;
    let care = Care::of(source).await;
    server.hold();
    let new = signer("new");
    let waiting = care.issuers.refresh(&new);
    tokio::select! {
        biased;
        _ = waiting => panic!("answered by nobody"),
        () = server.wait_asked(2) => {}
    }
    // Without an await between, there is nothing that could be waited for.
    assert!(care.accepts(&OLD));
}

#[tokio::test]
async fn keys_stay_in_force_when_nothing_better_comes() {
    let (server, source) = server().await;
    let care = Care::of(source).await;
    for body in ["", "<html>", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#] {
        server.publish(JWKS, body);
        pass(Duration::from_mins(1)).await;
        assert!(!care.refresh("new").await && care.accepts(&OLD), "{body}");
    }
    server.publish(JWKS, jwks([&*NEW]));
    for status in [201, 204, 304, 404, 500, 503] {
        server.fail(JWKS, status);
        pass(Duration::from_mins(1)).await;
        assert!(!care.refresh("new").await && care.accepts(&OLD), "{status}");
    }
    let asked = server.asked().len();
    assert_eq!(asked, 1 + 5 + 6);
    drop(server);
    pass(Duration::from_mins(1)).await;
    assert!(!care.refresh("new").await && care.accepts(&OLD));
    assert!(!care.accepts(&NEW));
}

#[tokio::test]
async fn a_key_that_the_issuer_took_back_is_refused() {
    let (server, source) = server().await;
    let care = Care::of(source).await;
    server.publish(JWKS, jwks([&*NEW]));
    assert!(care.refresh("new").await);
    assert!(care.accepts(&NEW) && !care.accepts(&OLD));
}

#[tokio::test]
async fn keys_are_fetched_once_an_hour() {
    let (server, source) = server().await;
    let care = Care::of(source).await;
    // The task that sleeps must have fallen asleep.
    until("asleep", || Arc::strong_count(&care.issuers.feeds[0]) == 2).await;
    tokio::task::yield_now().await;
    server.publish(JWKS, jwks([&*NEW]));
    pass(EVERY.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!(server.asked().len(), 1);
    pass(Duration::from_secs(2)).await;
    until("the hourly fetch", || care.knows("new")).await;
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn after_a_day_without_a_word_keys_are_no_longer_used() {
    let (server, source) = server().await;
    let care = Care::of(source).await;
    tokio::task::yield_now().await;
    server.fail(JWKS, 500);
    pass(STALE.saturating_sub(Duration::from_secs(5))).await;
    server.wait_asked(2).await;
    care.loaded().await;
    assert!(care.knows("old"));
    tokio::task::yield_now().await;
    pass(AGAIN).await;
    until("the end of the keys", || !care.knows("old")).await;
    // They come back with the issuer.
    server.publish(JWKS, jwks([&*OLD]));
    pass(AGAIN).await;
    until("the keys", || care.knows("old")).await;
}

#[tokio::test]
async fn dropping_them_ends_the_hourly_fetches() {
    let (_server, source) = server().await;
    let Care { issuers, verifier } = Care::of(source).await;
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
        let care = Care::of(KeySource::Jwks(server.url("/moved"))).await;
        assert!(!care.knows("old"), "{location}");
    }
    assert_eq!((server.asked(), other.asked().len()), (vec!["/moved".to_owned(); 3], 0));
}

#[tokio::test]
async fn a_key_set_of_a_mebibyte_is_the_largest() {
    let server = KeyServer::start().await;
    for (size, fits) in [(LARGEST, true), (LARGEST + 1, false), (8 * LARGEST, false)] {
        let mut body = jwks([&*OLD]);
        body.push_str(&" ".repeat(size - body.len()));
        server.publish(JWKS, body);
        let care = Care::of(KeySource::Jwks(server.url(JWKS))).await;
        assert_eq!(care.knows("old"), fits, "{size}");
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
        let care = Care::of(KeySource::Discovery(issuer.clone())).await;
        assert_eq!(care.knows("old"), found, "{named} {keys}");
    }
    for wrong in ["", "{}", "[]", r#"{"issuer":null,"jwks_uri":null}"#] {
        server.publish(path, wrong);
        assert!(!Care::of(KeySource::Discovery(issuer.clone())).await.knows("old"), "{wrong}");
    }
    // A slash at the end is part of the issuer's name, but makes no second one in the URL.
    let slashed = format!("{issuer}/");
    server.publish(path, json!({"issuer": slashed, "jwks_uri": server.url(JWKS)}).to_string());
    assert!(Care::of(KeySource::Discovery(slashed)).await.knows("old"));
}

#[tokio::test]
async fn load_balancers_keys_come_one_by_one() {
    let server = KeyServer::start().await;
    let (first, second) = ("0f3b8a0e-9c1d-4c57-8f51-77f6b2a2a001", "0f3b8a0e-9c1d-4c57-8f51-77f6b2a2a002");
    server.publish(&format!("/keys/{first}"), OLD.pem().to_owned());
    server.publish(&format!("/keys/{second}"), NEW.pem().to_owned());
    server.publish("/keys/", OLD.pem().to_owned());
    server.publish("/x", OLD.pem().to_owned());
    let care = Care::of(KeySource::PemByKid(server.url("/keys/"))).await;
    let long = "a".repeat(129);
    for kid in ["", ".", "..", "../x", "a/b", "a?b", "a#b", "a%2fb", "a_b", "a.b", "a b", "ä", "a\n", "\u{0}", &long] {
        assert!(!care.refresh(kid).await, "{kid:?}");
    }
    assert_eq!(server.asked(), [""; 0], "nobody was asked, and the budget is still there");
    // Two at once: the one that comes second does not take the first one's fetch for its own.
    let (one, two) = tokio::join!(care.refresh(first), care.refresh(second));
    assert!(one && two && care.knows(first) && care.knows(second));
    assert_eq!(server.asked(), [format!("/keys/{first}"), format!("/keys/{second}")]);
    assert!(!care.refresh("third").await);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn load_balancers_keys_do_not_outlive_their_publication() {
    let server = KeyServer::start().await;
    let (first, second) = ("/keys/first", "/keys/second");
    server.publish(first, OLD.pem().to_owned());
    server.publish(second, NEW.pem().to_owned());
    let care = Care::of(KeySource::PemByKid(server.url("/keys"))).await;
    assert!(care.refresh("first").await && care.refresh("second").await);
    tokio::task::yield_now().await;
    // The hourly fetch asks for each of them again; one was taken back.
    server.fail(first, 404);
    pass(EVERY).await;
    until("the end of one key", || !care.knows("first")).await;
    assert!(care.knows("second"));
    assert_eq!(server.asked()[2..], [first, second]);
    // No answer is no word: it stays for a day, and not longer.
    server.fail(second, 500);
    tokio::task::yield_now().await;
    pass(STALE.saturating_sub(Duration::from_secs(5))).await;
    server.wait_asked(5).await;
    care.loaded().await;
    assert!(care.knows("second"));
    // That another key was brought meanwhile says nothing about this one.
    server.publish("/keys/third", OLD.pem().to_owned());
    assert!(care.refresh("third").await);
    tokio::task::yield_now().await;
    pass(AGAIN).await;
    until("the end of the keys", || !care.knows("second")).await;
}

#[tokio::test]
async fn what_is_not_fetched_is_never_refreshed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), jwks([&*OLD])).unwrap();
    let care = Care::of(KeySource::File(file.path().to_owned())).await;
    assert!(care.accepts(&OLD));
    assert!(!care.refresh("new").await);
    let secret = Care::of(KeySource::Secret(crate::secret::Secret::new("a shared secret"))).await;
    assert!(!secret.refresh("new").await);
    assert!(!secret.issuers.refresh(&Signer { issuer: 7, kid: None }).await);
    std::fs::write(file.path(), "{}").unwrap();
    assert!(matches!(initial(&KeySource::File(file.path().to_owned())), Err(FetchError::Keys(_))));
    assert!(matches!(initial(&KeySource::File("/nowhere/jwks.json".into())), Err(FetchError::File(_))));
}
