//! OpenRouter's own records, asked for by the operator: what a generation cost, and for whom it was recorded.
//!
//! Control plane only: no request of a caller waits for it or passes through it.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config;
use crate::ledger::query::Price;
use crate::ledger::{NanoUsd, Usage};
use crate::secret::Secret;
use crate::upstream::control::{self, Control, SetUpError};

const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(30);

/// Asks for records at the configured upstream.
#[derive(Clone, Debug)]
pub struct Records {
    control: Control,
    base: Url,
}

/// What OpenRouter has recorded of one generation (OpenRouter's `GenerationResponse`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Tokens as the provider counts them, and the cost.
    pub price: Price,
    /// The `user` that it was sent with.
    pub external_user: Option<String>,
    /// The `session_id` that it was sent with.
    pub session_id: Option<String>,
}

/// Why there is no record. The texts hold no key and no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoRecord {
    /// No client can be set up.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The upstream's address, or an id, makes no URL.
    #[error("no URL can be made of the upstream's address and this id")]
    Url,
    /// The key makes no header.
    #[error("the key cannot be sent as a header")]
    Key,
    /// There is none, or none yet.
    #[error("OpenRouter has no record of it (yet)")]
    NotThere,
    /// Too many questions, or an upstream in trouble: ask again, after this long if it said so.
    #[error("OpenRouter asks to wait (status {status})")]
    Later {
        /// What it answered.
        status: u16,
        /// Its `retry-after`.
        after: Option<Duration>,
    },
    /// The key is not allowed to, or something else that asking again does not mend.
    #[error("OpenRouter refuses with status {0}")]
    Refused(u16),
    /// The request failed.
    #[error("the request failed: {0}")]
    Request(#[from] reqwest::Error),
    /// What came is no record.
    #[error("the answer is no generation record")]
    Unreadable,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

/// The members that matter. Money stays the text that OpenRouter wrote.
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

impl Records {
    /// Asks at this upstream.
    ///
    /// # Errors
    /// When no client can be set up for it.
    pub fn new(upstream: &config::Upstream) -> Result<Self, NoRecord> {
        let base = Url::parse(&format!("{}/", upstream.url.to_string().trim_end_matches('/')));
        let base = base.map_err(|_| NoRecord::Url)?;
        Ok(Self { control: Control::new(CONNECT, WHOLE)?, base })
    }

    /// The record of a generation, asked for with the key that paid for it.
    ///
    /// # Errors
    /// [`NoRecord`].
    pub async fn generation(&self, key: &Secret, id: &str) -> Result<Record, NoRecord> {
        let mut url = self.base.join("generation").map_err(|_| NoRecord::Url)?;
        url.query_pairs_mut().append_pair("id", id);
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| NoRecord::Key)?;
        bearer.set_sensitive(true);
        let answer = self.control.get(url).header(AUTHORIZATION, bearer).send().await;
        let answer = answer.map_err(reqwest::Error::without_url)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(NoRecord::NotThere),
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                return Err(NoRecord::Later { status: status.as_u16(), after: after.map(Duration::from_secs) });
            }
            status => return Err(NoRecord::Refused(status.as_u16())),
        }
        let body = control::body(answer).await?.ok_or(NoRecord::Unreadable)?;
        read(&body).ok_or(NoRecord::Unreadable)
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
    fn what_is_no_record_is_not_taken_for_a_free_one() {
        for body in ["", "{}", r#"{"data":{"total_cost":"much"}}"#, r#"{"data":{"total_cost":-1}}"#, r#"{"error":{}}"#]
        {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(read(br#"{"data":{}}"#), Some(Record::default()));
    }
}
