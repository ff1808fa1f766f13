//! Step 3: chooses the identifiers that are sent for the caller.

use callsign_core::auth::Caller;
use callsign_core::endpoint::path::CataloguePath;
use callsign_core::endpoint::{Endpoint, Inference, Metadata, SelfService};
use callsign_core::identity::Identifiers;
use callsign_core::usage::markup::Markup;
use callsign_store::ledger::{AskedBy, Begun, Ledger, Name};
use jiff::Timestamp;
use uuid::Uuid;

use super::snapshot::Snapshot;
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
    /// A request to a model, with the identifiers that are written into it.
    Inference(&'static Inference, Identifiers<'a>),
}

/// Chooses the identifiers of the request and takes an in-flight slot for the caller.
///
/// # Errors
/// `user_required` if the policy requires a user and the caller has none; `rate_limited` or `overloaded` without a free
/// slot.
pub(super) fn identify<'a>(
    snapshot: &'a Snapshot,
    caller: Caller<'a>,
    endpoint: Endpoint,
    record: &mut RequestRecord,
) -> Result<CallerRequest<'a>, Refusal> {
    let kind = match endpoint {
        Endpoint::Read(path) => RequestKind::Catalogue(path),
        Endpoint::SelfService(question) => RequestKind::SelfService(question),
        Endpoint::Inference(inference) => {
            let tenant = snapshot.tenant(caller.tenant.as_deref());
            let identifiers = tenant.policy.identify(&caller.identity(), caller.metadata, inference.fields)?;
            record.attribution = Some(identifiers.attribution(caller.user.is_some()));
            record.identified(inference, &identifiers, |ledger| {
                ledger_row(ledger, &caller, &identifiers, inference, tenant.markup)
            });
            RequestKind::Inference(inference, identifiers)
        }
    };
    record.enter(&caller.identity())?;
    Ok(CallerRequest { caller, kind })
}

/// Returns the first part of a request's ledger row.
pub(super) fn ledger_row(
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
    let labels = AskedBy {
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
        names: ledger.names(&labels),
        message: caller.message.as_deref().map(Name::from),
        sent_message: sent("message_id").map(Name::from),
    }
}
