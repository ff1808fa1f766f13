//! Formats the audit log, for the command line and the admin API. Ids and reasons are untrusted.

use serde_json::{Map, Value, json};

use super::Act;
use crate::ledger::report::{Cells, csv, table, time};

/// Formats acts as JSON.
pub fn acts_json(acts: &[Act]) -> Value {
    acts.iter().map(|act| Value::Object(cells(act).into_iter().collect::<Map<_, _>>())).collect()
}

/// Formats acts as CSV (RFC 4180) with a header line.
pub fn acts_csv(acts: &[Act]) -> String {
    csv(cells(&Act::default()), acts.iter().map(cells))
}

/// Formats acts as a table for a terminal.
pub fn acts_table(acts: &[Act]) -> String {
    table(acts.iter().map(cells), &cells(&Act::default()))
}

fn cells(act: &Act) -> Cells {
    let cells = [
        ("at", time(Some(act.at))),
        ("by", json!(act.by)),
        ("act", json!(act.act)),
        ("subject", json!(act.subject)),
        ("tenant", json!(act.tenant.as_deref().filter(|tenant| !tenant.is_empty()))),
        ("detail", json!(act.detail)),
        ("forgotten", json!(act.forgotten)),
    ];
    cells.map(|(name, value)| (name.to_owned(), value)).into()
}
