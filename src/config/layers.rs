//! Puts the layers on top of each other: defaults < `/etc/callsign/defaults.toml` < the TOML file < the environment.
//!
//! figment merges them and remembers where each value came from. Every value is text here, whatever TOML thought it was:
//! figment's own providers guess types, print values that do not fit, and echo the source line of a syntax error, and
//! any of these may be a secret. Parsing is for the files of the concerns.

mod environment;
mod file;
mod hint;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::problem::Problems;
use super::settings::{self, Setting};

/// Where the image carries its defaults (contract, section 6).
pub const DEFAULTS_FILE: &str = "/etc/callsign/defaults.toml";

/// What a configuration is read from. Nothing else is looked at: the library never reads the process's environment.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    environment: Vec<(OsString, OsString)>,
    file: Option<PathBuf>,
    defaults: Option<PathBuf>,
    serving: bool,
}

impl Sources {
    /// These variables, usually `std::env::vars_os()`, and no file unless `CALLSIGN_CONFIG` among them names one.
    pub fn environment<N: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let environment = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { environment, ..Self::default() }
    }

    /// The TOML file of `--config`; wins over `CALLSIGN_CONFIG`. `None` changes nothing.
    #[must_use]
    pub fn file(self, file: Option<PathBuf>) -> Self {
        Self { file: file.or(self.file), ..self }
    }

    /// A file of defaults, lowest of all files; read where it exists ([`DEFAULTS_FILE`] for the program).
    #[must_use]
    pub fn defaults(self, file: impl Into<PathBuf>) -> Self {
        Self { defaults: Some(file.into()), ..self }
    }

    /// The configuration is meant to serve: report what [`super::Config::check_serving`] finds together with everything
    /// else, so that an operator sees all problems at once.
    #[must_use]
    pub fn serving(self) -> Self {
        Self { serving: true, ..self }
    }

    /// The TOML files that this is read from, lowest first; whether they exist is another question.
    pub fn toml_files(&self) -> Vec<PathBuf> {
        let named = self.variables("CALLSIGN_CONFIG").next().map(PathBuf::from);
        self.defaults.iter().cloned().chain(self.file.clone().or(named)).collect()
    }

    /// The files that variables name for their values (`…_FILE`).
    pub fn named_files(&self) -> Vec<PathBuf> {
        self.variables("_FILE").map(PathBuf::from).collect()
    }

    /// The values of variables whose name ends like this, empty ones left out.
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

/// How far from the operator's hand a value comes; a later one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    /// The table, or the file of defaults.
    Default,
    /// The TOML file.
    File,
    /// A variable.
    Environment,
}

impl Layer {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
        }
    }
}

/// One value on its way into the merge.
#[derive(Clone)]
pub(super) struct Entry {
    layer: Layer,
    /// Where it stands, for people.
    source: String,
    /// What it is filed under.
    path: Vec<String>,
    text: String,
}

impl Provider for Entry {
    fn metadata(&self) -> Metadata {
        Metadata::from(self.layer.name(), figment::Source::Custom(self.source.clone()))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut segments = self.path.iter().rev();
        let mut dict = Dict::new();
        if let Some(last) = segments.next() {
            dict.insert(last.clone(), Value::from(self.text.as_str()));
        }
        for segment in segments {
            dict = Dict::from([(segment.clone(), Value::from(dict))]);
        }
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// A value and where it came from.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The value as text; entries of a list are separated by line breaks.
    pub(super) text: String,
    /// `default`, `env NAME` or `file:line`.
    pub(super) source: String,
    /// The layer that won.
    pub(super) layer: Layer,
}

impl Found {
    /// The place of a problem with it; `name` is its TOML path.
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
    /// Whether all of them could be read; otherwise what seems missing may stand in the part that could not.
    pub(super) complete: bool,
}

impl Layers {
    /// Reads and merges everything. Unknown names and unreadable files become problems; the rest is still merged.
    pub(super) fn read(sources: &Sources, problems: &mut Problems, warnings: &mut Vec<String>) -> Self {
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

    /// An alias stands for another setting, which must not say something else.
    fn add_alias(&mut self, alias: &environment::Alias, problems: &mut Problems) {
        let setting = alias.stands_for;
        match self.get(setting.id()).filter(|found| found.layer > Layer::Default) {
            Some(found) if !alias.agrees_with(&found.text) => problems.push(
                format!("env {}", alias.variable),
                format!("stands for {}, which {} sets to something else; keep one", setting.name(), found.source),
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

    /// The value filed under `id`, a [`Setting::id`] or a concrete path below one of the tables.
    pub(super) fn get(&self, id: &str) -> Option<Found> {
        self.found(&self.figment.find_value(id).ok()?)
    }

    /// Names and values of the children of `path`, in order of name; nothing for a child that is a table itself.
    pub(super) fn values(&self, path: &str) -> Vec<(String, Found)> {
        self.dict(path).iter().filter_map(|(name, value)| Some((name.clone(), self.found(value)?))).collect()
    }

    /// Names of those children of `path` that are tables; for a list of tables what their entries are filed under.
    pub(super) fn tables(&self, path: &str) -> Vec<String> {
        self.dict(path).into_iter().filter(|(_, value)| value.as_dict().is_some()).map(|(name, _)| name).collect()
    }

    /// Where the table at `path` stands: where its name does, or the first of its values in order of name.
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

/// What a setting without a name of the operator's choice is filed under.
fn stored_path(setting: &Setting) -> Vec<String> {
    setting.id().split('.').map(str::to_owned).collect()
}

/// Separates the entries of a list; what stands between commas or line breaks is one.
fn split_list(text: &str) -> String {
    text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).collect::<Vec<_>>().join("\n")
}

/// What the file that a `_FILE` form names holds, without one line break at its end.
///
/// # Errors
/// What to tell the operator, without the file's content, nor its name: often enough that is the secret itself.
fn read_secret_file(path: &str) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("names a file that cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| "names a file that is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() { Err("names an empty file".to_owned()) } else { Ok(text.to_owned()) }
}
