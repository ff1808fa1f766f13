//! The state that all routes of the admin port share, and its access check.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::header::{AUTHORIZATION, HeaderMap};
use callsign_core::secret::{KeyDigest, Secret};
use callsign_store::archive::settings::Place;
use callsign_store::ledger::{Keeper, Ledger, Reader};
use callsign_store::limits::Limiter;
use callsign_telemetry::metrics::Metrics;
use subtle::ConstantTimeEq;

use crate::answer::ApiError;
use crate::attempts::{Attempts, TooManyAttemptsError};
use crate::host::Hosts;
use crate::reads::Reads;
use crate::reconcile::Reconcile;
use crate::roles::{ADMIN, AdminToken, Caller, Role};
use crate::self_test::SelfTest;
use crate::session::Sessions;
use crate::sign_in::{RefusedTokens, SharedSignIn};
use crate::view::View;

/// The other end of a connection to the admin port.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The address that the connection comes from.
    pub address: SocketAddr,
    /// True if the connection uses TLS.
    pub tls: bool,
}

/// Returns the reason why this process refuses new requests at the moment, if it does.
#[derive(Clone)]
pub struct Probe(pub Arc<dyn Fn() -> Option<&'static str> + Send + Sync>);

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

/// The parts of callsign that the admin port shows and controls.
#[derive(Debug)]
pub struct AdminDeps {
    /// Served at `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Makes `/readyz` 503 while new requests are refused.
    pub refuses: Probe,
    /// The configuration in force. A reload replaces it.
    pub view: Arc<ArcSwap<View>>,
    /// Signs people in by the token of a proxy.
    pub sign_in: SharedSignIn,
    /// Runs `test-mapping`.
    pub self_test: SelfTest,
    /// Fetches pending costs; `None` without a ledger.
    pub reconcile: Option<Reconcile>,
    /// Address of the data port. The console shows it as the apps' base URL.
    pub data: SocketAddr,
    /// The console shows its health.
    pub ledger: Ledger,
    /// Its blocks are listed, set and lifted.
    pub limiter: Limiter,
    /// Access to the ledger for reading and for forgetting users; `None` if the ledger is off.
    pub ledger_access: Option<(Reader, Keeper)>,
    /// The archive's directory and password, for forgetting users; `None` if the archive is off.
    pub archive: Option<Place>,
}

/// State that all routes share.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) deps: AdminDeps,
    pub(crate) token: Option<Secret>,
    pub(crate) hosts: Hosts,
    pub(crate) attempts: Attempts,
    pub(crate) sessions: Sessions,
    pub(crate) reads: Reads,
    pub(crate) refused_tokens: RefusedTokens,
    /// Serialises self-tests.
    pub(crate) stage: tokio::sync::Mutex<()>,
}

impl Operator {
    /// Returns true if anybody can be let in.
    pub(crate) fn admits_anybody(&self) -> bool {
        self.token.is_some() || !self.deps.view.load().admin_tokens.is_empty() || self.deps.sign_in.is_on()
    }

    /// Checks the bearer token.
    pub(crate) async fn check_bearer(&self, headers: &HeaderMap, peer: Peer) -> Result<Caller, ApiError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(ApiError::Unauthorized) };
        let token = value.as_bytes().split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
        let (_, token) = token.ok_or(ApiError::Unauthorized)?;
        self.check_token(token.trim_ascii(), peer).await?.ok_or(ApiError::Unauthorized)
    }

    /// Returns the caller whose token this is. A wrong token is counted, and answered later the more there were from
    /// its address; the right one always works (docs/SPEC.md#wrong-tokens).
    ///
    /// # Errors
    /// [`TooManyAttemptsError`] for a wrong token after too many others.
    pub(crate) async fn check_token(&self, given: &[u8], peer: Peer) -> Result<Option<Caller>, TooManyAttemptsError> {
        let found = self.caller_of(&KeyDigest::of(given));
        if found.is_none() {
            self.attempts.failed(peer.address.ip()).await?;
        }
        Ok(found)
    }

    /// Returns the caller whose token has this digest. Digests are compared in constant time, so that response times
    /// reveal neither a token nor its length.
    pub(crate) fn caller_of(&self, given: &KeyDigest) -> Option<Caller> {
        let given = given.to_hex();
        let is_given = |digest: &KeyDigest| bool::from(digest.to_hex().as_bytes().ct_eq(given.as_bytes()));
        let admin = self.token.as_ref().map(|token| AdminToken {
            name: ADMIN.to_owned(),
            digest: token.digest(),
            role: Role::Operator,
            persons: true,
        });
        let view = self.deps.view.load();
        let found = admin.iter().chain(&view.admin_tokens).fold(None, |found, token| {
            let is_same = is_given(&token.digest);
            found.or(is_same.then(|| token.clone()))
        });
        found.as_ref().map(Caller::of_token)
    }
}
