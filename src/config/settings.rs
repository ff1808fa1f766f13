//! The table of settings: name, default, secrecy and one documentation line for each.
//!
//! The configuration layers, `callsign config`, the hints for misspelt names, `docs/configuration.md` and
//! `config/callsign.toml` all read this table. It must not parse values: each concern's file asks for a value by
//! [`Setting::id`] and parses it. A new setting is one row here and one field there.

mod table;

pub use table::SECTIONS;

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
    const fn both(variable: &'static str, path: &'static str, doc: &'static str) -> Self {
        Self { variable: Some(variable), path: Some(path), ..Self::new(doc) }
    }

    const fn toml(path: &'static str, doc: &'static str) -> Self {
        Self { path: Some(path), ..Self::new(doc) }
    }

    const fn variable(variable: &'static str, doc: &'static str) -> Self {
        Self { variable: Some(variable), ..Self::new(doc) }
    }

    const fn new(doc: &'static str) -> Self {
        Self { variable: None, path: None, default: None, example: "", secret: false, list: false, unit: None, doc }
    }

    const fn default(self, text: &'static str) -> Self {
        Self { default: Some(text), ..self }
    }

    const fn example(self, toml: &'static str) -> Self {
        Self { example: toml, ..self }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn list(self) -> Self {
        Self { list: true, ..self }
    }

    const fn unit(self, unit: &'static str) -> Self {
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

    fn segments(&self) -> impl Iterator<Item = &'static str> {
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

/// All settings in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

/// Finds the setting with this [`Setting::id`].
pub fn by_id(id: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.id() == id)
}

/// A name of the environment or a TOML file that belongs to a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The setting's own value.
    Value(&'static Setting),
    /// The path of a file that contains the value.
    File(&'static Setting),
}

/// Finds the setting of an environment variable, including its `_FILE` form.
pub fn by_variable(name: &str) -> Option<Known> {
    let plain = |name: &str| all().find(|setting| setting.variable == Some(name));
    let file = || name.strip_suffix("_FILE").and_then(plain).filter(|setting| setting.secret).map(Known::File);
    plain(name).map(Known::Value).or_else(file)
}

/// Finds the setting at a TOML path, including its `_file` form. A list entry is the segment `[]`.
pub fn by_path(path: &[&str]) -> Option<Known> {
    let plain = |path: &[&str]| {
        all().filter(|setting| setting.path.is_some()).find(|setting| {
            let mut given = path.iter();
            setting.segments().all(|segment| given.next().is_some_and(|name| segment == "*" || segment == *name))
                && given.next().is_none()
        })
    };
    let file = || {
        let (last, section) = path.split_last()?;
        let mut path = section.to_vec();
        path.push(last.strip_suffix("_file")?);
        plain(&path).filter(|setting| setting.secret).map(Known::File)
    };
    plain(path).map(Known::Value).or_else(file)
}

/// Returns true if there are settings below this TOML path.
pub fn is_section(path: &[&str]) -> bool {
    all().any(|setting| {
        let mut segments = setting.segments();
        path.iter().all(|name| segments.next().is_some_and(|segment| segment == "*" || segment == *name))
            && segments.next().is_some()
    })
}

#[cfg(test)]
mod tests;
