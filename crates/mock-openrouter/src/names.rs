//! Names that select behaviours and faults: `mock/NAME` in place of a model.

use http::StatusCode;

/// Prefix of models that select behaviours.
pub(super) const PREFIX: &str = "mock/";

/// One row of a table: a name (a trailing `-N` is a number), a description, and a function from the number to what the
/// name selects.
#[derive(Debug)]
pub(super) struct Row<T> {
    name: &'static str,
    does: &'static str,
    select: fn(usize) -> Option<T>,
}

/// Creates a row.
pub(super) const fn row<T>(name: &'static str, does: &'static str, select: fn(usize) -> Option<T>) -> Row<T> {
    Row { name, does, select }
}

/// Finds what a name selects: `cost-3` is the row `cost-N` with 3.
pub(super) fn find<T>(table: &[Row<T>], name: &str) -> Option<T> {
    let find = |wanted: &str| table.iter().find(|row| row.name == wanted);
    if let Some((stem, number)) = name.rsplit_once('-')
        && let Ok(number) = number.parse()
    {
        return find(&format!("{stem}-N")).and_then(|row| (row.select)(number));
    }
    find(name).filter(|row| !row.name.ends_with("-N")).and_then(|row| (row.select)(0))
}

/// Converts the number of a name to an HTTP status.
pub(super) fn status(number: usize) -> Option<StatusCode> {
    u16::try_from(number).ok().filter(|number| (200..=599).contains(number)).and_then(|n| StatusCode::from_u16(n).ok())
}

/// Lists the models of a table with their descriptions.
pub(super) fn models<T>(table: &[Row<T>]) -> impl Iterator<Item = (String, &'static str)> {
    table.iter().map(|row| (format!("{PREFIX}{}", row.name), row.does))
}
