//! Caller resolution from arbitrary headers: it must not panic, and must not resolve a caller that the credential
//! excludes.
//!
//! Input: one byte of options, then one header per line: a letter of [`NAMES`] and its value, or `name:value`. In a
//! value the bytes 1 to 6 stand for the keys of [`SECRETS`]. Bits of options: 0 only a credential is needed, 1 client
//! sessions are read, 2 OpenRouter keys pass through, 3 the request comes from another network.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Duration;

use callsign_core::auth::issuer::{Issuer, TokenRules};
use callsign_core::auth::jwks::KeySet;
use callsign_core::auth::key::{Directory, Grant, Key};
use callsign_core::auth::preset::Preset;
use callsign_core::auth::verifier::Verifier;
use callsign_core::auth::{AuthContext, AuthError, Caller, Need, UpstreamCredential, pass_through_name};
use callsign_core::secret::{KeyDigest, Secret};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

/// 2026-05-28. A fixed time, so that an input has the same result on every run.
const NOW: Timestamp = Timestamp::constant(1_780_000_000, 0);
const NAMES: [(u8, &str); 20] = [
    (b'a', "authorization"),
    (b'k', "x-api-key"),
    (b'z', "api-key"),
    (b'u', "x-user-id"),
    (b's', "x-session-id"),
    (b'c', "x-chat-id"),
    (b'm', "x-message-id"),
    (b'U', "x-openwebui-user-id"),
    (b'S', "x-openwebui-session-id"),
    (b'C', "x-openwebui-chat-id"),
    (b'M', "x-openwebui-message-id"),
    (b'j', "x-openwebui-user-jwt"),
    (b'i', "session_id"),
    (b'v', "conversation_id"),
    (b't', "thread-id"),
    (b'x', "x_user_id"),
    (b'f', "x-forwarded-user"),
    (b'l', "x-claude-code-session-id"),
    (b'n', "session-id"),
    (b'o', "cookie"),
];

const ALICE: &str = "sk-cs-a-key-of-alice-01";
const APP: &str = "sk-cs-a-key-of-an-app-1";
const SIGNED: &str = "sk-cs-a-signing-app-001";
const GONE: &str = "sk-cs-a-disabled-key-01";
const ROUTER: &str = "sk-or-v1-somebody-elses";
const SIGNING: &str = "a shared secret of an app";
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

static TOKEN: LazyLock<String> =
    LazyLock::new(|| token(r#"{"iss":"https://issuer.example","sub":"carol","sid":"s9","exp":99999999999}"#));
/// The credentials that the bytes 1 to 6 stand for.
static SECRETS: LazyLock<[&str; 6]> = LazyLock::new(|| [ALICE, APP, SIGNED, GONE, ROUTER, TOKEN.as_str()]);
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let keys = || KeySet::from_secret(&Secret::new(SIGNING));
    Verifier::new([keys(), keys()])
});
/// The directories for the option bits 2 (pass-through) and 1 (client sessions).
static DIRECTORIES: LazyLock<[Directory; 4]> = LazyLock::new(|| [0, 1, 2, 3].map(directory));

/// A resolved caller, for comparison.
type Who = (String, Option<String>, UpstreamCredential, [Option<String>; 4], Option<String>);

/// Checks one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&options, lines)) = data.split_first() else { return };
    let pairs = pairs(lines);
    let need = if options & 1 == 0 { Need::Identity } else { Need::Credential };
    let directory = &DIRECTORIES[usize::from(options >> 1 & 3)];
    let address = if options & 8 == 0 { HOME } else { ELSEWHERE };
    let resolve = |pairs: &[(HeaderName, HeaderValue)]| {
        let headers: HeaderMap = pairs.iter().cloned().collect_appended();
        let known =
            AuthContext { directory, verifier: &VERIFIER, stored: &callsign_core::stored_key::NoStoredKeys, now: NOW };
        Caller::resolve(&headers, address, known, need).map(|caller| who(&caller))
    };
    let result = resolve(&pairs);
    check_order(&pairs, &result, resolve);
    let credential = credential(&pairs);
    match (&credential, &result) {
        (Credential::None, result) => assert_eq!(result, &Err(AuthError::MissingCredential)),
        (Credential::Ambiguous, result) => assert!(matches!(result, Err(AuthError::AmbiguousCredential(_)))),
        (Credential::One(value), Ok(who)) => check_caller(value, &pairs, who, options),
        (Credential::One(_), Err(error)) => {
            assert!(!matches!(error, AuthError::MissingCredential | AuthError::AmbiguousCredential(_)), "{error:?}");
        }
    }
    if let Err(error) = &result {
        let said = format!("{error} {error:?}");
        assert!(SECRETS.iter().all(|secret| !said.contains(secret)), "{said}");
    }
}

