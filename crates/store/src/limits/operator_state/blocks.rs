//! Changes of the block list.

use super::OperatorState;
use crate::limits::blocks::Block;
use crate::limits::blocks::content::{self, KIND};

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

    /// Blocks a user, in place of earlier blocks of the same id and tenant. Returns the generation of the change.
    ///
    /// # Errors
    /// [`BlocksFullError`]. Nothing is changed then.
    pub fn put(&self, block: &Block) -> Result<u64, BlocksFullError> {
        let text = content::text(block).ok_or(BlocksFullError)?;
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
            Ok(entries.generation())
        })
    }

    /// Lifts the blocks of `id`, either of one tenant or of all. Returns their number and the generation of the change.
    pub fn lift(&self, id: &str, tenant: Option<&str>) -> (usize, u64) {
        let is_meant =
            |block: &Block| block.id == id && tenant.is_none_or(|tenant| block.tenant.as_deref() == Some(tenant));
        self.lift_blocks(is_meant)
    }

    /// Lifts all blocks that are meant. Returns their number and the generation of the change.
    pub(super) fn lift_blocks(&self, is_meant: impl Fn(&Block) -> bool) -> (usize, u64) {
        // A damaged entry is lifted by the id that can be read.
        self.lift_entries(KIND, |entry| content::blocks(std::iter::once(entry)).blocks.iter().any(&is_meant))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn block(id: &str, tenant: Option<&str>) -> Block {
        let (id, tenant) = (id.to_owned(), tenant.map(str::to_owned));
        Block { id, tenant, since: Timestamp::UNIX_EPOCH, until: None, reason: None, cut: false, user_id: false }
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
            store.put(&block).unwrap();
        }
        store.put(&Block { cut: true, ..block("ada", None) }).unwrap();
        assert_eq!(ids(&store), ["ada", "ada", "bob"]);
        assert_eq!(store.lift("ada", Some("acme")).0, 1);
        assert_eq!(store.lift("eve", None).0, 0);
        assert_eq!(store.lift("ada", None).0, 1);
        assert_eq!(ids(&store), ["bob"]);
    }

    #[test]
    fn only_blocks_that_ended_long_ago_are_removed() {
        let store = OperatorState::default();
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (id, ago) in [("long", 100_000), ("just", 10), ("never", -10)] {
            let until = Some(now - jiff::SignedDuration::from_secs(ago));
            store.put(&Block { until, ..block(id, None) }).unwrap();
        }
        store.lift_ended(now);
        assert_eq!(ids(&store), ["just", "never"]);
    }

    #[test]
    fn the_list_is_bounded() {
        let store = OperatorState::default();
        let long = Block { reason: Some("x".repeat(9_000)), ..block("ada", None) };
        assert_eq!(store.put(&long), Err(BlocksFullError));
        for number in 0..MOST_BLOCKS {
            let text = content::text(&block(&number.to_string(), None)).unwrap();
            store.0.entries.lock().add(KIND, &text);
        }
        assert_eq!(store.put(&block("ada", None)), Err(BlocksFullError));
        store.lift("7", None);
        assert!(store.put(&block("ada", None)).is_ok());
    }
}
