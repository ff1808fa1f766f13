//! Hands each setting's text to its parser, alone, and collects what does not parse.
//!
//! A concern asks for all its settings first and only then gives up (`?`), so that one run finds every problem.

use std::fmt::Display;

use super::layers::{Layer, Layers};
use super::problem::Problems;
use super::settings;

/// A value could not be had, and the problem with it has been recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recorded;

/// The merged layers, and what is wrong with them so far.
pub(super) struct Reader<'a> {
    pub(super) layers: &'a Layers,
    pub(super) problems: &'a mut Problems,
    pub(super) warnings: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// A setting that has a default.
    pub(super) fn required<T, E: Display>(
        &mut self,
        id: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Recorded> {
        self.optional(id, parse)?.ok_or(Recorded)
    }

    /// A setting that may be absent.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        id: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Recorded> {
        self.optional_at(id, id, parse)
    }

    /// A setting within a table of the operator's choice, filed under `path`; `label` names it in problems.
    pub(super) fn optional_at<T, E: Display>(
        &mut self,
        path: &str,
        label: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Recorded> {
        let Some(found) = self.layers.get(path) else { return Ok(None) };
        match parse(&found.text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.refuse(found.place(label), error),
        }
    }

    /// Every entry of a list; empty when it is not set.
    pub(super) fn list<T, E: Display>(
        &mut self,
        path: &str,
        label: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, Recorded> {
        let Some(found) = self.layers.get(path) else { return Ok(Vec::new()) };
        let mut values = Ok(Vec::new());
        for (index, entry) in found.text.lines().enumerate() {
            match (parse(entry), &mut values) {
                (Ok(value), Ok(values)) => values.push(value),
                (Ok(_), Err(Recorded)) => {}
                (Err(error), _) => values = self.refuse(found.place(label), format!("entry {} {error}", index + 1)),
            }
        }
        values
    }

    /// Records a problem.
    pub(super) fn refuse<T>(&mut self, place: impl Into<String>, message: impl Display) -> Result<T, Recorded> {
        self.problems.push(place, message);
        Err(Recorded)
    }

    /// Whether the operator set it, rather than leaving its default.
    pub(super) fn is_set(&self, id: &str) -> bool {
        self.layers.get(id).is_some_and(|found| found.layer > Layer::Default)
    }

    /// Records a warning.
    pub(super) fn warn(&mut self, place: &str, message: impl Display) {
        self.warnings.push(format!("{place}: {message}"));
    }

    /// Where its value comes from, or the name to set for what has none; for problems that are found later.
    pub(super) fn place(&self, id: &str) -> String {
        match self.layers.get(id) {
            Some(found) => found.place(id),
            None => settings::by_id(id).map_or(id, |setting| setting.name()).to_owned(),
        }
    }
}
