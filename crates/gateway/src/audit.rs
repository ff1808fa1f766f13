//! The self-audit: checks a sample of sent bodies with a second JSON parser (`docs/SPEC.md#self-audit`).
//!
//! The filter works on bytes, not on a parsed tree, and tests cannot cover every body. So one in [`SAMPLE_EVERY`]
//! buffered bodies is parsed by `serde_json` on a separate thread, as top-level names and raw values. It must contain
//! exactly the identifiers that callsign intended to send. A failed audit is a bug in callsign: it is counted, logged
//! without content, and makes `/readyz` answer 503 for ten minutes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use callsign_core::rewrite::{Filter, ReservedFields};
use callsign_telemetry::metrics::Metrics;
use callsign_telemetry::metrics::audit::Finding;

/// One in this number of bodies is audited, beginning with the first.
pub const SAMPLE_EVERY: u64 = 1000;
/// Maximum number of bodies that wait for their audit. Further bodies are skipped, to bound the memory.
const WAITING: usize = 4;

/// A sent body and the identifiers that it must contain.
#[derive(Debug)]
pub struct Sample {
    /// The body in pieces, as it was sent.
    pub body: Vec<Bytes>,
    /// The members that callsign wrote: `"a":1,"b":2`.
    pub members: String,
    /// True if a bound `prompt_cache_key` may be present too.
    pub bound: bool,
    /// The member names that only callsign may write.
    pub owned: Arc<ReservedFields>,
}

/// Takes samples and audits them on a separate thread.
#[derive(Debug)]
pub struct Auditor {
    seen: AtomicU64,
    waiting: SyncSender<Sample>,
}

impl Auditor {
    /// Starts an auditor that counts its findings in `metrics`. Its thread ends when the auditor is dropped.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let (waiting, samples) = sync_channel(WAITING);
        std::thread::Builder::new().name("callsign-audit".into()).spawn(move || audit_all(&samples, &metrics))?;
        Ok(Self { seen: AtomicU64::new(0), waiting })
    }

    /// Counts a body, and passes one in [`SAMPLE_EVERY`] to the audit.
    pub fn sample(&self, sample: impl FnOnce() -> Sample) {
        if self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE_EVERY) {
            // Fails if the queue is full or the thread has ended; the body is then not audited.
            let _left_out = self.waiting.try_send(sample());
        }
    }
}

fn audit_all(samples: &Receiver<Sample>, metrics: &Metrics) {
    while let Ok(sample) = samples.recv() {
        let finding = sample.audit();
        metrics.audited(finding, Instant::now());
        if finding == Finding::Failed {
            tracing::error!(
                "self-audit failed: a sent body contains other identifiers than intended. This is a bug in callsign; \
                 please report it. /readyz answers 503 for ten minutes"
            );
        }
    }
}

impl Sample {
    /// Takes a sample of a rewritten body: its outgoing pieces, and the filter that wrote them.
    pub fn of<'p>(pieces: impl Iterator<Item = &'p Bytes>, filter: &Filter) -> Self {
        Self {
            body: pieces.cloned().collect(),
            members: filter.members().to_owned(),
            bound: filter.binds(),
            owned: Arc::clone(filter.reserved_fields()),
        }
    }

    /// Parses the body and compares its identifiers with the intended ones.
    pub fn audit(&self) -> Finding {
        let body = self.body.concat();
        let intended = format!("{{{}}}", self.members);
        match (serde_json::from_slice::<Members<'_>>(&body), serde_json::from_str::<Members<'_>>(&intended)) {
            (Ok(found), Ok(intended)) if self.matches(&found, &intended) => Finding::Passed,
            // The body is valid JSON; `serde_json` only cannot decode a name.
            (Err(_), Ok(_)) if serde_json::from_slice::<Skipped<'_>>(&body).is_ok() => Finding::Unreadable,
            _ => Finding::Failed,
        }
    }

    fn matches(&self, found: &Members<'_>, intended: &Members<'_>) -> bool {
        let mut ours: Vec<_> = found.0.iter().filter(|(name, _)| self.owned.contains(name)).collect();
        if self.bound {
            let bound = ours.iter().position(|(name, value)| name == "prompt_cache_key" && is_digest(value.get()));
            bound.map(|at| ours.remove(at));
        }
        ours.len() == intended.0.len()
            && ours
                .iter()
                .zip(&intended.0)
                .all(|(found, intended)| found.0 == intended.0 && found.1.get() == intended.1.get())
    }
}

