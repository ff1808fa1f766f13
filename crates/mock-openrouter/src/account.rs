//! The operator's account: the information of `GET /key`, and its refusals.

use http::StatusCode;
use serde_json::{Value, json};

use super::books::Total;
use super::errors::{ORG_ID, usual_message};
use super::money::dollars;

/// The spending limit of every key in nano-dollars: a million dollars, so that no test reaches it.
const LIMIT: u64 = 1_000_000_000_000_000;

/// A reason for which the account refuses all inference requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountRefusal {
    /// 401: the key is deleted or disabled. `GET /key` and `GET /generation` answer 401 too.
    Unauthorized,
    /// 402: the account has no credits.
    PaymentRequired,
    /// 403: the key or the workspace has reached its spending limit.
    Forbidden,
}

impl AccountRefusal {
    /// Returns the status of the refused requests.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
            Self::Forbidden => StatusCode::FORBIDDEN,
        }
    }

    /// Returns the message in the error body.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Forbidden => "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys",
            Self::Unauthorized | Self::PaymentRequired => usual_message(self.status()),
        }
    }
}

/// Returns the body of `GET /key`. `spent` is the total of the books; all of it was spent today.
pub(super) fn key(spent: Total) -> Value {
    let mut data = json!({
        "label": "sk-or-v1-moc...key", "limit": dollars(LIMIT),
        "limit_remaining": dollars(LIMIT.saturating_sub(spent.cost)), "limit_reset": null,
        "include_byok_in_limit": false, "is_free_tier": false, "is_management_key": false,
        "is_provisioning_key": false, "creator_user_id": "user_2mock0operator0account", "organization_id": ORG_ID,
        "workspace_id": "0df9e665-d932-4740-b2c7-b52af166bc11", "expires_at": null, "budgets": [],
        "effective_budget": null, "allowed_data_regions": null,
        "rate_limit": {"interval": "10s", "note": "This field is deprecated and safe to ignore.", "requests": -1},
    });
    for (name, amount) in [("usage", spent.cost), ("byok_usage", spent.provider_cost)] {
        data[name] = dollars(amount);
        for period in ["daily", "weekly", "monthly"] {
            data[format!("{name}_{period}")] = dollars(amount);
        }
    }
    json!({"data": data})
}

/// Returns the body of `GET /credits`.
pub(super) fn credits(spent: Total) -> Value {
    json!({"data": {"total_credits": dollars(LIMIT), "total_usage": dollars(spent.cost)}})
}

#[cfg(test)]
mod tests {
    use super::super::money::nano;
    use super::*;

    #[test]
    fn the_key_tells_what_is_spent_and_what_remains() {
        let body = key(Total { requests: 2, cost: 420_007, provider_cost: 9 });
        let told = |name: &str| nano(&body["data"][name]);
        assert_eq!((told("usage"), told("usage_daily"), told("byok_usage")), (420_007, 420_007, 9));
        assert_eq!(told("limit_remaining"), LIMIT - 420_007);
        assert_eq!(body["data"]["organization_id"], ORG_ID);
    }
}
