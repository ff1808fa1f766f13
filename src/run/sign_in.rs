//! Signs people in to the console by the token that a proxy in front adds (docs/SPEC.md#sign-in-by-a-proxy).
//!
//! Its issuers are not those of callers: they have keys and a verifier of their own, so a token for the console is
//! never a credential on the data port, nor the other way round.

use std::sync::Arc;

use arc_swap::ArcSwap;
use callsign_console::Role;
use callsign_console::sign_in::{Pending, ProxyUser, SignIn, SignInError};
use callsign_core::auth::UnknownKey;
use callsign_core::auth::credential::without_scheme;
use callsign_core::auth::jwt::{TokenError, Verified};
use callsign_core::auth::verifier::Verifier;
use callsign_gateway::issuers::{FetchError, Issuers};
use http::HeaderMap;
use jiff::Timestamp;

use crate::config::admin_issuers::AdminIssuer;

/// The sign-in by the issuers in force. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct SignInByProxy(Arc<ArcSwap<InForce>>);

/// The issuers of one configuration.
#[derive(Debug)]
pub(super) struct InForce {
    issuers: Vec<AdminIssuer>,
    verifier: Arc<Verifier>,
    keys: Issuers,
}

impl InForce {
    fn start(issuers: &[AdminIssuer], previous: Option<&Self>) -> Result<Self, FetchError> {
        let tokens = issuers.iter().map(|admin| &admin.issuer);
        let (verifier, keys) = Issuers::replacing(tokens, previous.map(|previous| &previous.keys))?;
        Ok(Self { issuers: issuers.to_vec(), verifier, keys })
    }

    async fn user(&self, headers: &HeaderMap) -> Result<Option<ProxyUser>, SignInError> {
        for (id, issuer) in self.issuers.iter().enumerate() {
            let header = &issuer.issuer.rules.header;
            let mut lines = headers.get_all(header).iter();
            let token = match (lines.next(), lines.next()) {
                (None, _) => continue,
                (Some(_), Some(_)) => return Err(SignInError::Several(header.clone())),
                (Some(line), None) => without_scheme(line.as_bytes().trim_ascii()),
            };
            let verified = self.verify(id, issuer, token).await;
            let refused = |reason| SignInError::Token { header: header.clone(), reason };
            return issuer.user(&verified.map_err(refused)?.user).map(Some);
        }
        Ok(None)
    }

    /// Verifies a token. If its key is unknown, the keys are fetched and it is verified again.
    async fn verify(&self, id: usize, issuer: &AdminIssuer, token: &[u8]) -> Result<Arc<Verified>, TokenError> {
        let verify = || self.verifier.verify(id, &issuer.issuer.rules, token, Timestamp::now().as_second());
        match verify() {
            Err(TokenError::UnknownKey { kid }) => {
                let signer = UnknownKey { issuer: id, kid: kid.clone() };
                if self.keys.refresh(&signer).await { verify() } else { Err(TokenError::UnknownKey { kid }) }
            }
            result => result,
        }
    }
}

impl AdminIssuer {
    /// Returns the user of a valid token with what they may do.
    fn user(&self, user: &str) -> Result<ProxyUser, SignInError> {
        let is_in = |list: &[String]| list.iter().any(|listed| listed == user);
        let role = if is_in(&self.operators) {
            Role::Operator
        } else if is_in(&self.viewers) {
            Role::Viewer
        } else {
            let issuer = self.issuer.rules.name.clone();
            return Err(SignInError::Unlisted { user: user.to_owned(), issuer });
        };
        Ok(ProxyUser { name: user.to_owned(), role, persons: self.persons })
    }
}

impl SignInByProxy {
    pub(super) fn new(issuers: &[AdminIssuer]) -> Result<Self, FetchError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(InForce::start(issuers, None)?))))
    }

    /// Prepares other issuers, which have the known keys of those in force.
    pub(super) fn prepare(&self, issuers: &[AdminIssuer]) -> Result<InForce, FetchError> {
        InForce::start(issuers, Some(&self.0.load()))
    }

    /// Puts prepared issuers in force.
    pub(super) fn replace(&self, issuers: InForce) {
        self.0.store(Arc::new(issuers));
    }
}

impl SignIn for SignInByProxy {
    fn is_on(&self) -> bool {
        !self.0.load().issuers.is_empty()
    }

    fn user<'a>(&'a self, headers: &'a HeaderMap) -> Pending<'a> {
        Box::pin(async move { self.0.load_full().user(headers).await })
    }
}
