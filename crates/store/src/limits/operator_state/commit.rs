//! Reads the state for a command, and stores its change. A server has a worker for it.

use std::time::{Duration, Instant};

use super::OperatorState;
use super::acknowledgement::{Acknowledgement, PATIENCE, Progress};
use crate::state::{StateStore, Synced};

/// Time between two looks at the places and the running servers.
const LOOK: Duration = Duration::from_millis(50);

/// Reads the state, at the latest of several attempts within two seconds: a busy server may hold the lock of `state.db` for a
/// moment.
pub async fn read(store: &OperatorState, state: &mut StateStore) -> Synced {
    let began = Instant::now();
    loop {
        let synced = store.exchange(state).await;
        if synced.stored.is_some() || began.elapsed() >= PATIENCE {
            return synced;
        }
        tokio::time::sleep(LOOK).await;
    }
}

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
