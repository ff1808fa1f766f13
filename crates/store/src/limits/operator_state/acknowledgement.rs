//! The acknowledgement of a change: where it is stored, and which running servers obey it
//! (docs/SPEC.md#block-acknowledgement).

use std::time::Duration;

use crate::state::{Node, Synced};

/// Maximum wait for running servers.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// A server whose last sign of life is older does not run any more.
const ALIVE: Duration = Duration::from_secs(5);

/// Stands for the servers that do not know of a change while the shared place does not answer.
const ELSEWHERE: &str = "servers elsewhere, because the shared place does not answer";

/// The place of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stored {
    /// No place has been read since the start.
    #[default]
    Unread,
    /// Only in this process, because no place takes it.
    Memory,
    /// In `state.db`, because the shared place does not answer. It is passed on when that returns.
    Locally,
    /// In the first place of the configuration.
    Shared,
}

/// The result of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The place that has it.
    pub stored: Stored,
    /// Number of running servers that obey it.
    pub applied: usize,
    /// The names of running servers that do not obey it yet. Not empty while the shared place does not answer.
    pub late: Vec<String>,
}

/// The state of the exchange, as of its latest round.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) stored: Stored,
    /// The generation of the entries that the place has.
    pub(super) generation: u64,
    /// The number of the place's version with these entries.
    pub(super) number: i64,
    pub(super) nodes: Vec<Node>,
    /// True once the list is known: there is no place, or one answered that can know it.
    pub(super) is_informed: bool,
}

impl Progress {
    /// Builds the state after an exchange. `before` is the state before it.
    pub(super) fn new(synced: &Synced, is_nowhere: bool, nodes: Vec<Node>, before: &Self) -> Self {
        let is_informed = before.is_informed || is_nowhere || synced.is_informed;
        match synced.stored {
            Some((number, generation)) => {
                let stored = if synced.is_first { Stored::Shared } else { Stored::Locally };
                Self { stored, generation, number, nodes, is_informed }
            }
            // Without a place this process is the only one that the change is for.
            None if is_nowhere => Self { stored: Stored::Memory, generation: u64::MAX, is_informed, ..Self::default() },
            None if before.stored == Stored::Unread => Self { is_informed, ..Self::default() },
            None => Self { stored: Stored::Memory, is_informed, ..Self::default() },
        }
    }

    /// Returns true if nothing is left to wait for.
    pub(super) fn is_done(&self, generation: u64) -> bool {
        self.generation >= generation && self.late().next().is_none()
    }

    fn late(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.age < ALIVE && node.applied < self.number)
    }

    pub(super) fn acknowledgement(&self, generation: u64) -> Acknowledgement {
        if self.generation < generation || self.stored == Stored::Unread {
            return Acknowledgement { stored: Stored::Memory, ..Acknowledgement::default() };
        }
        let elsewhere = (self.stored == Stored::Locally).then_some(ELSEWHERE);
        let is_applied = |node: &&Node| node.age < ALIVE && node.applied >= self.number;
        Acknowledgement {
            stored: self.stored,
            applied: self.nodes.iter().filter(is_applied).count(),
            late: self.late().map(|node| node.name.clone()).chain(elsewhere.map(str::to_owned)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_running_servers_count() {
        let node = |name: &str, applied, seconds| Node {
            node: name.to_owned(),
            name: name.to_owned(),
            applied,
            age: Duration::from_secs(seconds),
        };
        let nodes = vec![node("a", 7, 0), node("b", 6, 1), node("gone", 2, 60)];
        let progress = Progress { stored: Stored::Shared, generation: 3, number: 7, nodes, is_informed: true };
        assert!(!progress.is_done(3) && !progress.is_done(4));
        let acknowledgement = progress.acknowledgement(3);
        assert_eq!((acknowledgement.applied, acknowledgement.late), (1, vec!["b".to_owned()]));
        assert_eq!(progress.acknowledgement(4).stored, Stored::Memory, "not stored yet");
        let alone = Progress { nodes: Vec::new(), ..progress };
        assert!(alone.is_done(3) && alone.acknowledgement(3).late.is_empty());
        let away = Progress { stored: Stored::Locally, ..alone };
        assert!(away.is_done(3) && !away.acknowledgement(3).late.is_empty(), "others are not known");
    }

    /// A new `state.db` beside a shared place that does not answer.
    #[test]
    fn a_blank_copy_is_no_list() {
        let local = |is_informed| Synced { stored: Some((0, 1)), is_informed, ..Synced::default() };
        let blank = Progress::new(&local(false), false, Vec::new(), &Progress::default());
        assert_eq!((blank.stored, blank.is_informed), (Stored::Locally, false));
        let known = Progress::new(&local(true), false, Vec::new(), &Progress::default());
        let away = Progress::new(&Synced::default(), false, Vec::new(), &known);
        assert!(known.is_informed && away.is_informed, "the list stays known");
        assert!(Progress::new(&Synced::default(), true, Vec::new(), &blank).is_informed, "there is no place");
    }
}
