//! Reads one entry of a list of tables (`[[keys]]`, `[[issuers]]`, `[[tenants]]`, `[[users]]`), or the variables that
//! set the fields of such an entry.

use std::fmt::Display;

use super::identifiers::read_metadata;
use super::reader::{Reader, Reported};

/// A reader for the fields of one entry.
pub(super) struct TableReader<'r, 'l> {
    pub(super) reader: &'r mut Reader<'l>,
    /// Source of the entry, for problems with it as a whole.
    pub(super) source: String,
    place: Place,
}

enum Place {
    /// The path in the merged layers, and the name of its list.
    Entry { path: String, list: &'static str },
    /// Fields with the variables that set them.
    Variables(&'static [(&'static str, &'static str)]),
}

impl<'r, 'l> TableReader<'r, 'l> {
    /// Creates a reader for the entry of `list` with this name in the merged layers.
    pub(super) fn entry(reader: &'r mut Reader<'l>, list: &'static str, name: &str) -> Self {
        let path = format!("{list}.{name}");
        let source = format!("{}: {list}", reader.layers.place_of(&path).unwrap_or_default());
        Self { reader, source, place: Place::Entry { path, list } }
    }

    /// Creates a reader for the entry that these variables set; `None` if none of them is set.
    pub(super) fn variables(
        reader: &'r mut Reader<'l>,
        variables: &'static [(&'static str, &'static str)],
    ) -> Option<Self> {
        let source = variables.iter().find_map(|(_, variable)| reader.layers.get(variable))?.source;
        Some(Self { reader, source, place: Place::Variables(variables) })
    }

    /// Returns true if the entry comes from variables.
    pub(super) fn is_variables(&self) -> bool {
        matches!(self.place, Place::Variables(_))
    }

    /// Returns the path of a field and its name in problems; `None` if no variable sets it.
    fn at(&self, field: &str) -> Option<(String, String)> {
        match &self.place {
            Place::Entry { path, list } => Some((format!("{path}.{field}"), format!("{list}[].{field}"))),
            Place::Variables(variables) => {
                let (_, variable) = variables.iter().find(|(name, _)| *name == field)?;
                Some(((*variable).to_owned(), (*variable).to_owned()))
            }
        }
    }

    /// Returns the source of a field, or of the whole entry if the field is not set.
    pub(super) fn place(&self, field: &str) -> String {
        let found = self.at(field).and_then(|(path, label)| Some(self.reader.layers.get(&path)?.place(&label)));
        found.unwrap_or_else(|| self.source.clone())
    }

    /// Reads a field that may be absent.
    pub(super) fn field<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Reported> {
        let Some((path, label)) = self.at(name) else { return Ok(None) };
        self.reader.optional_at(&path, &label, parse)
    }

    /// Reads a required field. `hint` tells the operator how to set it.
    pub(super) fn needed<T, E: Display>(
        &mut self,
        name: &str,
        hint: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Reported> {
        match self.field(name, parse)? {
            Some(value) => Ok(value),
            None => self.missing(name, hint),
        }
    }

    /// Reads a list; empty if it is not set.
    pub(super) fn list<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, Reported> {
        let Some((path, label)) = self.at(name) else { return Ok(Vec::new()) };
        self.reader.list(&path, &label, parse)
    }

    /// Reads the entry's static metadata pairs in order of name.
    pub(super) fn metadata(&mut self) -> Result<Vec<(String, String)>, Reported> {
        match self.at("metadata") {
            Some((path, label)) => read_metadata(self.reader, &path, &label),
            None => Ok(Vec::new()),
        }
    }

    /// Records that a field is missing.
    pub(super) fn missing<T>(&mut self, field: &str, hint: impl Display) -> Result<T, Reported> {
        match (&self.place, self.at(field)) {
            (Place::Entry { .. }, _) => self.reader.refuse(&self.source, format!("has no {field}; {hint}")),
            (Place::Variables(_), Some((variable, _))) => self.reader.refuse(variable, format!("is not set; {hint}")),
            (Place::Variables(_), None) => {
                let message = format!("needs {field}, which only [[issuers]] in the TOML file can set; {hint}");
                self.reader.refuse(&self.source, message)
            }
        }
    }

    /// Records a problem with a field.
    pub(super) fn refuse<T>(&mut self, field: &str, message: impl Display) -> Result<T, Reported> {
        let place = self.place(field);
        self.reader.refuse(place, message)
    }
}
