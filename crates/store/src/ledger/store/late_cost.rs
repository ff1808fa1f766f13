//! Fills in costs that arrive late, and updates the sums in the same transaction.

use callsign_core::request_id::RequestId;
use callsign_core::usage::judgement::Bill;

use super::Store;
use super::columns::{self, CHANGING, bind_changing, read_row};
use crate::ledger::increments::Increments;
use crate::ledger::query::Price;
use crate::ledger::row::Row;
use crate::ledger::sums::Sums;

/// The farthest time of a reserved look-up in microseconds: 15 minutes.
const FARTHEST_US: i64 = 900_000_000;

/// The result of a look-up of a pending cost.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::ledger) enum Late<'p> {
    /// The record has been read.
    Price(&'p Price),
    /// The cost can never be found.
    Never,
}

impl Store {
    /// Applies what was learnt to a row whose cost is pending. Returns false if it is not pending (any more).
    pub(in crate::ledger) async fn late(&mut self, id: RequestId, late: &Late<'_>) -> Result<bool, sqlx::Error> {
        self.begin().await?;
        if self.is_unsummed(id).await? {
            // The row is added as it is before the change.
            self.sum_up_all().await?;
        }
        let changed = self.change(id, late).await?;
        if changed {
            self.commit().await?;
        } else {
            self.connection.rollback().await?;
        }
        Ok(changed)
    }

    /// Reserves `count` look-ups in the pace that all nodes share. Returns the time until the first, and the gap. The
    /// database's clock decides, because those of the nodes may differ.
    pub(in crate::ledger) async fn reserve_lookups(&mut self, count: i64) -> Result<(i64, i64), sqlx::Error> {
        let now_us = self.database_us().await?;
        let mut arguments = self.connection.arguments();
        arguments.int(Some(now_us))?;
        arguments.int(Some(count))?;
        // A time far in the future is that of a clock that was wrong.
        let sql = format!(
            "UPDATE state SET lookup_us = $2 * lookup_gap_us + CASE WHEN lookup_us < $1 OR lookup_us > $1 + {FARTHEST_US} \
             THEN $1 ELSE lookup_us END RETURNING lookup_us, lookup_gap_us"
        );
        let rows = self.connection.fetch(sqlx::AssertSqlSafe(sql), arguments).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let (next, gap) = (row.count(0)?, row.count(1)?);
        Ok((next - count * gap - now_us, gap))
    }

    /// Sets the gap between two look-ups.
    pub(in crate::ledger) async fn set_lookup_gap(&mut self, gap_us: i64) -> Result<(), sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.int(Some(gap_us))?;
        self.connection.execute("UPDATE state SET lookup_gap_us = $1", arguments).await.map(drop)
    }

    async fn change(&mut self, id: RequestId, late: &Late<'_>) -> Result<bool, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.bytes(id.as_bytes())?;
        let sql = format!("SELECT {} FROM ledger WHERE id = $1 AND bill = 2", columns::all());
        let found = self.connection.fetch(sqlx::AssertSqlSafe(sql), arguments).await?;
        let Some(old) = found.first().map(read_row).transpose()? else { return Ok(false) };
        let new = learnt(&old, late);
        self.replace(&old, &new, "bill = 2").await
    }

    /// Replaces a finished row and what it adds to the sums, within the open transaction. Returns false if the stored row
    /// does not meet the condition any more: of two processes that change a row, one finds it changed.
    pub(super) async fn replace(&mut self, old: &Row, new: &Row, condition: &str) -> Result<bool, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        bind_changing(new, &mut arguments)?;
        arguments.bytes(old.begun.id.as_bytes())?;
        let set: Vec<_> =
            CHANGING.iter().enumerate().map(|(number, name)| format!("{name} = ${}", number + 1)).collect();
        let sql = format!("UPDATE requests SET {} WHERE id = ${} AND {condition}", set.join(", "), CHANGING.len() + 1);
        if self.connection.execute(sqlx::AssertSqlSafe(sql), arguments).await? == 0 {
            return Ok(false);
        }
        let mut increments = Increments::default();
        for (row, sums) in [(old, Sums::of(old).map(Sums::negative)), (new, Sums::of(new))] {
            if let Some(sums) = sums {
                increments.shift(row, sums);
            }
        }
        self.apply(increments).await?;
        Ok(true)
    }
}

/// Returns the row with missing values filled in. Known values do not change.
fn learnt(row: &Row, late: &Late<'_>) -> Row {
    let mut new = row.clone();
    let Some(ended) = &mut new.ended else { return new };
    let Late::Price(price) = late else {
        ended.bill = Bill::Never;
        return new;
    };
    let (usage, told) = (&mut ended.usage, &price.usage);
    for (known, told) in [
        (&mut usage.cost, told.cost),
        (&mut usage.provider_cost, told.provider_cost),
        (&mut usage.server_tool_cost, told.server_tool_cost),
    ] {
        *known = known.or(told);
    }
    for (known, told) in [
        (&mut usage.prompt_tokens, told.prompt_tokens),
        (&mut usage.completion_tokens, told.completion_tokens),
        (&mut usage.cached_tokens, told.cached_tokens),
        (&mut usage.cache_write_tokens, told.cache_write_tokens),
        (&mut usage.reasoning_tokens, told.reasoning_tokens),
    ] {
        *known = known.or(told);
    }
    ended.model = ended.model.take().or_else(|| price.model.as_deref().map(Into::into));
    ended.provider = ended.provider.take().or_else(|| price.provider.as_deref().map(Into::into));
    if ended.usage.cost.is_some() {
        ended.bill = Bill::Known;
    }
    ended.sanitize();
    new
}
