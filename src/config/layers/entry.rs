//! One value of a layer, and the conversions that all layers share.

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use crate::config::settings::Setting;

/// Configuration layers in order of precedence; later variants override earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::config) enum Layer {
    /// The settings table, or the file of defaults.
    Default,
    /// The TOML file.
    File,
    /// An environment variable.
    Environment,
}

impl Layer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
        }
    }
}

/// One value to merge.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) layer: Layer,
    /// Its source, for messages.
    pub(super) source: String,
    /// Its key in the merged layers.
    pub(super) path: Vec<String>,
    pub(super) text: String,
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

/// Returns the key of a setting without `*` and `[]` in the merged layers.
pub(super) fn stored_path(setting: &Setting) -> Vec<String> {
    setting.id().split('.').map(str::to_owned).collect()
}

/// Splits text at commas and line breaks into the entries of a list, one per line.
pub(super) fn split_list(text: &str) -> String {
    text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Reads the file named by a `_FILE` form, without one line break at its end.
///
/// # Errors
/// A message for the operator. It contains neither the file's content nor its path, which may be a misplaced secret.
pub(super) fn read_secret_file(path: &str) -> Result<String, String> {
    let unreadable = |error| format!("names a file that cannot be read: {error}; check path and permissions");
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| "names a file that is not UTF-8; save it as UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() { Err("names an empty file; write the value into it".to_owned()) } else { Ok(text.to_owned()) }
}
