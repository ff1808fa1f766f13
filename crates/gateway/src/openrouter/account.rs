//! The account of a key: its limits and the id of its owner (`GET /key`).

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use callsign_core::usage::generation::fits;
use callsign_core::usage::money::NanoUsd;

/// The account of a key. The ids can reveal what providers get as the account's identity, so they are not printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// OpenRouter's label of the key.
    pub label: String,
    /// The key's own limit; `None` if it has none.
    pub limit: Option<NanoUsd>,
    /// The rest of the key's own limit. Zero if it is overdrawn.
    pub remaining: Option<NanoUsd>,
    /// The budget that refuses requests first, of the key, its workspace or a guardrail; `None` if there is none.
    pub budget: Option<Budget>,
    /// The organisation that owns the key.
    pub organization: Option<AccountId>,
    /// The user who created the key.
    pub creator: Option<AccountId>,
}

/// A budget at OpenRouter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The rest of the budget. Zero if it is overdrawn; OpenRouter then refuses requests with 403.
    pub remaining: NanoUsd,
    /// The time at which the budget begins again, as RFC 3339; `None` if it never does.
    pub resets_at: Option<String>,
}

/// The id of an organisation or user at OpenRouter. It does not print its content.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountId(String);

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    label: String,
    #[serde(borrow)]
    limit: Option<&'a RawValue>,
    #[serde(borrow)]
    limit_remaining: Option<&'a RawValue>,
    #[serde(borrow)]
    effective_budget: Option<KeyBudget<'a>>,
    organization_id: Option<String>,
    creator_user_id: Option<String>,
}

#[derive(Deserialize)]
struct KeyBudget<'a> {
    #[serde(borrow)]
    remaining_usd: &'a RawValue,
    resets_at: Option<String>,
}

impl Account {
    /// Returns the id that OpenRouter hashes together with a user: that of the organisation, else that of the key's
    /// creator (docs/SPEC.md#organisation-id).
    pub fn id(&self) -> Option<&AccountId> {
        self.organization.as_ref().or(self.creator.as_ref())
    }

    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let Envelope { data } = serde_json::from_slice(body).ok()?;
        let name = |name: Option<String>| name.filter(|name| fits(name));
        let budget = match data.effective_budget {
            Some(budget) => {
                Some(Budget { remaining: amount(budget.remaining_usd)?, resets_at: name(budget.resets_at) })
            }
            None => None,
        };
        Some(Self {
            label: name(Some(data.label)).unwrap_or_default(),
            limit: data.limit.map_or(Some(None), |limit| amount(limit).map(Some))?,
            remaining: data.limit_remaining.map_or(Some(None), |rest| amount(rest).map(Some))?,
            budget,
            organization: name(data.organization_id).map(AccountId),
            creator: name(data.creator_user_id).map(AccountId),
        })
    }
}

impl AccountId {
    /// Returns the id. It must not reach logs or callers.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("AccountId(…)")
    }
}

/// Parses an amount. Less than nothing is nothing.
fn amount(raw: &RawValue) -> Option<NanoUsd> {
    match raw.get().strip_prefix('-') {
        Some(overdrawn) => NanoUsd::parse(overdrawn).map(|_| NanoUsd::ZERO),
        None => NanoUsd::parse(raw.get()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(members: &str) -> Option<Account> {
        Account::parse(format!(r#"{{"data":{{"label":"sk-or-v1-0e6...1c9"{members}}}}}"#).as_bytes())
    }

    #[test]
    fn an_account_is_read() {
        let account = read(
            r#","limit":100,"limit_remaining":74.5,"usage":25.5,"organization_id":"org_1","creator_user_id":"user_1",
               "effective_budget":{"remaining_usd":1e-3,"resets_at":"2026-12-01T00:00:00Z","scope":"workspace"},"x":[]"#,
        )
        .unwrap();
        assert_eq!(account.label, "sk-or-v1-0e6...1c9");
        assert_eq!((account.limit, account.remaining), (Some(NanoUsd(100_000_000_000)), Some(NanoUsd(74_500_000_000))));
        let resets_at = Some("2026-12-01T00:00:00Z".to_owned());
        assert_eq!(account.budget, Some(Budget { remaining: NanoUsd(1_000_000), resets_at }));
        assert_eq!(account.id().map(AccountId::expose), Some("org_1"));
        let printed = format!("{account:?}");
        assert!(!printed.contains("org_1") && !printed.contains("user_1"), "{printed}");
    }

    #[test]
    fn a_key_without_limits_and_organization_is_read() {
        let account = read(
            r#","limit":null,"limit_remaining":null,"effective_budget":null,"organization_id":null,"creator_user_id":"u""#,
        )
        .unwrap();
        assert_eq!((account.limit, account.remaining, &account.budget), (None, None, &None));
        assert_eq!(account.id().map(AccountId::expose), Some("u"));
        assert_eq!(read("").unwrap().id(), None);
    }

    #[test]
    fn an_overdrawn_key_has_nothing_left() {
        let account = read(r#","limit_remaining":-0.25,"effective_budget":{"remaining_usd":-3}"#).unwrap();
        assert_eq!(account.remaining, Some(NanoUsd::ZERO));
        assert_eq!(account.budget, Some(Budget { remaining: NanoUsd::ZERO, resets_at: None }));
    }

    #[test]
    fn an_invalid_answer_is_no_account() {
        for members in [r#","limit":"much""#, r#","limit_remaining":--1"#, r#","effective_budget":{}"#] {
            assert_eq!(read(members), None, "{members}");
        }
        for body in ["", "{}", r#"{"data":{}}"#, r#"{"error":{"code":401}}"#] {
            assert_eq!(Account::parse(body.as_bytes()), None, "{body}");
        }
    }
}
