//! The configuration in force, as far as it concerns attribution. Never a secret.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde_json::{Map, Value, json};

use crate::admin::Operator;
use crate::admin::answer::ApiError;
use crate::admin::ask::OfTenant;
use crate::caller::key::Grant;
use crate::caller::preset::Preset;
use crate::config::Config;
use crate::endpoint::INFERENCE;
use crate::identifiers::format::Format;
use crate::identifiers::sources::Sources;
use crate::identifiers::{Policy, limit};

/// `GET configuration`.
pub(super) async fn configuration(
    State(operator): State<Arc<Operator>>,
    Query(of): Query<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let config = operator.config();
    let tenant = of.tenant.as_deref().filter(|name| !name.is_empty());
    let policy = config.policy_of(tenant)?;
    let valves: Map<_, _> =
        policy.valves.list().into_iter().map(|valve| (valve.variable.to_owned(), json!(valve.on))).collect();
    let formats: Map<_, _> =
        formats(policy).into_iter().map(|(name, format)| (name.to_owned(), json!(format.to_string()))).collect();
    Ok(Json(json!({
        "tenant": tenant,
        "tenants": config.tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>(),
        "valves": valves,
        "formats": formats,
        "missing_user": policy.missing_user.to_string(),
        "limits": {
            "max_id_chars": policy.max_id_chars,
            "metadata_pairs": limit::METADATA_PAIRS,
            "metadata_key_chars": limit::METADATA_KEY_CHARS,
            "metadata_value_chars": limit::METADATA_VALUE_CHARS,
            "max_body_bytes": config.bodies.max_bytes,
        },
        "sources": sources(&config, of.tenant.as_deref()),
        "example": example(policy, tenant),
    })))
}

/// The formats by name.
pub(in crate::admin) fn formats(policy: &Policy) -> [(&'static str, &Format); 5] {
    let formats = &policy.formats;
    [
        ("USER_ID_FORMAT", &formats.user),
        ("SESSION_ID_FORMAT", &formats.session),
        ("CHAT_ID_FORMAT", &formats.chat),
        ("MESSAGE_ID_FORMAT", &formats.message),
        ("CACHE_SESSION_ID_FORMAT", &formats.cache_session),
    ]
}

/// Who is let in, and where their identity is read from.
pub(in crate::admin) fn sources(config: &Config, tenant: Option<&str>) -> Vec<Value> {
    let callers = &config.callers;
    let keys = callers.keys.iter().map(|key| {
        let (kind, user, reads) = match &key.grant {
            Grant::User(user) => ("personal_key", Some(user), Vec::new()),
            Grant::Preset(preset) => ("app_key", None, headers(preset)),
            Grant::Signed(_) => ("app_key_with_tokens", None, Vec::new()),
        };
        json!({ "kind": kind, "name": key.name, "tenant": key.tenant, "user": user, "headers": reads,
                "disabled": key.disabled, "expires": key.expires.map(|at| at.to_string()) })
    });
    let issuers = callers.issuers.iter().map(|issuer| {
        json!({ "kind": "issuer", "name": issuer.rules.name, "tenant": issuer.rules.tenant, "user": null,
                "headers": [], "disabled": false, "expires": null })
    });
    let passed = callers.passthrough.iter().map(|preset| {
        json!({ "kind": "pass_through", "name": "pass-through", "tenant": null, "user": null,
                "headers": headers(preset), "disabled": false, "expires": null })
    });
    let of_tenant =
        |source: &Value| tenant.is_none_or(|tenant| source["tenant"].as_str().unwrap_or_default() == tenant);
    keys.chain(issuers).chain(passed).filter(of_tenant).collect()
}

fn headers(preset: &Preset) -> Vec<&str> {
    preset.headers().map(http::HeaderName::as_str).collect()
}

/// What would be sent for the sample caller, and where.
pub(in crate::admin) fn example(policy: &Policy, tenant: Option<&str>) -> Value {
    let sources = Sources { tenant, ..Sources::SAMPLE };
    let sent: Map<_, _> = INFERENCE
        .iter()
        .filter(|endpoint| ["chat/completions", "responses", "messages", "embeddings"].contains(&endpoint.path))
        .map(|endpoint| {
            let identifiers = policy.identify(&sources, &[], endpoint.fields);
            (
                endpoint.path.to_owned(),
                identifiers.map_or(Value::Null, |identifiers| Value::Object(identifiers.to_json())),
            )
        })
        .collect();
    json!({
        "user_id": sources.user,
        "session_id": sources.session,
        "chat_id": sources.chat,
        "message_id": sources.message,
        "identifiers": sent,
    })
}
