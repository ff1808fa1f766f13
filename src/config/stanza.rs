//! One entry of a list of tables (`[[keys]]`, `[[issuers]]`, `[[tenants]]`) being read; or the few variables that stand for
//! such an entry where there is no file.

use std::fmt::Display;

use super::identifiers::read_metadata;
use super::reader::{Reader, Recorded};

/// An entry, whose fields are asked for one by one.
pub(super) struct Stanza<'r, 'l> {
    pub(super) reader: &'r mut Reader<'l>,
    /// Where it stands, for problems with it as a whole.
    pub(super) source: String,
    place: Place,
}

enum Place {
    /// What it is filed under, and the name of its list.
    Entry { path: String, list: &'static str },
    /// Fields with the variables that set them.
    Variables(&'static [(&'static str, &'static str)]),
}

impl<'r, 'l> Stanza<'r, 'l> {
    /// The entry of `list` that is filed under this name.
    pub(super) fn entry(reader: &'r mut Reader<'l>, list: &'static str, name: &str) -> Self {
        let path = format!("{list}.{name}");
        let source = format!("{}: {list}", reader.layers.place_of(&path).unwrap_or_default());
        Self { reader, source, place: Place::Entry { path, list } }
    }

    /// The entry that these variables make up; `None` if none of them is set.
    pub(super) fn variables(
        reader: &'r mut Reader<'l>,
        variables: &'static [(&'static str, &'static str)],
    ) -> Option<Self> {
        let source = variables.iter().find_map(|(_, variable)| reader.layers.get(variable))?.source;
        Some(Self { reader, source, place: Place::Variables(variables) })
    }

    /// Whether it comes from variables.
    pub(super) fn is_variables(&self) -> bool {
        matches!(self.place, Place::Variables(_))
    }

    /// What a field is filed under, and its name in problems; `None` for one that no variable sets.
    fn at(&self, field: &str) -> Option<(String, String)> {
        match &self.place {
            Place::Entry { path, list } => Some((format!("{path}.{field}"), format!("{list}[].{field}"))),
            Place::Variables(variables) => {
                let (_, variable) = variables.iter().find(|(name, _)| *name == field)?;
                Some(((*variable).to_owned(), (*variable).to_owned()))
            }
        }
    }

    /// Where a field's value comes from, or the whole entry for one that is not set (or has no name).
    pub(super) fn place(&self, field: &str) -> String {
        let found = self.at(field).and_then(|(path, label)| Some(self.reader.layers.get(&path)?.place(&label)));
        found.unwrap_or_else(|| self.source.clone())
    }

    /// A field that may be absent.
    pub(super) fn field<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Recorded> {
        let Some((path, label)) = self.at(name) else { return Ok(None) };
        self.reader.optional_at(&path, &label, parse)
    }

    /// A field that every entry has; `hint` says where to get it.
    pub(super) fn needed<T, E: Display>(
        &mut self,
        name: &str,
        hint: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Recorded> {
        match self.field(name, parse)? {
            Some(value) => Ok(value),
            None => self.missing(name, hint),
        }
    }

    /// A list; empty when it is not set.
    pub(super) fn list<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, Recorded> {
        let Some((path, label)) = self.at(name) else { return Ok(Vec::new()) };
        self.reader.list(&path, &label, parse)
    }

    /// Its static metadata pairs, in order of name.
    pub(super) fn metadata(&mut self) -> Result<Vec<(String, String)>, Recorded> {
        match self.at("metadata") {
            Some((path, label)) => read_metadata(self.reader, &path, &label),
            None => Ok(Vec::new()),
        }
    }

    /// Records that a field is missing.
    pub(super) fn missing<T>(&mut self, field: &str, hint: impl Display) -> Result<T, Recorded> {
        match (&self.place, self.at(field)) {
            (Place::Entry { .. }, _) => self.reader.refuse(&self.source, format!("has no {field}; {hint}")),
            (Place::Variables(_), Some((variable, _))) => self.reader.refuse(variable, format!("is not set; {hint}")),
            (Place::Variables(_), None) => {
                let message = format!("needs {field}, which only [[issuers]] in the TOML file can say; {hint}");
                self.reader.refuse(&self.source, message)
            }
        }
    }

    /// Records a problem with a field.
    pub(super) fn refuse<T>(&mut self, field: &str, message: impl Display) -> Result<T, Recorded> {
        let place = self.place(field);
        self.reader.refuse(place, message)
    }
}
