//! Digests of a configuration's files, to detect changes. File contents are not kept.

use std::path::{Path, PathBuf};

use crate::config::ConfigInputs;
use callsign_core::secret::KeyDigest;

/// Digests of all files of a configuration at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Print {
    files: Vec<(PathBuf, Option<KeyDigest>)>,
    /// True if a TOML file has content.
    has_content: bool,
}

impl Print {
    /// Reads the TOML files, the secret files named by them and by the environment, and `others`. An unreadable file
    /// counts as empty; loading the configuration reports it.
    pub(super) fn take(sources: &ConfigInputs, others: &[PathBuf]) -> Self {
        let mut paths: Vec<PathBuf> = sources.named_files();
        let mut has_content = false;
        for toml in sources.toml_files() {
            let text = std::fs::read_to_string(&toml).unwrap_or_default();
            has_content |= !text.trim().is_empty();
            paths.extend(named_in(&text));
            paths.push(toml);
        }
        paths.extend_from_slice(others);
        paths.sort();
        paths.dedup();
        let files = paths.into_iter().map(|path| (path.clone(), digest(&path))).collect();
        Self { files, has_content }
    }

    /// Returns true if the TOML file had content before and has none now, which is taken for a truncated write.
    pub(super) fn is_emptied_since(&self, before: &Self) -> bool {
        before.has_content && !self.has_content
    }
}

fn digest(path: &Path) -> Option<KeyDigest> {
    std::fs::read(path).ok().map(|bytes| KeyDigest::of(&bytes))
}

/// Returns the values of all keys that end in `_file`, at any depth. It may return paths that are not secret files,
/// which is harmless.
fn named_in(text: &str) -> Vec<PathBuf> {
    let Ok(table) = text.parse::<toml::Table>() else { return Vec::new() };
    let mut found = Vec::new();
    let mut open: Vec<(String, toml::Value)> = table.into_iter().collect();
    while let Some((name, value)) = open.pop() {
        match value {
            toml::Value::String(path) if name.ends_with("_file") => found.push(PathBuf::from(path)),
            toml::Value::Table(table) => open.extend(table),
            toml::Value::Array(values) => open.extend(values.into_iter().map(|value| (name.clone(), value))),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_at_any_depth() {
        let text = "a_file = '/a'\nb = '/b'\n[[keys]]\nsecret_file = '/c'\n[upstream]\napi_key_file = '/d'";
        let mut found = named_in(text);
        found.sort();
        assert_eq!(found, ["/a", "/c", "/d"].map(PathBuf::from));
        assert!(named_in("not toml").is_empty());
    }
}
