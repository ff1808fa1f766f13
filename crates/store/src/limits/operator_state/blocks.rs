//! Changes of the block list.

use super::{OperatorState, acts, lift_in};
use crate::limits::acts::{Act, Verb};
use crate::limits::blocks::Block;
use crate::limits::blocks::content::{self, KIND};
use crate::state::Entry;

/// Maximum number of blocks.
pub const MOST_BLOCKS: usize = 10_000;

/// The list has no room for another block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the list of blocks is full ({MOST_BLOCKS}): unblock somebody first, or shorten the reason")]
pub struct BlocksFullError;

impl OperatorState {
    /// Returns all blocks, also those whose time is over.
    pub fn blocks(&self) -> Vec<Block> {
        content::blocks(self.0.entries.lock().of(KIND)).blocks
    }

    /// Blocks a user, in place of earlier blocks of the same id and tenant; `by` is the operator. Returns the generation
    /// of the change.
    ///
    /// # Errors
    /// [`BlocksFullError`]. Nothing is changed then.
    pub fn put(&self, block: &Block, by: &str) -> Result<u64, BlocksFullError> {
        let text = content::text(block).ok_or(BlocksFullError)?;
        let act = Act::new(Verb::Block, by, &block.id, block.tenant.as_deref(), Some(described(block)));
        self.change(|entries| {
            let mut earlier = Vec::new();
            let mut in_force = 0;
            for entry in entries.of(KIND) {
                match content::block(entry) {
                    Some(other) if other.is_about_same(block) => earlier.push(entry.op),
                    Some(other) if !other.holds(block.since) => {}
                    _ => in_force += 1,
                }
            }
            if in_force >= MOST_BLOCKS {
                return Err(BlocksFullError);
            }
            entries.add(KIND, &text);
            for op in earlier {
                entries.lift(KIND, op);
            }
            acts::add(entries, &act);
            Ok(entries.generation())
        })
    }

    /// Lifts all blocks that are meant, as this act. Returns their number and the generation of the change.
    pub fn lift(&self, is_meant: impl Fn(&Block) -> bool, act: &Act) -> (usize, u64) {
        self.change(|entries| {
            let lifted = lift_in(entries, KIND, is_block(is_meant));
            if lifted > 0 {
                acts::add(entries, act);
            }
            (lifted, entries.generation())
        })
    }

    /// Removes all blocks that are meant, without an act.
    pub(super) fn lift_blocks(&self, is_meant: impl Fn(&Block) -> bool) {
        self.lift_entries(KIND, is_block(is_meant));
    }
}

/// Reads an entry as a block. A damaged entry has the id that can be read.
fn is_block(is_meant: impl Fn(&Block) -> bool) -> impl Fn(&Entry) -> bool {
    move |entry| content::blocks(std::iter::once(entry)).blocks.iter().any(&is_meant)
}

/// Describes the time of a block and its reason, for the audit log.
fn described(block: &Block) -> String {
    let until = block.until.map_or("permanently".to_owned(), |until| format!("until {until:.0}"));
    let cut = block.cut.then(|| "running responses aborted".to_owned());
    [Some(until), cut, block.reason.clone()].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn block(id: &str, tenant: Option<&str>) -> Block {
        let (id, tenant) = (id.to_owned(), tenant.map(str::to_owned));
        let (since, forgotten) = (Timestamp::UNIX_EPOCH, false);
        Block { id, tenant, since, until: None, reason: None, cut: false, user_id: false, forgotten }
    }

    fn lift(state: &OperatorState, id: &str, tenant: Option<&str>) -> usize {
        let is_meant = |block: &Block| block.has_id(id) && (tenant.is_none() || block.tenant.as_deref() == tenant);
        state.lift(is_meant, &Act::new(Verb::Unblock, "cli:root", id, tenant, None)).0
    }

    fn ids(store: &OperatorState) -> Vec<String> {
        let mut ids: Vec<_> = store.blocks().into_iter().map(|block| block.id).collect();
        ids.sort();
        ids
    }

    #[test]
    fn a_later_word_replaces_an_earlier_one() {
        let store = OperatorState::default();
        for block in [block("ada", None), block("ada", Some("acme")), block("bob", None)] {
            store.put(&block, "admin").unwrap();
        }
        store.put(&Block { cut: true, ..block("ada", None) }, "admin").unwrap();
        assert_eq!(ids(&store), ["ada", "ada", "bob"]);
        assert_eq!(lift(&store, "ada", Some("acme")), 1);
        assert_eq!(lift(&store, "eve", None), 0);
        assert_eq!(lift(&store, "ada", None), 1);
        assert_eq!(ids(&store), ["bob"]);
    }

    #[test]
    fn only_blocks_that_ended_long_ago_are_removed() {
        let store = OperatorState::default();
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (id, ago) in [("long", 100_000), ("just", 10), ("never", -10)] {
            let until = Some(now - jiff::SignedDuration::from_secs(ago));
            store.put(&Block { until, ..block(id, None) }, "admin").unwrap();
        }
        store.lift_ended(now, 30);
        assert_eq!(ids(&store), ["just", "never"]);
    }

    #[test]
    fn the_list_is_bounded() {
        let store = OperatorState::default();
        let long = Block { reason: Some("x".repeat(9_000)), ..block("ada", None) };
        assert_eq!(store.put(&long, "admin"), Err(BlocksFullError));
        for number in 0..MOST_BLOCKS {
            let text = content::text(&block(&number.to_string(), None)).unwrap();
            store.0.entries.lock().add(KIND, &text);
        }
        assert_eq!(store.put(&block("ada", None), "admin"), Err(BlocksFullError));
        lift(&store, "7", None);
        assert!(store.put(&block("ada", None), "admin").is_ok());
    }
}
