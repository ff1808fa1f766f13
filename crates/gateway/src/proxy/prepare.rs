//! Step 5: prepares the head of the request to OpenRouter and decides how its body is rewritten.

use std::sync::Arc;

use callsign_core::auth::credential::Credential;
use callsign_core::auth::{AuthError, Caller, UpstreamCredential};
use callsign_core::endpoint::{Inference, SelfService};
use callsign_core::identity::Identifiers;
use callsign_core::identity::secret::Binder;
use callsign_core::rewrite::Rewriter;
use callsign_core::rewrite::multipart::{Boundary, Form};
use callsign_store::archive::{self, HeaderSnapshot};
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, RANGE};
use http::request::Parts;
use http::{Method, Request, Uri};

use super::framing::{self, Kind};
use super::identify::{CallerRequest, RequestKind, ledger_row};
use super::snapshot::Snapshot;
use super::{self_service, videos};
use crate::error::Refusal;
use crate::random::{self, RandomnessError};
use crate::record::RequestRecord;
use crate::server::ContentCoding;
use crate::upstream::request_body::RequestBody;

/// The head of a request to OpenRouter. The body sets its length.
pub(super) struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

/// The treatment of a request body.
pub(super) struct BodyPlan {
    /// The compression that the client used.
    pub(super) coding: Option<ContentCoding>,
    rewrite: Rewrite,
}

