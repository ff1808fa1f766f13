//! Numbers the contexts of rows in a transaction, and writes new ones.

use super::Store;
use super::columns::bind_sent;
use super::statements::bind_person;
use crate::ledger::engine::{Arguments, Engine};
use crate::ledger::increments::{Person, Seen};
use crate::ledger::placed::Placed;
use crate::ledger::record::Begun;
use crate::ledger::row::Row;
use callsign_core::usage::markup::Markup;

impl Store {
    /// Begins a transaction and numbers the contexts of rows in it. On PostgreSQL new contexts have a transaction of
    /// their own, because two nodes that write people twice in one transaction may wait for each other.
    pub(super) async fn begin_with<'r>(
        &mut self,
        rows: impl IntoIterator<Item = &'r Row> + Clone,
    ) -> Result<Vec<Placed<'r>>, sqlx::Error> {
        let is_new = |row: &Row| !self.contexts.is_known(&row.begun);
        if self.connection.engine() == Engine::Postgres && rows.clone().into_iter().any(is_new) {
            self.begin().await?;
            self.place(rows.clone()).await?;
            self.commit().await?;
        }
        self.begin().await?;
        self.place(rows).await
    }

    /// Numbers the contexts of rows, and writes new ones and their people.
    pub(super) async fn place<'r>(
        &mut self,
        rows: impl IntoIterator<Item = &'r Row>,
    ) -> Result<Vec<Placed<'r>>, sqlx::Error> {
        self.contexts.make_room();
        let (mut placed, mut new) = (Vec::new(), Vec::new());
        for row in rows {
            let (context, person, is_new) = self.contexts.find(&row.begun);
            let one = Placed { row, context, person };
            placed.push(one);
            if is_new {
                new.push(one);
            }
        }
        if !new.is_empty() {
            let statements = std::sync::Arc::clone(&self.statements);
            let mut people: Vec<_> = new.iter().map(|placed| (placed.person, person_of(&placed.row.begun))).collect();
            people.sort_by_key(|(person, _)| *person);
            people.dedup_by_key(|(person, _)| *person);
            let people: Vec<_> = people.iter().map(|(number, person)| (number, person)).collect();
            statements.new_people.run(&mut self.connection, &people, bind_person).await?;
            statements.contexts.run(&mut self.connection, &new, bind_context).await?;
        }
        Ok(placed)
    }
}

/// Returns the caller as a person without finished requests.
fn person_of(begun: &Begun) -> Person {
    let seen = Seen { first_us: begun.began_us, last_us: begun.began_us, requests: 0 };
    Person { labels: begun.labels.clone(), sent: begun.sent.user.clone(), seen }
}

/// Adds the arguments of a context.
fn bind_context(placed: &Placed<'_>, to: &mut Arguments) -> Result<(), sqlx::Error> {
    let Begun { labels, sent, endpoint, account, markup, .. } = &placed.row.begun;
    to.int(Some(placed.context))?;
    to.int(Some(placed.person))?;
    to.shared(labels.session.as_ref())?;
    to.shared(labels.chat.as_ref())?;
    bind_sent(sent.user.as_ref(), labels.user.as_ref(), to)?;
    bind_sent(sent.session.as_ref(), labels.session.as_ref(), to)?;
    bind_sent(sent.metadata_session.as_ref(), labels.session.as_ref(), to)?;
    bind_sent(sent.chat.as_ref(), labels.chat.as_ref(), to)?;
    to.shared(Some(endpoint))?;
    to.shared(account.as_ref())?;
    to.int(Some(markup.millionths()).filter(|_| *markup != Markup::ONE))
}
