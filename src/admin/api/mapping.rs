//! How users are known outside: each one, all of them counted, and what is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::admin::Operator;
use crate::admin::answer::ApiError;
use crate::admin::ask::{OfTenant, only_user, policy};
use crate::config::Config;
use crate::endpoint::INFERENCE;
use crate::identifiers::Reason;
use crate::ledger::query::{Collision, Mapping, Statistics};
use crate::ledger::report::time;

/// As many users are listed by `validate`; `statistics` counts all of them.
const LISTED: u32 = 10_000;

/// `GET user-mapping/validate`.
pub(super) async fn validate(State(operator): State<Arc<Operator>>) -> Result<Json<Value>, ApiError> {
    let reader = operator.reader()?;
    let (statistics, mappings) = (reader.statistics().await?, reader.mappings(None, LISTED).await?);
    let config = operator.config();
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
            let error = shared.map(|collision| collided(collision)).or_else(|| unmapped(&config, &mapping));
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

/// `GET statistics`.
pub(super) async fn statistics(State(operator): State<Arc<Operator>>) -> Result<Json<Value>, ApiError> {
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
        "omitted": operator.fixtures.metrics.omitted_by_reason().into_iter().collect::<BTreeMap<_, _>>(),
        "mapping_success_rate": success_rate(&statistics),
    })))
}

/// `GET user/{user_id}/mapping`.
pub(super) async fn of_user(
    State(operator): State<Arc<Operator>>,
    Path(user): Path<String>,
    Query(of): Query<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    let person = operator.person(&user, of.tenant.as_deref()).await?;
    Ok(Json(json!({
        "user_id": person.user,
        "tenant": person.tenant,
        "external_user_id": person.external_user_id,
        "identifiers": per_endpoint(&operator.config(), &person),
        "first_seen": time(Some(person.first_seen)),
        "last_seen": time(Some(person.last_seen)),
        "requests": person.requests,
    })))
}

/// What would be sent for this person on each endpoint now, were nothing but the user known.
pub(in crate::admin) fn per_endpoint(config: &Config, person: &Mapping) -> Map<String, Value> {
    let tenant = person.tenant.as_deref();
    let sources = only_user(&person.user, tenant);
    let identified = INFERENCE.iter().map(|endpoint| {
        let identifiers = policy(config, tenant).identify(&sources, &[], endpoint.fields);
        (
            endpoint.path.to_owned(),
            Value::Object(identifiers.map(|identifiers| identifiers.to_json()).unwrap_or_default()),
        )
    });
    identified.collect()
}

/// The share of users who are known outside by an identifier, in percent; all of none.
pub(in crate::admin) fn success_rate(statistics: &Statistics) -> f64 {
    if statistics.users == 0 {
        return 100.0;
    }
    let hundredths = u128::from(statistics.mapped) * 10_000 / u128::from(statistics.users);
    f64::from(u32::try_from(hundredths).unwrap_or(10_000)) / 100.0
}

/// Several users who cannot be told apart.
pub(in crate::admin) fn collided(collision: &Collision) -> String {
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

/// Why nothing is sent for this user, as far as the configuration in force tells.
pub(in crate::admin) fn unmapped(config: &Config, person: &Mapping) -> Option<String> {
    if person.external_user_id.is_some() {
        return None;
    }
    let tenant = person.tenant.as_deref();
    let policy = policy(config, tenant);
    if !policy.valves.user {
        return Some("SEND_END_USER_ID is off".to_owned());
    }
    let chat = INFERENCE.first().map(|endpoint| endpoint.fields)?;
    Some(match policy.identify(&only_user(&person.user, tenant), &[], chat) {
        Err(required) => required.to_string(),
        Ok(identifiers) => match identifiers.omitted.iter().find(|omission| omission.field == "user_id") {
            Some(omission) if omission.reason == Reason::TooLong => "longer than CALLSIGN_MAX_ID_CHARS".to_owned(),
            Some(omission) => omission.reason.name().to_owned(),
            None => {
                "its latest request went to an endpoint that takes no user, or was sent before the valve was opened"
                    .to_owned()
            }
        },
    })
}
