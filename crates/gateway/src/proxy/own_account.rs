//! Answers `key`, `auth/key` and `credits`: a caller sees callsign as an account of their own
//! (`docs/SPEC.md#account-endpoints`).
//!
//! The answers have the shapes of OpenRouter's `GET /key` and `GET /credits`, and nothing of the operator's account.

use bytes::Bytes;
use callsign_core::allowance::Limit;
use callsign_core::auth::Caller;
use callsign_core::endpoint::SelfService;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{By, Filter};
use callsign_store::ledger::{LedgerError, Reader, report};
use callsign_store::limits::{Gauge, Limiter, Subject};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::self_service_error::SelfServiceError;
use super::snapshot::Snapshot;

/// A period of usage, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Period {
    Day,
    Week,
    Month,
    Lifetime,
}

/// The amounts of one caller; `None` where an amount is not known.
#[derive(Debug, Default)]
struct Amounts {
    limit: Option<NanoUsd>,
    /// The name of the period of the limit.
    reset: Option<&'static str>,
    usage: Option<NanoUsd>,
    daily: Option<NanoUsd>,
    weekly: Option<NanoUsd>,
    monthly: Option<NanoUsd>,
}

/// Answers a question about the caller's account.
///
/// # Errors
/// [`SelfServiceError`] if the ledger, or the store of limits without a ledger, does not answer.
pub(super) async fn answer(
    question: SelfService,
    snapshot: &Snapshot,
    caller: &Caller<'_>,
    reader: Option<&Reader>,
    limiter: &Limiter,
) -> Result<Response<Bytes>, SelfServiceError> {
    // All users of an app look the same without a name, so an app key alone has no amounts.
    let amounts = match caller.user.as_deref() {
        Some(user) => Amounts::of(snapshot, caller, user, reader, limiter).await?,
        None => Amounts::default(),
    };
    let body = match question {
        SelfService::Credits => amounts.credits(),
        _ => amounts.key(&caller.key),
    };
    let mut answer = Response::new(Bytes::from(body.to_string()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(answer)
}

impl Amounts {
    async fn of(
        snapshot: &Snapshot,
        caller: &Caller<'_>,
        user: &str,
        reader: Option<&Reader>,
        limiter: &Limiter,
    ) -> Result<Self, SelfServiceError> {
        let (identity, markup) = (caller.identity(), snapshot.tenant(caller.tenant.as_deref()).markup);
        let ceilings = snapshot.rules.ceilings(&identity, &limiter.overrides());
        let budget = [(Limit::UsdMonth, Period::Month, "monthly"), (Limit::UsdDay, Period::Day, "daily")]
            .into_iter()
            .find_map(|(limit, period, reset)| Some((ceilings.of(limit)?, period, reset)));
        let period = budget.map_or(Period::Lifetime, |(_, period, _)| period);
        let mut amounts = Self {
            limit: budget.map(|(limit, ..)| markup.charge(NanoUsd(limit))),
            reset: budget.map(|(.., reset)| reset),
            ..Self::default()
        };
        if let Some(reader) = reader {
            let now = Timestamp::now();
            let charged = async |period| charged(reader, caller.tenant.as_deref(), user, start(period, now)).await;
            amounts.daily = Some(charged(Period::Day).await?);
            amounts.weekly = Some(charged(Period::Week).await?);
            amounts.monthly = Some(charged(Period::Month).await?);
            amounts.usage = match period {
                Period::Day => amounts.daily,
                Period::Month => amounts.monthly,
                Period::Week | Period::Lifetime => Some(charged(Period::Lifetime).await?),
            };
            return Ok(amounts);
        }
        let gauges = limiter.look(Subject::of(&identity), ceilings).await?;
        let counted = |limit: Limit| {
            let Gauge { used, .. } = gauges[limit as usize];
            ceilings.of(limit).map(|_| markup.charge(NanoUsd(used)))
        };
        (amounts.daily, amounts.monthly) = (counted(Limit::UsdDay), counted(Limit::UsdMonth));
        amounts.usage = amounts.monthly.or(amounts.daily);
        Ok(amounts)
    }

    fn remaining(&self) -> Option<NanoUsd> {
        Some(NanoUsd((self.limit?.0 - self.usage?.0).max(0)))
    }

    fn key(&self, name: &str) -> Value {
        json!({"data": {
            "label": name, "limit": usd(self.limit), "limit_remaining": usd(self.remaining()),
            "limit_reset": self.reset, "usage": usd(self.usage), "usage_daily": usd(self.daily),
            "usage_weekly": usd(self.weekly), "usage_monthly": usd(self.monthly), "byok_usage": 0,
            "byok_usage_daily": 0, "byok_usage_weekly": 0, "byok_usage_monthly": 0, "include_byok_in_limit": true,
            "is_free_tier": false, "is_management_key": false, "is_provisioning_key": false, "expires_at": null,
            "creator_user_id": null, "organization_id": null, "workspace_id": null, "budgets": [],
            "effective_budget": null, "allowed_data_regions": null,
            "rate_limit": {"interval": "10s", "note": "This field is deprecated and safe to ignore.", "requests": -1},
        }})
    }

    fn credits(&self) -> Value {
        json!({"data": {"total_credits": usd(self.limit), "total_usage": usd(self.usage)}})
    }
}

/// Returns what a user was charged since a time. The tenant's markup is included.
async fn charged(
    reader: &Reader,
    tenant: Option<&str>,
    user: &str,
    since: Option<Timestamp>,
) -> Result<NanoUsd, LedgerError> {
    let filter = Filter {
        since,
        tenant: Some(tenant.unwrap_or_default().to_owned()),
        user: Some(user.to_owned()),
        ..Filter::default()
    };
    let rows = reader.usage(By::User, &filter).await?;
    Ok(rows.iter().fold(NanoUsd::ZERO, |sum, row| sum.saturating_add(row.charged)))
}

/// Returns the start of the period that contains `now`; `None` for the lifetime. Weeks begin on Monday.
fn start(period: Period, now: Timestamp) -> Option<Timestamp> {
    let today: Date = now.to_zoned(TimeZone::UTC).date();
    let first = match period {
        Period::Lifetime => return None,
        Period::Day => today,
        Period::Week => today.checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days()).ok()?,
        Period::Month => today.first_of_month(),
    };
    Some(first.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Returns an amount as a JSON number of dollars.
fn usd(amount: Option<NanoUsd>) -> Value {
    amount.and_then(|amount| report::usd(amount).parse().ok()).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_in_utc() {
        let now = "2026-11-27T23:59:59Z".parse().unwrap();
        for (period, expected) in [
            (Period::Day, Some("2026-11-27T00:00:00Z")),
            (Period::Week, Some("2026-11-23T00:00:00Z")),
            (Period::Month, Some("2026-11-01T00:00:00Z")),
            (Period::Lifetime, None),
        ] {
            assert_eq!(start(period, now), expected.map(|text| text.parse().unwrap()), "{period:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_null_and_nothing_is_negative() {
        let nobody = Amounts::default();
        assert_eq!(nobody.credits(), json!({"data": {"total_credits": null, "total_usage": null}}));
        assert_eq!(
            (&nobody.key("app")["data"]["label"], &nobody.key("app")["data"]["limit"]),
            (&json!("app"), &Value::Null)
        );
        let (limit, usage) = (Some(NanoUsd(1_000_000_000)), Some(NanoUsd(1_250_000_000)));
        let over = Amounts { limit, usage, ..Amounts::default() };
        assert_eq!(over.key("k")["data"]["limit_remaining"], json!(0));
        assert_eq!(over.credits(), json!({"data": {"total_credits": 1, "total_usage": 1.25}}));
    }
}
