//! Keys in the database: list, create, rotate and revoke, as the command `key` does (docs/SPEC.md#key-commands).
//!
//! A new key is in one answer, which is not to be cached. No log and no audit row has it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use serde::Deserialize;
use serde_json::Value;

use super::blocks::time;
use super::limits::Amount;
use crate::answer::ApiError;
use crate::operator::Operator;
use crate::parameters::{FromParameters, Id, JsonBody, Parameters, Params};
use crate::roles::Caller;
use callsign_core::allowance::{Ceiling, Limit};
use callsign_store::limits::keys::list::keys_json;
use callsign_store::limits::operator_state::acknowledgement::Acknowledgement;
use callsign_store::limits::orders::key::{self as order, Create, For, KeyOrderError, NewKey, USUAL_OVERLAP};
use callsign_store::limits::orders::{limit, results};

/// The answer with a new key.
type Created = (StatusCode, [(HeaderName, &'static str); 1], Json<Value>);

/// The body of `POST keys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    user: Option<String>,
    app: Option<String>,
    preset: Option<String>,
    name: Option<String>,
    tenant: Option<String>,
    expires_seconds: Option<u64>,
    #[serde(default)]
    limits: BTreeMap<String, Amount>,
    #[serde(default)]
    allowed_networks: Vec<String>,
}

/// The body of `POST keys/{name}/rotate`. The body and its member are optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    overlap_seconds: Option<u64>,
}

/// The query parameter of `DELETE keys/{name}`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut(bool);

impl FromParameters for Cut {
    fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let parse = |text: &str| text.parse().map_err(|_| "takes true or false");
        Ok(Self(parameters.parsed("cut", parse)?.unwrap_or_default()))
    }
}

/// `GET keys`: lists the keys.
pub(super) async fn list(State(operator): State<Arc<Operator>>, Params(()): Params<()>) -> Json<Value> {
    Json(keys_json(&operator.deps.limiter.operator_state().listed_keys()))
}

/// `POST keys`: creates a key.
pub(super) async fn create(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    Params(()): Params<()>,
    JsonBody(wish): JsonBody<Wish>,
) -> Result<Created, ApiError> {
    let wish = wish.ok_or_else(|| ApiError::Invalid("expected a body such as {\"user\":\"alice\"}".to_owned()))?;
    let order = wish.order(caller.name())?;
    let (new, told) = operator.create_key(order).await?;
    tracing::info!("admin: created a key");
    Ok(created(&new, &told, StatusCode::CREATED))
}

/// `POST keys/{name}/rotate`: replaces a key.
pub(super) async fn rotate(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    Id(name): Id,
    Params(()): Params<()>,
    JsonBody(rotation): JsonBody<Rotation>,
) -> Result<Created, ApiError> {
    let overlap = rotation.unwrap_or_default().overlap_seconds.map_or(USUAL_OVERLAP, Duration::from_secs);
    let (new, told) = operator.rotate_key(&name, overlap, caller.name()).await?;
    tracing::info!("admin: rotated a key");
    Ok(created(&new, &told, StatusCode::OK))
}

/// `DELETE keys/{name}`: revokes a key.
pub(super) async fn revoke(
    State(operator): State<Arc<Operator>>,
    caller: Caller,
    Id(name): Id,
    Params(Cut(cut)): Params<Cut>,
) -> Result<Json<Value>, ApiError> {
    let state = operator.deps.limiter.operator_state();
    let generation = state.revoke_key(&name, cut, caller.name()).map_err(KeyOrderError::from)?;
    tracing::info!(cut, "admin: revoked a key");
    let mut told = results::revoked(&name, cut);
    results::acknowledge(&mut told, &state.acknowledged(generation).await);
    Ok(Json(told))
}

impl Wish {
    fn order(self, by: &str) -> Result<Create, ApiError> {
        let Self { user, app, preset, name, tenant, expires_seconds, limits, allowed_networks } = self;
        let of = match (user, app) {
            (Some(user), None) if preset.is_none() => For::User(user),
            (None, Some(app)) => For::App(app, preset),
            _ => return Err(ApiError::Invalid("expected either user, or app with an optional preset".to_owned())),
        };
        let expires = time("expires_seconds", expires_seconds)?;
        let limits = limits.into_iter().map(|(name, amount)| ceiling(&name, &amount.into_text()));
        Ok(Create {
            of,
            name,
            tenant,
            expires,
            limits: limits.collect::<Result<_, _>>()?,
            from: allowed_networks,
            by: by.to_owned(),
        })
    }
}

/// Parses a limit of a new key.
pub(crate) fn ceiling(name: &str, text: &str) -> Result<(Limit, Ceiling), ApiError> {
    match limit::value(name, text) {
        Ok((limit, Some(ceiling))) => Ok((limit, ceiling)),
        Ok((_, None)) => Err(ApiError::Invalid(format!("limits.{name}: a new key has no value to return to"))),
        Err(problem) => Err(ApiError::Invalid(format!("limits.{name}: {problem}"))),
    }
}

impl Operator {
    /// Creates a key that the shared place has when it returns.
    ///
    /// # Errors
    /// [`KeyOrderError`]. Nothing is changed then.
    pub(crate) async fn create_key(&self, order: Create) -> Result<(NewKey, Acknowledgement), KeyOrderError> {
        let (view, state) = (self.view(), self.deps.limiter.operator_state());
        let new = order::create(state, view.configured(), order)?;
        let told = state.acknowledged(new.generation).await;
        new.confirm(state, &told)?;
        Ok((new, told))
    }

    /// Replaces a key. The new one is in force in this process even if no place takes it yet, and the earlier one will
    /// end. So the operator always gets the new one.
    ///
    /// # Errors
    /// [`KeyOrderError`].
    pub(crate) async fn rotate_key(
        &self,
        name: &str,
        overlap: Duration,
        by: &str,
    ) -> Result<(NewKey, Acknowledgement), KeyOrderError> {
        let state = self.deps.limiter.operator_state();
        let new = order::rotate(state, name, overlap, by)?;
        let told = state.acknowledged(new.generation).await;
        Ok((new, told))
    }
}

/// Returns the answer with a new key.
fn created(new: &NewKey, told: &Acknowledgement, status: StatusCode) -> Created {
    let mut answer = results::new_key(new);
    results::acknowledge(&mut answer, told);
    (status, [(CACHE_CONTROL, "no-store")], Json(answer))
}
