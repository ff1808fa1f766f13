//! Rows whose context and person have numbers.

use super::row::Row;

/// A row with the numbers of its context and its person.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'r> {
    pub(super) row: &'r Row,
    /// Rows with one context and one end form one group of [`super::increments::Increments`].
    pub(super) context: i64,
    pub(super) person: i64,
}

impl<'r> Placed<'r> {
    /// Returns rows that need no context, each in a group of its own.
    pub(super) fn alone(rows: impl IntoIterator<Item = &'r Row>) -> Vec<Self> {
        let place = |(context, row): (i64, &'r Row)| Self { row, context, person: row.begun.labels.person_number() };
        (0..).zip(rows).map(place).collect()
    }
}
