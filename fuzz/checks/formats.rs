//! Identifier formats: parsing, rendering and writing, against an independent reading of docs/SPEC.md#formats.
//!
//! Input: one byte of options, then lines: the format, user, session, chat, message, tenant, and the session's format
//! (the first format without that line). A line `-` means an absent value. Bits of options: 0 no secret, 1–2 the
//! setting for missing users, 3 `trace`, 4 a separate cache session format, 5 a limit of 8 instead of 128, 6–7 the
//! endpoint.

use std::collections::HashMap;
use std::sync::LazyLock;

use callsign_core::endpoint::{INFERENCE, Inference};
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::format::Format;
use callsign_core::identity::identifier::{Identifier, PerIdentifier};
use callsign_core::identity::missing::MissingUser;
use callsign_core::identity::secret::IdSecret;
use callsign_core::identity::valve::Valves;
use callsign_core::identity::{Formats, Identifiers, Policy};
use callsign_core::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

const SECRET: &str = "a secret of some length";
static ID_SECRET: LazyLock<IdSecret> = LazyLock::new(|| IdSecret::new(&Secret::new(SECRET)).expect("strong enough"));

/// Checks one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&options, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    let mut value = || lines.next().filter(|line| !matches!(*line, "" | "-"));
    let sources = CallerIdentity {
        user: value(),
        session: value(),
        chat: value(),
        message: value(),
        tenant: value(),
        key: "the-key",
        client_session: None,
        stored: None,
    };
    let second = value().unwrap_or(first);
    let secret = (options & 1 == 0).then(|| ID_SECRET.clone());
    let (Some(one), Some(two)) = (parse(first, &sources, secret.as_ref()), parse(second, &sources, secret.as_ref()))
    else {
        return;
    };
    let path = ["chat/completions", "responses", "messages", "embeddings"][usize::from(options >> 6)];
    let endpoint = INFERENCE.iter().find(|endpoint| endpoint.path == path).expect("an endpoint");
    check_policy(&policy(options, &one, &two, secret), &sources, endpoint);
}

/// Parses a format and compares its rendering with the independent one.
fn parse(text: &str, sources: &CallerIdentity<'_>, secret: Option<&IdSecret>) -> Option<Format> {
    let parsed = Format::parse(text);
    let expected = render(text, sources, secret.is_some());
    let format = match (parsed, &expected) {
        (Ok(format), Some(_)) => format,
        (Err(_), None) => return None,
        (parsed, expected) => panic!("{text:?}: {parsed:?}, not {expected:?}"),
    };
    assert_eq!(format.to_string(), text);
    let rendered = format.render(sources, secret);
    match expected? {
        Rendered::Nothing => assert_eq!(rendered, None, "{text:?}"),
        Rendered::Plain(expected) => assert_eq!(rendered, Some(expected), "{text:?}"),
        Rendered::Sealed(pieces) => check_sealed(&rendered.expect("an identifier"), &pieces),
    }
    let absent = format.fields().any(|field| sources.get(field).is_none());
    assert!(!absent || format.render(sources, secret).is_none(), "the literal text was rendered without its field");
    Some(format)
}

#[derive(Debug)]
enum Rendered {
    /// A field or the secret is absent.
    Nothing,
    Plain(String),
    /// A text with seals: its literal pieces and sealed values in order.
    Sealed(Vec<(bool, String)>),
}

/// Renders a format independently; `None` if the text is not a format.
fn render(text: &str, sources: &CallerIdentity<'_>, secret: bool) -> Option<Rendered> {
    let mut pieces: Vec<(bool, String)> = Vec::new();
    let (mut missing, mut names_caller) = (false, false);
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let end = start + rest[start..].find('}')?;
        let (literal, inside) = (&rest[..start], &rest[start + 1..end]);
        if literal.contains('}') || inside.contains('{') {
            return None;
        }
        rest = &rest[end + 1..];
        pieces.push((false, literal.to_owned()));
        let words: Vec<&str> = inside.split_ascii_whitespace().collect();
        let field = |word: &&str| ["user", "session", "chat", "message", "tenant"].contains(word);
        let raw = words.first().is_some_and(field);
        let (function, fields) = if raw { ("", &words[..]) } else { (*words.first()?, &words[1..]) };
        if fields.is_empty() || !fields.iter().all(field) || (raw && fields.len() > 1) {
            return None;
        }
        names_caller |= fields.iter().any(|name| *name != "tenant");
        let (name, digits) = match function.split_once(':') {
            Some((name, digits)) => {
                let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                let digits = plain.then(|| digits.parse::<u32>().ok()).flatten().filter(|n| (8..=64).contains(n))?;
                (name, Some(digits as usize))
            }
            None => (function, None),
        };
        if !["", "sha256", "hmac", "seal"].contains(&name) || (digits.is_some() && ["", "seal"].contains(&name)) {
            return None;
        }
        let values: Option<Vec<&str>> = fields.iter().map(|name| value_of(sources, name)).collect();
        let Some(value) = values.map(|values| values.join("\u{1f}")) else {
            missing = true;
            continue;
        };
        missing |= !secret && ["hmac", "seal"].contains(&name);
        pieces.push(match name {
            "sha256" => (false, hex(&Sha256::digest(value.as_bytes()), digits)),
            "hmac" => (false, hex(&hmac(value.as_bytes()), digits)),
            "seal" => (true, value),
            _ => (false, value),
        });
    }
    if rest.contains('}') || !names_caller {
        return None;
    }
    pieces.push((false, rest.to_owned()));
    Some(match (missing, pieces.iter().any(|(sealed, _)| *sealed)) {
        (true, _) => Rendered::Nothing,
        (false, true) => Rendered::Sealed(pieces),
        (false, false) => Rendered::Plain(pieces.into_iter().map(|(_, text)| text).collect()),
    })
}

