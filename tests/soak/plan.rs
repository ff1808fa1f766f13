//! The plan of a request: endpoint, caller, size, and fault.

use std::fmt::Write;

use async_compression::Level;
use async_compression::tokio::bufread::{GzipEncoder, ZstdEncoder};

use data_encoding::HEXLOWER;
use futures_util::FutureExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use crate::signer::Signer;

/// Part of every credential and prompt, for a search of the log.
pub(crate) const CANARY: &str = "canary";
/// Part of every identity claim of a client.
pub(crate) const CLAIM: &str = "mallory";
pub(crate) const OPERATOR_KEY: &str = "sk-or-v1-canary-of-the-operator";

/// The identifiers that an endpoint carries (docs/SPEC.md#inference-endpoints), independent of
/// `callsign_core::endpoint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// `user`, `session_id` and four metadata pairs.
    Chat,
    /// As `Chat`, and `safety_identifier`.
    Responses,
    /// `user`, `session_id`, `metadata.user_id`.
    Messages,
    /// `user`, and the session in a header.
    Embeddings,
    /// The session in a header.
    Header,
    /// `user` and `session_id`.
    Body,
    /// Nothing.
    Read,
}

/// All paths; those that are read come last.
pub(crate) const ROUTES: [(&str, Says); 19] = [
    ("chat/completions", Says::Chat),
    ("completions", Says::Chat),
    ("responses", Says::Responses),
    ("messages", Says::Messages),
    ("messages/count_tokens", Says::Messages),
    ("embeddings", Says::Embeddings),
    ("rerank", Says::Header),
    ("images", Says::Header),
    ("images/generations", Says::Header),
    ("audio/speech", Says::Header),
    ("audio/transcriptions", Says::Header),
    ("systemone", Says::Body),
    ("models", Says::Read),
    ("models/count", Says::Read),
    ("models/a/b/endpoints", Says::Read),
    ("model/a/b", Says::Read),
    ("providers", Says::Read),
    ("embeddings/models", Says::Read),
    ("images/models", Says::Read),
];

/// A deliberate fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The client leaves in the middle of its upload.
    LeavesUpload,
    /// The client leaves in the middle of the answer.
    LeavesStream,
    /// The upstream cuts its answer.
    Cuts,
    /// The upstream closes without an answer.
    Refuses,
    /// The upstream's answer is not HTTP.
    Garbles,
    /// The upstream pauses before every piece.
    Dawdles,
}

impl Fault {
    pub(crate) const ALL: [Self; 6] =
        [Self::LeavesUpload, Self::LeavesStream, Self::Cuts, Self::Refuses, Self::Garbles, Self::Dawdles];
}

/// A random number generator (xorshift64*) with a fixed sequence per seed.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % end
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// All valid callers.
pub(crate) struct Callers {
    tokens: Vec<(String, String)>,
}

const PEOPLE: usize = 8;
const TOKENS: usize = 32;
const SECRET: &str = "canary secret of the sessions";
const APP_KEY: &str = "sk-cs-canary-of-an-app";

impl Callers {
    pub(crate) fn new() -> Self {
        let signer = Signer::secret(SECRET.as_bytes());
        let exp = jiff::Timestamp::now().as_second() + 86_400;
        let token = |number| {
            let claims = json!({"id": format!("token-{number}"), "jti": format!("jti-{number}"), "typ": "session", "exp": exp,
                "email": "canary@example.org"});
            (format!("token-{number}"), signer.token(&claims))
        };
        Self { tokens: (0..TOKENS).map(token).collect() }
    }

    /// Returns the configuration with these callers.
    pub(crate) fn toml() -> String {
        let sha256 = |key: &str| HEXLOWER.encode(&Sha256::digest(key));
        let mut toml =
            format!("[[issuers]]\nname = \"session\"\npreset = \"openwebui-session\"\nsecret = \"{SECRET}\"\n");
        let app = sha256(APP_KEY);
        write!(toml, "[[keys]]\nname = \"app\"\nsha256 = \"{app}\"\npreset = \"generic\"\n").unwrap();
        for number in 0..PEOPLE {
            let key = sha256(&personal_key(number));
            write!(toml, "[[keys]]\nname = \"k{number}\"\nsha256 = \"{key}\"\nuser = \"person-{number}\"\n").unwrap();
        }
        toml
    }
}

fn personal_key(number: usize) -> String {
    format!("sk-cs-canary-of-person-{number}")
}

/// A planned request.
pub(crate) struct Plan {
    pub(crate) number: u64,
    pub(crate) route: &'static str,
    pub(crate) says: Says,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) fault: Option<Fault>,
    pub(crate) chunked: bool,
    pub(crate) sse: bool,
}

