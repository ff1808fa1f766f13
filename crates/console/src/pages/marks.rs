//! Marks of the rows of a list: a small chart of the requests, and what needs attention: blocked, near a limit, without a
//! user.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};
use tokio::time::{Instant, timeout_at};

use super::chart::spark;
use super::period::Period;
use crate::ask::only_user;
use crate::operator::Operator;
use callsign_core::allowance::Limit;
use callsign_store::ledger::query::{By, Filter, UsageRow};
use callsign_store::ledger::{LedgerError, Reader};
use callsign_store::limits::Subject;

/// Number of rows with a chart, and of users whose limits are looked up.
const MARKED: usize = 100;
/// Maximum time of looking up the use of limits, which may be in Redis.
const LOOKING: Duration = Duration::from_millis(200);
/// The share of a limit from which a row is marked, in percent.
const NEAR: i64 = 80;

/// The name and the tenant of a row.
type Key = (Option<String>, Option<String>);

/// The marks of the rows of one list.
#[derive(Debug, Default)]
pub(super) struct Marks {
    sparks: HashMap<Key, Vec<u64>>,
    blocked: HashSet<Key>,
    /// The limit of which most is used, and the text of its use.
    near: HashMap<Key, (bool, String)>,
    without_user: HashSet<Key>,
}

fn key_of(row: &UsageRow) -> Key {
    (row.key.clone(), row.tenant.clone())
}

impl Marks {
    /// Reads the marks of the shown rows.
    pub(super) async fn read(
        operator: &Operator,
        by: By,
        rows: &[UsageRow],
        (period, filter): (Period, &Filter),
    ) -> Result<Self, LedgerError> {
        let reader = operator.reader()?;
        let first = rows.get(..MARKED).unwrap_or(rows);
        let mut marks = Self { sparks: sparks(reader, by, first, period, filter).await?, ..Self::default() };
        match by {
            By::User => {
                marks.blocked = rows.iter().filter(|row| is_blocked(operator, row)).map(key_of).collect();
                marks.near = near(operator, first).await;
            }
            By::Key => {
                let nobody = Filter { user: Some(String::new()), ..filter.clone() };
                let apps = reader.spend(By::Key, &nobody).await?;
                marks.without_user = apps.iter().filter(|app| app.requests > 0).map(key_of).collect();
            }
            _ => {}
        }
        Ok(marks)
    }

    /// Renders the badges of a row.
    pub(super) fn badges(&self, by: By, row: &UsageRow) -> Markup {
        let key = key_of(row);
        html! {
            @if self.blocked.contains(&key) { " " span.state.bad { "blocked" } }
            @if let Some((is_used_up, of)) = self.near.get(&key) {
                " " span.state.bad title=(of) { @if *is_used_up { "used up" } @else { "over " (NEAR) "\u{202f}%" } }
            }
            @if self.without_user.contains(&key) || (by == By::User && row.key.is_none()) { " " span.state.bad { "unattributed" } }
        }
    }

    /// Renders the chart of a row.
    pub(super) fn spark(&self, row: &UsageRow) -> Markup {
        html! { @if let Some(values) = self.sparks.get(&key_of(row)) { (spark(values)) } }
    }
}

async fn sparks(
    reader: &Reader,
    by: By,
    rows: &[UsageRow],
    period: Period,
    filter: &Filter,
) -> Result<HashMap<Key, Vec<u64>>, LedgerError> {
    let steps = period.spark(Timestamp::now());
    let names: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
    let mut sparks: HashMap<Key, Vec<u64>> = HashMap::new();
    let filter = Filter { since: Some(steps.begin), ..filter.clone() };
    for found in reader.sparks(by, steps.step, &names, &filter).await? {
        let values = sparks.entry((found.key, found.tenant)).or_insert_with(|| vec![0; steps.count]);
        if let Some(value) = values.get_mut(steps.index(found.at)) {
            *value = value.saturating_add(found.requests);
        }
    }
    Ok(sparks)
}

fn is_blocked(operator: &Operator, row: &UsageRow) -> bool {
    let Some(user) = row.key.as_deref() else { return false };
    let caller = only_user(user, row.tenant.as_deref());
    operator.deps.limiter.gate().stops(&caller, row.external_user_id.as_deref()) || operator.view().rules.stops(&caller)
}

/// Returns the users who have used most of a limit that counts for a day or longer, and the text of its use. Users beyond
/// the time limit are left out.
async fn near(operator: &Operator, rows: &[UsageRow]) -> HashMap<Key, (bool, String)> {
    let (limiter, view, deadline) = (&operator.deps.limiter, operator.view(), Instant::now() + LOOKING);
    let mut near = HashMap::new();
    for row in rows {
        let Some(user) = row.key.as_deref() else { continue };
        let tenant = row.tenant.as_deref();
        let mut ceilings = view.rules.ceilings(&only_user(user, tenant), &limiter.overrides());
        for brief in [Limit::Rpm, Limit::Concurrent] {
            if let Some(ceiling) = ceilings.0.get_mut(brief as usize) {
                *ceiling = None;
            }
        }
        if !ceilings.is_any() {
            continue;
        }
        let looked = timeout_at(deadline, limiter.look(Subject::user(tenant, user), ceilings)).await;
        let Ok(Ok(gauges)) = looked else { break };
        let shares = Limit::ALL.into_iter().zip(gauges).filter_map(|(limit, gauge)| {
            let most = ceilings.of(limit)?;
            let percent = i128::from(gauge.used) * 100 / i128::from(most.max(1));
            Some((percent, limit, gauge.used, most))
        });
        if let Some((percent, limit, amount, most)) = shares.max_by_key(|(percent, ..)| *percent)
            && percent >= i128::from(NEAR)
        {
            let text = format!("{}: {} of {}", limit.name(), limit.shown(amount), limit.shown(most));
            near.insert(key_of(row), (amount >= most, text));
        }
    }
    near
}