/// Returns true for a quoted bound value: 64 hexadecimal digits.
fn is_digest(raw: &str) -> bool {
    raw.len() == 66 && raw.trim_matches('"').bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Top-level names and values in order, with duplicates.
struct Pairs<K, V>(Vec<(K, V)>);

/// Decoded names and raw values.
type Members<'a> = Pairs<String, &'a RawValue>;
/// Names that are not decoded, and values that are skipped.
type Skipped<'a> = Pairs<&'a RawValue, IgnoredAny>;

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Pairs<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

struct Reader<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Reader<K, V> {
    type Value = Pairs<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<K, V>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(body: &str, members: &str, bound: bool) -> Finding {
        let owned = Arc::new(ReservedFields::new(["user", "metadata"], Some("prompt_cache_key")));
        let (one, two) = body.split_at(body.len() / 2);
        let body = vec![Bytes::copy_from_slice(one.as_bytes()), Bytes::copy_from_slice(two.as_bytes())];
        Sample { body, members: members.into(), bound, owned }.audit()
    }

    #[test]
    fn exactly_the_intended_identifiers_pass() {
        let digest = "0123456789abcdef".repeat(4);
        let (user, both) = (r#""user":"a""#, r#""user":"a","metadata":{"user_id":"a"}"#);
        for (body, members, bound) in [
            ("{}".to_owned(), "", false),
            (r#"{"n":1e400,"n":1.10,"deep":{"user":1},"s":"x"}"#.into(), "", false),
            (r#"{"n":1,      "user":"a"  }"#.into(), user, false),
            (format!(r#"{{"n":1,{both}}}"#), both, true),
            (format!(r#"{{"n":1,{both},"prompt_cache_key":"{digest}"}}"#), both, true),
        ] {
            assert_eq!(audit(&body, members, bound), Finding::Passed, "{body}");
        }
    }

    #[test]
    fn anything_else_fails() {
        let digest = "0123456789abcdef".repeat(4);
        let user = r#""user":"a""#;
        for (body, members, bound) in [
            (String::new(), "", false),
            ("[]".into(), "", false),
            (r#"{"n":01}"#.into(), "", false),
            ("{}".into(), user, false),
            (r#"{"user":"m"}"#.into(), "", false),
            (r#"{"user":"m"}"#.into(), user, false),
            (r#"{"user":"m","user":"a"}"#.into(), user, false),
            (r#"{"User":"m","user":"a"}"#.into(), user, false),
            (r#"{"\u0075\u017fer":"m","user":"a"}"#.into(), user, false),
            (r#"{"user\u0000x":"m","user":"a"}"#.into(), user, false),
            (r#"{"metadata":{},"user":"a"}"#.into(), user, false),
            (r#"{"user":"a","metadata":{}}"#.into(), user, false),
            (format!(r#"{{"user":"a","prompt_cache_key":"{digest}"}}"#), user, false),
            (r#"{"user":"a","prompt_cache_key":"mine"}"#.into(), user, true),
            (format!(r#"{{"prompt_cache_key":"{digest}","user":"a","prompt_cache_key":"{digest}"}}"#), user, true),
        ] {
            assert_eq!(audit(&body, members, bound), Finding::Failed, "{body}");
        }
    }

    #[test]
    fn a_body_that_serde_json_cannot_read_is_counted_separately() {
        assert_eq!(audit(r#"{"\ud800":1,"user":"a"}"#, r#""user":"a""#, false), Finding::Unreadable);
        // A lone surrogate in a value does not matter.
        assert_eq!(audit(r#"{"s":"\ud800","user":"a"}"#, r#""user":"a""#, false), Finding::Passed);
    }

    #[test]
    fn one_in_a_thousand_bodies_is_sampled() {
        let auditor = Auditor::start(Arc::new(Metrics::new())).unwrap();
        let mut taken = Vec::new();
        for number in 0..2001 {
            auditor.sample(|| {
                taken.push(number);
                let owned = Arc::new(ReservedFields::new([], None));
                Sample { body: Vec::new(), members: String::new(), bound: false, owned }
            });
        }
        assert_eq!(taken, [0, 1000, 2000]);
    }
}