impl Plan {
    pub(crate) fn new(number: u64, callers: &Callers, dice: &mut Dice) -> Self {
        let fault = dice.percent(5).then(|| Fault::ALL[dice.below(Fault::ALL.len())]);
        // One in eight requests is a read, which has no fault.
        let reads = fault.is_none() && dice.percent(12);
        let (writes, reading) = ROUTES.split_at(ROUTES.partition_point(|(_, says)| *says != Says::Read));
        let routes = if reads { reading } else { writes };
        let (route, says) = routes[dice.below(routes.len())];
        let (mut headers, who) = caller(callers, dice);
        headers.extend([
            ("x-claude-code-session-id", format!("{CLAIM}-session")),
            ("x-forwarded-user", CLAIM.to_owned()),
            ("cookie", format!("{CLAIM}={CANARY}")),
        ]);
        let sse = fault.is_some_and(|fault| fault != Fault::LeavesUpload) || dice.percent(50);
        let form = route == "audio/transcriptions" && dice.percent(50);
        let claims = if form { "" } else { CLAIM };
        let large = fault == Some(Fault::LeavesUpload);
        let mut body = if reads { Vec::new() } else { body(number, &who, fault, sse, claims, large, dice) };
        if form {
            body = self::form(&body);
        }
        if !reads && dice.percent(6) {
            let (coding, compressed) = compress(&body, dice);
            headers.push(("content-encoding", coding.to_owned()));
            body = compressed;
        }
        let content_type = if form { "multipart/form-data; boundary=soak" } else { "application/json" };
        Self { number, route, says, headers, content_type, body, fault, chunked: dice.percent(40), sse: sse && !reads }
    }
}

/// Returns the headers of a random caller, and that caller's identity.
fn caller(callers: &Callers, dice: &mut Dice) -> (Vec<(&'static str, String)>, Value) {
    let bearer = |key: &str| ("authorization", format!("Bearer {key}"));
    let number = dice.below(5000);
    match dice.below(3) {
        0 => {
            let person = dice.below(PEOPLE);
            (vec![bearer(&personal_key(person))], json!({"user": format!("person-{person}")}))
        }
        1 => {
            let [user, session, chat, message] =
                ["user", "session", "chat", "message"].map(|what| format!("{what}-{number}"));
            let headers = vec![
                bearer(APP_KEY),
                ("x-user-id", user.clone()),
                ("x-session-id", session.clone()),
                ("x-chat-id", chat.clone()),
                ("x-message-id", message.clone()),
            ];
            (headers, json!({"user": user, "session": session, "chat": chat, "message": message}))
        }
        _ => {
            let (user, token) = &callers.tokens[dice.below(TOKENS)];
            let session = user.replace("token", "jti");
            let headers = vec![bearer(token), ("x-openwebui-chat-id", format!("chat-{number}"))];
            (headers, json!({"user": user, "session": session, "chat": format!("chat-{number}")}))
        }
    }
}

/// Builds a body with claims before and after, the mark, and a prompt. Most sizes are buffered, some are streamed.
fn body(
    number: u64,
    who: &Value,
    fault: Option<Fault>,
    sse: bool,
    claim: &str,
    large: bool,
    dice: &mut Dice,
) -> Vec<u8> {
    let length = if large || dice.percent(4) { 280_000 + dice.below(200_000) } else { dice.below(6000) };
    let mark = json!({"number": number, "who": who, "act": fault.map(|fault| format!("{fault:?}"))});
    let (mut before, mut after) = (String::new(), String::new());
    if !claim.is_empty() {
        before = format!(r#""user":"{claim}","session_id":"{claim}","\u0075ser":"{claim}","#);
        after = format!(r#","metadata":{{"user_id":"{claim}"}},"SAFETY_IDENTIFIER":"{claim}""#);
    }
    let mut body = format!(r#"{{{before}"model":"m","stream":{sse},"mark":{mark},"prompt":"{CANARY} "#);
    let seed = dice.below(1 << 20);
    while body.len() < length {
        write!(body, "{seed:x} {number} ").unwrap();
    }
    write!(body, r#""{after},"n":1.10}}"#).unwrap();
    body.into_bytes()
}

/// Builds a form with this body between two parts with claims.
fn form(body: &[u8]) -> Vec<u8> {
    let part = |name: &str, content: &[u8]| {
        let head = format!("--soak\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    [
        part("user", CLAIM.as_bytes()),
        part("json", body),
        part("Metadata[user_id]", CLAIM.as_bytes()),
        b"--soak--\r\n".into(),
    ]
    .concat()
}

/// Compresses a body; returns the coding and the result.
fn compress(body: &[u8], dice: &mut Dice) -> (&'static str, Vec<u8>) {
    let mut compressed = Vec::new();
    let (input, level) = (std::io::Cursor::new(body), Level::Fastest);
    let (coding, read) = match dice.below(2) {
        0 => ("gzip", GzipEncoder::with_quality(input, level).read_to_end(&mut compressed).now_or_never()),
        _ => ("zstd", ZstdEncoder::with_quality(input, level).read_to_end(&mut compressed).now_or_never()),
    };
    // Reading from memory completes at once.
    read.unwrap().unwrap();
    (coding, compressed)
}
