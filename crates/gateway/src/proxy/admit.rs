//! Everything that is decided about a request from its head alone, in the contract's order of checks.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri};
use jiff::Timestamp;
use uuid::Uuid;

use super::framing::{self, Kind};
use super::own::{self, SelfServiceQuery};
use super::snapshot::Snapshot;
use crate::error::Refusal;
use crate::record::account::RequestRecord;
use crate::server::{ContentCoding, Peer};
use crate::upstream::outgoing::Outgoing;
use callsign_core::auth::credential::Credential;
use callsign_core::auth::{AuthContext, AuthError, Caller, Need, UpstreamCredential};
use callsign_core::endpoint::{Endpoint, Inference, Metadata, SelfService};
use callsign_core::identity::Identifiers;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::secret::Binder;
use callsign_core::rewrite::Rewriter;
use callsign_core::rewrite::multipart::{Boundary, Form, RandomnessError};
use callsign_core::usage::markup::Markup;
use callsign_store::archive::{self, HeaderSnapshot};
use callsign_store::ledger::{AskedBy, Begun, Ledger, Name};

/// A request that may go upstream, as far as its head tells.
pub(super) struct Prepared {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Option<Rewrite>,
    /// What must be answered first.
    asked: Option<SelfServiceQuery>,
}

/// What is to be done to its body.
struct Rewrite {
    /// How it is compressed, if it is.
    coding: Option<ContentCoding>,
    to: Target,
}

/// What it is made into.
enum Target {
    Json { members: String, binder: Option<Binder> },
    Form { theirs: Boundary, ours: Boundary },
}

/// A request whose caller is known.
pub(super) struct Authenticated<'a> {
    caller: Caller<'a>,
    wants: RequestKind<'a>,
}

/// What is asked for.
enum RequestKind<'a> {
    /// Something of the catalogue, under this path.
    Catalogue(Cow<'a, str>),
    /// Something about the caller.
    Own(SelfService),
    /// An answer of a model, and what is said about the caller for it.
    Answer(&'static Inference, Identifiers<'a>),
}

/// Finds out who asks for what.
pub(super) fn identify<'a>(
    snapshot: &'a Snapshot,
    parts: &'a Parts,
    peer: Peer,
    account: &mut RequestRecord,
) -> Result<Authenticated<'a>, Refusal> {
    framing::check(parts)?;
    let upgrade = framing::wants_websocket(&parts.headers);
    let endpoint = Endpoint::find(&parts.method, parts.uri.path(), upgrade, snapshot.has_ledger)?;
    account.endpoint = endpoint.name();
    match endpoint {
        Endpoint::Inference(inference) => {
            let caller = resolve(snapshot, parts, peer, Need::Identity, account)?;
            let tenant = snapshot.tenant(caller.tenant.as_deref());
            let identifiers = tenant.policy.identify(&caller.identity(), caller.metadata, inference.fields)?;
            account.omitted(&identifiers.omitted);
            account.written(&identifiers);
            account.know(inference, |ledger| begun(ledger, &caller, &identifiers, inference, tenant.markup));
            account.enter(&caller.identity())?;
            Ok(Authenticated { caller, wants: RequestKind::Answer(inference, identifiers) })
        }
        Endpoint::Read(read) => {
            let caller = resolve(snapshot, parts, peer, Need::Credential, account)?;
            account.enter(&caller.identity())?;
            Ok(Authenticated { caller, wants: RequestKind::Catalogue(read.path().to_owned().into()) })
        }
        Endpoint::SelfService(own) => {
            let caller = resolve(snapshot, parts, peer, Need::Identity, account)?;
            account.enter(&caller.identity())?;
            Ok(Authenticated { caller, wants: RequestKind::Own(own) })
        }
    }
}

