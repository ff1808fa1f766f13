//! Inserts of many rows in few statements. Each is prepared once for a few fixed numbers of rows, so that it stays
//! prepared whatever the size of a batch.

use std::fmt::Write;
use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::engine::{Arguments, Connection, Engine};

/// Rows to a statement, the most first. SQLite takes 32,766 arguments, PostgreSQL 65,535. Each half of the one before, so
/// that few statements make a batch: every one is a way to another thread and back.
const SIZES: [usize; 10] = [512, 256, 128, 64, 32, 16, 8, 4, 2, 1];

/// An insert, written out for each of [`SIZES`].
#[derive(Debug)]
pub(super) struct Insert {
    columns: usize,
    texts: [Arc<str>; SIZES.len()],
}

impl Insert {
    /// `INSERT INTO head VALUES (…), … tail`.
    pub(super) fn new(engine: Engine, head: &str, columns: usize, tail: &str) -> Self {
        let text = |rows| write_out(engine, head, columns, rows, tail).into();
        Self { columns, texts: SIZES.map(text) }
    }

    /// Inserts all of `rows`, each of which `bind` turns into as many arguments as there are columns. Says how many rows
    /// were inserted or changed.
    pub(super) async fn run<T>(
        &self,
        connection: &mut Connection,
        mut rows: &[T],
        bind: impl Fn(&T, &mut Arguments) -> Result<(), sqlx::Error>,
    ) -> Result<u64, sqlx::Error> {
        let mut changed = 0;
        for (size, text) in SIZES.into_iter().zip(&self.texts) {
            while let Some((now, rest)) = rows.split_at_checked(size) {
                rows = rest;
                let mut arguments = connection.arguments();
                arguments.reserve(size * self.columns);
                for row in now {
                    bind(row, &mut arguments)?;
                }
                changed += connection.execute(AssertSqlSafe(Arc::clone(text)), arguments).await?;
            }
        }
        Ok(changed)
    }
}

/// SQLite's placeholders are nameless: it looks each named one up by walking over all of them.
fn write_out(engine: Engine, head: &str, columns: usize, rows: usize, tail: &str) -> String {
    // Without a rule for conflicts one of them ends the whole transaction: SQLite need not keep what it would take to undo
    // this statement alone.
    let verb = if engine == Engine::Sqlite && tail.is_empty() { "INSERT OR ROLLBACK" } else { "INSERT" };
    let mut out = format!("{verb} INTO {head} VALUES ");
    for row in 0..rows {
        out.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            // Writing into a String cannot fail.
            let _infallible = match engine {
                Engine::Sqlite => write!(out, "{comma}?"),
                Engine::Postgres => write!(out, "{comma}${}", row * columns + column + 1),
            };
        }
        out.push(')');
    }
    if !tail.is_empty() {
        out.push(' ');
        out.push_str(tail);
    }
    out
}

/// `$1, $2, …`, `count` of them.
pub(super) fn placeholders(count: usize) -> String {
    (1..=count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_those_of_the_engine() {
        let text = |engine| write_out(engine, "t (a, b)", 2, 2, "ON CONFLICT DO NOTHING");
        assert_eq!(text(Engine::Sqlite), "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING");
        assert_eq!(text(Engine::Postgres), "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING");
        let text = |engine| write_out(engine, "t (a)", 1, 1, "");
        assert_eq!(text(Engine::Sqlite), "INSERT OR ROLLBACK INTO t (a) VALUES (?)");
        assert_eq!(text(Engine::Postgres), "INSERT INTO t (a) VALUES ($1)");
    }
}
