//! List prices (`GET /models`).

use serde::Deserialize;
use serde_json::value::RawValue;

use callsign_core::usage::generation::fits;
use callsign_core::usage::price::PicoUsd;

/// The list price of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPrice {
    /// The model's id, at most 256 bytes.
    pub model: String,
    /// The price of a prompt token.
    pub prompt: PicoUsd,
    /// The price of a completion token.
    pub completion: PicoUsd,
    /// The price of a request, in addition to its tokens.
    pub request: PicoUsd,
    /// The maximum number of tokens of prompt and completion together.
    pub context_length: Option<u64>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Model<'a> {
    id: String,
    context_length: Option<u64>,
    #[serde(borrow)]
    pricing: Pricing<'a>,
}

/// The prices as the text that OpenRouter wrote.
#[derive(Deserialize)]
struct Pricing<'a> {
    #[serde(borrow)]
    prompt: &'a RawValue,
    #[serde(borrow)]
    completion: &'a RawValue,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
}

/// Parses the list of models. A model without a fixed price is left out: routers have a price of -1. A model of unknown
/// form is left out too, so that one new form does not hide all prices. Returns `None` if the answer is no list.
pub(super) fn parse(body: &[u8]) -> Option<Vec<ListPrice>> {
    let Envelope { data } = serde_json::from_slice(body).ok()?;
    Some(data.into_iter().filter_map(price).collect())
}

fn price(raw: &RawValue) -> Option<ListPrice> {
    let Model { id, context_length, pricing } = serde_json::from_str(raw.get()).ok()?;
    Some(ListPrice {
        model: Some(id).filter(|id| fits(id))?,
        prompt: PicoUsd::parse(pricing.prompt.get())?,
        completion: PicoUsd::parse(pricing.completion.get())?,
        request: pricing.request.map_or(Some(PicoUsd::default()), |request| PicoUsd::parse(request.get()))?,
        context_length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_exactly() {
        let models = parse(
            br#"{"data":[{"id":"a/b","name":"x","context_length":128000,"architecture":{"modality":"text"},
                 "pricing":{"prompt":"0.00000015","completion":"0.0000006","request":"0.005","image":"0"}},
                {"id":"a/b:free","context_length":null,"pricing":{"prompt":"0","completion":0,"web_search":"1"}}],"x":1}"#,
        );
        let model = ListPrice {
            model: "a/b".to_owned(),
            prompt: PicoUsd(150_000),
            completion: PicoUsd(600_000),
            request: PicoUsd(5_000_000_000),
            context_length: Some(128_000),
        };
        let [prompt, completion, request] = [PicoUsd(0); 3];
        let free = ListPrice { model: "a/b:free".to_owned(), prompt, completion, request, context_length: None };
        assert_eq!(models, Some(vec![model, free]));
    }

    #[test]
    fn models_without_a_fixed_price_are_left_out() {
        let priced = r#"{"id":"a/b","pricing":{"prompt":"1","completion":"1"}}"#;
        for other in [
            r#"{"id":"openrouter/auto","pricing":{"prompt":"-1","completion":"-1"}}"#,
            r#"{"id":"a/c","pricing":{"prompt":"1","completion":"1","request":"?"}}"#,
            r#"{"id":"a/c","pricing":{"prompt":"1"}}"#,
            r#"{"id":"a/c","pricing":null}"#,
            r#"{"id":"","pricing":{"prompt":"1","completion":"1"}}"#,
            "null",
        ] {
            let models = parse(format!(r#"{{"data":[{other},{priced}]}}"#).as_bytes()).unwrap();
            assert_eq!(models.iter().map(|price| &*price.model).collect::<Vec<_>>(), ["a/b"], "{other}");
        }
        for body in ["", "[]", "{}", r#"{"data":{}}"#, r#"{"error":{"code":500}}"#] {
            assert_eq!(parse(body.as_bytes()), None, "{body}");
        }
    }
}
