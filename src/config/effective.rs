//! Lists every setting with its value and source for `callsign config`. Secrets are shown as `***`.

use super::layers::{Found, Layers};
use super::settings::{self, Known, Setting};
use callsign_core::secret::KeyDigest;

/// The replacement for a secret's value.
const HIDDEN: &str = "***";

/// One setting with its value and source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The TOML path, or the variable if there is no path.
    pub name: String,
    /// The value, `***` for a secret; `None` if it is not set and has no default.
    pub value: Option<String>,
    /// `default`, `env NAME` or `file:line`; if it is not set, the variable to set.
    pub source: String,
    /// Digest of the value, to compare secrets without showing them.
    digest: Option<KeyDigest>,
}

impl Effective {
    /// Returns true if both have the same value, whatever its source.
    pub fn is_same_value(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// Lists all settings in the order of the documentation, with the entries of lists and tables.
pub(super) fn list(layers: &Layers) -> Vec<Effective> {
    let mut list = Vec::new();
    let mut expanded: Vec<&str> = Vec::new();
    for setting in settings::all() {
        let Some(table) = setting.is_pattern().then(|| setting.id().split(['.', '[']).next().unwrap_or_default())
        else {
            list.extend(plain(setting, layers.get(setting.id())));
            continue;
        };
        if !expanded.contains(&table) {
            expanded.push(table);
            expand(layers, &[table], table, table, &mut list);
        }
    }
    list
}

/// Returns the row of a setting without `*` and `[]`; `None` for an alias that is not set.
fn plain(setting: &Setting, found: Option<Found>) -> Option<Effective> {
    let name = setting.id().to_owned();
    match found {
        Some(found) => {
            let value = if setting.secret { HIDDEN.to_owned() } else { found.text.replace('\n', ", ") };
            Some(Effective { name, value: Some(value), digest: Some(digest(&found.text)), source: found.source })
        }
        None => setting.path.map(|_| Effective { name, value: None, digest: None, source: setting.name().to_owned() }),
    }
}

fn digest(text: &str) -> KeyDigest {
    KeyDigest::of(text.as_bytes())
}

/// Appends the values below `path`. `pattern` is its spelling in the settings table. Entries of a list are numbered.
fn expand(layers: &Layers, pattern: &[&str], path: &str, shown: &str, list: &mut Vec<Effective>) {
    for (name, found) in layers.values(path) {
        let leaf: Vec<&str> = pattern.iter().copied().chain([name.as_str()]).collect();
        // A value without a row has been refused; it may be a misplaced secret.
        let open = matches!(settings::by_path(&leaf), Some(Known::Value(setting)) if !setting.secret);
        let value = if open { found.text.replace('\n', ", ") } else { HIDDEN.to_owned() };
        let digest = Some(digest(&found.text));
        list.push(Effective { name: format!("{shown}.{name}"), value: Some(value), source: found.source, digest });
    }
    let entries = settings::by_id(&format!("{path}[].name")).is_some();
    for (index, name) in layers.tables(path).iter().enumerate() {
        let shown = if entries { format!("{shown}[{index}]") } else { format!("{shown}.{name}") };
        let step = if entries { "[]" } else { name };
        let pattern: Vec<&str> = pattern.iter().copied().chain([step]).collect();
        expand(layers, &pattern, &format!("{path}.{name}"), &shown, list);
    }
}
