//! The self-audit: now and then a body that has left is read again, by another reader, off the request path.
//!
//! The filter never sees a body as a tree, and its tests cannot see every body. So of the bodies that were held whole one in
//! [`EVERY`] is read by `serde_json` as top-level names and raw values, and must hold exactly the identifiers that were
//! meant. A failure is a bug of callsign's: it is counted, logged without any content, and `/readyz` turns red.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::metrics::Metrics;
use crate::rewrite::OwnedNames;

/// One in so many bodies is read again, beginning with the first.
pub const EVERY: u64 = 1000;
/// Bodies that may wait for their audit. One more is left out: memory is worth more than the sample.
const WAITING: usize = 4;

/// A body that has left, and what was meant to be in it.
#[derive(Debug)]
pub struct Sample {
    /// The body in pieces, as it went out.
    pub body: Vec<Bytes>,
    /// The members that were written: `"a":1,"b":2`.
    pub members: String,
    /// Whether a bound `prompt_cache_key` may be among them.
    pub bound: bool,
    /// The names that nobody else may have written.
    pub owned: Arc<OwnedNames>,
}

/// What an audit found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Exactly what was meant.
    Passed,
    /// Something else: a bug of callsign's.
    Failed,
    /// `serde_json` cannot read the body (a lone surrogate in a name). That is the client's right, and no failure.
    Unreadable,
}

/// Takes samples, and hands them to a thread of its own.
#[derive(Debug)]
pub struct Auditor {
    seen: AtomicU64,
    waiting: SyncSender<Sample>,
}

impl Auditor {
    /// An auditor that tells `metrics` what it finds. Its thread ends with it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let (waiting, samples) = sync_channel(WAITING);
        std::thread::Builder::new().name("callsign-audit".into()).spawn(move || audit_all(&samples, &metrics))?;
        Ok(Self { seen: AtomicU64::new(0), waiting })
    }

    /// Counts a body; every so often has it audited.
    pub fn see(&self, sample: impl FnOnce() -> Sample) {
        if self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY) {
            // No room, or no thread any more: then this one is not audited.
            let _left_out = self.waiting.try_send(sample());
        }
    }
}

fn audit_all(samples: &Receiver<Sample>, metrics: &Metrics) {
    while let Ok(sample) = samples.recv() {
        let finding = sample.audit();
        metrics.audited(finding);
        if finding == Finding::Failed {
            tracing::error!(
                "a body left with other identifiers than intended: this is a bug in callsign, please report it; \
                 /readyz answers 503 until a restart"
            );
        }
    }
}

impl Sample {
    /// Reads the body again.
    pub fn audit(&self) -> Finding {
        let body = self.body.concat();
        let meant = format!("{{{}}}", self.members);
        match (serde_json::from_slice::<Members<'_>>(&body), serde_json::from_str::<Members<'_>>(&meant)) {
            (Ok(found), Ok(meant)) if self.is_meant(&found, &meant) => Finding::Passed,
            // Only the names were too much for the reader.
            (Err(_), Ok(_)) if serde_json::from_slice::<Skipped<'_>>(&body).is_ok() => Finding::Unreadable,
            _ => Finding::Failed,
        }
    }

    fn is_meant(&self, found: &Members<'_>, meant: &Members<'_>) -> bool {
        let mut ours: Vec<_> = found.0.iter().filter(|(name, _)| self.owned.owns(name)).collect();
        if self.bound {
            let bound = ours.iter().position(|(name, value)| name == "prompt_cache_key" && is_digest(value.get()));
            bound.map(|at| ours.remove(at));
        }
        ours.len() == meant.0.len()
            && ours.iter().zip(&meant.0).all(|(found, meant)| found.0 == meant.0 && found.1.get() == meant.1.get())
    }
}

/// A quoted bound value: 64 hexadecimal digits.
fn is_digest(raw: &str) -> bool {
    raw.len() == 66 && raw.trim_matches('"').bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Top-level names and values, in order, duplicates included.
struct Pairs<K, V>(Vec<(K, V)>);

/// Names decoded, values as they stand there.
type Members<'a> = Pairs<String, &'a RawValue>;
/// The same without reading the names.
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
        let owned = Arc::new(OwnedNames::new(["user", "metadata"], Some("prompt_cache_key")));
        let (one, two) = body.split_at(body.len() / 2);
        let body = vec![Bytes::copy_from_slice(one.as_bytes()), Bytes::copy_from_slice(two.as_bytes())];
        Sample { body, members: members.into(), bound, owned }.audit()
    }

    #[test]
    fn exactly_what_was_meant_passes() {
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
    fn what_the_reader_cannot_hold_is_counted_apart() {
        assert_eq!(audit(r#"{"\ud800":1,"user":"a"}"#, r#""user":"a""#, false), Finding::Unreadable);
        // A lone surrogate in a value is no hindrance.
        assert_eq!(audit(r#"{"s":"\ud800","user":"a"}"#, r#""user":"a""#, false), Finding::Passed);
    }

    #[test]
    fn one_in_a_thousand_is_taken() {
        let auditor = Auditor::start(Arc::new(Metrics::new())).unwrap();
        let mut taken = Vec::new();
        for number in 0..2001 {
            auditor.see(|| {
                taken.push(number);
                let owned = Arc::new(OwnedNames::new([], None));
                Sample { body: Vec::new(), members: String::new(), bound: false, owned }
            });
        }
        assert_eq!(taken, [0, 1000, 2000]);
    }
}
