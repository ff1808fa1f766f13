//! Serves the console on the admin port.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Body;
use callsign_console::reconcile::Reconcile;
use callsign_console::self_test::SelfTest;
use callsign_console::sign_in::SharedSignIn;
use callsign_console::{Admin, AdminDeps, Peer, Probe, Settings, View};
use callsign_gateway::server::{self, Drain, Handler, Upload};
use callsign_store::archive::Archive;
use callsign_store::archive::settings::Place;
use callsign_store::ledger::{self, Keeper, Ledger, Reader};
use callsign_store::limits::Limiter;
use callsign_telemetry::metrics::Metrics;
use http::{Request, Response};

/// The parts of the running program that the console shows and controls.
pub(super) struct Shown {
    pub(super) metrics: Arc<Metrics>,
    pub(super) drain: Drain,
    pub(super) view: Arc<ArcSwap<View>>,
    pub(super) sign_in: SharedSignIn,
    pub(super) self_test: SelfTest,
    pub(super) reconcile: Option<Reconcile>,
    pub(super) data: SocketAddr,
    pub(super) ledger: Ledger,
    pub(super) limiter: Limiter,
    pub(super) ledger_settings: ledger::settings::Settings,
    pub(super) archive: Archive,
    pub(super) archive_place: Option<Place>,
}

/// Returns the probe that says why new requests are refused.
fn refuses(drain: Drain, ledger: Ledger, limiter: Limiter, archive: Archive) -> Probe {
    Probe(Arc::new(move || {
        if drain.is_draining() {
            Some("draining")
        } else if !ledger.is_available() {
            Some("the ledger cannot record requests, and must (CALLSIGN_LEDGER_MODE=strict)")
        } else if !archive.is_available() {
            Some("requests cannot be archived, and must be (CALLSIGN_ARCHIVE_REQUIRED)")
        } else if limiter.refuses_unread_blocks() {
            Some("the list of blocks has not been read yet (limits.on_store_failure = \"deny\")")
        } else if !limiter.is_available() {
            Some("the store of limits is unavailable (limits.on_store_failure = \"deny\")")
        } else {
            None
        }
    }))
}

/// The console as a request handler of a port.
#[derive(Clone, Debug)]
pub(super) struct AdminPort(Admin);

impl AdminPort {
    pub(super) fn new(settings: &Settings, shown: Shown) -> Self {
        let Shown { metrics, drain, view, sign_in, self_test, reconcile, data, ledger, limiter, .. } = shown;
        let (ledger_settings, archive, archive_place) = (shown.ledger_settings, shown.archive, shown.archive_place);
        let refuses = refuses(drain, ledger.clone(), limiter.clone(), archive);
        let deps = AdminDeps {
            metrics,
            refuses,
            view,
            sign_in,
            self_test,
            reconcile,
            data,
            ledger,
            limiter,
            ledger_access: Reader::open(&ledger_settings).ok().zip(Keeper::open(&ledger_settings).ok()),
            archive: archive_place,
        };
        Self(Admin::new(settings, deps))
    }
}

impl Handler for AdminPort {
    type Body = Body;

    async fn handle(&self, request: Request<Upload>, peer: server::Peer) -> Response<Body> {
        let peer = Peer { address: peer.address, tls: peer.tls };
        self.0.answer(request.map(Body::new), peer).await
    }
}
