//! Generation records: the cost of a generation and the identifiers recorded with it (`GET /generation`).

use serde::Deserialize;
use serde_json::value::RawValue;

use callsign_core::usage::Usage;
use callsign_core::usage::generation::fits;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::Price;

/// OpenRouter's record of one generation (`GenerationResponse` in OpenRouter's API).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The costs, the tokens as the provider counts them, the model and the provider.
    pub price: Price,
    /// The `user` of the request.
    pub external_user: Option<String>,
    /// The `session_id` of the request.
    pub session_id: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

/// The members that are read. Costs stay the text that OpenRouter wrote, so that they are parsed exactly. `usage` is
/// what OpenRouter charged, as is `total_cost`. There is no member for tokens that were written to a cache.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    total_cost: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    upstream_inference_cost: Option<&'a RawValue>,
    is_byok: Option<bool>,
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

impl Record {
    /// Parses an answer. Returns `None` if it is no record, or a cost cannot be parsed, because such a generation must
    /// not count as free.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let Envelope { data } = serde_json::from_slice(body).ok()?;
        let amount = |text: Option<&RawValue>| text.map_or(Some(None), |text| NanoUsd::parse(text.get()).map(Some));
        let cost = amount(data.total_cost.or(data.usage))?;
        let provider_cost = amount(data.upstream_inference_cost.filter(|_| data.is_byok == Some(true)))?;
        let usage = Usage {
            prompt_tokens: data.native_tokens_prompt.or(data.tokens_prompt),
            completion_tokens: data.native_tokens_completion.or(data.tokens_completion),
            cached_tokens: data.native_tokens_cached,
            reasoning_tokens: data.native_tokens_reasoning,
            cost,
            provider_cost,
            ..Usage::default()
        };
        let name = |name: Option<String>| name.filter(|name| fits(name));
        let price = Price { usage: usage.plausible(), model: name(data.model), provider: name(data.provider_name) };
        Some(Self { price, external_user: data.external_user, session_id: data.session_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<Record> {
        Record::parse(body.as_bytes())
    }

    #[test]
    fn a_record_is_read_to_the_last_nano_dollar() {
        let record = read(
            r#"{"data":{"id":"gen-1","total_cost":0.000123457,"usage":0.5,"native_tokens_prompt":11,"is_byok":false,
                "tokens_prompt":9,"tokens_completion":8,"native_tokens_cached":3,"native_tokens_reasoning":null,
                "upstream_inference_cost":0.0001,
                "model":"a/b","provider_name":"P","external_user":"alice","session_id":null,"new_member":{"x":[1]}}}"#,
        )
        .unwrap();
        let usage = record.price.usage;
        assert_eq!((usage.cost, usage.provider_cost), (Some(NanoUsd(123_457)), None));
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(11), Some(8)));
        assert_eq!((usage.cached_tokens, usage.reasoning_tokens), (Some(3), None));
        assert_eq!((record.external_user.as_deref(), record.session_id), (Some("alice"), None));
    }

    #[test]
    fn a_provider_bills_only_with_the_operators_own_key() {
        let total = |byok: &str, billed: &str| {
            let data = format!(r#""total_cost":0.001,"is_byok":{byok},"upstream_inference_cost":{billed}"#);
            read(&format!(r#"{{"data":{{{data}}}}}"#)).unwrap().price.usage.total_cost()
        };
        assert_eq!(total("true", "0.0360795"), Some(NanoUsd(37_079_500)));
        for (byok, billed) in [("false", "0.0360795"), ("null", "0.0360795"), ("true", "null"), ("true", "5000")] {
            assert_eq!(total(byok, billed), Some(NanoUsd(1_000_000)), "{byok} {billed}");
        }
        assert_eq!(read(r#"{"data":{"usage":0.5}}"#).unwrap().price.usage.cost, Some(NanoUsd(500_000_000)));
    }

    #[test]
    fn an_invalid_record_is_not_read_as_a_free_generation() {
        for body in [
            "",
            "{}",
            r#"{"data":{"total_cost":"much"}}"#,
            r#"{"data":{"total_cost":-1}}"#,
            r#"{"data":{"total_cost":0,"is_byok":true,"upstream_inference_cost":-1}}"#,
            r#"{"error":{}}"#,
        ] {
            assert_eq!(read(body), None, "{body}");
        }
        assert_eq!(read(r#"{"data":{}}"#), Some(Record::default()));
        let long = read(&format!(r#"{{"data":{{"total_cost":5000,"model":"{}"}}}}"#, "m".repeat(257)));
        assert_eq!(long, Some(Record::default()));
    }
}
