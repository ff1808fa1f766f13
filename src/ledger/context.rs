//! What the requests of one conversation have in common: who asked, and what was sent for them. Kept once a month in a
//! table of its own, so that a row is short, and known to the writer, so that most rows cost no text at all.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::markup::Markup;
use super::record::Begun;
use super::row::share;
use super::sums::Grain;
use super::tally::Name;

/// Contexts that the writer remembers; about a kilobyte each.
const REMEMBERED: usize = 20_000;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Context {
    /// A digest of the rest.
    pub(super) id: i64,
    /// When its month ends.
    pub(super) until_us: i64,
    pub(super) names: Names,
}

/// What a [`Context`] says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Names {
    pub(super) tenant: Option<Name>,
    pub(super) key: Name,
    pub(super) user: Option<Name>,
    pub(super) session: Option<Name>,
    pub(super) chat: Option<Name>,
    pub(super) sent_user: Option<Name>,
    pub(super) sent_session: Option<Name>,
    pub(super) sent_metadata_session: Option<Name>,
    pub(super) sent_chat: Option<Name>,
    pub(super) endpoint: Name,
    pub(super) markup: Markup,
}

impl Context {
    /// The context of requests with these names that began in the month that ends then.
    pub(super) fn new(names: Names, until_us: i64) -> Self {
        let mut digest = Sha256::new();
        digest.update(until_us.to_be_bytes());
        digest.update(names.markup.millionths().to_be_bytes());
        for text in [Some(&names.key), Some(&names.endpoint)].into_iter().chain(names.optional()) {
            // With its length, so that no two lists of names read alike.
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            digest.update(length.to_be_bytes());
            digest.update(text.map_or("", |text| text));
        }
        let digest = digest.finalize();
        let first = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Self { id: (first >> 1).cast_signed(), until_us, names }
    }

    /// Without the names of a person; `key` says whether the key's is one.
    pub(super) fn forgotten(&self, key: bool) -> Self {
        let Names { tenant, endpoint, markup, .. } = self.names.clone();
        let key = if key { "".into() } else { Arc::clone(&self.names.key) };
        Self::new(Names { tenant, key, endpoint, markup, ..Names::default() }, self.until_us)
    }
}

impl Names {
    /// Those that may be absent, in a fixed order.
    pub(super) fn optional(&self) -> [Option<&Name>; 8] {
        [
            &self.tenant,
            &self.user,
            &self.session,
            &self.chat,
            &self.sent_user,
            &self.sent_session,
            &self.sent_metadata_session,
            &self.sent_chat,
        ]
        .map(Option::as_ref)
    }

    fn of(begun: &Begun) -> Self {
        let share = |text: &Option<String>| share(text.as_deref());
        Self {
            tenant: begun.tenant.clone(),
            key: Arc::clone(&begun.key),
            user: share(&begun.user),
            session: share(&begun.session),
            chat: share(&begun.chat),
            sent_user: share(&begun.sent.user),
            sent_session: share(&begun.sent.session),
            sent_metadata_session: share(&begun.sent.metadata_session),
            sent_chat: share(&begun.sent.chat),
            endpoint: begun.endpoint.into(),
            markup: begun.markup,
        }
    }

    fn is_of(&self, begun: &Begun) -> bool {
        *self.key == *begun.key
            && *self.endpoint == *begun.endpoint
            && self.markup == begun.markup
            && self.optional().map(|name| name.map(AsRef::as_ref)) == optional(begun)
    }
}

/// As [`Names::optional`].
fn optional(begun: &Begun) -> [Option<&str>; 8] {
    let sent = &begun.sent;
    let rest =
        [&begun.user, &begun.session, &begun.chat, &sent.user, &sent.session, &sent.metadata_session, &sent.chat];
    let [user, session, chat, sent_user, sent_session, sent_metadata_session, sent_chat] =
        rest.map(|text| text.as_deref());
    [begun.tenant.as_deref(), user, session, chat, sent_user, sent_session, sent_metadata_session, sent_chat]
}

/// The contexts that were met lately.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    hasher: RandomState,
    known: HashMap<u64, Vec<Arc<Context>>>,
    count: usize,
    /// The month of the latest request: when it begins, and when the next one does.
    month: (i64, i64),
}

impl Contexts {
    /// The context of a request.
    pub(super) fn of(&mut self, begun: &Begun) -> Arc<Context> {
        if !(self.month.0..self.month.1).contains(&begun.began_us) {
            let from = Grain::Month.bucket(begun.began_us);
            self.month = (from, Grain::Month.next(from));
        }
        let until_us = self.month.1;
        let hash = self.hasher.hash_one((&*begun.key, begun.endpoint, until_us, optional(begun)));
        if self.count >= REMEMBERED {
            self.known.clear();
            self.count = 0;
        }
        let alike = self.known.entry(hash).or_default();
        if let Some(context) = alike.iter().find(|known| known.until_us == until_us && known.names.is_of(begun)) {
            return Arc::clone(context);
        }
        let context = Arc::new(Context::new(Names::of(begun), until_us));
        alike.push(Arc::clone(&context));
        self.count += 1;
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
