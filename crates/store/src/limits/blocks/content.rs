//! Blocks as entries of the state: their text, and how a damaged text is read.

use jiff::Timestamp;
use serde_json::Value;

use super::Block;
use crate::limits::damaged;
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
            found.blocks.extend(damaged_blocks(&entry.body));
        }
    }
    found
}

/// Returns the blocks that hold for a damaged text, each without an end.
fn damaged_blocks(text: &str) -> Vec<Block> {
    let (members, is_whole) = damaged::members(text);
    let text = |member| members.get(member).and_then(Value::as_str).map(str::to_owned);
    let Some(id) = text("id") else { return Vec::new() };
    let block = |forgotten| Block {
        id: id.clone(),
        tenant: text("tenant"),
        since: Timestamp::UNIX_EPOCH,
        until: None,
        reason: None,
        cut: false,
        user_id: members.get("user_id").and_then(Value::as_bool).unwrap_or_default(),
        forgotten,
    };
    damaged::forgotten(&members, is_whole, &id).map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::forgotten;

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

    fn written(id: &str, forgotten: bool) -> Block {
        let (since, until) = (Timestamp::UNIX_EPOCH, Some(Timestamp::MAX));
        let (tenant, reason) = (Some("acme".to_owned()), Some("x".to_owned()));
        Block { id: id.to_owned(), tenant, since, until, reason, cut: true, user_id: true, forgotten }
    }

    /// Every cut behind the id keeps the block, for the same person and never for fewer callers.
    #[test]
    fn a_text_that_is_cut_off_anywhere_behind_its_id_stops_the_person() {
        let digest = forgotten::digest("gone");
        for (block, person) in [(written("b\"ö\\b", false), "b\"ö\\b"), (written(&digest, true), "gone")] {
            let text = serde_json::to_string(&block).unwrap();
            let id_ends = serde_json::to_string(&block.id).unwrap().len() + r#"{"id":"#.len();
            for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
                let list = crate::limits::blocks::BlockList::new(damaged_blocks(&text[..end]));
                let stops = list.stops(Some("acme"), Some(person), None, Timestamp::now());
                assert_eq!(stops, end >= id_ends, "{}", &text[..end]);
            }
        }
    }

    #[test]
    fn a_member_of_a_wrong_type_does_not_hide_the_others() {
        let read = |text| damaged_blocks(text).into_iter().map(|block| (block.id, block.tenant)).collect::<Vec<_>>();
        assert_eq!(read(r#"{"id":"bob","tenant":7,"until":[]}"#), [("bob".to_owned(), None)]);
        assert_eq!(read(r#"{"since":{"a":1},"id":"bob","tenant":""}"#), [("bob".to_owned(), Some(String::new()))]);
        for nobody in [r#"{"id":7,"tenant":""}"#, r#"["bob"]"#, ""] {
            assert_eq!(read(nobody), [], "{nobody}");
        }
        let gone = damaged_blocks(r#"{"id":"0123456789abcdef0123456789abcdef","forgotten":1}"#);
        assert_eq!(gone.iter().map(|block| block.forgotten).collect::<Vec<_>>(), [false, true]);
    }
}
