//! Compares types as the most lenient reader would (docs/SPEC.md#name-comparison).

use std::borrow::Cow;

use super::super::decode::decode;
use super::super::raw_name::fold;

/// The longest type that can equal one of the table or of `server_tools_allowed`, in bytes.
pub(super) const LONGEST_TYPE: usize = 64;
/// The longest raw form of any compared text, in bytes: [`LONGEST_TYPE`] characters and a final U+0000, all written as
/// six-byte escapes. A longer text equals none of them unless U+0000 ends the name within this length.
pub(super) const RAW_CAP: usize = 6 * (LONGEST_TYPE + 1);

/// Decodes and folds a raw text, or the beginning of a long one.
pub(super) fn folded(text: &[u8]) -> Vec<u8> {
    fold(&decode(text.get(..RAW_CAP.min(text.len())).unwrap_or_default()))
}

/// A type, folded.
#[derive(Debug)]
pub(super) struct TypeName<'t> {
    folded: Cow<'t, [u8]>,
    /// True if only its beginning is kept.
    is_cut: bool,
}

impl<'t> TypeName<'t> {
    /// Reads a raw text without quotes.
    pub(super) fn of(text: &'t [u8]) -> Self {
        if text.len() <= RAW_CAP && text.iter().all(|byte| byte.is_ascii() && !matches!(byte, b'\\' | b'A'..=b'Z')) {
            return Self { folded: Cow::Borrowed(text), is_cut: false };
        }
        let decoded = decode(text.get(..RAW_CAP.min(text.len())).unwrap_or_default());
        let is_cut = text.len() > RAW_CAP && !decoded.contains(&0);
        Self { folded: Cow::Owned(fold(&decoded)), is_cut }
    }

    /// Returns the type; `None` if it is too long.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        Some(&*self.folded).filter(|folded| !self.is_cut && folded.len() <= LONGEST_TYPE)
    }

    /// Returns true if the type is `name`.
    pub(super) fn is(&self, name: &str) -> bool {
        self.whole() == Some(name.as_bytes())
    }

    /// Returns true if the type, however long, begins with `openrouter:`.
    pub(super) fn is_openrouter(&self) -> bool {
        self.folded.starts_with(b"openrouter:")
    }
}
