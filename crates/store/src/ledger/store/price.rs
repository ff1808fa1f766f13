//! Fills in costs that arrive late, and updates the sums.

use uuid::Uuid;

use super::Store;
use super::statements::{SELECT_ROWS, read_row};
use crate::ledger::grain::Grain;
use crate::ledger::query::Price;
use crate::ledger::row::Row;
use crate::ledger::sums::Sums;
use crate::ledger::tally::Folded;

impl Store {
    /// Fills in missing values of a row. Returns true if a value was filled in. Does nothing while the request runs or
    /// is not in the sums yet.
    pub(in crate::ledger) async fn price(&mut self, id: Uuid, price: &Price) -> Result<bool, sqlx::Error> {
        self.connection.begin().await?;
        let filled = self.fill(id, price).await?;
        if filled {
            self.connection.commit().await?;
        } else {
            self.connection.rollback().await?;
        }
        Ok(filled)
    }

    async fn fill(&mut self, id: Uuid, price: &Price) -> Result<bool, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.bytes(id.as_bytes())?;
        let sql = format!("{SELECT_ROWS} r.id = $1");
        let found = self.connection.fetch(sqlx::AssertSqlSafe(sql), arguments).await?;
        let Some(old) = found.first().map(read_row).transpose()?.filter(|row| row.ended.is_some()) else {
            return Ok(false);
        };
        let new = filled(&old, price);
        if new == old || self.is_pending(id).await? {
            return Ok(false);
        }
        // If two processes fill in the same row, one finds it changed.
        let mut arguments = self.connection.arguments();
        bind_fill(&new, &mut arguments)?;
        arguments.int(cost_of(&old))?;
        let sql = "UPDATE requests SET model = $1, provider = $2, prompt_tokens = $3, completion_tokens = $4, \
                   cached_tokens = $5, reasoning_tokens = $6, cost = $7 \
                   WHERE id = $8 AND cost IS NOT DISTINCT FROM $9";
        if self.connection.execute(sql, arguments).await? == 0 {
            return Ok(false);
        }
        let retained = self.connection.fetch("SELECT from_us FROM retained", self.connection.arguments()).await?;
        let retained = retained.first().map_or(Ok(0), |row| row.count(0))?;
        let mut folded = Folded::default();
        for grain in Grain::ALL {
            folded.shift(grain, &old, Sums::of(&old).map(Sums::negative));
            folded.shift(grain, &new, Sums::of(&new));
        }
        // Sums that retention has deleted must not be recreated with partial values.
        folded.sums.retain(|key, sums| {
            key.bucket_us >= retained && *sums != Sums { last_us: sums.last_us, ..Sums::default() }
        });
        self.apply(&folded).await?;
        Ok(true)
    }

    async fn is_pending(&mut self, id: Uuid) -> Result<bool, sqlx::Error> {
        let batches = self.connection.fetch("SELECT ids FROM pending", self.connection.arguments()).await?;
        for batch in &batches {
            if batch.bytes(0)?.chunks_exact(16).any(|pending| pending == id.as_bytes()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn cost_of(row: &Row) -> Option<i64> {
    row.ended.as_ref()?.usage.cost.map(|cost| cost.0)
}

/// Returns the row with missing values filled in.
fn filled(row: &Row, price: &Price) -> Row {
    let mut new = row.clone();
    let Some(ended) = &mut new.ended else { return new };
    let (usage, told) = (&mut ended.usage, &price.usage);
    usage.cost = usage.cost.or(told.cost);
    usage.prompt_tokens = usage.prompt_tokens.or(told.prompt_tokens);
    usage.completion_tokens = usage.completion_tokens.or(told.completion_tokens);
    usage.cached_tokens = usage.cached_tokens.or(told.cached_tokens);
    usage.reasoning_tokens = usage.reasoning_tokens.or(told.reasoning_tokens);
    ended.model = ended.model.take().or_else(|| price.model.as_deref().map(Into::into));
    ended.provider = ended.provider.take().or_else(|| price.provider.as_deref().map(Into::into));
    new
}

fn bind_fill(row: &Row, to: &mut crate::ledger::engine::Arguments) -> Result<(), sqlx::Error> {
    let Some(ended) = &row.ended else { return Ok(()) };
    to.shared(ended.model.as_ref())?;
    to.shared(ended.provider.as_ref())?;
    let usage = &ended.usage;
    for tokens in [usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens] {
        to.int(tokens.map(crate::ledger::sums::stored))?;
    }
    to.int(usage.cost.map(|cost| cost.0))?;
    to.bytes(row.id.as_bytes())
}
