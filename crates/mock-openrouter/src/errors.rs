//! Errors in OpenRouter's formats.

use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::plan::Plan;

/// The operator's organisation id, which OpenRouter writes into its error bodies.
pub(super) const ORG_ID: &str = "org_2mock0operator0account";

/// Returns an error of `status` in the format of the endpoint `path`.
pub(super) fn error(path: &str, status: StatusCode, message: &str, generation: &str) -> Plan {
    let body = match path {
        "messages" | "messages/count_tokens" => anthropic(status, message, generation),
        "responses" if status == StatusCode::BAD_REQUEST => {
            json!({"error": {"code": "invalid_prompt", "message": message}, "metadata": null})
        }
        _ => json!({"error": {"message": message, "code": status.as_u16()}, "user_id": ORG_ID}),
    };
    let mut plan = Plan::json(status, &body);
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        plan.headers.insert("retry-after", HeaderValue::from_static("1"));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        plan.headers.insert("x-ratelimit-limit", HeaderValue::from_static("20"));
        plan.headers.insert("x-ratelimit-remaining", HeaderValue::from_static("0"));
        plan.headers.insert("x-ratelimit-reset", HeaderValue::from_static("1767225600000"));
    }
    plan
}

fn anthropic(status: StatusCode, message: &str, generation: &str) -> Value {
    let (kind, openrouter_kind) = match status.as_u16() {
        400 => ("invalid_request_error", "invalid_request"),
        401 => ("authentication_error", "authentication"),
        403 => ("permission_error", "permission_denied"),
        404 => ("not_found_error", "not_found"),
        413 => ("request_too_large", "payload_too_large"),
        429 => ("rate_limit_error", "rate_limit_exceeded"),
        503 | 529 => ("overloaded_error", "provider_overloaded"),
        _ => ("api_error", "server"),
    };
    let error = json!({"type": kind, "message": message, "error_type": openrouter_kind});
    json!({"type": "error", "error": error, "request_id": generation})
}

/// Returns OpenRouter's usual message for a status.
pub(super) fn usual_message(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "No auth credentials found",
        402 => "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
        404 => "No endpoints found for this model.",
        429 => "Rate limit exceeded: free-models-per-min",
        502 => "Provider returned error",
        503 => "No instances available",
        _ => status.canonical_reason().unwrap_or("Provider returned error"),
    }
}

/// Returns the refusal of OpenRouter's moderation.
pub(super) fn moderated() -> Plan {
    let metadata = json!({
        "reasons": ["violence"], "flagged_input": "...", "provider_name": "Mock", "model_slug": "mock/moderated",
    });
    let error = json!({"message": "Your input was flagged", "code": 403, "metadata": metadata});
    Plan::json(StatusCode::FORBIDDEN, &json!({"error": error, "user_id": ORG_ID}))
}

/// Returns an HTML error page of the CDN in front of OpenRouter.
pub(super) fn html(status: StatusCode) -> Plan {
    let reason = status.canonical_reason().unwrap_or("Error");
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>{reason}</title></head>\n<body><h1>Error {}</h1>\n\
         <p>Worker exceeded resource limits</p></body></html>\n",
        status.as_u16()
    );
    Plan::whole(status, "text/html; charset=UTF-8", page)
}

/// Returns a redirect.
pub(super) fn redirect(status: StatusCode, location: &str) -> Plan {
    let mut plan = Plan::whole(status, "text/plain", "Redirect\n");
    plan.headers.extend(HeaderValue::from_str(location).ok().map(|location| (http::header::LOCATION, location)));
    plan
}

/// Returns a redirect to another host. callsign must not follow it, because it would send the operator's key there.
pub(super) fn redirect_elsewhere() -> Plan {
    redirect(StatusCode::TEMPORARY_REDIRECT, "http://elsewhere.invalid/api/v1/chat/completions")
}
