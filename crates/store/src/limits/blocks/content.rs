//! Blocks as entries of the state: their text, and how a damaged text is read.

use super::Block;
use super::damaged::Named;
use crate::state::Entry;
use crate::state::entries::LONGEST_BODY;

/// The kind of the entries.
pub const KIND: &str = "block";

/// The blocks in force, and the number of entries that could not be read as a whole.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    /// The blocks.
    pub blocks: Vec<Block>,
    /// Number of damaged entries.
    pub unreadable: usize,
}

/// Returns the text of a block; `None` if it is too long.
pub(in crate::limits) fn text(block: &Block) -> Option<String> {
    serde_json::to_string(block).ok().filter(|text| text.len() <= LONGEST_BODY)
}

/// Reads a block.
pub(in crate::limits) fn block(entry: &Entry) -> Option<Block> {
    serde_json::from_str(&entry.body).ok()
}

/// Reads all blocks. A block whose text is damaged is in force without an end, because a damaged entry must not let
/// anybody in. An entry that names nobody is skipped.
pub(in crate::limits) fn blocks<'e>(entries: impl Iterator<Item = &'e Entry>) -> Blocks {
    let mut found = Blocks::default();
    for entry in entries {
        if let Some(block) = block(entry) {
            found.blocks.push(block);
        } else {
            found.unreadable += 1;
            found.blocks.extend(Named::read(&entry.body).blocks());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_entry_costs_only_itself_and_lets_nobody_in() {
        let entry =
            |body: &str| Entry { kind: KIND.into(), op: uuid::Uuid::now_v7(), lifted: false, body: body.into() };
        let whole = r#"{"id":"ada","tenant":"","since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}"#;
        let entries = [entry(whole), entry(r#"{"id":"bob","until":"some day","since":1}"#), entry(r#"{"id":"ev"#)];
        let found = blocks(entries.iter());
        assert_eq!(found.unreadable, 2);
        let shown: Vec<_> = found.blocks.iter().map(|block| (block.id.as_str(), block.until.is_some())).collect();
        assert_eq!(shown, [("ada", true), ("bob", false)]);
        assert!(block(&entries[0]).is_some() && block(&entries[1]).is_none() && block(&entries[2]).is_none());
    }
}
