//! The tables of both engines are the same.

use std::path::Path;

#[test]
fn both_engines_have_the_same_tables() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let files = |engine: &str| {
        let files = std::fs::read_dir(directory.join(engine)).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(files("postgres"), files("sqlite"), "{HOW}");
    for file in files("sqlite") {
        let sqlite = read(&directory.join("sqlite").join(&file));
        let postgres = read(&directory.join("postgres").join(&file));
        let (first, rest) = sqlite.split_once('\n').unwrap();
        let rest = rest.replace("BLOB", "BYTEA").replace("INTEGER", "BIGINT").replace(") WITHOUT ROWID;", ");");
        let expected = format!("{}\n{rest}", first.replace("SQLite", "PostgreSQL"));
        for (line, (expected, found)) in (1..).zip(expected.lines().zip(postgres.lines())) {
            assert_eq!(found, expected, "{HOW}: {} line {line}", file.display());
        }
        assert_eq!(postgres.lines().count(), expected.lines().count(), "{HOW}: {}", file.display());
    }
}

const HOW: &str = "a file of migrations/postgres differs from that of migrations/sqlite. Change the file of SQLite, \
    copy it, and replace BLOB by BYTEA, INTEGER by BIGINT, `) WITHOUT ROWID;` by `);` and the engine's name in the \
    first line";
