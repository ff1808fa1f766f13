//! The accept loop of one listener: takes connections while there are places, survives a lack of descriptors, drains.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};

use super::connection::Room;
use super::places::{Entry, Place, Places};
use super::{Drain, Handler, Options};

/// The first pause after a failed accept; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A trouble that lasts is said once in this time.
const SILENCE: Duration = Duration::from_secs(10);

/// Accepts and serves until `drain` closes the listener, then waits for the connections until it is over.
pub(super) async fn run<H: Handler>(listener: TcpListener, handler: H, options: Arc<Options>, drain: Drain) {
    let room = Arc::new(Room::new(handler, options.patience, drain.clone()));
    let mut connections = JoinSet::new();
    accept_until_closing(&listener, &room, &options, &drain, &mut connections).await;
    for (stream, address) in queued(listener) {
        match options.places.enter_now(address.ip()) {
            Entry::Placed(place) => spawn(&mut connections, &room, &options, stream, address, place),
            Entry::Closed => {}
            Entry::Full => break,
        }
    }
    room.close();
    tokio::select! {
        () = async { while let Some(end) = connections.join_next().await { reap(end); } } => {}
        () = drain.over() => {}
    }
    if !connections.is_empty() {
        tracing::warn!(connections = connections.len(), "cutting connections that outlived the drain");
        connections.shutdown().await;
    }
}

async fn accept_until_closing<H: Handler>(
    listener: &TcpListener,
    room: &Arc<Room<H>>,
    options: &Options,
    drain: &Drain,
    connections: &mut JoinSet<()>,
) {
    let mut closing = pin!(drain.closing());
    let mut trouble = Trouble::default();
    loop {
        let (stream, address) = tokio::select! {
            () = &mut closing => return,
            Some(end) = connections.join_next() => {
                reap(end);
                continue;
            }
            accepted = accept(listener, &mut trouble) => accepted,
        };
        // Accepted before there is a place: a listener that held one in advance would keep it from the others.
        let place = tokio::select! {
            () = &mut closing => return,
            place = place(&options.places, address, &mut trouble) => place,
        };
        if let Some(place) = place {
            spawn(connections, room, options, stream, address, place);
        }
    }
}

fn spawn<H: Handler>(
    connections: &mut JoinSet<()>,
    room: &Arc<Room<H>>,
    options: &Options,
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
) {
    let room = room.clone();
    // Two kinds of task, so that a plain connection does not carry the size of a TLS one.
    match options.tls.clone() {
        None => connections.spawn(async move {
            room.serve(stream, address, place.shed).await;
            drop(place);
        }),
        Some(tls) => connections.spawn(async move {
            room.serve_tls(stream, address, place.shed, tls).await;
            drop(place);
        }),
    };
}

/// The connections that the kernel has completed already and would reset with the listener, which closes at their end.
fn queued(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    // tokio's accept asks the socket only after an event; the plain one asks at once and does not block either.
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        let (stream, address) = listener.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, address))
    })
}

/// A connection must not take the server with it, but its panic is a bug to hear of.
fn reap(end: Result<(), JoinError>) {
    if let Err(error) = end {
        tracing::error!(%error, "a connection's task failed");
    }
}

async fn place(places: &Arc<Places>, address: SocketAddr, trouble: &mut Trouble) -> Option<Place> {
    if places.is_full() && trouble.worth_saying() {
        tracing::warn!("as many connections as allowed are open, new ones are refused");
    }
    places.enter(address.ip()).await
}

/// The next connection. Cancelling it loses none, and a pause with it.
async fn accept(listener: &TcpListener, trouble: &mut Trouble) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                trouble.over();
                return accepted;
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                let pause = trouble.pause();
                if trouble.worth_saying() {
                    tracing::warn!(%error, "cannot accept connections, trying again");
                }
                sleep(pause).await;
            }
        }
    }
}

/// Errors of a connection that died in the queue; accept(2) hands them over. The next one may be fine.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Troubles of the accept loop: how long to pause, and when to speak.
#[derive(Debug, Default)]
struct Trouble {
    pause: Duration,
    said: Option<Instant>,
}

impl Trouble {
    /// How long to wait before the next try.
    fn pause(&mut self) -> Duration {
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.pause
    }

    fn over(&mut self) {
        self.pause = Duration::ZERO;
    }

    fn worth_saying(&mut self) -> bool {
        let due = self.said.is_none_or(|said| said.elapsed() >= SILENCE);
        if due {
            self.said = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trouble_pauses_longer_and_speaks_seldom() {
        let mut trouble = Trouble::default();
        let (mut pauses, mut warnings) = (Vec::new(), 0);
        for _ in 0..20 {
            let pause = trouble.pause();
            pauses.push(pause.as_millis());
            warnings += usize::from(trouble.worth_saying());
            sleep(pause).await;
        }
        assert_eq!(pauses[..9], [5, 10, 20, 40, 80, 160, 320, 640, 1000]);
        assert_eq!(pauses[19], 1000);
        assert_eq!(warnings, 2, "in 12 s");
        trouble.over();
        assert_eq!(trouble.pause(), FIRST_PAUSE);
    }

    #[tokio::test]
    async fn connections_in_the_queue_are_not_lost_with_the_listener() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let mut addresses: Vec<_> = queued(listener).map(|(_, address)| address).collect();
        addresses.sort();
        let mut expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        expected.sort();
        assert_eq!(addresses, expected);
        assert!(std::net::TcpStream::connect(address).is_err());
    }

    #[test]
    fn only_a_dead_connection_is_skipped_without_a_pause() {
        let (aborted, too_many_files, out_of_memory) = (103, 24, 12);
        assert!(concerns_one_connection(&io::Error::from_raw_os_error(aborted)));
        assert!(!concerns_one_connection(&io::Error::from_raw_os_error(too_many_files)));
        assert!(!concerns_one_connection(&io::Error::from_raw_os_error(out_of_memory)));
    }
}
