//! What a caller asks about themselves: their own identifiers and usage, and OpenRouter's record of their own generations.
//!
//! The only requests that wait for the ledger. Nothing of anybody else is ever shown: a generation that another caller has
//! had too is shown to neither, since its record names one of them.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::snapshot::Snapshot;
use callsign_core::auth::Caller;
use callsign_core::endpoint::INFERENCE;
use callsign_core::usage::generation;
use callsign_store::ledger::query::{By, Filter, Owner};
use callsign_store::ledger::{LedgerError, Reader, report};

/// No generation of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no generation of yours has this id; send it as ?id=gen-…")]
pub struct GenerationNotFoundError;

/// Why a question is not answered.
#[derive(Debug, thiserror::Error)]
pub enum SelfServiceError {
    /// It is about somebody else.
    #[error(transparent)]
    GenerationNotFoundError(#[from] GenerationNotFoundError),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    tenant: Option<String>,
    user: Option<String>,
    key: String,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum SelfServiceQuery {
    /// About the person; what is known without the ledger.
    Me(Person, Map<String, Value>),
    /// Whether the generation of this id is the person's.
    Generation(Person, String),
}

impl Person {
    pub(super) fn of(caller: &Caller<'_>) -> Self {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        Self { tenant: owned(&caller.tenant), user: owned(&caller.user), key: caller.key.clone().into_owned() }
    }

    /// Whether whoever made it is this person. Without a user id the key is all that is known.
    fn is(&self, owner: &Owner) -> bool {
        let same_key = self.user.is_some() || self.key == owner.key;
        self.tenant == owner.tenant && self.user == owner.user && same_key
    }

    /// What they have used, `null` for callers who cannot be told from others.
    async fn usage(&self, reader: &Reader) -> Result<Value, LedgerError> {
        let Some(user) = &self.user else { return Ok(Value::Null) };
        let filter = Filter {
            tenant: Some(self.tenant.clone().unwrap_or_default()),
            user: Some(user.clone()),
            ..Filter::default()
        };
        let sums = reader.usage(By::User, &filter).await?.pop().unwrap_or_default();
        Ok(json!({
            "requests": sums.requests,
            "errors": sums.errors,
            "prompt_tokens": sums.prompt_tokens,
            "completion_tokens": sums.completion_tokens,
            "cached_tokens": sums.cached_tokens,
            "reasoning_tokens": sums.reasoning_tokens,
            // What it costs them: the tenant's markup is the operator's own business.
            "cost_usd": report::usd(sums.charged),
            "last_seen": report::time(sums.last_seen),
        }))
    }
}

impl SelfServiceQuery {
    /// The question of a caller about themselves.
    pub(super) fn me(snapshot: &Snapshot, caller: &Caller<'_>) -> Self {
        let policy = &snapshot.tenant(caller.tenant.as_deref()).policy;
        let identified = INFERENCE.iter().map(|endpoint| {
            let identifiers = policy.identify(&caller.identity(), caller.metadata, endpoint.fields);
            let fields = identifiers.map(|identifiers| identifiers.to_json());
            (endpoint.path.to_owned(), fields.map_or(Value::Null, Value::Object))
        });
        Self::Me(Person::of(caller), identified.collect())
    }

    /// What the ledger has to say: an answer, or nothing where the request may go upstream.
    ///
    /// # Errors
    /// [`SelfServiceError`].
    pub(super) async fn answer(self, reader: Option<&Reader>) -> Result<Option<Response<Bytes>>, SelfServiceError> {
        match self {
            Self::Me(person, identifiers) => {
                let usage = match reader {
                    Some(reader) => person.usage(reader).await?,
                    None => Value::Null,
                };
                let Person { tenant, user, key } = person;
                let body = json!({
                    "user": user, "tenant": tenant, "key": key, "identifiers": identifiers, "usage": usage,
                });
                Ok(Some(shown(&body)))
            }
            Self::Generation(person, id) => {
                let owners = match reader {
                    Some(reader) => reader.owner_of(&id).await?,
                    None => Vec::new(),
                };
                let theirs = !owners.is_empty() && owners.iter().all(|owner| person.is(owner));
                if theirs { Ok(None) } else { Err(GenerationNotFoundError.into()) }
            }
        }
    }
}

fn shown(body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("{body:#}\n")));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The one `id` in a query, decoded; of two nobody could say which is meant. Ids have only plain characters.
pub(super) fn generation_id(query: Option<&str>) -> Result<String, GenerationNotFoundError> {
    let mut ids = query.unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("id="));
    let (Some(id), None) = (ids.next(), ids.next()) else { return Err(GenerationNotFoundError) };
    let id = percent_decode_str(id).decode_utf8().map_err(|_| GenerationNotFoundError)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    if generation::fits(&id) && id.bytes().all(plain) { Ok(id.into_owned()) } else { Err(GenerationNotFoundError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plain_id_is_asked_for() {
        for (query, id) in [
            (Some("id=gen-1"), Some("gen-1")),
            (Some("x=1&id=gen-1-Ab_c"), Some("gen-1-Ab_c")),
            (Some("id=gen%2D1"), Some("gen-1")),
            (None, None),
            (Some(""), None),
            (Some("id="), None),
            (Some("id=gen-1&id=gen-2"), None),
            (Some("id=gen-1%26x"), None),
            (Some("id=gen+1"), None),
            (Some("id=../keys"), None),
            (Some("ID=gen-1"), None),
        ] {
            assert_eq!(generation_id(query).ok().as_deref(), id, "{query:?}");
        }
    }

    #[test]
    fn somebody_elses_generation_is_nobodys() {
        let person = |tenant: &str, user: Option<&str>, key: &str| Person {
            tenant: Some(tenant.to_owned()).filter(|tenant| !tenant.is_empty()),
            user: user.map(str::to_owned),
            key: key.to_owned(),
        };
        let owner = |person: Person| Owner { tenant: person.tenant, key: person.key, user: person.user };
        let alice = person("acme", Some("alice"), "app");
        assert!(alice.is(&owner(alice.clone())));
        assert!(alice.is(&owner(person("acme", Some("alice"), "laptop"))), "her other key");
        for other in [
            person("", Some("alice"), "app"),
            person("beta", Some("alice"), "app"),
            person("acme", Some("bob"), "app"),
            person("acme", None, "app"),
        ] {
            assert!(!alice.is(&owner(other.clone())), "{other:?}");
        }
        let nobody = person("", None, "app");
        assert!(nobody.is(&owner(nobody.clone())));
        assert!(!nobody.is(&owner(person("", None, "other"))));
        assert!(!nobody.is(&owner(person("", Some("alice"), "app"))));
    }
}
