//! Callers' questions about themselves: their identifiers and usage, and OpenRouter's records of their generations.
//!
//! These are the only requests that wait for the ledger. A generation that several callers share is shown to none of
//! them, since OpenRouter's record names only one (`docs/SPEC.md#own-generations`).

use std::time::Duration;

use bytes::Bytes;
use callsign_core::allowance::Limit;
use callsign_core::auth::{Caller, UpstreamCredential};
use callsign_core::endpoint::{INFERENCE, SelfService};
use callsign_core::usage::generation;
use callsign_store::ledger::query::{By, Filter, Owner, RequestFilter, StoredRequest};
use callsign_store::ledger::{LedgerError, Reader, report};
use callsign_store::limits::{Limiter, Subject};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Response};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::identify::{CallerRequest, RequestKind};
use super::person::Person;
use super::self_service_error::{GenerationNotFoundError, SelfServiceError};
use super::snapshot::Snapshot;
use super::{own_account, videos};

/// Number of a caller's latest requests that are shown.
const RECENT: u32 = 20;
/// Maximum time of the search for them. A caller has an index, so it is not used up.
const PATIENCE: Duration = Duration::from_millis(250);

impl CallerRequest<'_> {
    /// Answers a question about the caller from the ledger, or without one from the limits' counters. Returns `None` if the request goes upstream.
    ///
    /// # Errors
    /// [`SelfServiceError`] if the question is about another caller, or the ledger does not answer.
    pub(super) async fn answer_from_ledger(
        &self,
        snapshot: &Snapshot,
        parts: &Parts,
        reader: Option<&Reader>,
        limiter: &Limiter,
    ) -> Result<Option<Response<Bytes>>, SelfServiceError> {
        // Boxed, so that the future of every other request stays small.
        match self.kind {
            RequestKind::SelfService(SelfService::Me) => {
                Box::pin(me(snapshot, &self.caller, reader, limiter)).await.map(Some)
            }
            RequestKind::SelfService(SelfService::Generation) => {
                let id = generation_id(parts.uri.query())?;
                Box::pin(check_owner(&self.caller, reader, &id)).await.map(|()| None)
            }
            // OpenRouter answers callers with their own key.
            RequestKind::SelfService(_) if self.caller.upstream_credential == UpstreamCredential::PassThrough => {
                Ok(None)
            }
            RequestKind::SelfService(question) => {
                Box::pin(own_account::answer(question, snapshot, &self.caller, reader, limiter)).await.map(Some)
            }
            RequestKind::Video(ref video) => {
                Box::pin(videos::check_owner(self, reader, video)).await.map(|()| None).map_err(Into::into)
            }
            RequestKind::Catalogue(_) | RequestKind::Inference(..) => Ok(None),
        }
    }
}

/// Answers `/callsign/v1/me`.
async fn me(
    snapshot: &Snapshot,
    caller: &Caller<'_>,
    reader: Option<&Reader>,
    limiter: &Limiter,
) -> Result<Response<Bytes>, SelfServiceError> {
    let policy = &snapshot.tenant(caller.tenant.as_deref()).policy;
    let identified = INFERENCE.iter().map(|endpoint| {
        let identifiers = policy.identify(&caller.identity(), caller.metadata, endpoint.fields);
        let fields = identifiers.map(|identifiers| identifiers.to_json());
        (endpoint.path.to_owned(), fields.map_or(Value::Null, Value::Object))
    });
    let identifiers: Map<_, _> = identified.collect();
    let person = Person::of(caller);
    let (usage, recent) = match reader {
        Some(reader) => (person.usage(reader).await?, person.recent(reader).await?),
        None => (Value::Null, Value::Null),
    };
    let limits = limits(snapshot, caller, limiter).await;
    let Person(Owner { tenant, user, key }) = person;
    Ok(json_answer(&json!({
        "user": user, "tenant": tenant, "key": key, "identifiers": identifiers, "usage": usage, "limits": limits,
        "recent": recent,
    })))
}