/// Checks the caller against its credential and the headers that count with it.
fn check_caller(credential: &[u8], pairs: &[(HeaderName, HeaderValue)], who: &Who, options: u8) {
    let (_, tenant, account, [user, session, chat, message], client_session) = who;
    let anonymous = options & 1 != 0;
    let read = |name: &str| only(pairs, name);
    let expected = if credential == ALICE.as_bytes() {
        assert_eq!(options & 8, 0, "alice's key is for one network");
        (None, [Some("alice".into()), None, read("x-chat-id"), None])
    } else if credential == APP.as_bytes() {
        (None, ["x-user-id", "x-session-id", "x-chat-id", "x-message-id"].map(read))
    } else if credential == SIGNED.as_bytes() || is_token(credential) {
        // Only tokens signed by this check are accepted, and all of them are carol's.
        assert!(user.is_none() || user.as_deref() == Some("carol"), "{user:?}");
        // Without a token, which the catalogue does not need, nothing is read.
        assert!(user.is_some() || anonymous);
        let beside = |name| user.as_ref().and_then(|_| read(name));
        let ids = [user.clone(), session.clone(), beside("x-openwebui-chat-id"), beside("x-openwebui-message-id")];
        (Some("signed".into()), ids)
    } else {
        assert!(credential.starts_with(b"sk-or-") && options & 4 != 0, "{}", credential.escape_ascii());
        let names = ["x-openwebui-user-id", "x-openwebui-session-id", "x-openwebui-chat-id", "x-openwebui-message-id"];
        (Some(pass_through_name(KeyDigest::of(credential))), names.map(read))
    };
    let found = [user, session, chat, message].map(Clone::clone);
    assert_eq!((tenant.clone(), found), expected);
    let paid_by_caller = tenant.as_deref().is_some_and(|tenant| tenant.starts_with("passthrough-"));
    assert_eq!(*account == UpstreamCredential::PassThrough, paid_by_caller);
    assert!(client_session.is_none() || (options & 2 != 0 && !anonymous));
}

/// Returns true if a credential can be a token. A token begins with an object in base64, so not with `sk-or-`.
fn is_token(credential: &[u8]) -> bool {
    credential.split(|byte| *byte == b'.').count() == 3 && !credential.starts_with(b"sk-or-")
}

/// Checks that the order of headers with different names does not matter.
fn check_order(
    pairs: &[(HeaderName, HeaderValue)],
    result: &Result<Who, AuthError>,
    resolve: impl Fn(&[(HeaderName, HeaderValue)]) -> Result<Who, AuthError>,
) {
    let mut sorted = pairs.to_vec();
    sorted.sort_by_key(|(name, _)| name.as_str().to_owned());
    assert_eq!(&resolve(&sorted), result);
    sorted.sort_by_key(|(name, _)| std::cmp::Reverse(name.as_str().to_owned()));
    assert_eq!(&resolve(&sorted), result);
}

enum Credential {
    None,
    One(Vec<u8>),
    Ambiguous,
}

/// Reads the credential independently, by docs/SPEC.md#credentials.
fn credential(pairs: &[(HeaderName, HeaderValue)]) -> Credential {
    let mut found: Vec<(&str, Vec<u8>)> = Vec::new();
    for (name, value) in pairs {
        let value = value.as_bytes().trim_ascii();
        let secret = match name.as_str() {
            "x-api-key" | "api-key" => value,
            "authorization" => {
                let words = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
                let (scheme, rest) = value.split_at(words);
                if scheme.eq_ignore_ascii_case(b"bearer") { rest.trim_ascii() } else { b"" }
            }
            _ => b"",
        };
        if !secret.is_empty() {
            found.push((name.as_str(), secret.to_vec()));
        }
    }
    let Some((_, first)) = found.first() else { return Credential::None };
    let mut names: Vec<_> = found.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < found.len() || found.iter().any(|(_, value)| value != first) {
        return Credential::Ambiguous;
    }
    Credential::One(first.clone())
}

/// Returns the usable value of a header that occurs once; a repeated one must have been refused.
fn only(pairs: &[(HeaderName, HeaderValue)], name: &str) -> Option<String> {
    let mut values = pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_bytes());
    let first = values.next()?;
    assert_eq!(values.next(), None, "{name} came twice and was accepted");
    let text = std::str::from_utf8(first).ok()?.trim_matches([' ', '\t']);
    let unfilled = ["{{", "}}"].iter().any(|brace| text.contains(brace));
    let nothing = ["", "null", "undefined", "None"].contains(&text);
    // Common characters of Unicode's Cf; the others are in `is_rarely_invisible`.
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
    };
    if unfilled || nothing || text.len() > 512 || text.contains(invisible) || is_rarely_invisible(text) {
        return None;
    }
    Some(text.to_owned())
}

