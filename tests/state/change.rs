//! Blocks and unblocks somebody, and checks that it is true.

use std::time::{Duration, Instant};

use crate::board::SOON;
use crate::caller::{self, End, person_id};
use crate::cluster::{Cluster, NODES};
use crate::figures::Figures;
use crate::random::Random;
use crate::support::within;
use crate::{PEOPLE, round::Known};

/// Pause between two requests of a check.
const PAUSE: Duration = Duration::from_millis(10);

/// Blocks or unblocks somebody.
pub(crate) async fn change(
    cluster: &mut Cluster,
    random: &mut Random,
    known: &mut [Known; PEOPLE],
    figures: &mut Figures,
) {
    let person = random.below(PEOPLE);
    let blocks = random.below(2) == 0;
    cluster.board.change(person);
    let said = cluster.command(person, if blocks { "block --unseen" } else { "unblock" }).await;
    let acknowledged = Instant::now();
    figures.changes += 1;
    if said.err.contains("is not blocked") {
        assert!(!blocks && known[person] != Known::Blocked, "a block of person {person} is lost: {said:?}");
        known[person] = Known::Free;
        return;
    }
    let is_stored = said.code == 0 || said.err.contains("stored, but not applied yet");
    let wanted = if blocks { Known::Blocked } else { Known::Free };
    known[person] = if is_stored { wanted } else { Known::Unclear };
    figures.unclear += usize::from(!is_stored);
    if said.code != 0 {
        return;
    }
    let is_local = said.err.contains("is in state.db");
    figures.stored_locally += usize::from(is_local);
    // An outage leaves the change to the node of the directory.
    let nodes: Vec<_> = cluster.running().into_iter().filter(|node| !is_local || *node == person % NODES).collect();
    if blocks {
        cluster.board.enforce(person, &nodes, acknowledged);
    }
    for node in nodes {
        let late = until(cluster, node, person, blocks, acknowledged).await;
        let longest = if blocks { &mut figures.to_enforce } else { &mut figures.to_admit };
        *longest = (*longest).max(late);
        figures.checks += 1;
    }
}

/// Sends requests until a node treats a person as wanted. Returns the time from the acknowledgement to the start of the
/// last request that it treated otherwise.
async fn until(cluster: &Cluster, node: usize, person: usize, blocks: bool, acknowledged: Instant) -> Duration {
    let mut late = Duration::ZERO;
    let wait = async {
        while let Some(began) = differs(cluster, node, person, blocks).await {
            late = began - acknowledged;
            assert!(late < SOON, "person {person} on node {node}: not {} after {late:?}", word(blocks));
            tokio::time::sleep(PAUSE).await;
        }
    };
    within("an answer", wait).await;
    late
}

/// Waits until all nodes agree about a person.
pub(crate) async fn until_all(cluster: &Cluster, person: usize, blocks: bool) {
    for node in 0..NODES {
        let what = format!("person {person} on node {node}: {}", word(blocks));
        let wait = async {
            while differs(cluster, node, person, blocks).await.is_some() {
                tokio::time::sleep(PAUSE).await;
            }
        };
        within(&what, wait).await;
    }
}

fn word(blocks: bool) -> &'static str {
    if blocks { "blocked" } else { "free" }
}

/// Sends a request. Returns the time of its start if a node treats a person otherwise than wanted. Any refusal but
/// `user_blocked` is neither.
async fn differs(cluster: &Cluster, node: usize, person: usize, blocks: bool) -> Option<Instant> {
    let board = &cluster.board;
    loop {
        let began = Instant::now();
        let address = board.address(node)?;
        match caller::call(board, address, &person_id(person), &board.probe_id(), "mock/echo").await {
            End::Refused(403) => return (!blocks).then_some(began),
            End::Complete => return blocks.then_some(began),
            End::Refused(_) | End::Broken => tokio::time::sleep(PAUSE).await,
        }
    }
}
