//! OpenRouter's list prices, from which the cost of a request is estimated before it is sent
//! (docs/SPEC.md#reservations). Lookups are in memory; `src/prices.rs` keeps the list fresh.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use callsign_core::allowance::Estimate;
use callsign_core::endpoint::Inference;
use callsign_core::rewrite::outer::OuterMembers;

use crate::openrouter::ListPrice;

/// Maximum number of models that are kept. OpenRouter lists about 500.
const MOST_MODELS: usize = 10_000;
/// Tokens that an answer reserves if the request does not limit them.
const DEFAULT_OUTPUT: u64 = 2000;
/// The largest estimate of tokens. It keeps sums exact in Redis's scripts.
const MOST_TOKENS: i64 = 1_000_000_000_000_000;
/// The largest estimate, a million dollars. It keeps sums exact in Redis's scripts.
const MOST_USD: i64 = 1_000_000_000_000_000;

/// The list prices in force. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Prices(Arc<ArcSwap<HashMap<String, ListPrice>>>);

/// The way in which an endpoint's cost is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basis {
    /// By tokens of input and output.
    Text,
    /// By tokens of input.
    Input,
    /// As configured, because the cost does not depend on tokens alone: images, audio, documents.
    Flat,
}

fn basis(endpoint: &Inference) -> Basis {
    match endpoint.path {
        "chat/completions" | "completions" | "responses" | "messages" => Basis::Text,
        "embeddings" => Basis::Input,
        _ => Basis::Flat,
    }
}

impl Prices {
    /// Replaces all prices.
    pub fn replace(&self, prices: impl IntoIterator<Item = ListPrice>) {
        let prices = prices.into_iter().take(MOST_MODELS).map(|price| (price.model.clone(), price));
        self.0.store(Arc::new(prices.collect()));
    }

    /// Returns the number of models whose price is known.
    pub fn len(&self) -> usize {
        self.0.load().len()
    }

    /// Returns true if no price is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Estimates the use of a request with these outer members and about `input` tokens. `flat` is the configured
    /// estimate.
    pub fn estimate(&self, endpoint: &Inference, outer: &OuterMembers, input: u64, flat: Estimate) -> Estimate {
        let basis = basis(endpoint);
        if basis == Basis::Flat {
            return flat;
        }
        let answers = if basis == Basis::Text { outer.n().unwrap_or(1).max(1) } else { 0 };
        let output = outer.max_output_tokens().unwrap_or(DEFAULT_OUTPUT);
        let prices = self.0.load();
        let of = |price: Option<&ListPrice>| {
            // A model reads and writes at most its context.
            let context = price.and_then(|price| price.context_length).unwrap_or(u64::MAX);
            let (input, output) = (input.min(context), output.min(context).saturating_mul(answers));
            let usd = price.map_or(flat.usd, |price| {
                let tokens = price.prompt.times(input).saturating_add(price.completion.times(output));
                tokens.saturating_add(price.request.times(1)).0
            });
            (i64::try_from(input.saturating_add(output)).unwrap_or(MOST_TOKENS).min(MOST_TOKENS), usd)
        };
        let is_unknown = outer.has_unknown_models() || outer.models().next().is_none();
        let unknown = is_unknown.then(|| (of(None), flat.usd));
        let named = outer.models().map(|model| {
            let is_free = model.ends_with(":free");
            // Other variants, such as `:nitro`, have the price of their model.
            let price = prices.get(model).or_else(|| prices.get(model.rsplit_once(':')?.0).filter(|_| !is_free));
            match price {
                None if is_free => ((of(None).0, 0), 0),
                price => (of(price), if is_free { 0 } else { flat.usd }),
            }
        });
        let dearest = Estimate { tokens: 0, usd: 0 };
        named.chain(unknown).fold(dearest, |dearest, ((tokens, usd), least)| Estimate {
            tokens: dearest.tokens.max(tokens),
            usd: dearest.usd.max(usd).max(least).min(MOST_USD),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use callsign_core::endpoint::INFERENCE;
    use callsign_core::rewrite::{Filter, Output, ReservedFields};
    use callsign_core::usage::price::PicoUsd;

    use super::*;

    const FLAT: Estimate = Estimate { tokens: 2000, usd: 10_000_000 };

    /// Returns the estimate of a body with 1,000 tokens of input.
    fn estimate(path: &str, body: &'static str) -> (i64, i64) {
        let prices = Prices::default();
        let price = |model: &str, prompt, completion, context_length| ListPrice {
            model: model.to_owned(),
            prompt: PicoUsd(prompt),
            completion: PicoUsd(completion),
            request: PicoUsd(0),
            context_length,
        };
        prices.replace([
            // $10 and $40 for a million tokens, as $0.04 and $0.16 for 4,000.
            price("dear/m", 10_000_000, 40_000_000, Some(100_000)),
            price("cheap/m", 1, 1, Some(500)),
            price("cheap/m:free", 0, 0, None),
        ]);
        let mut filter = Filter::new(Arc::new(ReservedFields::new(["user"], None)), String::new());
        filter.feed(&Bytes::from_static(body.as_bytes()), &mut Output::default()).unwrap();
        let endpoint = INFERENCE.iter().find(|endpoint| endpoint.path == path).unwrap();
        let Estimate { tokens, usd } = prices.estimate(endpoint, filter.outer(), 1000, FLAT);
        (tokens, usd)
    }

    #[test]
    fn the_dearest_of_all_models_that_may_answer_is_reserved() {
        let chat = "chat/completions";
        for (body, expected) in [
            (r#"{"model":"dear/m"}"#, (3000, 90_000_000)),
            (r#"{"model":"dear/m","max_tokens":10}"#, (1010, 10_400_000)),
            (r#"{"model":"dear/m","max_tokens":10,"max_completion_tokens":1000,"n":3}"#, (4000, 130_000_000)),
            (r#"{"model":"dear/m","max_tokens":99999999}"#, (101_000, 4_010_000_000)),
            (r#"{"model":"dear/m:nitro"}"#, (3000, 90_000_000)),
            (r#"{"model":"cheap/m"}"#, (1000, FLAT.usd)),
            (r#"{"model":"cheap/m:free"}"#, (3000, 0)),
            (r#"{"model":"other/m:free"}"#, (3000, 0)),
            (r#"{"model":"cheap/m:free","models":["cheap/m"]}"#, (3000, FLAT.usd)),
            (r#"{"model":"cheap/m","models":["x/y","dear/m"]}"#, (3000, 90_000_000)),
            (r#"{"model":"dear/m","model":"cheap/m"}"#, (3000, 90_000_000)),
            (r#"{"model":"x/y"}"#, (3000, FLAT.usd)),
            (r#"{"model":7}"#, (3000, FLAT.usd)),
            ("{}", (3000, FLAT.usd)),
        ] {
            assert_eq!(estimate(chat, body), expected, "{body}");
        }
    }

    #[test]
    fn media_are_flat_and_embeddings_have_no_output() {
        assert_eq!(estimate("images", r#"{"model":"dear/m"}"#), (FLAT.tokens, FLAT.usd));
        assert_eq!(estimate("audio/speech", r#"{"model":"dear/m"}"#), (FLAT.tokens, FLAT.usd));
        assert_eq!(estimate("embeddings", r#"{"model":"dear/m"}"#), (1000, FLAT.usd));
    }
}
