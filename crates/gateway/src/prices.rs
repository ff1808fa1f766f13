//! OpenRouter's list prices, from which the cost of a request is estimated before it is sent
//! (docs/SPEC.md#reservations). Lookups are in memory; `src/prices.rs` keeps the list fresh.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwap;
use callsign_core::allowance::Estimate;
use callsign_core::endpoint::Inference;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::rewrite::outer::{DEFAULT_OUTPUT, OuterMembers};
use callsign_core::usage::money::NanoUsd;
use parking_lot::Mutex;

use crate::openrouter::ListPrice;

/// Maximum number of models that are kept. OpenRouter lists about 500.
const MOST_MODELS: usize = 10_000;
/// The largest estimate of tokens. It keeps sums exact in Redis's scripts.
const MOST_TOKENS: i64 = 1_000_000_000_000_000;
/// The largest estimate, a million dollars. It keeps sums exact in Redis's scripts.
const MOST_USD: i64 = 1_000_000_000_000_000;

/// Maximum number of costs that are remembered. All are forgotten when there is no room for a further one.
const MOST_LEARNED: usize = 65_536;

/// A caller, as a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallerDigest(u64);

/// The list prices in force, and what models without one have cost. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Prices(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    listed: ArcSwap<HashMap<String, ListPrice>>,
    /// The dearest answer of each model without a list price to each caller, in nano-dollars, by digest. Callers learn
    /// apart, so that nobody can make the requests of others dear.
    learned: Mutex<HashMap<u64, i64>>,
    digests: RandomState,
}

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
        self.0.listed.store(Arc::new(prices.collect()));
    }

    /// Returns the digest of a caller.
    pub fn digest_of(&self, caller: &CallerIdentity<'_>) -> CallerDigest {
        CallerDigest(self.0.digests.hash_one((caller.tenant, caller.user, caller.user.is_none().then_some(caller.key))))
    }

    /// Remembers the cost of an answer, if its model has no list price. `model` is the requested one, empty for none.
    pub fn learn(&self, caller: CallerDigest, model: &str, cost: NanoUsd) {
        if cost <= NanoUsd::ZERO || listed(&self.0.listed.load(), model).is_some() {
            return;
        }
        let mut learned = self.0.learned.lock();
        if learned.len() >= MOST_LEARNED {
            learned.clear();
        }
        let dearest = learned.entry(self.digest(caller, model)).or_default();
        *dearest = cost.0.max(*dearest);
    }

    /// Returns the least cost that is reserved for a model without a list price.
    fn learned(&self, caller: CallerDigest, model: &str, flat: i64) -> i64 {
        self.0.learned.lock().get(&self.digest(caller, model)).copied().unwrap_or_default().max(flat)
    }

    fn digest(&self, caller: CallerDigest, model: &str) -> u64 {
        self.0.digests.hash_one((caller, model))
    }

    /// Returns the number of models whose price is known.
    pub fn len(&self) -> usize {
        self.0.listed.load().len()
    }

    /// Returns true if no price is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Estimates the use of a request with these outer members and about `input` tokens. `flat` is the configured
    /// estimate.
    pub fn estimate(
        &self,
        (caller, endpoint): (CallerDigest, &Inference),
        outer: &OuterMembers,
        input: u64,
        flat: Estimate,
    ) -> Estimate {
        let basis = basis(endpoint);
        if basis == Basis::Flat {
            return flat;
        }
        let answers = if basis == Basis::Text { outer.n().unwrap_or(1).max(1) } else { 0 };
        let output = outer.max_output_tokens().unwrap_or(DEFAULT_OUTPUT);
        let prices = self.0.listed.load();
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
        let unknown = is_unknown.then(|| (of(None), self.learned(caller, "", flat.usd)));
        // Any model may be among those that were not kept.
        let more = outer.has_more_models().then(|| prices.values().map(|price| (of(Some(price)), 0)));
        let named = outer.models().map(|model| {
            let is_free = model.ends_with(":free");
            match listed(&prices, model) {
                None if is_free => ((of(None).0, 0), 0),
                None => (of(None), self.learned(caller, model, flat.usd)),
                price => (of(price), if is_free { 0 } else { flat.usd }),
            }
        });
        let dearest = Estimate { tokens: 0, usd: 0 };
        named.chain(unknown).chain(more.into_iter().flatten()).fold(dearest, |dearest, ((tokens, usd), least)| {
            Estimate { tokens: dearest.tokens.max(tokens), usd: dearest.usd.max(usd).max(least).min(MOST_USD) }
        })
    }
}

