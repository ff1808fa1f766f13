//! Stores a change of a command. A server has a worker for it.

use std::time::{Duration, Instant};

use super::OperatorState;
use super::acknowledgement::{Acknowledgement, PATIENCE, Progress};
use crate::state::StateStore;

/// Time between two looks at the running servers.
const LOOK: Duration = Duration::from_millis(50);

/// Stores a change of a command, and waits until all running servers have applied it, at most two seconds.
pub async fn commit(store: &OperatorState, state: &mut StateStore, generation: u64) -> Acknowledgement {
    let began = Instant::now();
    let mut synced = store.exchange(state).await;
    let before = Progress::default();
    loop {
        let nodes = state.nodes().await;
        let progress = Progress::new(&synced, state.is_nowhere(), nodes, &before);
        if progress.is_done(generation) || began.elapsed() >= PATIENCE {
            return progress.acknowledgement(generation);
        }
        tokio::time::sleep(LOOK).await;
        if progress.generation < generation {
            synced = store.exchange(state).await;
        }
    }
}
