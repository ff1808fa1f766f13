//! Step 3: chooses the identifiers that are sent for the caller.

use std::time::Instant;

use callsign_core::auth::{Caller, MissingUserError, UnusableUserError};
use callsign_core::endpoint::path::CataloguePath;
use callsign_core::endpoint::{Endpoint, Inference, Metadata, SelfService, VideoPath};
use callsign_core::identity::Identifiers;
use callsign_core::identity::missing::{MissingUser, UserRequiredError};
use callsign_core::usage::markup::Markup;
use callsign_store::ledger::{Begun, Name, RequestLabels, SentIds};
use callsign_store::limits::Limiter;
use http::request::Parts;

use super::snapshot::Snapshot;
use crate::catalogue::ListKey;
use crate::error::Refusal;
use crate::record::RequestRecord;

/// A request whose caller is known.
pub(super) struct CallerRequest<'a> {
    pub(super) caller: Caller<'a>,
    pub(super) kind: RequestKind<'a>,
}

/// The kind of a request, with the data that its next steps need.
pub(super) enum RequestKind<'a> {
    /// A read of the catalogue.
    Catalogue(CataloguePath),
    /// A question about the caller.
    SelfService(SelfService),
    /// A read of one of the caller's video jobs.
    Video(VideoPath),
    /// A request to a model, with the identifiers that are written into it.
    Inference(&'static Inference, Identifiers<'a>),
}

impl CallerRequest<'_> {
    /// Returns the key under which the answer may be cached.
    pub(super) fn list_key(&self, snapshot: &Snapshot, parts: &Parts) -> Option<ListKey> {
        match &self.kind {
            RequestKind::Catalogue(path) => ListKey::of(snapshot.account(&self.caller), path, parts),
            RequestKind::SelfService(_) | RequestKind::Video(_) | RequestKind::Inference(..) => None,
        }
    }
}

/// Chooses the identifiers of the request and takes an in-flight slot for the caller.
///
/// # Errors
/// `user_required` if a user is required and the caller has none; `rate_limited` or `overloaded` without a free slot.
pub(super) fn identify<'a>(
    limiter: &Limiter,
    snapshot: &'a Snapshot,
    caller: Caller<'a>,
    endpoint: Endpoint,
    record: &mut RequestRecord,
) -> Result<CallerRequest<'a>, Refusal> {
    let kind = match endpoint {
        Endpoint::Read(path) => RequestKind::Catalogue(path),
        Endpoint::SelfService(question) => RequestKind::SelfService(question),
        Endpoint::Video(video) => RequestKind::Video(video),
        Endpoint::Inference(inference) => {
            let tenant = snapshot.tenant(caller.tenant.as_deref());
            check_usable(limiter, snapshot, &caller, record)?;
            let identifiers = tenant.policy.identify(&caller.identity(), caller.metadata, inference.fields);
            let identifiers = identifiers.map_err(|error| user_required(error, &caller))?;
            record.attribution = Some(identifiers.attribution(caller.user.is_some()));
            record.account = snapshot.account(&caller).cloned();
            record.by_app = caller.by_app;
            record.identified(inference, &identifiers);
            if record.has_ledger() {
                record.know(ledger_row(record, &caller, &identifiers, inference, tenant.markup));
            }
            RequestKind::Inference(inference, identifiers)
        }
    };
    record.enter(&caller.identity())?;
    Ok(CallerRequest { caller, kind })
}

/// Returns the refusal of a request without a user. It names the header that the app did not send.
fn user_required(error: UserRequiredError, caller: &Caller<'_>) -> Refusal {
    match caller.user_header {
        Some(header) if caller.user.is_none() => MissingUserError { header: header.clone() }.into(),
        _ => error.into(),
    }
}

/// Reports unusable identity headers, and refuses an unusable user id where somebody could evade a block or a limit with it
/// (`docs/SPEC.md#unusable-ids`).
fn check_usable(
    limiter: &Limiter,
    snapshot: &Snapshot,
    caller: &Caller<'_>,
    record: &RequestRecord,
) -> Result<(), UnusableUserError> {
    for unusable in &caller.unusable {
        record.metrics().attribution.count_unusable(*unusable, &caller.key, Instant::now());
    }
    let Some(unusable) = caller.unusable_user() else { return Ok(()) };
    let policy = &snapshot.tenant(caller.tenant.as_deref()).policy;
    let is_limited = caller.stored.as_ref().is_some_and(|key| key.limits.is_any()) && !snapshot.rules.dry_run;
    if policy.missing_user == MissingUser::Reject || is_limited || limiter.tells_users_apart(&snapshot.rules) {
        return Err(UnusableUserError { header: unusable.header.clone(), reason: unusable.reason });
    }
    Ok(())
}

/// Returns the first part of a request's ledger row.
pub(super) fn ledger_row(
    record: &RequestRecord,
    caller: &Caller<'_>,
    identifiers: &Identifiers<'_>,
    inference: &Inference,
    markup: Markup,
) -> Begun {
    let full = inference.fields.metadata == Metadata::Full;
    let pair = |name: &str| identifiers.metadata().find(|(of, _)| *of == name).map(|(_, value)| value);
    let sent = |name: &str| if full { pair(name) } else { None };
    let name = |text: Option<&str>| text.map(Name::from);
    let session = identifiers.session_id.as_deref();
    Begun {
        id: record.id(),
        began_us: record.began_us,
        labels: RequestLabels {
            tenant: name(caller.tenant.as_deref()),
            key: caller.key.as_ref().into(),
            user: name(caller.user.as_deref()),
            session: name(caller.session.as_deref()),
            chat: name(caller.chat.as_deref()),
            message: name(caller.message.as_deref()),
        },
        sent: SentIds {
            user: name(identifiers.user.as_deref()),
            session: name(session),
            metadata_session: name(sent("session_id").filter(|id| Some(*id) != session)),
            chat: name(sent("chat_id")),
            message: name(sent("message_id")),
        },
        endpoint: inference.path.into(),
        account: record.account.as_ref().map(|account| Name::clone(account.fingerprint())),
        markup,
    }
}
