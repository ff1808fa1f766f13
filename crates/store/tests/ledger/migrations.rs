//! The tables of both engines are the same.

const SQLITE: &str = include_str!("../../migrations/sqlite/0001_ledger.sql");
const POSTGRES: &str = include_str!("../../migrations/postgres/0001_ledger.sql");

#[test]
fn both_engines_have_the_same_tables() {
    let (first, rest) = SQLITE.split_once('\n').unwrap();
    let rest = rest.replace("BLOB", "BYTEA").replace("INTEGER", "BIGINT").replace(") WITHOUT ROWID;", ");");
    let expected = format!("{}\n{rest}", first.replace("SQLite", "PostgreSQL"));
    for (line, (expected, found)) in (1..).zip(expected.lines().zip(POSTGRES.lines())) {
        assert_eq!(found, expected, "{HOW}: line {line}");
    }
    assert_eq!(POSTGRES.lines().count(), expected.lines().count(), "{HOW}");
}

const HOW: &str = "migrations/postgres/0001_ledger.sql differs from sqlite/0001_ledger.sql. Change the file of SQLite, \
    copy it, and replace BLOB by BYTEA, INTEGER by BIGINT, `) WITHOUT ROWID;` by `);` and the engine's name in the \
    first line";
