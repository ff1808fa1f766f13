//! The mapping from users to the identifiers that OpenRouter receives: per user, as counts, and its problems.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::answer::ApiError;
use crate::ask::{OfTenant, only_user};
use crate::operator::Operator;
use crate::parameters::{Id, Params};
use crate::view::View;
use callsign_core::endpoint::INFERENCE;
use callsign_core::identity::Reason;
use callsign_core::identity::identifier::Identifier;
use callsign_store::ledger::query::{Collision, Mapping, Statistics};
use callsign_store::ledger::report::time;

/// Maximum number of users that `validate` lists. `statistics` counts all of them.
const LISTED: u32 = 10_000;

/// `GET user-mapping/validate`: the status of every user.
pub(super) async fn validate(
    State(operator): State<Arc<Operator>>,
    Params(()): Params<()>,
) -> Result<Json<Value>, ApiError> {
    let reader = operator.reader()?;
    let (statistics, mappings) = (reader.statistics().await?, reader.mappings(None, LISTED).await?);
    let view = operator.view();
    let mut sharing = BTreeMap::new();
    for collision in &statistics.collisions {
        for user in &collision.users {
            sharing.insert(user.clone(), collision);
        }
    }
    let statuses: Vec<_> = mappings
        .into_iter()
        .map(|mapping| {
            let shared = sharing.get(&(mapping.tenant.clone(), mapping.user.clone()));
            let error = shared.map(|collision| collided(collision)).or_else(|| unmapped(&view, &mapping));
            json!({
                "user_id": mapping.user,
                "tenant": mapping.tenant,
                "external_user_id": mapping.external_user_id,
                "mapping_valid": error.is_none(),
                "error_message": error,
            })
        })
        .collect();
    let errors: Vec<_> = statistics.collisions.iter().map(collided).collect();
    Ok(Json(json!({
        "configuration_valid": errors.is_empty(),
        "total_users": statistics.users,
        "successful_mappings": statistics.mapped,
        "failed_mappings": statistics.unmapped,
        "validation_timestamp": time(Some(Timestamp::now())),
        "errors": errors,
        "user_statuses": statuses,
    })))
}

/// `GET user-mapping/statistics`: counts of mapped, unmapped and colliding users.
pub(super) async fn statistics(
    State(operator): State<Arc<Operator>>,
    Params(()): Params<()>,
) -> Result<Json<Value>, ApiError> {
    let statistics = operator.reader()?.statistics().await?;
    let collisions: Vec<_> = statistics
        .collisions
        .iter()
        .map(|collision| {
            let users = collision.users.iter().map(|(tenant, user)| json!({ "user_id": user, "tenant": tenant }));
            json!({ "external_user_id": collision.external_user_id, "users": users.collect::<Vec<_>>() })
        })
        .collect();
    Ok(Json(json!({
        "total_users": statistics.users,
        "successful_mappings": statistics.mapped,
        "failed_mappings": statistics.unmapped,
        "unique_external_ids": statistics.distinct,
        "collisions": collisions,
        "omitted": operator.deps.metrics.omitted.by_reason().into_iter().collect::<BTreeMap<_, _>>(),
        "mapping_success_rate": success_rate(&statistics),
    })))
}

/// `GET user-mapping/user/{user_id}/mapping`: one user's identifiers.
pub(super) async fn of_user(
    State(operator): State<Arc<Operator>>,
    Id(user): Id,
    Params(of): Params<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let person = operator.person(&user, of.tenant.as_deref()).await?;
    Ok(Json(json!({
        "user_id": person.user,
        "tenant": person.tenant,
        "external_user_id": person.external_user_id,
        "identifiers": per_endpoint(&operator.view(), &person),
        "first_seen": time(Some(person.first_seen)),
        "last_seen": time(Some(person.last_seen)),
        "requests": person.requests,
    })))
}

/// Returns the identifiers that would be sent for this user now on each endpoint, without session, chat and message.
pub(crate) fn per_endpoint(view: &View, person: &Mapping) -> Map<String, Value> {
    let tenant = person.tenant.as_deref();
    let sources = only_user(&person.user, tenant);
    let identified = INFERENCE.iter().map(|endpoint| {
        let identifiers = view.tenants.policy_or_operator(tenant).identify(&sources, &[], endpoint.fields);
        (
            endpoint.path.to_owned(),
            Value::Object(identifiers.map(|identifiers| identifiers.to_json()).unwrap_or_default()),
        )
    });
    identified.collect()
}

/// Returns the share of mapped users in percent, rounded down to two decimals. It is 100 if there are no users.
pub(crate) fn success_rate(statistics: &Statistics) -> f64 {
    if statistics.users == 0 {
        return 100.0;
    }
    let hundredths = u128::from(statistics.mapped) * 10_000 / u128::from(statistics.users);
    f64::from(u32::try_from(hundredths).unwrap_or(10_000)) / 100.0
}

/// Describes users who share one identifier, as an error message.
pub(crate) fn collided(collision: &Collision) -> String {
    let names = collision.users.iter().map(|(tenant, user)| match tenant {
        Some(tenant) => format!("{user} of {tenant}"),
        None => user.clone(),
    });
    format!(
        "collision: {} stands for {} users ({}); make USER_ID_FORMAT longer",
        collision.external_user_id,
        collision.users.len(),
        names.collect::<Vec<_>>().join(", ")
    )
}

/// Returns the reason why no identifier is sent for this user, according to the configuration in force. `None` if one
/// is sent.
pub(crate) fn unmapped(view: &View, person: &Mapping) -> Option<String> {
    if person.external_user_id.is_some() {
        return None;
    }
    let tenant = person.tenant.as_deref();
    let policy = view.tenants.policy_or_operator(tenant);
    if !policy.valves[Identifier::User] {
        return Some("SEND_END_USER_ID is off".to_owned());
    }
    let chat = INFERENCE.first().map(|endpoint| endpoint.fields)?;
    Some(match policy.identify(&only_user(&person.user, tenant), &[], chat) {
        Err(required) => required.to_string(),
        Ok(identifiers) => match identifiers
            .omitted
            .iter()
            .find(|omission| omission.identifier == Some(Identifier::User))
        {
            Some(omission) if omission.reason == Reason::TooLong => "longer than CALLSIGN_MAX_ID_CHARS".to_owned(),
            Some(omission) => omission.reason.name().to_owned(),
            None => {
                "the latest request went to an endpoint without a user field, or came before SEND_END_USER_ID was set"
                    .to_owned()
            }
        },
    })
}
