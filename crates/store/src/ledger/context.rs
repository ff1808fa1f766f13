//! The data that requests of one conversation share: caller and identifiers. It is stored once per conversation and
//! month in its own table, so rows are short. The writer caches recent contexts, so most rows need no text.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use sha2::{Digest, Sha256};

use super::grain::Grain;
use super::names::{Names, REMEMBERED};

/// The shared data of a conversation's requests within one month.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Context {
    /// A digest of the names and the month.
    pub(super) id: i64,
    /// End of the month.
    pub(super) until_us: i64,
    pub(super) names: Arc<Names>,
}

impl Context {
    /// Returns the context of requests with these names that began in the month that ends at `until_us`.
    pub(super) fn new(names: impl Into<Arc<Names>>, until_us: i64) -> Self {
        let names = names.into();
        let mut digest = Sha256::new();
        digest.update(until_us.to_be_bytes());
        digest.update(names.markup.millionths().to_be_bytes());
        for text in [Some(&names.key), Some(&names.endpoint)].into_iter().chain(names.optional()) {
            // The length prefix makes the digest's input unambiguous.
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            digest.update(length.to_be_bytes());
            digest.update(text.map_or("", |text| text));
        }
        let digest = digest.finalize();
        let first = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Self { id: (first >> 1).cast_signed(), until_us, names }
    }

    /// Returns the context without a user's names. `key` is true if the key's name identifies the user as well.
    pub(super) fn forgotten(&self, key: bool) -> Self {
        let Names { tenant, endpoint, markup, .. } = (*self.names).clone();
        let key = if key { "".into() } else { Arc::clone(&self.names.key) };
        Self::new(Names { tenant, key, endpoint, markup, ..Names::default() }, self.until_us)
    }
}

/// A cache of recent contexts.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    /// Keyed by the address of the shared names, which the context keeps alive.
    known: HashMap<usize, Arc<Context>, RandomState>,
    /// Start and end of the month of the latest request.
    month: (i64, i64),
}

impl Contexts {
    /// Returns the context of a request with these names.
    pub(super) fn of(&mut self, names: &Arc<Names>, began_us: i64) -> Arc<Context> {
        if !(self.month.0..self.month.1).contains(&began_us) {
            let from = Grain::Month.bucket(began_us);
            self.month = (from, Grain::Month.next(from));
        }
        let until_us = self.month.1;
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let context = self.known.entry(Arc::as_ptr(names).addr()).and_modify(|known| {
            if known.until_us != until_us {
                *known = Arc::new(Context::new(Arc::clone(names), until_us));
            }
        });
        Arc::clone(context.or_insert_with(|| Arc::new(Context::new(Arc::clone(names), until_us))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::names::Name;

    #[test]
    fn a_context_is_kept_for_its_month() {
        let mut contexts = Contexts::default();
        let names = Arc::new(Names::default());
        let day = 86_400_000_000;
        let first = contexts.of(&names, day);
        assert!(Arc::ptr_eq(&first, &contexts.of(&names, 2 * day)));
        let next = contexts.of(&names, 40 * day);
        assert_eq!((next.names.as_ref(), next.until_us > first.until_us), (names.as_ref(), true));
        assert_eq!(contexts.of(&names, day).id, first.id, "a clock that went back");
        assert_eq!(contexts.of(&Arc::new(Names::default()), day).id, first.id, "the same names elsewhere");
    }

    #[test]
    fn a_context_is_known_by_all_that_it_says() {
        let name = |text: &str| Some(Name::from(text));
        let base = Names { key: "k".into(), user: name("ab"), ..Names::default() };
        let id = |names: &Names, until_us| Context::new(names.clone(), until_us).id;
        let others = [
            Names { user: name("a"), session: name("b"), ..base.clone() },
            Names { user: None, session: name("ab"), ..base.clone() },
            Names { tenant: name(""), ..base.clone() },
            Names { key: "kab".into(), user: None, ..base.clone() },
            Names { markup: "1.5".parse().unwrap(), ..base.clone() },
        ];
        assert_eq!(id(&base, 1), id(&base.clone(), 1));
        assert_ne!(id(&base, 1), id(&base, 2));
        for other in others {
            assert_ne!(id(&base, 1), id(&other, 1), "{other:?}");
        }
        assert!(id(&base, 1) >= 0);
    }
}
