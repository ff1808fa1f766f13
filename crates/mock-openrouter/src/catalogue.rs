//! The GET endpoints: models, endpoints and providers.

use http::StatusCode;
use serde_json::{Value, json};

use super::behaviour::Behaviour;
use super::errors;
use super::plan::Plan;

/// `created` of every model: 2025-01-01 in seconds since 1970.
const CREATED: u64 = 1_735_689_600;

/// Models with plain responses and names that clients know.
const PLAIN: [&str; 3] = ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4.5", "google/gemini-2.5-flash"];

/// The canonical names of server tools.
const TOOLS: [&str; 2] = ["openrouter:datetime", "openrouter:web_search"];

/// Returns the response to a GET of `path` (below `/api/v1/`); `None` if OpenRouter has no such endpoint.
pub(super) fn get(path: &str) -> Option<Plan> {
    let segments: Vec<&str> = path.split('/').collect();
    if let ["tools", name] = *segments.as_slice()
        && !TOOLS.contains(&name)
    {
        // OpenRouter answers an alias with a redirect to the canonical name.
        let canonical = TOOLS.iter().find(|tool| tool.strip_prefix("openrouter:") == Some(name));
        return canonical
            .map(|tool| errors::redirect(StatusCode::PERMANENT_REDIRECT, &format!("/api/v1/tools/{tool}")));
    }
    let body = match *segments.as_slice() {
        ["models"] => models(),
        ["models", "count"] => json!({"data": {"count": PLAIN.len() + Behaviour::models().count()}}),
        ["providers"] => providers(),
        ["embeddings", "models"] => list(&[model("openai/text-embedding-3-small", "Returns a vector")]),
        ["images", "models"] => list(&[model("google/gemini-2.5-flash-image", "Returns one pixel")]),
        ["videos", "models"] => list(&[model("google/veo-3", "Returns a video of a few bytes")]),
        ["tools"] => json!({"data": TOOLS.map(tool)}),
        ["tools", name] => json!({"data": tool(name)}),
        ["endpoints", "zdr"] => json!({"data": [endpoints(PLAIN[0])["data"]["endpoints"][0]]}),
        ["models", author, slug, "endpoints"] | ["images", "models", author, slug, "endpoints"] => {
            endpoints(&format!("{author}/{slug}"))
        }
        ["model" | "models", author, slug] => json!({"data": model(&format!("{author}/{slug}"), "Plain response")}),
        ["models", id] => json!({"data": model(&id.replace("%2F", "/").replace("%2f", "/"), "Plain response")}),
        _ => return None,
    };
    Some(Plan::json(StatusCode::OK, &body))
}

fn tool(name: &str) -> Value {
    json!({"name": name, "description": "Part of callsign's mock OpenRouter.", "aliases": []})
}

fn models() -> Value {
    let plain = PLAIN.iter().map(|id| model(id, "Plain response"));
    let steering = Behaviour::models().map(|(id, does)| model(&id, does));
    list(&plain.chain(steering).collect::<Vec<_>>())
}

/// Returns a list on one page.
fn list(models: &[Value]) -> Value {
    let count = models.len();
    json!({"data": models, "total_count": count, "links": {"next": null}})
}

fn model(id: &str, does: &str) -> Value {
    json!({
        "id": id, "canonical_slug": id, "hugging_face_id": null, "name": format!("Mock: {id}"), "created": CREATED,
        "description": format!("{does}. Part of callsign's mock OpenRouter."), "context_length": 128_000,
        "architecture": {
            "modality": "text->text", "input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "Other",
            "instruct_type": null,
        },
        "pricing": {"prompt": "0.00001", "completion": "0.00004428", "request": "0", "image": "0"},
        "top_provider": {"context_length": 128_000, "max_completion_tokens": 16_384, "is_moderated": false},
        "per_request_limits": null, "supported_parameters": ["max_tokens", "temperature", "tools"],
        "supported_voices": null,
        "links": {"details": format!("/api/v1/models/{id}/endpoints")}, "default_parameters": {}, "expiration_date": null,
    })
}

fn endpoints(id: &str) -> Value {
    let mut body = model(id, "Plain response");
    body["endpoints"] = json!([{
        "name": format!("Mock | {id}"), "model_id": id, "model_name": id, "context_length": 128_000,
        "pricing": body["pricing"], "provider_name": super::reply::PROVIDER, "tag": "mock", "quantization": null,
        "max_completion_tokens": 16_384, "max_prompt_tokens": null, "supported_parameters": ["max_tokens"],
        "status": 0, "uptime_last_5m": 100, "uptime_last_30m": 100, "uptime_last_1d": 100, "latency_last_30m": null,
        "throughput_last_30m": null, "supports_implicit_caching": false, "supports_diarization": false,
        "supports_tool_choice": {"none": true, "auto": true, "required": true, "function": true},
        "native_tools": {}, "service_tier": null,
    }]);
    json!({"data": body})
}

fn providers() -> Value {
    json!({"data": [{
        "name": super::reply::PROVIDER, "slug": "mock", "privacy_policy_url": null, "terms_of_service_url": null,
        "status_page_url": null,
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_catalogue_endpoint_has_a_response() {
        for path in [
            "models",
            "models/count",
            "models/openai/gpt-4o/endpoints",
            "model/openai/gpt-4o",
            "models/openai%2Fgpt-4o",
            "providers",
            "embeddings/models",
            "images/models",
            "videos/models",
            "images/models/google/x/endpoints",
            "models/openai/gpt-4o",
            "tools",
            "tools/openrouter:datetime",
            "tools/datetime",
            "endpoints/zdr",
        ] {
            assert!(get(path).is_some(), "{path}");
        }
        assert!(get("keys").is_none() && get("tools/unknown").is_none());
    }
}
