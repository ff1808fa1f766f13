//! Everything that is decided about a request from its head alone, in the contract's order of checks.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri};
use jiff::Timestamp;
use uuid::Uuid;

use super::framing::{self, Kind};
use super::own::{self, Asked};
use super::snapshot::Snapshot;
use crate::caller::credential::Credential;
use crate::caller::{Account as Payer, Caller, Known, Need, Unresolved};
use crate::endpoint::{Endpoint, Inference, Metadata, Own};
use crate::error::Refusal;
use crate::identifiers::Identifiers;
use crate::identifiers::secret::Binder;
use crate::ledger::{Begun, Markup, SentIds};
use crate::observe::Account;
use crate::rewrite::Rewriter;
use crate::rewrite::multipart::{Boundary, Form, NoRandomness};
use crate::server::{Coding, Peer};
use crate::upstream::outgoing::Outgoing;

/// A request that may go upstream, as far as its head tells.
pub(super) struct Admitted {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Option<Rewrite>,
    /// What must be answered first.
    asked: Option<Asked>,
}

/// What is to be done to its body.
struct Rewrite {
    /// How it is compressed, if it is.
    coding: Option<Coding>,
    to: Target,
}

/// What it is made into.
enum Target {
    Json { members: String, binder: Option<Binder> },
    Form { theirs: Boundary, ours: Boundary },
}

/// Admits a request or says why not.
pub(super) fn admit(
    snapshot: &Snapshot,
    parts: &Parts,
    peer: Peer,
    account: &mut Account,
) -> Result<Admitted, Refusal> {
    framing::check(parts)?;
    let upgrade = framing::wants_websocket(&parts.headers);
    let endpoint = Endpoint::find(&parts.method, parts.uri.path(), upgrade, snapshot.has_ledger())?;
    account.endpoint = endpoint.name();
    match endpoint {
        Endpoint::Inference(inference) => admit_inference(snapshot, parts, peer, inference, account),
        Endpoint::Read(read) => {
            let caller = resolve(snapshot, parts, peer, Need::Credential, account)?;
            account.enter(&caller.sources())?;
            admit_read(snapshot, parts, &caller, read.path(), parts.uri.query())
        }
        Endpoint::Own(own) => {
            let caller = resolve(snapshot, parts, peer, Need::Identity, account)?;
            account.enter(&caller.sources())?;
            match own {
                Own::Me => {
                    let asked = Asked::me(snapshot, &caller);
                    Ok(Admitted { asked: Some(asked), ..admit_read(snapshot, parts, &caller, "", None)? })
                }
                Own::Generation => {
                    let id = own::generation_id(parts.uri.query())?;
                    let query = format!("id={id}");
                    let asked = Asked::Generation(own::Person::of(&caller), id);
                    let read = admit_read(snapshot, parts, &caller, "generation", Some(&query))?;
                    Ok(Admitted { asked: Some(asked), ..read })
                }
            }
        }
    }
}

/// A request without a body, for this path.
fn admit_read(
    snapshot: &Snapshot,
    parts: &Parts,
    caller: &Caller<'_>,
    path: &str,
    query: Option<&str>,
) -> Result<Admitted, Refusal> {
    let authorization = authorization(snapshot, parts, caller)?;
    Ok(Admitted {
        method: parts.method.clone(),
        uri: snapshot.target(path, query),
        headers: snapshot.headers.upstream(&parts.headers, authorization, None, None),
        body: None,
        asked: None,
    })
}

fn admit_inference(
    snapshot: &Snapshot,
    parts: &Parts,
    peer: Peer,
    inference: &'static Inference,
    account: &mut Account,
) -> Result<Admitted, Refusal> {
    let caller = resolve(snapshot, parts, peer, Need::Identity, account)?;
    let sources = caller.sources();
    let policy = &snapshot.tenant(caller.tenant.as_deref()).policy;
    let identifiers = policy.identify(&sources, caller.metadata, inference.fields)?;
    account.omitted(&identifiers.omitted);
    account.written(&identifiers);
    let markup = snapshot.tenant(caller.tenant.as_deref()).markup;
    account.know(inference, || begun(&caller, &identifiers, inference, markup));
    account.enter(&sources)?;
    let kind = framing::kind(&parts.headers, inference.form)?;
    let coding = framing::coding(&parts.headers)?;
    account.request_bytes = announced(&parts.headers);
    // A session that no header can carry has been omitted before.
    let session = identifiers.session_header().and_then(|id| HeaderValue::from_str(id).ok());
    let (to, content_type) = match kind {
        Kind::Json => {
            let (members, binder) = (identifiers.members(), snapshot.cache_binder(inference, &sources));
            (Target::Json { members, binder }, HeaderValue::from_static("application/json"))
        }
        Kind::Form(theirs) => {
            let ours = Boundary::random()?;
            let content_type = HeaderValue::try_from(ours.content_type()).map_err(|_| NoRandomness)?;
            (Target::Form { theirs, ours }, content_type)
        }
    };
    let query = parts.uri.query().and_then(|query| kept(query, inference.query));
    Ok(Admitted {
        method: Method::POST,
        uri: snapshot.target(inference.path, query.as_deref()),
        headers: snapshot.headers.upstream(
            &parts.headers,
            authorization(snapshot, parts, &caller)?,
            session,
            Some(content_type),
        ),
        body: Some(Rewrite { coding, to }),
        asked: None,
    })
}