impl Authenticated<'_> {
    /// For whom an answer of a model is asked, and the user's identifier as it would go upstream. Reading the catalogue is
    /// neither limited nor blocked: it is nobody's in particular. Nor is what callers ask about themselves.
    pub(super) fn asks(&self) -> Option<(&'static Inference, CallerIdentity<'_>, Option<&str>)> {
        match &self.wants {
            RequestKind::Catalogue(_) | RequestKind::Own(_) => None,
            RequestKind::Answer(inference, identifiers) => {
                Some((inference, self.caller.identity(), identifiers.user.as_deref()))
            }
        }
    }

    /// Admits the request as far as its head tells, or says why not.
    pub(super) fn admit(
        &self,
        snapshot: &Snapshot,
        parts: &Parts,
        account: &mut RequestRecord,
    ) -> Result<Prepared, Refusal> {
        let caller = &self.caller;
        match &self.wants {
            RequestKind::Answer(inference, identifiers) => {
                admit_inference(snapshot, parts, caller, inference, identifiers, account)
            }
            RequestKind::Catalogue(path) => admit_read(snapshot, parts, caller, path, parts.uri.query()),
            RequestKind::Own(SelfService::Me) => {
                let asked = SelfServiceQuery::me(snapshot, caller);
                Ok(Prepared { asked: Some(asked), ..admit_read(snapshot, parts, caller, "", None)? })
            }
            RequestKind::Own(SelfService::Generation) => {
                let id = own::generation_id(parts.uri.query())?;
                let query = format!("id={id}");
                let asked = SelfServiceQuery::Generation(own::Person::of(caller), id);
                let read = admit_read(snapshot, parts, caller, "generation", Some(&query))?;
                Ok(Prepared { asked: Some(asked), ..read })
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
) -> Result<Prepared, Refusal> {
    let authorization = authorization(snapshot, parts, caller)?;
    Ok(Prepared {
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
    caller: &Caller<'_>,
    inference: &'static Inference,
    identifiers: &Identifiers<'_>,
    account: &mut RequestRecord,
) -> Result<Prepared, Refusal> {
    let sources = caller.identity();
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
            let content_type = HeaderValue::try_from(ours.content_type()).map_err(|_| RandomnessError)?;
            (Target::Form { theirs, ours }, content_type)
        }
    };
    let query = parts.uri.query().and_then(|query| kept(query, inference.query));
    let is_form = matches!(to, Target::Form { .. });
    let admitted = Prepared {
        method: Method::POST,
        uri: snapshot.target(inference.path, query.as_deref()),
        headers: snapshot.headers.upstream(
            &parts.headers,
            authorization(snapshot, parts, caller)?,
            session,
            Some(content_type),
        ),
        body: Some(Rewrite { coding, to }),
        asked: None,
    };
    if account.may_be_archived()
        && let Some(names) = snapshot.archived(caller)
    {
        let markup = snapshot.tenant(caller.tenant.as_deref()).markup;
        account.archive(inference, |row| archive::Begun {
            row: row.cloned().unwrap_or_else(|| begun(&Ledger::off(), caller, identifiers, inference, markup)),
            names,
            received: HeaderSnapshot::of(&parts.headers, &snapshot.redaction),
            sent: HeaderSnapshot::of(&admitted.headers, &snapshot.redaction),
            is_form,
        })?;
    }
    Ok(admitted)
}

/// What the ledger knows of a request at its beginning.
fn begun(
    ledger: &Ledger,
    caller: &Caller<'_>,
    identifiers: &Identifiers<'_>,
    inference: &Inference,
    markup: Markup,
) -> Begun {
    let full = inference.fields.metadata == Metadata::Full;
    let pair = |name: &str| identifiers.metadata().find(|(of, _)| *of == name).map(|(_, value)| value);
    let sent = |name: &str| if full { pair(name) } else { None };
    let session = identifiers.session_id.as_deref();
    let asked = AskedBy {
        tenant: caller.tenant.as_deref(),
        key: &caller.key,
        user: caller.user.as_deref(),
        session: caller.session.as_deref(),
        chat: caller.chat.as_deref(),
        sent_user: identifiers.user.as_deref(),
        sent_session: session,
        sent_metadata_session: sent("session_id").filter(|id| Some(*id) != session),
        sent_chat: sent("chat_id"),
        endpoint: inference.path,
        markup,
    };
    Begun {
        id: Uuid::now_v7(),
        began_us: Timestamp::now().as_microsecond(),
        names: ledger.names(&asked),
        message: caller.message.as_deref().map(Name::from),
        sent_message: sent("message_id").map(Name::from),
    }
}

fn resolve<'a>(
    snapshot: &'a Snapshot,
    parts: &'a Parts,
    peer: Peer,
    need: Need,
    account: &mut RequestRecord,
) -> Result<Caller<'a>, AuthError> {
    let known = AuthContext { directory: &snapshot.directory, verifier: &snapshot.verifier };
    let caller = Caller::resolve(&parts.headers, peer.address.ip(), known, need)?;
    account.key = Some(caller.key.clone().into_owned());
    Ok(caller)
}

/// Who pays: the operator's key, or the caller's own credential.
fn authorization(snapshot: &Snapshot, parts: &Parts, caller: &Caller<'_>) -> Result<HeaderValue, Refusal> {
    match (caller.upstream_credential, &snapshot.tenant(caller.tenant.as_deref()).authorization) {
        (UpstreamCredential::Operator, Some(operator)) => Ok(operator.clone()),
        // `serve` starts without a key only if pass-through is the only way in.
        (UpstreamCredential::Operator, None) => Err(AuthError::InvalidCredential.into()),
        (UpstreamCredential::PassThrough, _) => {
            let credential = Credential::find(&parts.headers)?;
            let mut value = HeaderValue::from_bytes(&[b"Bearer ", credential.as_bytes()].concat())
                .map_err(|_| AuthError::InvalidCredential)?;
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

impl Prepared {
    /// What the caller asks about themselves, if anything: to be answered before it goes upstream, if it does.
    pub(super) fn asked(&mut self) -> Option<SelfServiceQuery> {
        self.asked.take()
    }

    /// What rewrites its body, and how that is compressed; `None` if it has no body.
    pub(super) fn rewriter(&mut self, snapshot: &Snapshot) -> Option<(Rewriter, Option<ContentCoding>)> {
        let Rewrite { coding, to } = self.body.take()?;
        let rewriter = match to {
            Target::Json { members, binder } => Rewriter::Json(Box::new(snapshot.filter(members, binder))),
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
