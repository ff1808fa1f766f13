//! The data of one request: [`Begun`] at its start and [`Finished`] at its end.

use std::sync::Arc;

use callsign_core::request_id::RequestId;
use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::outcome::Outcome;

/// Shared text.
pub type Name = Arc<str>;

/// Replaces U+0000 with U+FFFD. PostgreSQL does not store U+0000, and an untrusted model name may contain it.
fn storable(name: &mut Option<Name>) {
    if let Some(text) = name.as_ref().filter(|text| text.contains('\0')) {
        *name = Some(text.replace('\0', "\u{fffd}").into());
    }
}

/// The caller of a request, as stated. Every text has at most 512 bytes (docs/SPEC.md#source-values).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestLabels {
    /// The tenant, if any.
    pub tenant: Option<Name>,
    /// The name of the key, issuer or pass-through namespace that authenticated the caller.
    pub key: Name,
    /// The user id.
    pub user: Option<Name>,
    /// The session.
    pub session: Option<Name>,
    /// The chat.
    pub chat: Option<Name>,
    /// The message.
    pub message: Option<Name>,
}

/// The identifiers exactly as sent upstream; `None` if a valve is off or the source is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentIds {
    /// The field `user`.
    pub user: Option<Name>,
    /// The field `session_id`, which may come from `SEND_CACHE_SESSION_ID`.
    pub session: Option<Name>,
    /// `metadata.session_id`, if it differs from `session`.
    pub metadata_session: Option<Name>,
    /// `metadata.chat_id`.
    pub chat: Option<Name>,
    /// `metadata.message_id`.
    pub message: Option<Name>,
}

/// Data that is known when a request goes upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// callsign's id of the request, the row's primary key.
    pub id: RequestId,
    /// Microseconds since 1970, UTC.
    pub began_us: i64,
    /// The caller.
    pub labels: RequestLabels,
    /// The identifiers as sent.
    pub sent: SentIds,
    /// The endpoint's name, one of a fixed set.
    pub endpoint: Name,
    /// A fingerprint of the OpenRouter account that pays; `None` for a caller's own key, which callsign does not keep.
    pub account: Option<Name>,
    /// The tenant's current factor between cost and charge.
    pub markup: Markup,
}

/// Data that is known at the end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The ending; `None` if its process died.
    pub outcome: Option<Outcome>,
    /// The HTTP status that the client received; 0 if none.
    pub status: u16,
    /// The kind of the error, if the request ended in one (docs/SPEC.md#answer-outcome).
    pub error: Option<Name>,
    /// The limit that refused the request.
    pub limit: Option<Name>,
    /// The state of the cost.
    pub bill: Bill,
    /// The model that the client asked for.
    pub requested_model: Option<Name>,
    /// The model that answered.
    pub model: Option<Name>,
    /// The provider that answered.
    pub provider: Option<Name>,
    /// `X-Generation-Id`, or the response's `id` if it begins with `gen-`.
    pub generation: Option<Name>,
    /// Tokens and cost.
    pub usage: Usage,
    /// Length of the request's body in bytes, as announced.
    pub request_bytes: u64,
    /// Bytes of the response's body that were relayed.
    pub response_bytes: u64,
    /// Microseconds from the request's head to the response's head.
    pub head_us: Option<u64>,
    /// Microseconds from the request's head to the first output (docs/SPEC.md#time-to-first-output).
    pub first_output_us: Option<u64>,
    /// Microseconds from the request's head to the end of the response.
    pub duration_us: u64,
}

impl Begun {
    /// Makes every text storable.
    pub(super) fn sanitize(&mut self) {
        let Self { labels, sent, account, .. } = self;
        let mut key = Some(Arc::clone(&labels.key));
        storable(&mut key);
        labels.key = key.unwrap_or_default();
        let RequestLabels { tenant, key: _, user, session, chat, message } = labels;
        for name in [tenant, user, session, chat, message] {
            storable(name);
        }
        let SentIds { user, session, metadata_session, chat, message } = sent;
        for name in [user, session, metadata_session, chat, message, account] {
            storable(name);
        }
    }

    /// Returns the bytes of its texts.
    pub(super) fn bytes(&self) -> usize {
        let RequestLabels { tenant, key, user, session, chat, message } = &self.labels;
        let sent = &self.sent;
        let texts = [tenant, user, session, chat, message, &sent.user, &sent.session, &sent.metadata_session];
        let texts = texts.into_iter().chain([&sent.chat, &sent.message]).flatten();
        key.len() + texts.map(|text| text.len()).sum::<usize>()
    }
}

impl Finished {
    /// Makes every text storable.
    pub(super) fn sanitize(&mut self) {
        let Self { error, limit, requested_model, model, provider, generation, .. } = self;
        for name in [error, limit, requested_model, model, provider, generation] {
            storable(name);
        }
    }

    /// Returns the end of a request whose process died: it may have cost something.
    pub(super) fn unknown(bill: Bill) -> Self {
        Self {
            outcome: None,
            status: 0,
            error: None,
            limit: None,
            bill,
            requested_model: None,
            model: None,
            provider: None,
            generation: None,
            usage: Usage::default(),
            request_bytes: 0,
            response_bytes: 0,
            head_us: None,
            first_output_us: None,
            duration_us: 0,
        }
    }

    /// Returns true if the request went upstream. Requests that callsign answered itself did not, except after an
    /// upstream timeout.
    pub(super) fn went_upstream(&self) -> bool {
        self.outcome != Some(Outcome::Refused) || self.error.as_deref() == Some("upstream_timeout")
    }
}
