//! The part of the configuration in force that concerns attribution. It must not contain secrets.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use crate::answer::ApiError;
use crate::ask::OfTenant;
use crate::operator::Operator;
use crate::parameters::Params;
use crate::view::View;
use callsign_core::auth::key::Grant;
use callsign_core::auth::preset::Preset;
use callsign_core::endpoint::INFERENCE;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::format::Format;
use callsign_core::identity::identifier::TABLE;
use callsign_core::identity::{Policy, limit};

/// `GET user-mapping/configuration`: valves, formats, limits and sources of one tenant, with an example.
pub(super) async fn configuration(
    State(operator): State<Arc<Operator>>,
    Params(of): Params<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let view = operator.view();
    let tenant = of.tenant.as_deref().filter(|name| !name.is_empty());
    let policy = view.tenants.policy_of(tenant)?;
    let valves: Map<_, _> =
        policy.valves.list().into_iter().map(|valve| (valve.variable.to_owned(), json!(valve.on))).collect();
    let formats: Map<_, _> =
        formats(policy).map(|(name, format)| (name.to_owned(), json!(format.to_string()))).collect();
    Ok(Json(json!({
        "tenant": tenant,
        "tenants": view.tenants.list.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>(),
        "valves": valves,
        "formats": formats,
        "missing_user": policy.missing_user.to_string(),
        "limits": {
            "max_id_chars": policy.max_id_chars,
            "metadata_pairs": limit::METADATA_PAIRS,
            "metadata_key_chars": limit::METADATA_KEY_CHARS,
            "metadata_value_chars": limit::METADATA_VALUE_CHARS,
            "max_body_bytes": view.max_body_bytes,
        },
        "sources": sources(&view, of.tenant.as_deref()),
        "example": example(policy, tenant),
    })))
}

/// Returns the formats by the names of their environment variables.
pub(crate) fn formats(policy: &Policy) -> impl Iterator<Item = (&'static str, &Format)> {
    TABLE.iter().map(|row| (row.format.variable, &policy.formats[row.identifier]))
}

/// Lists the accepted credentials and the headers that each one's identity is read from.
pub(crate) fn sources(view: &View, tenant: Option<&str>) -> Vec<Value> {
    let callers = &view.callers;
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

/// Returns the identifiers that the sample caller's requests would carry, for the most common endpoints.
pub(crate) fn example(policy: &Policy, tenant: Option<&str>) -> Value {
    let sources = CallerIdentity { tenant, ..CallerIdentity::SAMPLE };
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
    let ids = TABLE.iter().filter_map(|row| Some((row.label.to_owned(), json!(sources.get(row.source?)))));
    Value::Object(ids.chain([("identifiers".to_owned(), Value::Object(sent))]).collect())
}
