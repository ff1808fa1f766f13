//! Rows for the unit tests of this room.

use uuid::Uuid;

use super::context::Contexts;
use super::row::{Ended, Ending, Row};
use super::{Begun, End, Markup, NanoUsd, SentIds, Usage};

/// When all of these rows began.
const BEGAN_US: i64 = 1_790_000_000_000_000;

/// What is known of a request at its beginning.
pub(super) fn begun(number: u128) -> Begun {
    Begun {
        id: Uuid::from_u128(number),
        began_us: BEGAN_US,
        tenant: Some("acme".into()),
        key: "owui".into(),
        user: Some("alice".to_owned()),
        session: Some("s-1".to_owned()),
        chat: Some("c-1".to_owned()),
        message: Some(format!("m-{number}")),
        sent: SentIds { user: Some("acme_alice".to_owned()), ..SentIds::default() },
        endpoint: "chat",
        markup: Markup::ONE,
    }
}

/// A request that runs.
pub(super) fn row(number: u128) -> Row {
    let begun = begun(number);
    let context = Contexts::default().of(&begun);
    Row::new(&begun, Some(&format!("gen-{number}")), None, &"node".into(), context)
}

/// The same, finished.
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
