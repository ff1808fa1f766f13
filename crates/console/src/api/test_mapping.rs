//! `test-mapping`: tries a caller's ids in a self-test and shows what arrived.
//!
//! The request also contains spoofed identifiers, so `passed` includes that these were removed. With `live` an ordinary
//! request goes to OpenRouter as well, with the operator's (or the tenant's) key. It costs a fraction of a cent and gets
//! a ledger row like any other request, under the key name of live tests, and a row of the audit log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use callsign_core::endpoint::Inference;
use callsign_store::limits::acts::Act;
use callsign_store::person::Person;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::ApiError;
use crate::ask::OfTenant;
use crate::operator::Operator;
use crate::parameters::{JsonBody, Params};
use crate::roles::Caller;
use crate::self_test::{SelfTestError, Trial};

/// The body of `POST user-mapping/test-mapping`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    user_id: String,
    session_id: Option<String>,
    chat_id: Option<String>,
    message_id: Option<String>,
    endpoint: Option<String>,
    model: Option<String>,
    #[serde(default)]
    live: bool,
}

/// `POST user-mapping/test-mapping`: runs the self-test and returns what arrived.
pub(super) async fn test_mapping(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    Params(of): Params<OfTenant>,
    JsonBody(body): JsonBody<Body>,
) -> Result<Json<Value>, ApiError> {
    let body = body.ok_or_else(|| ApiError::Invalid("the body: expected JSON with a user_id".to_owned()))?;
    let endpoint = body.endpoint.as_deref().unwrap_or("chat");
    let endpoint =
        Inference::find_by_name(endpoint).map_err(|names| ApiError::Invalid(format!("endpoint: {names}")))?;
    let tenant = of.tenant.filter(|name| !name.is_empty());
    operator.view().tenants.policy_of(tenant.as_deref())?;
    let Body { user_id, session_id, chat_id, message_id, model, live, .. } = body;
    let person = Person { tenant: tenant.clone(), user: user_id.clone() };
    let trial = Trial { endpoint, tenant, user_id, session_id, chat_id, message_id, model, live };

    let _one_at_a_time = operator.stage.lock().await;
    let report = (operator.deps.self_test.0)(trial).await.map_err(|error| match error {
        SelfTestError::Invalid(reason) => ApiError::Invalid(reason),
        SelfTestError::Failed(reason) => ApiError::SelfTest(reason),
    })?;
    if let Some(generation) = report.live["generation_id"].as_str() {
        let act = Act::live_test(caller.name(), &person, generation);
        operator.deps.limiter.operator_state().record(&act);
    }
    Ok(Json(json!({
        "identifiers": report.identifiers,
        "received": { "headers": report.headers, "body": report.body },
        "passed": report.passed,
        "live": report.live,
    })))
}
