//! The table of settings: names, defaults, secrecy and one line of documentation each (contract, section 2).
//!
//! Everything that must agree about settings reads this table: the layers, `callsign config`, the hints for misspelt
//! names, `docs/configuration.md` and `config/callsign.toml`. How a value is parsed is decided in the file of its
//! concern, which asks for it by [`Setting::id`]. A new setting is one row here and one field there.

mod table;

pub use table::SECTIONS;

/// One thing that an operator can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The environment variable, where there is one.
    pub variable: Option<&'static str>,
    /// The place in the TOML file, `upstream.url`; `*` stands for a name of the operator's choice, `[]` for an entry of
    /// a list of tables. `None` for what can only be a variable.
    pub path: Option<&'static str>,
    /// The text that is parsed when nothing is set.
    pub default: Option<&'static str>,
    /// What to show where there is no default, as a TOML value.
    pub example: &'static str,
    /// Shown as `***` everywhere, and also read from a file that `NAME_FILE` (TOML: `name_file`) names.
    pub secret: bool,
    /// Takes several values: a TOML array, or text with commas or line breaks between them.
    pub list: bool,
    /// The unit of a number.
    pub unit: Option<&'static str>,
    /// What it does.
    pub doc: &'static str,
}

/// Settings that belong together, under one heading of the documentation.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// What is to be known about all of them; may be empty.
    pub intro: &'static str,
    /// The settings, in the order in which they are documented and shown.
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

    /// What its value is filed under: the TOML path, or the variable of a setting that has none.
    pub fn id(&self) -> &'static str {
        self.path.or(self.variable).unwrap_or_default()
    }

    /// The name to tell an operator who has to set it: the variable, or the TOML path of a setting that has none.
    pub fn name(&self) -> &'static str {
        self.variable.or(self.path).unwrap_or_default()
    }

    /// Whether its path holds a name or a position that is the operator's choice.
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

/// Every setting, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

/// The setting of this [`Setting::id`].
pub fn by_id(id: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.id() == id)
}

/// What a name in the environment or in a TOML file leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The setting's own value.
    Value(&'static Setting),
    /// The path of a file that holds the value.
    File(&'static Setting),
}

/// The setting of this variable, its `_FILE` form included.
pub fn by_variable(name: &str) -> Option<Known> {
    let plain = |name: &str| all().find(|setting| setting.variable == Some(name));
    let file = || name.strip_suffix("_FILE").and_then(plain).filter(|setting| setting.secret).map(Known::File);
    plain(name).map(Known::Value).or_else(file)
}

/// The setting at this TOML path, its `_file` form included; entries of a list stand as `[]`.
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

/// Whether something can be set below this TOML path.
pub fn is_section(path: &[&str]) -> bool {
    all().any(|setting| {
        let mut segments = setting.segments();
        path.iter().all(|name| segments.next().is_some_and(|segment| segment == "*" || segment == *name))
            && segments.next().is_some()
    })
}

#[cfg(test)]
mod tests;
