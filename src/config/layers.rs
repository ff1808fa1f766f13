//! Merges the configuration layers. In order of precedence, lowest first: the table's defaults,
//! `/etc/callsign/defaults.toml`, the TOML file, the environment.
//!
//! figment merges the layers and records the source of each value. Every value is text here, whatever its TOML type,
//! and is parsed by the file of its concern. figment's own providers are not used: they guess types and print values
//! and source lines, any of which may be a secret.

mod entry;
mod environment;
mod file;
mod hint;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::value::{Dict, Value};

use super::problem::Problems;
use super::settings;
pub(super) use entry::Layer;
use entry::{Entry, stored_path};

/// The file of defaults in the container image.
pub const DEFAULTS_FILE: &str = "/etc/callsign/defaults.toml";

/// Everything that a configuration is read from. The library does not read the process's environment itself.
#[derive(Clone, Debug, Default)]
pub struct ConfigInputs {
    environment: Vec<(OsString, OsString)>,
    file: Option<PathBuf>,
    defaults: Option<PathBuf>,
    serving: bool,
}

impl ConfigInputs {
    /// Creates inputs from these variables, usually `std::env::vars_os()`. A file is read only if `CALLSIGN_CONFIG`
    /// names one.
    pub fn environment<N: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let environment = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { environment, ..Self::default() }
    }

    /// Sets the TOML file of `--config`, which overrides `CALLSIGN_CONFIG`. `None` changes nothing.
    #[must_use]
    pub fn file(self, file: Option<PathBuf>) -> Self {
        Self { file: file.or(self.file), ..self }
    }

    /// Sets the file of defaults, which the other file overrides. It need not exist. The program uses
    /// [`DEFAULTS_FILE`].
    #[must_use]
    pub fn defaults(self, file: impl Into<PathBuf>) -> Self {
        Self { defaults: Some(file.into()), ..self }
    }

    /// Makes [`super::Config::load`] also report the problems of [`super::Config::check_serving`], so that an operator
    /// sees all problems at once.
    #[must_use]
    pub fn serving(self) -> Self {
        Self { serving: true, ..self }
    }

    /// Returns true if the environment has a variable with this value.
    pub fn has_variable(&self, name: &str, value: &str) -> bool {
        self.environment.iter().any(|(known, of)| known == name && of == value)
    }

    /// Returns the paths of the TOML files, lowest precedence first. They may not exist.
    pub fn toml_files(&self) -> Vec<PathBuf> {
        let named = self.variables("CALLSIGN_CONFIG").next().map(PathBuf::from);
        self.defaults.iter().cloned().chain(self.file.clone().or(named)).collect()
    }

    /// Returns the paths in `…_FILE` variables.
    pub fn named_files(&self) -> Vec<PathBuf> {
        self.variables("_FILE").map(PathBuf::from).collect()
    }

    /// Returns the non-empty values of variables whose name ends with `end`.
    fn variables(&self, end: &str) -> impl Iterator<Item = &OsString> {
        self.environment
            .iter()
            .filter(move |(name, value)| name.to_str().is_some_and(|name| name.ends_with(end)) && !value.is_empty())
            .map(|(_, value)| value)
    }

    pub(super) fn is_serving(&self) -> bool {
        self.serving
    }
}

/// A merged value and its source.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The value as text; entries of a list are separated by line breaks.
    pub(super) text: String,
    /// `default`, `env NAME` or `file:line`.
    pub(super) source: String,
    /// The layer that it comes from.
    pub(super) layer: Layer,
}

impl Found {
    /// Returns the place to report for a problem with this value. `name` is its TOML path.
    pub(super) fn place(&self, name: &str) -> String {
        match self.layer {
            Layer::Environment => self.source.clone(),
            Layer::Default | Layer::File => format!("{}: {name}", self.source),
        }
    }
}

/// The merged layers.
pub(super) struct Layers {
    figment: Figment,
    /// False if a file could not be read; a setting that seems missing may then be in that file.
    pub(super) complete: bool,
}

