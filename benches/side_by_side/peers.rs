//! Starts the proxies and reads the CPU time and memory of their processes.

use std::collections::HashMap;
use std::fs::DirEntry;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::configurations::{
    Listen, build, build_before, callsign, envoy, haproxy, logged, nginx, token, with_ledger, with_pool, with_tokens,
};
use crate::gateways;
use crate::upstream::Target;
use crate::workload::{Answer, KEY};

/// The kind of a proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// callsign with all valves on and `hmac` formats.
    Callsign,
    /// callsign with a caller that is resolved from a JSON Web Token.
    CallsignToken,
    /// callsign with a ledger in `fast` mode.
    CallsignLedger,
    /// callsign with a log line for every request.
    CallsignLogged,
    /// callsign with the other pool of upstream connections.
    CallsignPool,
    /// Another build of callsign, as [`Kind::Callsign`].
    Before,
    /// Another build of callsign, as [`Kind::CallsignLedger`].
    BeforeLedger,
    /// nginx with one worker per core, streaming both ways.
    Nginx,
    /// HAProxy with one thread per core.
    HaProxy,
    /// Envoy with one worker per core.
    Envoy,
    /// LiteLLM's proxy.
    LiteLlm,
    /// Portkey's gateway.
    Portkey,
}

/// All kinds in the order of the tables.
pub(crate) const ALL: [Kind; 12] = [
    Kind::Nginx,
    Kind::HaProxy,
    Kind::Envoy,
    Kind::Callsign,
    Kind::CallsignToken,
    Kind::CallsignLedger,
    Kind::CallsignLogged,
    Kind::CallsignPool,
    Kind::Before,
    Kind::BeforeLedger,
    Kind::LiteLlm,
    Kind::Portkey,
];
/// The kinds that are measured with TLS to the upstream and with clients of HTTP/2.
pub(crate) const FEW: [Kind; 6] =
    [Kind::Nginx, Kind::HaProxy, Kind::Envoy, Kind::Callsign, Kind::CallsignPool, Kind::Before];
/// Maximum time of a start; LiteLLM imports many Python modules.
const STARTING: Duration = Duration::from_secs(90);

/// A running proxy.
pub(crate) struct Peer {
    pub(crate) kind: Kind,
    /// Additional header lines that the proxy needs.
    pub(crate) headers: String,
    /// The name in the tables.
    pub(crate) name: &'static str,
    /// The addresses that the proxy listens on.
    pub(crate) listen: Listen,
    /// The bearer credential of its requests.
    pub(crate) credential: String,
    /// Time from the start to the first accepted connection.
    pub(crate) started_in: Duration,
    child: Child,
}

impl Peer {
    /// Starts a proxy in front of `upstream`.
    ///
    /// # Errors
    /// A message if the proxy does not start or does not listen within [`STARTING`].
    pub(crate) async fn start(kind: Kind, upstream: &Target, directory: &Path) -> Result<Self, String> {
        let address = free_address();
        let needs_another = matches!(kind, Kind::Nginx | Kind::HaProxy);
        let listen = Listen { http1: address, http2: if needs_another { free_address() } else { address } };
        let build = build();
        let (name, mut command) = match kind {
            Kind::Callsign => ("callsign", callsign(&build, listen, upstream)),
            Kind::CallsignToken => ("  with JWT", with_tokens(callsign(&build, listen, upstream), directory)),
            Kind::CallsignLedger => {
                ("  with ledger", with_ledger(callsign(&build, listen, upstream), &directory.join("ledger")))
            }
            Kind::CallsignLogged => ("  with log", logged(callsign(&build, listen, upstream))),
            Kind::CallsignPool => ("  hyper pool", with_pool(callsign(&build, listen, upstream))),
            Kind::Before => ("before", callsign(&build_before()?, listen, upstream)),
            Kind::BeforeLedger => (
                "  with ledger before",
                with_ledger(callsign(&build_before()?, listen, upstream), &directory.join("before")),
            ),
            Kind::Nginx => ("nginx", nginx(listen, upstream, directory)),
            Kind::HaProxy => ("haproxy", haproxy(listen, upstream, directory)),
            Kind::Envoy => ("envoy", envoy(listen, upstream, directory)),
            Kind::LiteLlm => ("litellm", gateways::litellm(address, upstream.address, directory)),
            Kind::Portkey => ("portkey", gateways::portkey(address)),
        };
        let headers = if kind == Kind::Portkey { gateways::portkey_headers(upstream.address) } else { String::new() };
        let credential = if kind == Kind::CallsignToken { token() } else { KEY.to_owned() };
        let began = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("cannot start {name}: {error}; is it installed?"))?;
        let mut peer = Self { kind, headers, name, listen, credential, started_in: Duration::ZERO, child };
        let until = began + STARTING;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if Instant::now() > until {
                return Err(format!("{name} does not listen after {STARTING:?}"));
            }
            if let Ok(Some(status)) = peer.child.try_wait() {
                return Err(format!("{name} ended before it listened: {status}"));
            }
            // Start times are measured to the millisecond. The pause leaves the CPU to the starting proxy.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        peer.started_in = began.elapsed();
        Ok(peer)
    }

    /// Returns true if the proxy is measured with this kind of response. Streams add nothing to the cost of logging,
    /// and the slow gateways would take too long with streams.
    pub(crate) fn takes(&self, answer: Answer) -> bool {
        match self.kind {
            Kind::CallsignLogged | Kind::LiteLlm | Kind::Portkey => answer == Answer::Json,
            _ => true,
        }
    }

    /// Returns true if the proxy is fast enough for a fixed rate and thousands of streams.
    pub(crate) fn is_fast(&self) -> bool {
        !matches!(self.kind, Kind::LiteLlm | Kind::Portkey)
    }

    /// Resets [`Self::peak_memory`].
    pub(crate) fn forget_peak(&self) {
        for pid in self.processes() {
            // proc(5): 5 resets the peak resident set size.
            std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        }
    }

    /// Returns the CPU times of all threads of the proxy.
    pub(crate) fn cpu(&self) -> CpuTimes {
        CpuTimes(self.processes().into_iter().flat_map(threads).collect())
    }

    /// Returns the sum of the processes' peak resident memory in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Returns the sum of the processes' resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn status(&self, field: &str) -> u64 {
        let of = |pid: u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("0");
            line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
        };
        self.processes().into_iter().map(of).sum()
    }

    fn processes(&self) -> Vec<u32> {
        let main = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap_or_default();
        std::iter::once(main).chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _gone = Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status();
        }
        let _gone = self.child.wait();
    }
}

/// The CPU time of each thread since its start, by thread id.
pub(crate) struct CpuTimes(HashMap<String, Duration>);

impl CpuTimes {
    /// Returns the CPU time that was used since `before`. A thread that has ended in between does not count.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let used = |(thread, time): (&String, &Duration)| {
            time.saturating_sub(before.0.get(thread).copied().unwrap_or_default())
        };
        self.0.iter().map(used).sum()
    }
}

/// Returns the CPU time of each thread of a process. `/proc/PID/stat` has hundredths of a second only, which is too
/// coarse for rounds in which a proxy mostly waits.
fn threads(pid: u32) -> Vec<(String, Duration)> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let time = |thread: std::io::Result<DirEntry>| {
        let thread = thread.ok()?;
        // The first number is the time on a processor, in nanoseconds (Documentation/scheduler/sched-stats.rst).
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
        Some((thread.file_name().into_string().ok()?, Duration::from_nanos(nanoseconds)))
    };
    threads.filter_map(time).collect()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
