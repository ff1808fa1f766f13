//! Hands each setting's text to its parser, alone, and collects what does not parse.
//!
//! A concern asks for all its settings first and only then gives up (`?`), so that one run finds every problem. `None`
//! always means that a problem was recorded.

use std::fmt::Display;

use super::layers::{Found, Layer, Layers};
use super::problem::Problems;
use super::settings;

/// The merged layers, and what is wrong with them so far.
pub(super) struct Reader<'a> {
    pub(super) layers: &'a Layers,
    pub(super) problems: &'a mut Problems,
    pub(super) warnings: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// A setting that has a default.
    pub(super) fn required<T, E: Display>(&mut self, id: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        self.optional(id, parse)?
    }

    /// A setting that may be absent: `Some(None)`.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        id: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        self.optional_at(id, id, parse)
    }

    /// A setting within a table of the operator's choice, filed under `path`; `label` names it in problems.
    pub(super) fn optional_at<T, E: Display>(
        &mut self,
        path: &str,
        label: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.layers.get(path) {
            None => Some(None),
            Some(found) => self.parse(&found, label, parse).map(Some),
        }
    }

    /// Every entry of a list.
    pub(super) fn list<T, E: Display>(
        &mut self,
        path: &str,
        label: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let found = self.layers.get(path);
        let entries = found.iter().flat_map(|found| found.text.lines().map(move |entry| (found, entry)));
        let mut values = Some(Vec::new());
        for (index, (found, entry)) in entries.enumerate() {
            match parse(entry) {
                Ok(value) => {
                    if let Some(values) = &mut values {
                        values.push(value);
                    }
                }
                Err(error) => {
                    self.problems.push(found.place(label), format!("entry {} {error}", index + 1));
                    values = None;
                }
            }
        }
        values
    }

    /// Parses one value; a message becomes a problem.
    pub(super) fn parse<T, E: Display>(
        &mut self,
        found: &Found,
        label: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(&found.text).map_err(|error| self.problems.push(found.place(label), error)).ok()
    }

    /// Whether the operator set it, rather than leaving its default.
    pub(super) fn is_set(&self, id: &str) -> bool {
        self.layers.get(id).is_some_and(|found| found.layer > Layer::Default)
    }

    /// Where its value comes from, or the name to set for what has none; for problems that are found later.
    pub(super) fn place(&self, id: &str) -> String {
        match self.layers.get(id) {
            Some(found) => found.place(id),
            None => settings::by_id(id).map_or(id, |setting| setting.name()).to_owned(),
        }
    }
}