/// Returns true if the text has one of the other characters of Unicode's Cf, or one of those that
/// docs/SPEC.md#source-values adds to them.
fn is_rarely_invisible(text: &str) -> bool {
    text.contains(|c: char| {
        matches!(u32::from(c), 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x2066..=0x206f
            | 0xfff9..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
            | 0x2028..=0x2029 | 0x2065 | 0x2800 | 0x34f | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x3164
            | 0xfe00..=0xfe0f | 0xffa0 | 0xfff0..=0xfff8 | 0xe0000..=0xe0fff)
    })
}

fn pairs(lines: &[u8]) -> Vec<(HeaderName, HeaderValue)> {
    let lines = lines.split(|&byte| byte == b'\n').filter_map(|line| {
        let (&letter, value) = line.split_first()?;
        let named =
            NAMES.iter().find(|(own, _)| *own == letter).map(|(_, name)| (HeaderName::from_static(name), value));
        let (name, value) = if let Some(named) = named {
            named
        } else {
            let colon = line.iter().position(|&byte| byte == b':')?;
            (HeaderName::from_bytes(&line[..colon]).ok()?, &line[colon + 1..])
        };
        Some((name, HeaderValue::from_bytes(&with_secrets(value)).ok()?))
    });
    lines.take(64).collect()
}

fn with_secrets(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in value {
        match usize::from(byte).checked_sub(1).and_then(|index| SECRETS.get(index)) {
            Some(secret) => out.extend_from_slice(secret.as_bytes()),
            None => out.push(byte),
        }
    }
    out
}

trait CollectAppended {
    fn collect_appended(self) -> HeaderMap;
}

impl<I: Iterator<Item = (HeaderName, HeaderValue)>> CollectAppended for I {
    fn collect_appended(self) -> HeaderMap {
        self.fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        })
    }
}

fn who(caller: &Caller<'_>) -> Who {
    let own = |id: &Option<std::borrow::Cow<'_, str>>| id.as_deref().map(str::to_owned);
    let ids = [own(&caller.user), own(&caller.session), own(&caller.chat), own(&caller.message)];
    let client_session = caller.client_session.map(str::to_owned);
    (caller.key.clone().into_owned(), own(&caller.tenant), caller.upstream_credential, ids, client_session)
}

fn directory(switches: u8) -> Directory {
    let key = |name: &str, secret: &str, grant| Key::new(name, KeyDigest::of(secret.as_bytes()), grant);
    let generic = || Preset::built_in("generic").expect("a preset");
    let alice = Key {
        chat_header: Some(HeaderName::from_static("x-chat-id")),
        from: vec!["10.0.0.0/8".parse().expect("a network")],
        ..key("alice", ALICE, Grant::User("alice".into()))
    };
    let keys = [
        alice,
        key("app", APP, Grant::Preset(generic())),
        key("signed", SIGNED, Grant::Signed(1)),
        Key { disabled: true, ..key("gone", GONE, Grant::Preset(generic())) },
    ];
    let pass_through = (switches & 2 != 0).then(|| Preset::built_in("openwebui").expect("a preset"));
    Directory::new(keys, pass_through, switches & 1 != 0)
        .with_issuers(vec![issuer(AUTHORIZATION), issuer(HeaderName::from_static("x-openwebui-user-jwt"))])
}

fn issuer(header: HeaderName) -> Issuer {
    Issuer {
        name: "issuer".into(),
        tenant: Some("signed".into()),
        issuer: Some("https://issuer.example".into()),
        algorithms: vec![jsonwebtoken::Algorithm::HS256],
        audience: vec![],
        for_console: false,
        authorized_parties: vec![],
        header,
        user_claim: "sub".into(),
        session_claim: Some("sid".into()),
        chat_header: Some(HeaderName::from_static("x-openwebui-chat-id")),
        message_header: Some(HeaderName::from_static("x-openwebui-message-id")),
        leeway: Duration::from_secs(5),
        token_rules: TokenRules::None,
        padded: false,
    }
}

fn token(claims: &str) -> String {
    let encode = |text: &[u8]| BASE64URL_NOPAD.encode(text);
    let message = format!("{}.{}", encode(br#"{"alg":"HS256"}"#), encode(claims.as_bytes()));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SIGNING.as_bytes()).expect("any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", encode(&mac.finalize().into_bytes()))
}
