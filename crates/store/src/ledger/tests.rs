//! Sample rows for the ledger's unit tests.

use std::sync::Arc;

use uuid::Uuid;

use super::context::Contexts;
use super::row::{Ended, Ending, Row};
use super::{AskedBy, Begun, End, Finished};
use callsign_core::usage::Usage;
use callsign_core::usage::money::NanoUsd;

/// The start time of all sample rows.
const BEGAN_US: i64 = 1_790_000_000_000_000;

/// Returns the start of a sample request.
pub(super) fn begun(number: u128) -> Begun {
    let asked = AskedBy {
        tenant: Some("acme"),
        key: "owui",
        user: Some("alice"),
        session: Some("s-1"),
        chat: Some("c-1"),
        sent_user: Some("acme_alice"),
        endpoint: "chat",
        ..AskedBy::default()
    };
    Begun {
        id: Uuid::from_u128(number),
        began_us: BEGAN_US,
        names: Arc::new((&asked).into()),
        message: Some(format!("m-{number}").into()),
        sent_message: None,
    }
}

/// Returns the end of a sample request.
pub(super) fn finished() -> Finished {
    Finished {
        end: End::Complete,
        status: 200,
        error: None,
        model: None,
        provider: None,
        generation: None,
        usage: Usage::default(),
        request_bytes: 1,
        response_bytes: 2,
        first_byte_us: Some(3),
        duration_us: 4,
    }
}

/// Returns the row of a running request.
pub(super) fn row(number: u128) -> Row {
    let begun = begun(number);
    let context = Contexts::default().of(&begun.names, begun.began_us);
    Row::new(&begun, Some(format!("gen-{number}").into()), None, &"node".into(), context)
}

/// Returns the row of a finished request.
pub(super) fn finished_row(number: u128) -> Row {
    let usage = Usage { prompt_tokens: Some(11), cost: Some(NanoUsd(420_000)), ..Usage::default() };
    let ended = Ended {
        ending: Ending::Known(End::Complete),
        status: 200,
        usage,
        model: Some("openai/gpt-5".into()),
        first_byte_us: Some(1500),
        duration_us: 2500,
        ..Ended::unknown()
    };
    Row { ended: Some(ended), ..row(number) }
}
