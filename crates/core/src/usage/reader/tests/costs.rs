//! The parts of a cost, and the largest figures that count.

use super::*;

fn chat(usage: &str) -> Usage {
    seen("chat/completions", JSON, &format!(r#"{{"usage":{{{usage}}}}}"#)).usage
}

/// One usage in the formats of all endpoints: OpenRouter's charge, the provider's bill and a tool's cost.
#[rstest]
#[case::chat("chat/completions", JSON, r#"{"usage":{"cost":0.001,"is_byok":true,"prompt_tokens_details":{"cache_write_tokens":5},"cost_details":{"upstream_inference_cost":0.0360795,"server_tool_cost":0.003,"upstream_inference_prompt_cost":9,"upstream_inference_completions_cost":9}}}"#)]
#[case::chat_stream(
    "chat/completions",
    SSE,
    "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"model\":\"m\"}\n\ndata: {\"choices\":[],\"usage\":{\"cost_details\":{\"server_tool_cost\":3e-3,\"upstream_inference_cost\":0.0360795},\"is_byok\":true,\"cost\":0.001,\"prompt_tokens_details\":{\"cache_write_tokens\":5}}}\n\n"
)]
#[case::responses("responses", JSON, r#"{"usage":{"cost":0.001,"is_byok":true,"input_tokens_details":{"cache_write_tokens":5},"cost_details":{"upstream_inference_cost":null,"server_tool_cost":0.003,"upstream_inference_input_cost":0.03,"upstream_inference_output_cost":0.0060795}}}"#)]
#[case::responses_stream(
    "responses",
    SSE,
    "data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"cost\":0.001,\"is_byok\":true,\"input_tokens_details\":{\"cache_write_tokens\":5},\"cost_details\":{\"upstream_inference_cost\":0.0360795,\"server_tool_cost\":0.003}}}}\n\n"
)]
#[case::messages("messages", JSON, r#"{"type":"message","usage":{"cache_creation_input_tokens":5,"cost":0.001,"is_byok":true,"cost_details":{"upstream_inference_cost":0.0360795,"server_tool_cost":0.003}}}"#)]
#[case::messages_stream(
    "messages",
    SSE,
    "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"cache_creation_input_tokens\":5}}}\n\ndata: {\"type\":\"message_delta\",\"usage\":{\"cost\":0.001,\"is_byok\":true,\"cost_details\":{\"upstream_inference_cost\":0.0360795,\"server_tool_cost\":0.003}}}\n\n"
)]
#[case::images("images", JSON, r#"{"data":[{}],"usage":{"cost":0.001,"is_byok":true,"prompt_tokens_details":{"cache_write_tokens":5},"cost_details":{"upstream_inference_prompt_cost":0.03,"upstream_inference_completions_cost":0.0060795,"server_tool_cost":0.003}}}"#)]
fn parts_are_read(#[case] path: &str, #[case] content_type: &str, #[case] body: &str) {
    let usage = seen(path, content_type, body).usage;
    assert_eq!(usage.cost, Some(NanoUsd(1_000_000)));
    assert_eq!(usage.provider_cost, Some(NanoUsd(36_079_500)));
    assert_eq!(usage.server_tool_cost, Some(NanoUsd(3_000_000)));
    assert_eq!(usage.cache_write_tokens, Some(5));
    assert_eq!(usage.total_cost(), Some(NanoUsd(37_079_500)));
}

/// Without the operator's own key at the provider `upstream_inference_cost` is part of the cost.
#[rstest]
fn a_provider_bills_only_with_the_operators_own_key(
    #[values("", r#""is_byok":false,"#, r#""is_byok":null,"#, r#""is_byok":"true","#, r#""is_byok":1,"#)] byok: &str,
) {
    let usage = chat(&format!(r#"{byok}"cost":0.95,"cost_details":{{"upstream_inference_cost":0.9,"is_byok":true}}"#));
    assert_eq!((usage.provider_cost, usage.total_cost()), (None, Some(NanoUsd(950_000_000))));
}

#[test]
fn a_provider_without_a_known_bill_adds_nothing() {
    let usage = chat(r#""is_byok":true,"cost":0,"cost_details":{"upstream_inference_cost":null}"#);
    assert_eq!((usage.provider_cost, usage.total_cost()), (None, Some(NanoUsd::ZERO)));
}

/// OpenRouter's charge may be absent or have a form that cannot be read. The provider's bill counts all the same.
#[rstest]
fn a_bill_counts_without_a_charge(#[values("", r#""cost":null,"#, r#""cost":-1,"#, r#""cost":4001,"#)] cost: &str) {
    let usage = |bill| chat(&format!(r#"{cost}"is_byok":true,"cost_details":{{"upstream_inference_cost":{bill}}}"#));
    assert_eq!((usage("2").charge(), usage("2").total_cost()), (Some(NanoUsd::ZERO), Some(NanoUsd(2_000_000_000))));
    assert_eq!((usage("0").charge(), usage("null").total_cost()), (None, None));
}

#[test]
fn figures_over_the_caps_are_absent() {
    let usage = chat(
        r#""prompt_tokens":1000000000,"completion_tokens":1000000001,"cost":4000,"is_byok":true,
           "cost_details":{"upstream_inference_cost":4000.000000001,"server_tool_cost":1e9}"#,
    );
    let mut expected = super::usage([Some(MAX_TOKENS), None, None, None], Some(MAX_COST.0));
    assert_eq!(usage, expected);
    let sum = r#"{"usage":{"input_tokens":999999999,"cache_read_input_tokens":1,"cache_creation_input_tokens":COUNT}}"#;
    let seen = |count: &str| super::seen("messages", JSON, &sum.replace("COUNT", count)).usage;
    expected = super::usage([Some(MAX_TOKENS), None, Some(1), None], None);
    assert_eq!(seen("0"), Usage { cache_write_tokens: Some(0), ..expected });
    assert_eq!(seen("1"), Usage { cache_write_tokens: Some(1), prompt_tokens: None, ..expected });
    let parts = r#""cost":0,"is_byok":true,"cost_details":{"upstream_inference_input_cost":3000,"upstream_inference_output_cost":3000}"#;
    assert_eq!(chat(parts).provider_cost, None);
}

#[test]
fn the_largest_sums_of_a_million_answers_fit() {
    let million = 1_000_000;
    let most = Usage { cost: Some(MAX_COST), provider_cost: Some(MAX_COST), ..Usage::default() };
    assert!(most.total_cost().unwrap().0.checked_mul(million).is_some());
    assert!(i64::try_from(MAX_TOKENS).unwrap().checked_mul(million).is_some());
}
