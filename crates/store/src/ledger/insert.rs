//! Inserts many rows with few statements. Statements exist for a few fixed numbers of rows, so they stay prepared for
//! any size of a batch.

use std::fmt::Write;
use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::engine::{Arguments, Connection, Engine};

/// Rows per statement, largest first. SQLite permits 32,766 arguments and PostgreSQL 65,535. Each size is half of the
/// previous one, so a batch needs few statements; each statement is a round trip to another thread.
const SIZES: [usize; 10] = [512, 256, 128, 64, 32, 16, 8, 4, 2, 1];

/// An insert statement for each of [`SIZES`].
#[derive(Debug)]
pub(super) struct Insert {
    columns: usize,
    texts: [Arc<str>; SIZES.len()],
}

impl Insert {
    /// Builds `INSERT INTO head VALUES (…), … tail`.
    pub(super) fn new(engine: Engine, head: &str, columns: usize, tail: &str) -> Self {
        let text = |rows| write_out(engine, head, columns, rows, tail).into();
        Self { columns, texts: SIZES.map(text) }
    }

    /// Inserts all rows; `bind` adds one argument per column. Returns the number of rows inserted or changed.
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

/// Builds the statement. SQLite gets unnamed placeholders, because it searches named ones linearly.
fn write_out(engine: Engine, head: &str, columns: usize, rows: usize, tail: &str) -> String {
    // Without a conflict clause a conflict ends the whole transaction, so SQLite need not keep data for undoing this
    // statement.
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

/// Returns `$1, $2, …` with `count` placeholders.
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
