//! The client for OpenRouter's generation records: the cost of a generation and the identifiers recorded with it
//! (`GET /generation` in OpenRouter's public API reference).
//!
//! Callers' requests must not wait for it.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::upstream::control::{self, ControlClient, SetUpError};
use crate::upstream::settings::Settings;
use callsign_core::secret::Secret;
use callsign_core::usage::Usage;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::Price;

/// Timeout of the connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Timeout of a whole request.
const WHOLE: Duration = Duration::from_secs(30);

/// Fetches generation records from the configured upstream.
#[derive(Clone, Debug)]
pub struct GenerationClient {
    control: ControlClient,
    base: Url,
}

/// OpenRouter's record of one generation (`GenerationResponse` in OpenRouter's API).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The cost, the tokens as the provider counts them, the model and the provider.
    pub price: Price,
    /// The `user` of the request.
    pub external_user: Option<String>,
    /// The `session_id` of the request.
    pub session_id: Option<String>,
}

/// A record that cannot be fetched. The texts contain neither the key nor the response.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The HTTP client cannot be created.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The upstream's URL and the id do not form a valid URL.
    #[error("CALLSIGN_UPSTREAM_URL and this generation id do not form a valid URL")]
    Url,
    /// The key contains characters that a header cannot carry.
    #[error("the OpenRouter key contains characters that a header cannot carry")]
    Key,
    /// OpenRouter has no record of the generation, or none yet.
    #[error("OpenRouter has no record of this generation (yet)")]
    NotFound,
    /// OpenRouter limits the rate (429) or has an internal error (5xx); retry later.
    #[error("OpenRouter answered with status {status}; retry later")]
    RetryLater {
        /// The response's status.
        status: u16,
        /// The response's `retry-after`, if it has one in seconds.
        after: Option<Duration>,
    },
    /// OpenRouter refuses the request, for example because of the key. A retry does not help.
    #[error("OpenRouter refused the request with status {0}")]
    Refused(u16),
    /// The request failed.
    #[error("the request failed: {0}")]
    Request(#[from] reqwest::Error),
    /// The response is not a generation record.
    #[error("the response is not a generation record")]
    Unreadable,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

/// The members that are read. The cost stays the text that OpenRouter wrote, so that it is parsed exactly.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    total_cost: Option<&'a RawValue>,
    tokens_prompt: Option<u64>,
    tokens_completion: Option<u64>,
    native_tokens_prompt: Option<u64>,
    native_tokens_completion: Option<u64>,
    native_tokens_cached: Option<u64>,
    native_tokens_reasoning: Option<u64>,
    model: Option<String>,
    provider_name: Option<String>,
    external_user: Option<String>,
    session_id: Option<String>,
}

impl GenerationClient {
    /// Creates a client for this upstream.
    ///
    /// # Errors
    /// The URL is invalid or the HTTP client cannot be created.
    pub fn new(upstream: &Settings) -> Result<Self, RecordError> {
        let base = Url::parse(&format!("{}/", upstream.url.to_string().trim_end_matches('/')));
        let base = base.map_err(|_| RecordError::Url)?;
        Ok(Self { control: ControlClient::new(CONNECT, WHOLE)?, base })
    }

    /// Fetches the record of a generation with the key that paid for it.
    ///
    /// # Errors
    /// [`RecordError`].
    pub async fn generation(&self, key: &Secret, id: &str) -> Result<Record, RecordError> {
        let mut url = self.base.join("generation").map_err(|_| RecordError::Url)?;
        url.query_pairs_mut().append_pair("id", id);
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| RecordError::Key)?;
        bearer.set_sensitive(true);
        let answer = self.control.get(url).header(AUTHORIZATION, bearer).send().await;
        let answer = answer.map_err(reqwest::Error::without_url)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(RecordError::NotFound),
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                return Err(RecordError::RetryLater { status: status.as_u16(), after: after.map(Duration::from_secs) });
            }
            status => return Err(RecordError::Refused(status.as_u16())),
        }
        let body = control::body(answer).await?.ok_or(RecordError::Unreadable)?;
        read(&body).ok_or(RecordError::Unreadable)
    }
}

fn read(body: &[u8]) -> Option<Record> {
    let Envelope { data } = serde_json::from_slice(body).ok()?;
    let cost = match data.total_cost {
        Some(text) => Some(NanoUsd::parse(text.get())?),
        None => None,
    };
    let usage = Usage {
        prompt_tokens: data.native_tokens_prompt.or(data.tokens_prompt),
        completion_tokens: data.native_tokens_completion.or(data.tokens_completion),
        cached_tokens: data.native_tokens_cached,
        reasoning_tokens: data.native_tokens_reasoning,
        cost,
        ..Usage::default()
    };
    Some(Record {
        price: Price { usage, model: data.model, provider: data.provider_name },
        external_user: data.external_user,
        session_id: data.session_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_to_the_last_nano_dollar() {
        let record = read(
            br#"{"data":{"id":"gen-1","total_cost":0.000123457,"usage":0.000123457,"native_tokens_prompt":11,
                "tokens_prompt":9,"tokens_completion":8,"native_tokens_cached":3,"native_tokens_reasoning":null,
                "model":"a/b","provider_name":"P","external_user":"alice","session_id":null,"new_member":{"x":[1]}}}"#,
        )
        .unwrap();
        assert_eq!(record.price.usage.cost, Some(NanoUsd(123_457)));
        let usage = record.price.usage;
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(11), Some(8)));
        assert_eq!((usage.cached_tokens, usage.reasoning_tokens), (Some(3), None));
        assert_eq!((record.external_user.as_deref(), record.session_id), (Some("alice"), None));
    }

    #[test]
    fn an_invalid_record_is_not_read_as_a_free_generation() {
        for body in ["", "{}", r#"{"data":{"total_cost":"much"}}"#, r#"{"data":{"total_cost":-1}}"#, r#"{"error":{}}"#]
        {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(read(br#"{"data":{}}"#), Some(Record::default()));
    }
}
