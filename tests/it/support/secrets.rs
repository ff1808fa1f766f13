//! A search for leaked secrets: the helpers remember every credential, identity and prompt that a test sends, and
//! search every log line, metric and refusal of callsign for them.
//!
//! Tests need no code for it. The clients of `support` remember what they send, [`watch`] lets the whole process log at
//! `trace`, and a finding fails the next test that ends, with the line.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, Once, RwLock};

use callsign_telemetry::logging;
use callsign_telemetry::logging::LogFormat;
use http::{HeaderMap, HeaderName};

/// The remembered prefix of a secret in bytes. Shorter secrets are ignored, since they could be in a log by chance.
const WINDOW: usize = 12;
/// The most texts of one body that are remembered: some tests send long lists of the same text.
const TEXTS: usize = 64;

type Window = [u8; WINDOW];

static SECRETS: LazyLock<RwLock<HashSet<Window>>> = LazyLock::new(RwLock::default);
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());
static SEARCHED: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// Headers whose values are not secrets.
const HARMLESS: &str = "host content-type content-length content-encoding transfer-encoding accept accept-encoding origin \
    user-agent expect connection upgrade anthropic-version anthropic-beta x-anthropic-beta openai-beta http-referer x-title \
    x-openrouter-title x-openrouter-categories access-control-request-method access-control-request-headers keep-alive";

/// A kind of searched text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Log,
    Metrics,
    Answer,
}

/// Starts logging at `trace`, only into the search.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = logging::subscriber("trace".parse().unwrap(), LogFormat::Json, false, || Searching);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

struct Searching;

impl Write for Searching {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        search(Place::Log, line);
        super::log::keep(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Remembers a credential, an identity or a prompt.
pub(crate) fn remember(secret: &[u8]) {
    if let Some(window) = secret.first_chunk::<WINDOW>()
        && !SECRETS.read().unwrap().contains(window)
    {
        SECRETS.write().unwrap().insert(*window);
    }
}

/// Remembers the values of a request's headers, except harmless ones.
pub(crate) fn remember_headers(headers: &HeaderMap) {
    static HARMLESS_NAMES: LazyLock<HashSet<HeaderName>> =
        LazyLock::new(|| HARMLESS.split_whitespace().map(|name| name.parse().unwrap()).collect());
    for (_, value) in headers.iter().filter(|(name, _)| !HARMLESS_NAMES.contains(*name)) {
        let value = value.as_bytes().trim_ascii();
        remember(value.strip_prefix(b"Bearer ").unwrap_or(value));
    }
}

/// The beginnings of texts that are no secrets: OpenRouter's tools, and the members that callsign's errors name, which a
/// JSON schema may list in `required`.
const PUBLIC: [&str; 2] = ["openrouter:", "container_id"];

/// Remembers the texts of a body, but not the names of its members, nor the model, which metrics count.
pub(crate) fn remember_body(body: &[u8]) {
    let mut parts = body.split(|&byte| byte == b'"').skip(1).take(4 * TEXTS).peekable();
    let mut is_model = false;
    while let Some(text) = parts.next() {
        let behind = parts.next().unwrap_or_default().trim_ascii_start();
        let is_public = is_model || PUBLIC.iter().any(|public| text.starts_with(public.as_bytes()));
        let is_member = behind.starts_with(b":");
        if !is_member && !is_public {
            remember(text);
        }
        is_model = is_member && text == b"model";
    }
}

/// Remembers the secrets in a configuration.
pub(crate) fn remember_variables(variables: &[(&str, &str)]) {
    for (name, value) in variables {
        let secret = ["_API_KEY", "_APP_KEY", "_USER_KEYS", "_TOKEN", "_SECRET"].iter().any(|end| name.ends_with(end));
        if secret {
            value.split([',', '\n', '=']).for_each(|part| remember(part.trim().as_bytes()));
        }
    }
}

/// Searches a text that callsign wrote.
pub(crate) fn search(place: Place, text: &[u8]) {
    SEARCHED[place as usize].fetch_add(1, Ordering::Relaxed);
    let secrets = SECRETS.read().unwrap();
    let hit =
        text.windows(WINDOW).find(|window| <&Window>::try_from(*window).is_ok_and(|window| secrets.contains(window)));
    if let Some(hit) = hit {
        let (hit, text) = (String::from_utf8_lossy(hit), String::from_utf8_lossy(text));
        FOUND.lock().unwrap().push(format!("{place:?}: {hit:?} in {text}"));
    }
}

/// Returns the number of searched texts of each kind.
pub(crate) fn searched() -> HashMap<&'static str, u64> {
    let count = |place: Place| SEARCHED[place as usize].load(Ordering::Relaxed);
    HashMap::from([("log", count(Place::Log)), ("metrics", count(Place::Metrics)), ("answers", count(Place::Answer))])
}

/// Fails the test if secrets were found, in this test or in a concurrent one. Each finding fails one test.
#[track_caller]
pub(crate) fn assert_none_found() {
    let found = std::mem::take(&mut *FOUND.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    assert!(found.is_empty(), "secrets in callsign's output:\n{}", found.join("\n"));
}

/// Removes and returns findings that contain `marked`, for the test of the search itself.
pub(crate) fn take_found(marked: &str) -> Vec<String> {
    FOUND.lock().unwrap().extract_if(.., |found| found.contains(marked)).collect()
}