/// Returns the caller's limits by name; null if they cannot be read. Totals are not shown, because they would show what
/// others use.
async fn limits(snapshot: &Snapshot, caller: &Caller<'_>, limiter: &Limiter) -> Value {
    let caller = caller.identity();
    let ceilings = snapshot.rules.ceilings(&caller, &limiter.overrides());
    if !ceilings.is_any() {
        return json!({});
    }
    let Ok(gauges) = limiter.look(Subject::of(&caller), ceilings).await else { return Value::Null };
    let limits = Limit::ALL.into_iter().zip(gauges).filter_map(|(limit, gauge)| {
        let most = ceilings.of(limit)?;
        let amount = |amount: i64| if limit.is_money() { json!(limit.shown(amount)) } else { json!(amount) };
        let value = json!({
            "limit": amount(most),
            "used": amount(gauge.used),
            "remaining": amount((most - gauge.used).max(0)),
            "reset_seconds": gauge.wait_ms.max(0).saturating_add(999) / 1000,
        });
        Some((limit.name().to_owned(), value))
    });
    Value::Object(limits.collect())
}

/// Checks that a generation is the caller's.
async fn check_owner(caller: &Caller<'_>, reader: Option<&Reader>, id: &str) -> Result<(), SelfServiceError> {
    let owners = match reader {
        Some(reader) => reader.owner_of(id).await?,
        None => Vec::new(),
    };
    if Person::of(caller).owns(&owners) { Ok(()) } else { Err(GenerationNotFoundError.into()) }
}

impl Person {
    /// Returns the person's usage; null for callers without a user id, who cannot be told apart.
    async fn usage(&self, reader: &Reader) -> Result<Value, LedgerError> {
        let Some(filter) = self.filter() else { return Ok(Value::Null) };
        let sums = reader.usage(By::User, &filter).await?.pop().unwrap_or_default();
        Ok(json!({
            "requests": sums.requests,
            "errors": sums.errors,
            "prompt_tokens": sums.prompt_tokens,
            "completion_tokens": sums.completion_tokens,
            "cached_tokens": sums.cached_tokens,
            "reasoning_tokens": sums.reasoning_tokens,
            // The price that the caller pays. The tenant's markup is not shown.
            "cost_usd": report::usd(sums.charged),
            "last_seen": report::time(sums.last_seen),
        }))
    }

    /// Returns the person's latest requests, newest first; null for callers without a user id.
    async fn recent(&self, reader: &Reader) -> Result<Value, LedgerError> {
        let Some(common) = self.filter() else { return Ok(Value::Null) };
        let filter = RequestFilter { common, ..RequestFilter::default() };
        let page = reader.requests(&filter, RECENT, PATIENCE).await?;
        Ok(page.requests.iter().map(recent_json).collect())
    }

    /// Returns the filter of the person's requests; `None` without a user id.
    fn filter(&self) -> Option<Filter> {
        let Self(Owner { tenant, user, .. }) = self;
        let (tenant, user) = (Some(tenant.clone().unwrap_or_default()), Some(user.clone()?));
        Some(Filter { tenant, user, ..Filter::default() })
    }
}

/// Returns a request as its caller may see it. The cost is the price that the caller pays.
fn recent_json(request: &StoredRequest) -> Value {
    let StoredRequest { begun, ended, .. } = request;
    let usage = ended.as_ref().map(|ended| ended.usage).unwrap_or_default();
    json!({
        "request_id": begun.id.to_string(),
        "began": report::time(Timestamp::from_microsecond(begun.began_us).ok()),
        "endpoint": &*begun.endpoint,
        "model": ended.as_ref().and_then(|ended| ended.model.as_deref()),
        "status": ended.as_ref().map(|ended| ended.status),
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cost_usd": usage.total_cost().map(|cost| report::usd(begun.markup.charge(cost))),
    })
}

fn json_answer(body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("{body:#}\n")));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns the one `id` of a query, decoded. Two ids would be ambiguous. Ids have plain characters only.
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
    fn one_plain_id_is_accepted() {
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
}