/// Checks that each seal opens with the secret, is deterministic, and has the length of its content.
fn check_sealed(rendered: &str, pieces: &[(bool, String)]) {
    let mut rest = rendered;
    for (sealed, text) in pieces {
        if *sealed {
            // AES-SIV adds 16 bytes; base64url makes 4 characters of 3.
            let (seal, after) = rest.split_at(((text.len() + 16) * 4).div_ceil(3));
            assert_eq!(ID_SECRET.open(seal).as_deref(), Some(text.as_str()));
            assert_eq!(ID_SECRET.seal(text).as_deref(), Some(seal));
            rest = after;
        } else {
            rest = rest.strip_prefix(text.as_str()).expect("the literal text");
        }
    }
    assert_eq!(rest, "");
}

/// Checks that the fields written for an endpoint match the formats and keep OpenRouter's limits.
fn check_policy(policy: &Policy, sources: &CallerIdentity<'_>, endpoint: &Inference) {
    let pairs: Vec<(String, String)> = (0..20).map(|n| (format!("k{n:02}"), "v".repeat(n * 40))).collect();
    let Ok(written) = policy.identify(sources, &pairs, endpoint.fields) else {
        assert_eq!(policy.missing_user, MissingUser::Reject);
        return;
    };
    check_written(policy, &written);
    let user = match (&policy.missing_user, sources.user) {
        (MissingUser::Shared(id), None) => Some(id.clone()),
        _ => policy.render(Identifier::User, sources),
    };
    let fitting = user.filter(|id| units(id) <= policy.max_id_chars);
    assert_eq!(written.user, fitting, "an identifier differs from its rendering");
}

fn check_written(policy: &Policy, written: &Identifiers<'_>) {
    let body: Map<String, Value> = serde_json::from_str(&format!("{{{}}}", written.members())).expect("an object");
    let text = |name: &str| body.get(name).map(|value| value.as_str().expect("a text"));
    for name in ["user", "session_id", "safety_identifier"] {
        // A key that keeps containers apart is a digest of 64 digits, whatever the limit.
        let is_container_key = |id: &str| policy.container_keys && name == "session_id" && id.len() == 64;
        assert!(text(name).is_none_or(|id| units(id) <= policy.max_id_chars || is_container_key(id)), "{name}");
    }
    let metadata = body.get("metadata").map(|value| value.as_object().expect("a map"));
    if let Some(metadata) = metadata {
        assert!(!metadata.is_empty() && metadata.len() <= 16);
        for (name, value) in metadata {
            assert!(!name.is_empty() && units(name) <= 64 && !name.contains(['[', ']']));
            let value = value.as_str().expect("a text");
            assert!(
                units(value)
                    <= if matches!(name.as_str(), "user_id" | "session_id") { policy.max_id_chars } else { 512 }
            );
        }
    }
    if metadata.is_some() {
        assert_eq!(
            metadata.and_then(|pairs| pairs.get("user_id")).and_then(Value::as_str),
            text("user"),
            "both or none"
        );
    }
    assert!(text("safety_identifier").is_none() || text("safety_identifier") == text("user"));
    assert!(written.session_header().is_none_or(|id| id.bytes().all(|byte| byte.is_ascii_graphic())));
    assert!(written.session_header().is_none_or(|id| text("session_id") == Some(id)));
    let all: HashMap<&str, &str> = written.metadata().collect();
    assert_eq!(all.len(), written.metadata().count(), "a metadata key occurs twice");
    if let Some(trace) = body.get("trace") {
        assert_eq!(trace.as_object().expect("a map").len(), all.len());
    }
    for name in body.keys() {
        assert!(["user", "session_id", "safety_identifier", "metadata", "trace"].contains(&name.as_str()));
    }
}

fn policy(options: u8, first: &Format, second: &Format, secret: Option<IdSecret>) -> Policy {
    let plain = |field: &str| Format::parse(field).expect("a format");
    let cache_session = options & 16 != 0;
    Policy {
        valves: Valves {
            identifiers: PerIdentifier::from_fn(|row| row.metadata.is_some() || cache_session),
            trace: options & 8 != 0,
        },
        formats: Formats::from_fn(|row| match row.identifier {
            Identifier::User => first.clone(),
            Identifier::Session | Identifier::CacheSession => second.clone(),
            _ => plain(row.default_format),
        }),
        max_id_chars: if options & 32 != 0 { 8 } else { 128 },
        missing_user: match options >> 1 & 3 {
            0 | 3 => MissingUser::Omit,
            1 => MissingUser::Reject,
            _ => MissingUser::Shared("everybody".into()),
        },
        metadata: vec![("k00".into(), "twice".into()), ("a[0]".into(), "never".into())],
        secret,
        container_keys: options & 64 != 0,
    }
}

fn value_of<'a>(sources: &CallerIdentity<'a>, name: &str) -> Option<&'a str> {
    match name {
        "user" => sources.user,
        "session" => sources.session,
        "chat" => sources.chat,
        "message" => sources.message,
        _ => sources.tenant,
    }
}

fn hmac(value: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(value);
    mac.finalize().into_bytes().to_vec()
}

fn hex(digest: &[u8], digits: Option<usize>) -> String {
    data_encoding::HEXLOWER.encode(digest)[..digits.unwrap_or(64)].to_owned()
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
