//! Gives rejected rows their caller back, or drops the note about them (docs/SPEC.md#rejected-rows).

use callsign_core::request_id::RequestId;

use super::Store;
use crate::ledger::increments::Increments;
use crate::ledger::placed::Placed;
use crate::ledger::query::Repair;
use crate::ledger::record::RequestLabels;
use crate::ledger::sums::Sums;

impl Store {
    /// Moves a rejected row and what it adds to the sums to the caller whose digest is stored with it.
    pub(in crate::ledger) async fn repair(
        &mut self,
        id: RequestId,
        caller: &RequestLabels,
    ) -> Result<Repair, sqlx::Error> {
        self.begin().await?;
        let repair = self.repair_within(id, caller).await?;
        if repair == Repair::Done {
            self.commit().await?;
        } else {
            self.connection.rollback().await?;
        }
        Ok(repair)
    }

    async fn repair_within(&mut self, id: RequestId, caller: &RequestLabels) -> Result<Repair, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        arguments.bytes(id.as_bytes())?;
        let noted = self.connection.fetch("SELECT person FROM rejected WHERE id = $1", arguments).await?;
        let Some(noted) = noted.first() else { return Ok(Repair::NotRejected) };
        if noted.count(0)? != caller.person_number() {
            return Ok(Repair::OtherCaller);
        }
        self.sum_up_all().await?;
        let rows = self.rows_of(&[id]).await?;
        let Some((row, sums)) = rows.first().and_then(|row| Some((row, Sums::of(row)?))) else {
            return Ok(Repair::NotFinished);
        };
        let mut named = row.clone();
        let RequestLabels { tenant, key, user, .. } = caller.clone();
        named.begun.labels = RequestLabels { tenant, key, user, ..named.begun.labels };
        let before = row.begun.labels.person_number();
        for placed in self.place([&named]).await? {
            self.move_row(&placed, before).await?;
        }
        let mut increments = Increments::of(&Placed::alone([&named]));
        increments.shift(row, sums.negative());
        // The speed is that of a model and not of a person, so it stays.
        increments.speed.clear();
        self.apply(increments).await?;
        self.drop_rejected(Some(id)).await?;
        Ok(Repair::Done)
    }

    /// Gives a row another context, and removes it from the list of its former person.
    async fn move_row(&mut self, placed: &Placed<'_>, before: i64) -> Result<(), sqlx::Error> {
        for (sql, number) in [
            ("UPDATE requests SET context = $2 WHERE id = $1", placed.context),
            ("DELETE FROM requests_by_person WHERE id = $1 AND person = $2", before),
        ] {
            let mut arguments = self.connection.arguments();
            arguments.bytes(placed.row.begun.id.as_bytes())?;
            arguments.int(Some(number))?;
            self.connection.execute(sql, arguments).await?;
        }
        Ok(())
    }

    /// Deletes the notes about one rejected row, or about all. The rows and their sums stay. Returns the number.
    pub(in crate::ledger) async fn drop_rejected(&mut self, id: Option<RequestId>) -> Result<u64, sqlx::Error> {
        let mut arguments = self.connection.arguments();
        let Some(id) = id else { return self.connection.execute("DELETE FROM rejected", arguments).await };
        arguments.bytes(id.as_bytes())?;
        self.connection.execute("DELETE FROM rejected WHERE id = $1", arguments).await
    }
}