/// Returns the price of a model. Variants such as `:nitro` have the price of their model, but `:free` has not.
fn listed<'p>(prices: &'p HashMap<String, ListPrice>, model: &str) -> Option<&'p ListPrice> {
    prices.get(model).or_else(|| {
        let (model, variant) = model.rsplit_once(':')?;
        prices.get(model).filter(|_| variant != "free")
    })
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
    fn estimate(path: &str, body: &str) -> (i64, i64) {
        estimate_with(&listed(), path, body)
    }

    fn digest_of(prices: &Prices, user: &str) -> CallerDigest {
        prices.digest_of(&CallerIdentity { user: Some(user), ..CallerIdentity::default() })
    }

    fn listed() -> Prices {
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
        prices
    }

    fn estimate_with(prices: &Prices, path: &str, body: &str) -> (i64, i64) {
        let mut filter = Filter::new(Arc::new(ReservedFields::new(["user"], None)), String::new());
        filter.feed(&Bytes::copy_from_slice(body.as_bytes()), &mut Output::default()).unwrap();
        let endpoint = INFERENCE.iter().find(|endpoint| endpoint.path == path).unwrap();
        let Estimate { tokens, usd } =
            prices.estimate((digest_of(prices, "ada"), endpoint), filter.outer(), 1000, FLAT);
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
            (r#"{"model":"dear/m","max_tokens":1000,"max_tokens":1}"#, (2000, 50_000_000)),
            (r#"{"model":"dear/m","max_tokens":1,"max_tokens":null}"#, (3000, 90_000_000)),
            (r#"{"model":"dear/m","n":3,"n":1}"#, (7000, 250_000_000)),
        ] {
            assert_eq!(estimate(chat, body), expected, "{body}");
        }
    }

    /// Only some of many candidates are kept, so the dearest of all models is reserved.
    #[test]
    fn more_models_than_are_kept_cost_as_the_dearest_of_all() {
        let chat = "chat/completions";
        let list = |cheap: usize| format!(r#"{{"models":[{}"dear/m"]}}"#, r#""cheap/m","#.repeat(cheap));
        for cheap in [0, 14, 15, 16, 17, 20_000] {
            assert_eq!(estimate(chat, &list(cheap)), (3000, 90_000_000), "{cheap}");
        }
        let repeated = r#""model":"cheap/m","#.repeat(20);
        assert_eq!(estimate(chat, &format!(r#"{{{repeated}"model":"cheap/m"}}"#)), (3000, 90_000_000));
    }

    #[test]
    fn a_model_without_a_list_price_costs_as_its_dearest_answer() {
        let (prices, chat) = (listed(), "chat/completions");
        let usd = |body| estimate_with(&prices, chat, body).1;
        let (auto, other) = (r#"{"model":"openrouter/auto"}"#, r#"{"model":"x/y"}"#);
        for (cost, expected) in [(0, FLAT.usd), (5, FLAT.usd), (15_000_000_000, 15_000_000_000), (7, 15_000_000_000)] {
            prices.learn(digest_of(&prices, "ada"), "openrouter/auto", NanoUsd(cost));
            assert_eq!((usd(auto), usd(other), usd("{}")), (expected, FLAT.usd, FLAT.usd), "{cost}");
        }
        prices.learn(digest_of(&prices, "eve"), "x/y", NanoUsd(15_000_000_000));
        assert_eq!(usd(other), FLAT.usd, "what others paid does not count");
        prices.learn(digest_of(&prices, "ada"), "dear/m:nitro", NanoUsd(15_000_000_000));
        assert_eq!(usd(r#"{"model":"dear/m:nitro"}"#), 90_000_000, "listed");
        prices.learn(digest_of(&prices, "ada"), "", NanoUsd(20_000_000));
        assert_eq!(usd("{}"), 20_000_000);
        (0..2 * MOST_LEARNED)
            .for_each(|number| prices.learn(digest_of(&prices, "eve"), &number.to_string(), NanoUsd(1)));
        assert!(prices.0.learned.lock().len() <= MOST_LEARNED);
    }

    #[test]
    fn media_are_flat_and_embeddings_have_no_output() {
        assert_eq!(estimate("images", r#"{"model":"dear/m"}"#), (FLAT.tokens, FLAT.usd));
        assert_eq!(estimate("audio/speech", r#"{"model":"dear/m"}"#), (FLAT.tokens, FLAT.usd));
        assert_eq!(estimate("embeddings", r#"{"model":"dear/m"}"#), (1000, FLAT.usd));
    }
}
