//! Caller and sent identifiers, which the requests of one conversation share.
//!
//! Names are interned and shared from the request path to the writer, so most requests allocate no text.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;

use callsign_core::usage::markup::Markup;

/// Shared text.
pub type Name = Arc<str>;

/// Replaces U+0000 with U+FFFD. PostgreSQL does not store U+0000, and an untrusted model name may contain it.
pub(super) fn storable(name: Option<Name>) -> Option<Name> {
    name.map(|name| if name.contains('\0') { name.replace('\0', "\u{fffd}").into() } else { name })
}

/// Maximum number of cached conversations, of about 1 KB each.
pub(super) const REMEMBERED: usize = 10_000;

/// Borrowed names of one request. `sent_…` are the identifiers exactly as sent upstream; `None` if a valve is off or
/// the source is absent.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub struct AskedBy<'a> {
    /// The tenant, if any.
    pub tenant: Option<&'a str>,
    /// The name of the key, issuer or pass-through namespace that authenticated the caller.
    pub key: &'a str,
    /// The user id as the caller states it; `None` if there is none.
    pub user: Option<&'a str>,
    /// The session as the caller states it.
    pub session: Option<&'a str>,
    /// The chat as the caller states it.
    pub chat: Option<&'a str>,
    /// The field `user` as sent.
    pub sent_user: Option<&'a str>,
    /// The field `session_id` as sent, which may come from `SEND_CACHE_SESSION_ID`.
    pub sent_session: Option<&'a str>,
    /// `metadata.session_id` as sent, if it differs from `sent_session`.
    pub sent_metadata_session: Option<&'a str>,
    /// `metadata.chat_id` as sent.
    pub sent_chat: Option<&'a str>,
    /// The endpoint's name, one of a fixed set.
    pub endpoint: &'a str,
    /// The tenant's current factor between cost and charge.
    pub markup: Markup,
}

/// Owned, shared names of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// As in [`AskedBy`].
    pub tenant: Option<Name>,
    /// As in [`AskedBy`].
    pub key: Name,
    /// As in [`AskedBy`].
    pub user: Option<Name>,
    /// As in [`AskedBy`].
    pub session: Option<Name>,
    /// As in [`AskedBy`].
    pub chat: Option<Name>,
    /// As in [`AskedBy`].
    pub sent_user: Option<Name>,
    /// As in [`AskedBy`].
    pub sent_session: Option<Name>,
    /// As in [`AskedBy`].
    pub sent_metadata_session: Option<Name>,
    /// As in [`AskedBy`].
    pub sent_chat: Option<Name>,
    /// As in [`AskedBy`].
    pub endpoint: Name,
    /// As in [`AskedBy`].
    pub markup: Markup,
}

impl<'a> AskedBy<'a> {
    /// Returns the optional names in the order of [`Names::optional`].
    fn optional(&self) -> [Option<&'a str>; 8] {
        [
            self.tenant,
            self.user,
            self.session,
            self.chat,
            self.sent_user,
            self.sent_session,
            self.sent_metadata_session,
            self.sent_chat,
        ]
    }
}

impl Names {
    /// Returns the optional names in a fixed order.
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

    fn are(&self, asked: &AskedBy<'_>) -> bool {
        *self.key == *asked.key
            && *self.endpoint == *asked.endpoint
            && self.markup == asked.markup
            && self.optional().map(|name| name.map(AsRef::as_ref)) == asked.optional()
    }
}

impl From<&AskedBy<'_>> for Names {
    fn from(asked: &AskedBy<'_>) -> Self {
        let name = |text: Option<&str>| storable(text.map(Name::from));
        Self {
            tenant: name(asked.tenant),
            key: name(Some(asked.key)).unwrap_or_default(),
            user: name(asked.user),
            session: name(asked.session),
            chat: name(asked.chat),
            sent_user: name(asked.sent_user),
            sent_session: name(asked.sent_session),
            sent_metadata_session: name(asked.sent_metadata_session),
            sent_chat: name(asked.sent_chat),
            endpoint: asked.endpoint.into(),
            markup: asked.markup,
        }
    }
}

/// A cache of recent names.
#[derive(Debug, Default)]
pub(super) struct Known {
    hasher: RandomState,
    /// Keyed by hash. If two hashes collide, the later entry replaces the earlier one.
    names: Mutex<HashMap<u64, Arc<Names>, RandomState>>,
}

impl Known {
    /// Returns shared names equal to these, cached if possible.
    pub(super) fn names(&self, asked: &AskedBy<'_>) -> Arc<Names> {
        let hash = self.hasher.hash_one(asked);
        let mut known = self.names.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        if let Some(names) = known.get(&hash).filter(|names| names.are(asked)) {
            return Arc::clone(names);
        }
        let names = Arc::new(Names::from(asked));
        known.insert(hash, Arc::clone(&names));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shared_by_those_who_have_all_of_them() {
        let known = Known::default();
        let base = AskedBy { key: "k", user: Some("ab"), ..AskedBy::default() };
        let first = known.names(&base);
        assert_eq!((&*first.key, first.user.as_deref()), ("k", Some("ab")));
        assert!(Arc::ptr_eq(&first, &known.names(&base.clone())));
        for other in [
            AskedBy { user: Some("a"), session: Some("b"), ..base },
            AskedBy { user: None, session: Some("ab"), ..base },
            AskedBy { tenant: Some(""), ..base },
            AskedBy { endpoint: "chat", ..base },
            AskedBy { markup: "1.5".parse().unwrap(), ..base },
            AskedBy { user: Some("a\0b"), ..base },
        ] {
            let names = known.names(&other);
            assert!(!Arc::ptr_eq(&first, &names), "{other:?}");
            assert_eq!(*names, Names::from(&other));
        }
        assert!(Arc::ptr_eq(&first, &known.names(&base)));
    }

    #[test]
    fn no_more_are_kept_than_some() {
        let known = Known::default();
        for number in 0..REMEMBERED + 10 {
            known.names(&AskedBy { user: Some(&number.to_string()), ..AskedBy::default() });
            known.names(&AskedBy { user: Some("\0"), ..AskedBy::default() });
        }
        assert!(known.names.lock().len() <= REMEMBERED);
    }
}
