//! The configuration as it came out, for `callsign config`: every value with its source, secrets as `***`.

use super::layers::{Found, Layers};
use super::settings::{self, Known, Setting};
use crate::secret::KeyDigest;

/// What stands for a secret's value.
const HIDDEN: &str = "***";

/// One setting as it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The TOML path, or the variable of a setting that has none.
    pub name: String,
    /// The value, `***` for a secret; `None` when it is not set and has no default.
    pub value: Option<String>,
    /// `default`, `env NAME` or `file:line`; for what is not set, the variable that would set it.
    pub source: String,
    /// Tells one value from another without showing either.
    digest: Option<KeyDigest>,
}

impl Effective {
    /// Whether the setting has the same value there, secret or not; where it comes from does not matter.
    pub fn is_same_value(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// Every setting in the order of the documentation, with the entries of lists and tables where they belong.
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

/// `None` for a shorthand that nobody uses.
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

/// The leaves below `path`, which `pattern` spells as the table of settings does; entries of a list of tables are shown by
/// number.
fn expand(layers: &Layers, pattern: &[&str], path: &str, shown: &str, list: &mut Vec<Effective>) {
    for (name, found) in layers.values(path) {
        let leaf: Vec<&str> = pattern.iter().copied().chain([name.as_str()]).collect();
        // What no row knows has been refused; it is not shown either.
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
