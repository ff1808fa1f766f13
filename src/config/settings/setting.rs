//! The type of a row of the settings table.

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The environment variable, if there is one.
    pub variable: Option<&'static str>,
    /// The TOML path, as `upstream.url`: `*` stands for any name, `[]` for an entry of a list of tables. `None` for a
    /// setting that only a variable sets.
    pub path: Option<&'static str>,
    /// The default, as the text that its parser gets.
    pub default: Option<&'static str>,
    /// A TOML value to show in the example file if there is no default.
    pub example: &'static str,
    /// True if the value is shown as `***` and can be read from a file: `NAME_FILE`, in TOML `name_file`.
    pub secret: bool,
    /// True if it takes several values: a TOML array, or text separated by commas or line breaks.
    pub list: bool,
    /// The unit of a number.
    pub unit: Option<&'static str>,
    /// Its documentation: plain sentences with limits and the meaning of the default.
    pub doc: &'static str,
}

/// The settings under one heading of the documentation.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// An introduction for all of them; may be empty.
    pub intro: &'static str,
    /// The settings in the order of the documentation and of `callsign config`.
    pub settings: &'static [Setting],
}

impl Setting {
    pub(super) const fn both(variable: &'static str, path: &'static str, doc: &'static str) -> Self {
        Self { variable: Some(variable), path: Some(path), ..Self::new(doc) }
    }

    pub(super) const fn toml(path: &'static str, doc: &'static str) -> Self {
        Self { path: Some(path), ..Self::new(doc) }
    }

    pub(super) const fn variable(variable: &'static str, doc: &'static str) -> Self {
        Self { variable: Some(variable), ..Self::new(doc) }
    }

    pub(super) const fn new(doc: &'static str) -> Self {
        Self { variable: None, path: None, default: None, example: "", secret: false, list: false, unit: None, doc }
    }

    pub(super) const fn default(self, text: &'static str) -> Self {
        Self { default: Some(text), ..self }
    }

    pub(super) const fn example(self, toml: &'static str) -> Self {
        Self { example: toml, ..self }
    }

    pub(super) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    pub(super) const fn list(self) -> Self {
        Self { list: true, ..self }
    }

    pub(super) const fn unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// The key of its value in the merged layers: the TOML path, or the variable if there is no path.
    pub fn id(&self) -> &'static str {
        self.path.or(self.variable).unwrap_or_default()
    }

    /// The name to show to an operator: the variable, or the TOML path if there is no variable.
    pub fn name(&self) -> &'static str {
        self.variable.or(self.path).unwrap_or_default()
    }

    /// Returns true if the path contains `*` or `[]`.
    pub fn is_pattern(&self) -> bool {
        self.path.is_some_and(|path| path.contains(['*', '[']))
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &'static str> {
        self.path
            .unwrap_or_default()
            .split('.')
            .flat_map(|segment| match segment.strip_suffix("[]") {
                Some(list) => [Some(list), Some("[]")],
                None => [Some(segment), None],
            })
            .flatten()
    }
}