/// The rewriting of a body.
enum Rewrite {
    Json { endpoint: &'static Inference, members: String, binder: Option<Binder> },
    Form { parts: Vec<(&'static str, String)>, theirs: Boundary, ours: Boundary },
}

impl Head {
    /// Returns the whole request.
    pub(super) fn with_body(self, body: RequestBody) -> Request<RequestBody> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}

impl BodyPlan {
    /// Returns the rewriter of the body.
    pub(super) fn rewriter(self, snapshot: &Snapshot) -> Rewriter {
        match self.rewrite {
            Rewrite::Json { endpoint, members, binder } => Rewriter::Json(snapshot.filter(endpoint, members, binder)),
            Rewrite::Form { parts, theirs, ours } => {
                Rewriter::Form(Box::new(Form::new(Arc::clone(&snapshot.owned), &theirs, ours).append(parts)))
            }
        }
    }
}

/// Prepares a request as far as its head tells. A request without a body has no plan.
pub(super) fn prepare(
    snapshot: &Snapshot,
    parts: &Parts,
    request: &CallerRequest<'_>,
    record: &mut RequestRecord,
) -> Result<(Head, Option<BodyPlan>), Refusal> {
    let caller = &request.caller;
    let read = |path: &str, query: Option<&str>| Ok((read_head(snapshot, parts, caller, path, query)?, None));
    match &request.kind {
        RequestKind::Catalogue(path) => {
            let mut head = read_head(snapshot, parts, caller, path.path(), parts.uri.query())?;
            if path.is_list() && snapshot.account(caller).is_some() {
                // One cached answer serves clients with and without support for compression.
                if head.headers.get(ACCEPT_ENCODING).is_some_and(|asked| asked != "identity") {
                    head.headers.remove(ACCEPT_ENCODING);
                }
            }
            Ok((head, None))
        }
        RequestKind::SelfService(question @ (SelfService::Key | SelfService::AuthKey | SelfService::Credits)) => {
            read(question.path(), None)
        }
        RequestKind::SelfService(SelfService::Me) => read("", None),
        RequestKind::SelfService(SelfService::Generation) => {
            let id = self_service::generation_id(parts.uri.query())?;
            read("generation", Some(&format!("id={id}")))
        }
        RequestKind::Video(video) => {
            let query = videos::query(video, parts.uri.query())?;
            let mut head = read_head(snapshot, parts, caller, &video.path(), query.as_deref())?;
            head.headers.remove(RANGE);
            if let Some(range) = videos::range(&parts.headers).filter(|_| video.is_content()) {
                head.headers.insert(RANGE, range);
            }
            if !video.is_content() {
                record.reads_job(video.id());
            }
            Ok((head, None))
        }
        RequestKind::Inference(inference, identifiers) => {
            let (head, plan) = inference_head(snapshot, parts, caller, inference, identifiers, record)?;
            archive(snapshot, parts, caller, inference, identifiers, (&head, &plan), record)?;
            Ok((head, Some(plan)))
        }
    }
}

fn read_head(
    snapshot: &Snapshot,
    parts: &Parts,
    caller: &Caller<'_>,
    path: &str,
    query: Option<&str>,
) -> Result<Head, Refusal> {
    let authorization = authorization(snapshot, parts, caller)?;
    Ok(Head {
        method: parts.method.clone(),
        uri: snapshot.target(path, query),
        headers: snapshot.headers.upstream(&parts.headers, authorization, None, None),
    })
}

fn inference_head(
    snapshot: &Snapshot,
    parts: &Parts,
    caller: &Caller<'_>,
    inference: &'static Inference,
    identifiers: &Identifiers<'_>,
    record: &mut RequestRecord,
) -> Result<(Head, BodyPlan), Refusal> {
    let kind = framing::kind(&parts.headers, inference.form)?;
    let coding = framing::coding(&parts.headers)?;
    record.request_bytes = announced(&parts.headers);
    let session = identifiers.session_header().and_then(|id| HeaderValue::from_str(id).ok());
    let (rewrite, content_type) = match kind {
        Kind::Json => {
            let binder = snapshot.cache_binder(inference, &caller.identity());
            let rewrite = Rewrite::Json { endpoint: inference, members: identifiers.members(), binder };
            (rewrite, HeaderValue::from_static("application/json"))
        }
        Kind::Form(theirs) => {
            let ours = Boundary::from_random(random::bytes()?);
            let content_type = HeaderValue::try_from(ours.content_type()).map_err(|_| RandomnessError)?;
            (Rewrite::Form { parts: identifiers.form_parts(), theirs, ours }, content_type)
        }
    };
    let authorization = authorization(snapshot, parts, caller)?;
    let query = parts.uri.query().and_then(|query| forwarded_query(query, inference.query));
    let head = Head {
        method: Method::POST,
        uri: snapshot.target(inference.path, query.as_deref()),
        headers: snapshot.headers.upstream(&parts.headers, authorization, session, Some(content_type)),
    };
    Ok((head, BodyPlan { coding, rewrite }))
}

/// Begins to archive the request, if its caller's requests are archived.
fn archive(
    snapshot: &Snapshot,
    parts: &Parts,
    caller: &Caller<'_>,
    inference: &'static Inference,
    identifiers: &Identifiers<'_>,
    (head, plan): (&Head, &BodyPlan),
    record: &mut RequestRecord,
) -> Result<(), Refusal> {
    if !record.may_be_archived() {
        return Ok(());
    }
    let Some(names) = snapshot.archive_names(caller) else { return Ok(()) };
    let markup = snapshot.tenant(caller.tenant.as_deref()).markup;
    let row = ledger_row(record, caller, identifiers, inference, markup);
    let begun = || archive::Begun {
        row,
        names,
        received: HeaderSnapshot::of(&parts.headers, &snapshot.redaction),
        sent: HeaderSnapshot::of(&head.headers, &snapshot.redaction),
        is_form: matches!(plan.rewrite, Rewrite::Form { .. }),
    };
    record.archive(inference, begun, caller.identity().holder())?;
    Ok(())
}

/// Returns the `authorization` header: the operator's or tenant's key, or the caller's own with pass-through.
fn authorization(snapshot: &Snapshot, parts: &Parts, caller: &Caller<'_>) -> Result<HeaderValue, Refusal> {
    match (caller.upstream_credential, snapshot.account(caller)) {
        (UpstreamCredential::Operator, Some(account)) => Ok(account.authorization().clone()),
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

/// Returns the parameters of `query` that are forwarded, as the client wrote them.
fn forwarded_query(query: &str, names: &[&str]) -> Option<String> {
    let kept: Vec<&str> =
        query.split('&').filter(|pair| names.contains(&pair.split('=').next().unwrap_or_default())).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

fn announced(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or_default()
}
