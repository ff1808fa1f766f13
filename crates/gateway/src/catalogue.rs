//! Cached lists of OpenRouter's catalogue (`docs/SPEC.md#catalogue-endpoints`).
//!
//! A list is the same for all callers of an account, so one answer serves them all for a minute. A copy is made while the
//! first answer passes; it must not delay it. Everything is bounded in bytes, because callers choose queries.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use callsign_core::endpoint::CataloguePath;
use http::header::{ACCEPT, AGE, CONTENT_LENGTH, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::account::Account;

/// Time for which a list is served from the cache.
const FRESH: Duration = Duration::from_mins(1);
/// Bytes of the longest list that is cached.
const LONGEST_LIST: usize = 5 * 1024 * 1024;
/// Bytes of all cached lists together.
const ALL_LISTS: usize = 16 * 1024 * 1024;
/// Number of cached lists. The query makes the key, so a caller can ask for any number of them.
const MOST_LISTS: usize = 256;
/// Lists that are copied at the same time. Further ones pass uncopied.
const MOST_COPIES: usize = 4;
/// Bytes of the longest query and `accept` of a cached list.
const LONGEST_KEY: usize = 1024;
/// Bytes that an entry counts besides its body: key, headers and table.
const ENTRY: usize = 4096;

/// The cached lists.
#[derive(Debug, Default)]
pub(crate) struct Catalogue(Mutex<Lists>);

#[derive(Debug, Default)]
struct Lists {
    entries: HashMap<ListKey, List>,
    bytes: usize,
    copying: HashSet<ListKey>,
}

/// The key of a cached list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListKey {
    account: Arc<str>,
    path: String,
    query: Option<String>,
    accept: Vec<u8>,
}

#[derive(Clone, Debug)]
struct List {
    headers: HeaderMap,
    body: Bytes,
    since: Instant,
}

/// A list that is being copied while it is relayed. Dropping it discards the copy.
#[derive(Debug)]
pub(crate) struct ListCopy {
    catalogue: Arc<Catalogue>,
    key: ListKey,
    headers: HeaderMap,
    body: BytesMut,
}

impl ListKey {
    /// Returns the key of a list that may be cached. `account` is the account that pays; callers with their own key have
    /// none, and their lists are not cached.
    pub(crate) fn of(account: Option<&Arc<Account>>, path: &CataloguePath, asked: &Parts) -> Option<Self> {
        let accept: Vec<&[u8]> = asked.headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes).collect();
        let key = Self {
            account: Arc::clone(account?.fingerprint()),
            path: path.path().to_owned(),
            query: asked.uri.query().map(str::to_owned),
            accept: accept.join(&b","[..]),
        };
        let length = key.accept.len() + key.query.as_ref().map_or(0, String::len);
        (path.is_list() && length <= LONGEST_KEY).then_some(key)
    }
}

impl List {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < FRESH
    }

    fn size(&self) -> usize {
        self.body.len() + ENTRY
    }
}

impl Catalogue {
    /// Returns the cached answer, with its age.
    pub(crate) fn look_up(&self, key: &ListKey, method: &Method) -> Option<Response<Bytes>> {
        let list = self.0.lock().entries.get(key).filter(|list| list.is_fresh()).cloned()?;
        let mut answer = Response::new(if method == Method::HEAD { Bytes::new() } else { list.body.clone() });
        *answer.headers_mut() = list.headers;
        answer.headers_mut().insert(AGE, HeaderValue::from(list.since.elapsed().as_secs()));
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(list.body.len()));
        Some(answer)
    }

    /// Begins to copy the answer with this head; `None` if it is not cached.
    pub(crate) fn copy(self: &Arc<Self>, key: ListKey, status: StatusCode, headers: &HeaderMap) -> Option<ListCopy> {
        let is_for_all = headers.get_all(VARY).iter().all(|vary| !vary.as_bytes().contains(&b'*'));
        if status != StatusCode::OK || !is_for_all {
            return None;
        }
        let mut lists = self.0.lock();
        if lists.copying.len() >= MOST_COPIES || !lists.copying.insert(key.clone()) {
            return None;
        }
        drop(lists);
        Some(ListCopy { catalogue: Arc::clone(self), key, headers: headers.clone(), body: BytesMut::new() })
    }

    /// Forgets all lists.
    pub(crate) fn clear(&self) {
        let mut lists = self.0.lock();
        lists.entries.clear();
        lists.bytes = 0;
    }
}

impl Lists {
    fn insert(&mut self, key: ListKey, list: List) {
        self.remove(&key);
        let stale: Vec<_> =
            self.entries.iter().filter(|(_, list)| !list.is_fresh()).map(|(key, _)| key.clone()).collect();
        for key in &stale {
            self.remove(key);
        }
        while self.entries.len() >= MOST_LISTS || self.bytes + list.size() > ALL_LISTS {
            let oldest = self.entries.iter().min_by_key(|(_, list)| list.since).map(|(key, _)| key.clone());
            match oldest {
                Some(oldest) => self.remove(&oldest),
                None => return,
            }
        }
        self.bytes += list.size();
        self.entries.insert(key, list);
    }

    fn remove(&mut self, key: &ListKey) {
        if let Some(list) = self.entries.remove(key) {
            self.bytes -= list.size();
        }
    }
}

impl ListCopy {
    /// Copies a piece of the body. Returns false if the list is too long to be cached.
    pub(crate) fn push(&mut self, piece: &[u8]) -> bool {
        let fits = self.body.len() + piece.len() <= LONGEST_LIST;
        if fits {
            self.body.extend_from_slice(piece);
        }
        fits
    }

    /// Puts the whole list into the cache.
    pub(crate) fn finish(mut self) {
        let (headers, body) = (std::mem::take(&mut self.headers), std::mem::take(&mut self.body).freeze());
        let list = List { headers, body, since: Instant::now() };
        self.catalogue.0.lock().insert(self.key.clone(), list);
    }
}

impl Drop for ListCopy {
    fn drop(&mut self) {
        self.catalogue.0.lock().copying.remove(&self.key);
    }
}

#[cfg(test)]
mod tests;
