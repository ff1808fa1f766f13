//! Reads a TOML file as a layer: every value becomes text with its line, every unknown key a problem.

use std::borrow::Cow;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::entry::{Entry, Layer, read_secret_file, split_list};
use super::hint;
use crate::config::problem::Problems;
use crate::config::settings::{self, Known, Setting};

/// Reads the values of a file. Returns `None`, and records a problem, if it cannot be read or is not TOML.
pub(super) fn read(path: &Path, layer: Layer, problems: &mut Problems) -> Option<Vec<Entry>> {
    let name = path.display().to_string();
    let text = match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => {
            problems.push(name, "is not UTF-8; save the file as UTF-8");
            return None;
        }
        Err(error) => {
            problems.push(name, format!("cannot be read: {error}; check path and permissions"));
            return None;
        }
    };
    let (table, errors) = DeTable::parse_recoverable(&text);
    let mut walk = Walk { name: &name, text: &text, layer, entries: Vec::new(), problems };
    for error in &errors {
        let (line, column) = walk.position(error.span().map_or(0, |span| span.start));
        // Only the message: the error's Display prints the source line, which may contain a secret.
        walk.problems.push(format!("{name}:{line}:{column}"), format!("is not TOML: {}", error.message()));
    }
    if !errors.is_empty() {
        return None;
    }
    walk.table(table.get_ref(), &Place::default());
    Some(walk.entries)
}

/// The problem with an empty entry of a list, or an empty `[presets.NAME]`.
const EMPTY: &str = "is empty; write its settings below it, or remove it";

/// A position in the walk through the file.
#[derive(Clone, Default)]
struct Place {
    /// The path as the settings table spells it: an entry of a list is `[]`.
    pattern: Vec<String>,
    /// The key in the merged layers: each entry of a list has a name of its own.
    stored: Vec<String>,
}

impl Place {
    fn child(&self, name: &str) -> Self {
        self.entry(name, name.to_owned())
    }

    fn entry(&self, pattern: &str, stored: String) -> Self {
        let mut child = self.clone();
        child.pattern.push(pattern.to_owned());
        child.stored.push(stored);
        child
    }

    fn pattern(&self) -> Vec<&str> {
        self.pattern.iter().map(String::as_str).collect()
    }
}

struct Walk<'a> {
    name: &'a str,
    text: &'a str,
    layer: Layer,
    entries: Vec<Entry>,
    problems: &'a mut Problems,
}

impl Walk<'_> {
    /// Returns line and column of a byte offset, both counted from one.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    fn source(&self, offset: usize) -> String {
        format!("{}:{}", self.name, self.position(offset).0)
    }

    fn problem(&mut self, offset: usize, place: &Place, message: impl std::fmt::Display) {
        let path = place.pattern.join(".").replace(".[]", "[]");
        self.problems.push(format!("{}: {path}", self.source(offset)), message);
    }

    fn table(&mut self, table: &DeTable<'_>, place: &Place) {
        let mut members: Vec<_> = table.iter().collect();
        members.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in members {
            self.value(name.span().start, value, &place.child(name.get_ref()));
        }
    }

    fn value(&mut self, offset: usize, value: &Spanned<DeValue<'_>>, place: &Place) {
        let known = settings::by_path(&place.pattern());
        match (value.get_ref(), known) {
            (DeValue::Table(table), None) if settings::is_section(&place.pattern()) => {
                // An empty [valves] is harmless; an empty [presets.house] is a mistake.
                if table.is_empty() && place.pattern.len() > 1 {
                    self.problem(offset, place, EMPTY);
                }
                self.table(table, place);
            }
            (DeValue::Array(array), None) if settings::is_section(&place.entry("[]", String::new()).pattern()) => {
                for (index, element) in array.iter().enumerate() {
                    // Entries of both files are kept, so each needs its own key.
                    let entry = place.entry("[]", format!("{:?}-{index:05}", self.layer));
                    let offset = element.span().start;
                    match element.get_ref() {
                        DeValue::Table(table) if table.is_empty() => self.problem(offset, &entry, EMPTY),
                        DeValue::Table(table) => self.table(table, &entry),
                        _ => self.problem(offset, &entry, "expected a table, as in [[keys]]"),
                    }
                }
            }
            (_, None) if settings::is_section(&place.pattern()) => {
                self.problem(offset, place, "expected a table, found a value; write its settings below it");
            }
            (_, None) => {
                let nearest = hint::path(&place.pattern());
                self.problem(offset, place, format!("is not a setting; the nearest one is {nearest}"));
            }
            (_, Some(Known::Value(setting))) => match text(value.get_ref(), setting) {
                Ok(text) => self.add(offset, text, place, place.stored.clone()),
                Err(message) => self.problem(offset, place, message),
            },
            (_, Some(Known::File(setting))) => self.secret_file(offset, value.get_ref(), setting, place),
        }
    }

    fn secret_file(&mut self, offset: usize, value: &DeValue<'_>, setting: &'static Setting, place: &Place) {
        let mut stored = place.stored.clone();
        if let Some(last) = stored.last_mut() {
            last.truncate(last.len() - "_file".len());
        }
        match text(value, setting).and_then(|path| read_secret_file(&path).map_err(Cow::Owned)) {
            Ok(text) => self.add(offset, text, place, stored),
            Err(message) => self.problem(offset, place, message),
        }
    }

    fn add(&mut self, offset: usize, text: String, place: &Place, path: Vec<String>) {
        // TOML refuses a repeated name, so this is a value and its `_file` form.
        if self.entries.iter().any(|entry| entry.path == path) {
            self.problem(offset, place, "is set both as a value and as a file; keep one");
        }
        let source = match self.layer {
            Layer::Default => format!("default ({})", self.source(offset)),
            Layer::File | Layer::Environment => self.source(offset),
        };
        self.entries.push(Entry { layer: self.layer, source, path, text });
    }
}

/// Converts a value to the text that its parser gets.
fn text(value: &DeValue<'_>, setting: &Setting) -> Result<String, Cow<'static, str>> {
    match value {
        DeValue::Array(array) if setting.list => {
            let entries: Option<Vec<_>> = array.iter().map(|entry| scalar(entry.get_ref())).collect();
            Ok(entries.ok_or("expected a list of strings")?.join("\n"))
        }
        DeValue::Array(_) => Err("expected one value, found a list".into()),
        DeValue::Table(_) => Err("expected a value, found a table".into()),
        _ if setting.list => Ok(split_list(&scalar(value).unwrap_or_default())),
        _ => scalar(value).ok_or("expected a value".into()),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        // 0xFF and 0b1 become decimal.
        DeValue::Integer(integer) => u128::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| integer.to_string(), |number| number.to_string()),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}
