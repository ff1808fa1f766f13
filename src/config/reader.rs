//! Passes the text of each setting to its parser and collects the problems.
//!
//! A concern reads all its settings before it returns an error (`?`), so that one run finds every problem.

use std::fmt::Display;

use super::layers::{Layer, Layers};
use super::problem::Problems;
use super::settings;

/// A setting could not be parsed; the problem is already recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reported;

/// The merged layers, and the problems and warnings found so far.
pub(super) struct Reader<'a> {
    pub(super) layers: &'a Layers,
    pub(super) problems: &'a mut Problems,
    pub(super) warnings: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// Reads a setting that has a default.
    pub(super) fn required<T, E: Display>(
        &mut self,
        id: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Reported> {
        self.optional(id, parse)?.ok_or(Reported)
    }

    /// Reads a setting that may be absent.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        id: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Reported> {
        self.optional_at(id, id, parse)
    }

    /// Reads the value at `path` in the merged layers. Problems name it `label`.
    pub(super) fn optional_at<T, E: Display>(
        &mut self,
        path: &str,
        label: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Reported> {
        let Some(found) = self.layers.get(path) else { return Ok(None) };
        match parse(&found.text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.refuse(found.place(label), error),
        }
    }

    /// Reads all entries of a list; empty if it is not set.
    pub(super) fn list<T, E: Display>(
        &mut self,
        path: &str,
        label: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, Reported> {
        let Some(found) = self.layers.get(path) else { return Ok(Vec::new()) };
        let mut values = Ok(Vec::new());
        for (index, entry) in found.text.lines().enumerate() {
            match (parse(entry), &mut values) {
                (Ok(value), Ok(values)) => values.push(value),
                (Ok(_), Err(Reported)) => {}
                (Err(error), _) => values = self.refuse(found.place(label), format!("entry {}: {error}", index + 1)),
            }
        }
        values
    }

    /// Records a problem.
    pub(super) fn refuse<T>(&mut self, place: impl Into<String>, message: impl Display) -> Result<T, Reported> {
        self.problems.push(place, message);
        Err(Reported)
    }

    /// Returns true if the operator set it.
    pub(super) fn is_set(&self, id: &str) -> bool {
        self.layers.get(id).is_some_and(|found| found.layer > Layer::Default)
    }

    /// Records a warning.
    pub(super) fn warn(&mut self, place: &str, message: impl Display) {
        self.warnings.push(format!("{place}: {message}"));
    }

    /// Returns the source of its value, or the name to set if it has none.
    pub(super) fn place(&self, id: &str) -> String {
        match self.layers.get(id) {
            Some(found) => found.place(id),
            None => settings::by_id(id).map_or(id, |setting| setting.name()).to_owned(),
        }
    }
}
