//! A Redis connection that loses one answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// The command that runs a script.
const SCRIPT: &[u8] = b"EVALSHA";

/// Forwards connections to Redis.
pub(crate) struct Lossy {
    socket: PathBuf,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    loses: AtomicBool,
    was_lost: AtomicBool,
    /// Answers to scripts that were forwarded after the lost one.
    later: AtomicUsize,
}

impl Lossy {
    /// Listens on `socket` and forwards to `redis`.
    pub(crate) fn start(socket: PathBuf, redis: PathBuf) -> Self {
        let listener = UnixListener::bind(&socket).unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(forward(near, redis.clone(), Arc::clone(&shared)));
            }
        });
        Self { socket, state }
    }

    /// Returns the URL of the forwarding socket.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Closes the next connection that runs a script, after Redis has run it and before its answer arrives.
    pub(crate) fn lose_one_answer(&self) {
        self.state.loses.store(true, Ordering::Relaxed);
    }

    /// Returns the number of answers to scripts that were forwarded after the lost one.
    pub(crate) fn answers_after_the_lost_one(&self) -> usize {
        self.state.later.load(Ordering::Relaxed)
    }
}

async fn forward(mut near: UnixStream, redis: impl AsRef<Path>, state: Arc<State>) {
    let Ok(mut far) = UnixStream::connect(redis).await else { return };
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut runs_script, mut is_lost) = (false, false);
    loop {
        tokio::select! {
            length = near.read(&mut asked) => {
                let Ok(length @ 1..) = length else { return };
                runs_script = asked[..length].windows(SCRIPT.len()).any(|part| part == SCRIPT);
                is_lost |= runs_script && state.loses.swap(false, Ordering::Relaxed);
                far.write_all(&asked[..length]).await.unwrap();
            }
            length = far.read(&mut answered) => {
                let Ok(length @ 1..) = length else { return };
                if is_lost {
                    state.was_lost.store(true, Ordering::Relaxed);
                    return;
                }
                if near.write_all(&answered[..length]).await.is_err() {
                    return;
                }
                let is_later = runs_script && state.was_lost.load(Ordering::Relaxed);
                state.later.fetch_add(usize::from(is_later), Ordering::Relaxed);
            }
        }
    }
}
