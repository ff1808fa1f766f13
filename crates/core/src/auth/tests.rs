mod signed;

use http::{HeaderName, HeaderValue};

use super::*;
use crate::identity::longest;

const ALICE: &str = "alice-personal-key-0001";
const APP: &str = "the-key-of-an-app-00001";
/// 2026-05-28. The context's time, so that no test depends on the clock.
const NOW: Timestamp = Timestamp::constant(1_780_000_000, 0);
const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));

fn key(name: &str, secret: &str, grant: Grant) -> Key {
    Key::new(name, KeyDigest::of(secret.as_bytes()), grant)
}

fn directory() -> Directory {
    let alice = Key {
        chat_header: Some(HeaderName::from_static("x-chat-id")),
        ..key("alice-laptop", ALICE, Grant::User("alice".into()))
    };
    let app = key("app", APP, Grant::Preset(Preset::built_in("generic").unwrap()));
    Directory::new([alice, app], Preset::built_in("openwebui"), true)
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

fn resolved<'a>(headers: &'a HeaderMap, directory: &'a Directory, need: Need) -> Result<Caller<'a>, AuthError> {
    static NO_ISSUERS: std::sync::LazyLock<Verifier> = std::sync::LazyLock::new(Verifier::default);
    Caller::resolve(
        headers,
        HOME,
        AuthContext { directory, verifier: &NO_ISSUERS, stored: &crate::stored_key::NoStoredKeys, now: NOW },
        need,
    )
}

fn resolve<T>(pairs: &[(&str, &str)], read: impl Fn(Result<Caller<'_>, AuthError>) -> T) -> T {
    read(resolved(&headers(pairs), &directory(), Need::Identity))
}

fn user(pairs: &[(&str, &str)]) -> Option<String> {
    resolve(pairs, |caller| caller.unwrap().user.map(Cow::into_owned))
}

fn error(pairs: &[(&str, &str)]) -> AuthError {
    resolve(pairs, |caller| caller.map(|_| ()).unwrap_err())
}

#[test]
fn a_credential_is_found_in_each_header() {
    let bearer = format!("Bearer {ALICE}");
    for pairs in [
        vec![("authorization", bearer.as_str())],
        vec![("authorization", "bEaReR   alice-personal-key-0001 ")],
        vec![("x-api-key", ALICE)],
        vec![("api-key", ALICE)],
        vec![("authorization", bearer.as_str()), ("x-api-key", ALICE)],
        vec![("authorization", "Bearer "), ("x-api-key", ALICE), ("api-key", "")],
        vec![("authorization", "Basic YTpi"), ("x-api-key", ALICE)],
    ] {
        assert_eq!(user(&pairs).as_deref(), Some("alice"), "{pairs:?}");
    }
}

#[test]
fn differing_and_repeated_credentials_are_ambiguous() {
    let bearer = format!("Bearer {ALICE}");
    for (pairs, named) in [
        (vec![("authorization", bearer.as_str()), ("x-api-key", APP)], "`authorization` and `x-api-key`"),
        (vec![("x-api-key", ALICE), ("api-key", APP)], "`x-api-key` and `api-key`"),
        (vec![("x-api-key", ALICE), ("x-api-key", ALICE)], "`x-api-key`"),
        (vec![("authorization", bearer.as_str()), ("x-api-key", ALICE), ("x-api-key", ALICE)], "`x-api-key`"),
        (vec![("authorization", bearer.as_str()), ("authorization", bearer.as_str())], "`authorization`"),
    ] {
        assert_eq!(error(&pairs), AuthError::AmbiguousCredential(named.into()));
    }
}

#[test]
fn missing_and_unknown_keys_are_refused() {
    assert_eq!(error(&[]), AuthError::MissingCredential);
    assert_eq!(error(&[("authorization", ALICE)]), AuthError::MissingCredential);
    assert_eq!(error(&[("authorization", "Bearerx alice-personal-key-0001")]), AuthError::MissingCredential);
    for wrong in ["alice", "alice-personal-key-0002", "ALICE-PERSONAL-KEY-0001", "sk-oai-0000000000000000"] {
        assert_eq!(error(&[("x-api-key", wrong)]), AuthError::InvalidCredential);
    }
}

#[test]
fn a_personal_key_ignores_the_user_header() {
    let pairs = [("x-api-key", ALICE), ("x-user-id", "mallory"), ("x-session-id", "s"), ("x-chat-id", "c1")];
    resolve(&pairs, |caller| {
        let caller = caller.unwrap();
        assert_eq!(caller.identity().user, Some("alice"));
        assert_eq!((caller.session.as_deref(), caller.chat.as_deref()), (None, Some("c1")));
        assert_eq!(caller.client_session, Some("s"));
    });
}

#[test]
fn an_app_key_reads_the_headers_of_its_preset() {
    let pairs = [
        ("x-api-key", APP),
        ("x-user-id", " bob\t"),
        ("x-session-id", "s1"),
        ("x-chat-id", "c1"),
        ("x-message-id", "m"),
    ];
    resolve(&pairs, |caller| {
        let caller = caller.unwrap();
        assert_eq!((caller.user.as_deref(), caller.session.as_deref()), (Some("bob"), Some("s1")));
        assert_eq!((caller.chat.as_deref(), caller.message.as_deref()), (Some("c1"), Some("m")));
        assert_eq!(caller.key, "app");
    });
}

#[test]
fn unusable_header_values_are_absent() {
    for nothing in [
        "",
        "  ",
        "null",
        "undefined",
        "None",
        "NONE",
        "<no value>",
        "alice, bob",
        "{{USER_ID}}",
        "a}}",
        "a\u{200b}b",
        "\u{feff}a",
        "a\u{ad}b",
        "a\tb",
        "a\u{85}b",
        "a\u{202e}b",
        "a\u{2029}b",
        "a\u{115f}",
        "a\u{fe0f}",
    ] {
        assert_eq!(user(&[("x-api-key", APP), ("x-user-id", nothing)]), None, "{nothing:?}");
    }
    for something in ["0", "nullable", "{user}", "älice", "a b", "auth0|1"] {
        assert_eq!(user(&[("x-api-key", APP), ("x-user-id", something)]).as_deref(), Some(something));
    }
    let (fits, long) = ("é".repeat(longest::ID / 2), "x".repeat(longest::ID + 1));
    assert_eq!(user(&[("x-api-key", APP), ("x-user-id", &format!(" {fits} "))]), Some(fits));
    let pairs = ["x-user-id", "x-session-id", "x-chat-id", "x-message-id"].map(|name| (name, long.as_str()));
    resolve(&[&pairs[..], &[("x-api-key", APP), ("session-id", "s")]].concat(), |caller| {
        let caller = caller.unwrap();
        assert_eq!(caller.identity(), CallerIdentity { key: "app", client_session: Some("s"), ..Default::default() });
    });
    let mut map = headers(&[("x-api-key", APP)]);
    map.insert("x-user-id", HeaderValue::from_bytes(b"a\xff").unwrap());
    assert_eq!(resolved(&map, &directory(), Need::Identity).unwrap().user, None);
}

#[test]
fn an_unusable_header_is_noted_with_its_reason() {
    let noted = |pairs: &[(&str, &str)]| {
        resolve(pairs, |caller| {
            let caller = caller.unwrap();
            let noted = caller.unusable.iter().map(|u| (u.field, u.header.to_string(), u.reason.name()));
            (noted.collect::<Vec<_>>(), caller.unusable_user().is_some())
        })
    };
    let one = noted(&[("x-api-key", APP), ("x-user-id", "null"), ("x-chat-id", "c")]);
    assert_eq!(one, (vec![(Field::User, "x-user-id".to_owned(), "placeholder")], true));
    let two = noted(&[("x-api-key", APP), ("x-user-id", "a"), ("x-chat-id", "a,b"), ("x-message-id", "a\u{200b}")]);
    let chat = (Field::Chat, "x-chat-id".to_owned(), "joined");
    assert_eq!(two, (vec![chat, (Field::Message, "x-message-id".to_owned(), "invisible")], false));
    assert_eq!(noted(&[("x-api-key", APP), ("x-user-id", " ")]), (vec![], false), "empty is absent");
    assert_eq!(noted(&[("x-api-key", ALICE), ("x-user-id", "null")]), (vec![], false), "not read");
}

#[test]
fn a_repeated_identity_header_is_ambiguous() {
    let twice = [("x-api-key", APP), ("x-user-id", "bob"), ("x-user-id", "bob")];
    assert!(matches!(error(&twice), AuthError::AmbiguousIdentity(AmbiguousIdentityError(name)) if name == "x-user-id"));
    let others = [("x-api-key", ALICE), ("x-user-id", "bob"), ("x-user-id", "eve")];
    assert_eq!(user(&others).as_deref(), Some("alice"), "headers that are not read may be repeated");
    let underscore = [("x-api-key", APP), ("x-user-id", "bob"), ("x_user_id", "eve")];
    assert_eq!(user(&underscore).as_deref(), Some("bob"));
}

#[test]
fn the_catalogue_needs_no_user_and_knows_the_one_that_is_named() {
    let of = |pairs: &[(&'static str, &'static str)]| {
        let (map, directory) = (headers(pairs), directory());
        resolved(&map, &directory, Need::Credential).map(|caller| caller.user.map(std::borrow::Cow::into_owned))
    };
    assert_eq!(of(&[("x-api-key", APP)]), Ok(None));
    assert_eq!(of(&[("x-api-key", APP), ("x-user-id", "bob")]), Ok(Some("bob".to_owned())));
    assert_eq!(of(&[("x-api-key", ALICE)]), Ok(Some("alice".to_owned())));
    let twice = of(&[("x-api-key", APP), ("x-user-id", "bob"), ("x-user-id", "eve")]);
    assert!(matches!(twice, Err(AuthError::AmbiguousIdentity(_))));
}

#[test]
fn each_pass_through_key_has_its_own_namespace() {
    let of = |key: &str| {
        resolve(&[("x-api-key", key), ("x-openwebui-user-id", "bob"), ("x-user-id", "eve")], |caller| {
            let caller = caller.unwrap();
            assert_eq!(
                (caller.upstream_credential, caller.user.as_deref()),
                (UpstreamCredential::PassThrough, Some("bob"))
            );
            caller.tenant.unwrap().into_owned()
        })
    };
    assert_ne!(of("sk-or-v1-aaaaaaaaaaaaaaaa"), of("sk-or-v1-bbbbbbbbbbbbbbbb"));
    let closed = Directory::new([], None, false);
    let map = headers(&[("x-api-key", "sk-or-v1-aaaaaaaaaaaaaaaa")]);
    let refused = resolved(&map, &closed, Need::Identity);
    assert_eq!(refused.unwrap_err(), AuthError::OpenRouterKey);
}

#[test]
fn a_disabled_expired_or_network_bound_key_is_refused_and_not_passed_through() {
    let base = key("k", "sk-or-v1-known-here-0001", Grant::User("u".into()));
    let refusal = |key: Key| {
        let directory = Directory::new([key], Preset::built_in("generic"), false);
        let map = headers(&[("x-api-key", "sk-or-v1-known-here-0001")]);
        let error = resolved(&map, &directory, Need::Credential).err()?;
        assert_eq!(error.to_string(), AuthError::InvalidCredential.to_string(), "callers do not learn the reason");
        let AuthError::RefusedKey(RefusedKey { name, reason }) = error else { panic!("{error:?}") };
        assert_eq!(name, "k");
        Some(reason)
    };
    let time = |text: &str| Some(text.parse().unwrap());
    assert_eq!(refusal(base.clone()), None);
    assert_eq!(refusal(Key { disabled: true, ..base.clone() }), Some(KeyRefusal::Disabled));
    assert_eq!(refusal(Key { expires: time("2020-01-01T00:00:00Z"), ..base.clone() }), Some(KeyRefusal::Expired));
    assert_eq!(refusal(Key { expires: time("2999-01-01T00:00:00Z"), ..base.clone() }), None);
    assert_eq!(refusal(Key { from: vec!["10.0.0.0/8".parse().unwrap()], ..base.clone() }), None);
    let elsewhere = Key { from: vec!["192.168.0.0/16".parse().unwrap()], ..base.clone() };
    assert_eq!(refusal(elsewhere), Some(KeyRefusal::Network));
    let expiring = Key { expires: Some(NOW), ..base.clone() };
    assert_eq!(expiring.refusal(HOME, NOW), Some(KeyRefusal::Expired), "the expiry time itself is too late");
    assert_eq!(expiring.refusal(HOME, NOW - jiff::SignedDuration::from_secs(1)), None);
    let mapped = "::ffff:10.1.2.3".parse().unwrap();
    assert_eq!(Key { from: vec!["10.0.0.0/8".parse().unwrap()], ..base }.refusal(mapped, NOW), None);
}