/// What the ledger knows of a request at its beginning.
fn begun(caller: &Caller<'_>, identifiers: &Identifiers<'_>, inference: &Inference, markup: Markup) -> Begun {
    let pair = |name: &str| identifiers.metadata().find(|(of, _)| *of == name).map(|(_, value)| value.to_owned());
    let full = inference.fields.metadata == Metadata::Full;
    let sent = |name: &str| full.then(|| pair(name)).flatten();
    let session = identifiers.session_id.clone();
    let owned = |id: &Option<Cow<'_, str>>| id.as_deref().map(str::to_owned);
    Begun {
        id: Uuid::now_v7(),
        began_us: Timestamp::now().as_microsecond(),
        tenant: caller.tenant.as_deref().map(Arc::from),
        key: Arc::from(caller.key.as_ref()),
        user: owned(&caller.user),
        session: owned(&caller.session),
        chat: owned(&caller.chat),
        message: owned(&caller.message),
        sent: SentIds {
            user: identifiers.user.clone(),
            metadata_session: sent("session_id").filter(|id| Some(id) != session.as_ref()),
            session,
            chat: sent("chat_id"),
            message: sent("message_id"),
        },
        endpoint: inference.path,
        markup,
    }
}

fn resolve<'a>(
    snapshot: &'a Snapshot,
    parts: &'a Parts,
    peer: Peer,
    need: Need,
    account: &mut Account,
) -> Result<Caller<'a>, Unresolved> {
    let known = Known { directory: &snapshot.directory, verifier: &snapshot.verifier };
    let caller = Caller::resolve(&parts.headers, peer.address.ip(), known, need)?;
    account.key = Some(caller.key.clone().into_owned());
    Ok(caller)
}

/// Who pays: the operator's key, or the caller's own credential.
fn authorization(snapshot: &Snapshot, parts: &Parts, caller: &Caller<'_>) -> Result<HeaderValue, Refusal> {
    match (caller.account, &snapshot.tenant(caller.tenant.as_deref()).authorization) {
        (Payer::Operator, Some(operator)) => Ok(operator.clone()),
        // `serve` starts without a key only if pass-through is the only way in.
        (Payer::Operator, None) => Err(Unresolved::InvalidCredential.into()),
        (Payer::PassThrough, _) => {
            let credential = Credential::find(&parts.headers)?;
            let mut value = HeaderValue::from_bytes(&[b"Bearer ", credential.as_bytes()].concat())
                .map_err(|_| Unresolved::InvalidCredential)?;
            value.set_sensitive(true);
            Ok(value)
        }
    }
}

/// The parameters of `query` that go along, as they came.
fn kept(query: &str, names: &[&str]) -> Option<String> {
    let kept: Vec<&str> =
        query.split('&').filter(|pair| names.contains(&pair.split('=').next().unwrap_or_default())).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

fn announced(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or_default()
}

impl Admitted {
    /// What the caller asks about themselves, if anything: to be answered before it goes upstream, if it does.
    pub(super) fn asked(&mut self) -> Option<Asked> {
        self.asked.take()
    }

    /// What rewrites its body, and how that is compressed; `None` if it has no body.
    pub(super) fn rewriter(&mut self, snapshot: &Snapshot) -> Option<(Rewriter, Option<Coding>)> {
        let Rewrite { coding, to } = self.body.take()?;
        let rewriter = match to {
            Target::Json { members, binder } => Rewriter::Json(snapshot.filter(members, binder)),
            Target::Form { theirs, ours } => {
                Rewriter::Form(Box::new(Form::new(Arc::clone(&snapshot.owned), &theirs, ours)))
            }
        };
        Some((rewriter, coding))
    }

    /// The request to the upstream. Its length is set by the body.
    pub(super) fn request(self, body: Outgoing) -> Request<Outgoing> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}
