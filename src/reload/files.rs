//! Which files a configuration stands in, and what they hold: a digest, so that a change is seen and nothing is kept.

use std::path::{Path, PathBuf};

use crate::config::Sources;
use crate::secret::KeyDigest;

/// What the files of a configuration held at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Print {
    files: Vec<(PathBuf, Option<KeyDigest>)>,
    /// Whether the TOML file says anything.
    says_something: bool,
}

impl Print {
    /// Reads the TOML file, every file that it or the environment names for a secret, and `others`. A file that cannot be
    /// read counts as one that holds nothing: loading will say so.
    pub(super) fn take(sources: &Sources, others: &[PathBuf]) -> Self {
        let mut paths: Vec<PathBuf> = sources.named_files();
        let mut says_something = false;
        for toml in sources.toml_files() {
            let text = std::fs::read_to_string(&toml).unwrap_or_default();
            says_something |= !text.trim().is_empty();
            paths.extend(named_in(&text));
            paths.push(toml);
        }
        paths.extend_from_slice(others);
        paths.sort();
        paths.dedup();
        let files = paths.into_iter().map(|path| (path.clone(), digest(&path))).collect();
        Self { files, says_something }
    }

    /// Whether the TOML file said something before and now does not: a truncated write, not a wish.
    pub(super) fn is_emptied_since(&self, before: &Self) -> bool {
        before.says_something && !self.says_something
    }
}

fn digest(path: &Path) -> Option<KeyDigest> {
    std::fs::read(path).ok().map(|bytes| KeyDigest::of(&bytes))
}

/// The values of all keys that end in `_file`, wherever they stand. Not a parser of settings: a name too many does no
/// harm.
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