impl Layers {
    /// Reads and merges all layers. Unknown names and unreadable files become problems; the rest is still merged.
    pub(super) fn read(sources: &ConfigInputs, problems: &mut Problems, warnings: &mut Vec<String>) -> Self {
        let mut layers = Self { figment: Figment::new(), complete: true };
        for setting in settings::all() {
            if let Some(text) = setting.default {
                let source = "default".to_owned();
                layers.add(Entry { layer: Layer::Default, source, path: stored_path(setting), text: text.to_owned() });
            }
        }
        let environment = environment::read(&sources.environment, problems, warnings);
        if let Some(path) = sources.defaults.as_deref().filter(|path| path.exists()) {
            layers.add_file(path, Layer::Default, problems);
        }
        let named = environment.entries.iter().find(|entry| entry.path == ["CALLSIGN_CONFIG"]);
        let file = sources.file.clone().or_else(|| named.map(|entry| PathBuf::from(&entry.text)));
        if let Some(path) = file {
            layers.add_file(&path, Layer::File, problems);
        }
        for entry in environment.entries {
            layers.add(entry);
        }
        for alias in environment.aliases {
            layers.add_alias(&alias, problems);
        }
        layers
    }

    fn add(&mut self, entry: Entry) {
        self.figment = std::mem::take(&mut self.figment).merge(entry);
    }

    fn add_file(&mut self, path: &Path, layer: Layer, problems: &mut Problems) {
        match file::read(path, layer, problems) {
            Some(entries) => entries.into_iter().for_each(|entry| self.add(entry)),
            None => self.complete = false,
        }
    }

    /// Adds the value of an alias, or a problem if its setting has another value.
    fn add_alias(&mut self, alias: &environment::Alias, problems: &mut Problems) {
        let setting = alias.stands_for;
        match self.get(setting.id()).filter(|found| found.layer > Layer::Default) {
            Some(found) if !alias.agrees_with(&found.text) => problems.push(
                format!("env {}", alias.variable),
                format!("is an alias of {}, which {} sets to another value; keep one", setting.name(), found.source),
            ),
            Some(_) => {}
            None => self.add(Entry {
                layer: Layer::Environment,
                source: format!("env {}", alias.variable),
                path: stored_path(setting),
                text: alias.text.clone(),
            }),
        }
    }

    /// Returns the value of `id`, a [`settings::Setting::id`] or a concrete path below a table.
    pub(super) fn get(&self, id: &str) -> Option<Found> {
        self.found(&self.figment.find_value(id).ok()?)
    }

    /// Returns names and values of the children of `path` that are values, in order of name.
    pub(super) fn values(&self, path: &str) -> Vec<(String, Found)> {
        self.dict(path).iter().filter_map(|(name, value)| Some((name.clone(), self.found(value)?))).collect()
    }

    /// Returns the names of the children of `path` that are tables. Entries of a list of tables have generated names.
    pub(super) fn tables(&self, path: &str) -> Vec<String> {
        self.dict(path).into_iter().filter(|(_, value)| value.as_dict().is_some()).map(|(name, _)| name).collect()
    }

    /// Returns the source of the table at `path`: that of its `name`, or of its first value in order of name.
    pub(super) fn place_of(&self, path: &str) -> Option<String> {
        fn first(value: &Value) -> Option<&Value> {
            match value.as_dict() {
                Some(dict) => dict.get("name").into_iter().chain(dict.values()).find_map(first),
                None => Some(value),
            }
        }
        let value = self.figment.find_value(path).ok()?;
        Some(self.found(first(&value)?)?.source)
    }

    fn dict(&self, path: &str) -> Dict {
        self.figment.find_value(path).ok().and_then(Value::into_dict).unwrap_or_default()
    }

    fn found(&self, value: &Value) -> Option<Found> {
        let metadata = self.figment.get_metadata(value.tag())?;
        let layer = [Layer::File, Layer::Environment]
            .into_iter()
            .find(|layer| layer.name() == metadata.name)
            .unwrap_or(Layer::Default);
        let source = metadata.source.as_ref()?.custom()?.to_owned();
        Some(Found { text: value.as_str()?.to_owned(), source, layer })
    }
}
