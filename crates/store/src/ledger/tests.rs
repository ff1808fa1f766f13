//! Sample rows for the ledger's unit tests.

use callsign_core::request_id::{RANDOM, RequestId};
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::outcome::Outcome;

use super::record::{Begun, Finished, RequestLabels, SentIds};
use super::row::Row;

/// The start time of the sample rows.
const BEGAN_US: i64 = 1_790_000_000_000_000;

/// Returns the start of a sample request.
pub(super) fn begun(number: u8) -> Begun {
    Begun {
        id: RequestId::new(BEGAN_US, [number; RANDOM]),
        began_us: BEGAN_US,
        labels: RequestLabels {
            tenant: Some("acme".into()),
            key: "owui".into(),
            user: Some("alice".into()),
            session: Some("s-1".into()),
            chat: Some("c-1".into()),
            message: Some(format!("m-{number}").into()),
        },
        sent: SentIds { user: Some("acme_alice".into()), ..SentIds::default() },
        endpoint: "chat".into(),
        account: Some("account".into()),
        markup: Markup::ONE,
    }
}

/// Returns the end of a sample request.
pub(super) fn finished() -> Finished {
    Finished {
        outcome: Some(Outcome::Complete),
        status: 200,
        request_bytes: 1,
        response_bytes: 2,
        head_us: Some(3),
        first_output_us: Some(4),
        duration_us: 5,
        ..Finished::unknown(Bill::Free)
    }
}

/// Returns a refusal this many seconds after the start of the sample rows.
pub(super) fn refused_row(number: u8, code: &str, seconds: i64) -> Row {
    let mut begun = begun(number);
    begun.began_us += seconds * 1_000_000;
    let outcome = Some(Outcome::Refused);
    let finished = Finished { outcome, status: 429, error: Some(code.into()), ..finished() };
    Row::new(begun, None, Some(finished), &"node".into())
}
