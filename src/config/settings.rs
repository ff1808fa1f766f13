//! The table of settings: name, default, secrecy and one documentation line for each.
//!
//! The configuration layers, `callsign config`, the hints for misspelt names, `docs/configuration.md` and
//! `config/callsign.toml` all read this table. It must not parse values: each concern's file asks for a value by
//! [`Setting::id`] and parses it. A new setting is one row here and one field there.

mod setting;
mod table;

pub use setting::{Section, Setting};
pub use table::SECTIONS;

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
