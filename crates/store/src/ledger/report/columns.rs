//! The columns of the table that `callsign usage` prints (docs/SPEC.md#usage). JSON and CSV always have all.

use super::Cells;
use crate::ledger::query::{By, Grouping, UsageRow};

/// Columns that a person reads, besides those of the grouping. With identifiers of usual lengths they fit 120 characters.
const USUAL: [&str; 7] =
    ["requests", "errors", "refused", "prompt_tokens", "completion_tokens", "cost_usd", "last_seen"];
/// The one of them for which two groupings leave no room.
const WIDE: &str = "last_seen";

/// The columns of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Columns {
    /// Those that a person reads; the tenant only if a row has one.
    #[default]
    Usual,
    /// All.
    All,
    /// Those of the grouping and these, in this order.
    Named(Vec<String>),
}

/// A column that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no column {0:?}; there are {1}")]
pub struct ColumnError(String, String);

impl Columns {
    /// Returns the names of the columns for these rows.
    ///
    /// # Errors
    /// [`ColumnError`] for an unknown name.
    pub(super) fn names(&self, by: Grouping, all: &Cells, rows: &[UsageRow]) -> Result<Vec<String>, ColumnError> {
        let own: Vec<&str> = by.iter().map(By::name).collect();
        let all = || all.iter().map(|(name, _)| name.as_str());
        let names: Vec<&str> = match self {
            Self::All => return Ok(all().map(str::to_owned).collect()),
            Self::Usual => {
                let has_tenant = rows.iter().any(|row| row.tenant.is_some()) && !by.has(By::Tenant);
                let usual = USUAL.into_iter().filter(|name| *name != WIDE || by.second.is_none());
                own.into_iter().chain(usual).chain(has_tenant.then_some("tenant")).collect()
            }
            Self::Named(names) => {
                let more = names.iter().map(String::as_str).filter(|name| !own.contains(name));
                own.iter().copied().chain(more).collect()
            }
        };
        if let Some(unknown) = names.iter().find(|name| !all().any(|known| known == **name)) {
            return Err(ColumnError((*unknown).to_owned(), all().collect::<Vec<_>>().join(", ")));
        }
        Ok(names.into_iter().map(str::to_owned).collect())
    }
}

/// Selects the cells of these columns, in their order.
pub(super) fn select(cells: &Cells, names: &[String]) -> Cells {
    names.iter().filter_map(|name| cells.iter().find(|(of, _)| of == name).cloned()).collect()
}
