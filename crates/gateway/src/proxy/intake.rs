//! Takes a body in: small ones whole, so that bad or slow ones never touch OpenRouter; all others as far as they go, to be
//! streamed. All held bodies together stay within a budget; a body that finds no room in it streams.

use std::pin::Pin;
use std::sync::Arc;

use http_body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::snapshot::Limits;
use crate::server::Upload;
use crate::upstream::outgoing::{Begun, Held};
use crate::upstream::upload_state::UploadError;
use callsign_core::rewrite::{Output, Rewriter};

/// A body taken in.
pub(super) enum Taken {
    /// Whole and good, and what rewrote it.
    Whole(Held, Rewriter),
    /// To be streamed from here on.
    Begun(Box<Begun>),
}

/// Takes `upload` in through `rewriter`.
///
/// # Errors
/// Why it cannot be sent, and what is left of it.
pub(super) async fn take(
    mut upload: Upload,
    mut rewriter: Rewriter,
    limits: Limits,
    budget: &Arc<Semaphore>,
) -> Result<Taken, (UploadError, Upload)> {
    let announced = upload.size_hint().exact();
    if announced.is_some_and(|length| length > limits.max_body) {
        return Err((UploadError::TooLarge { limit: limits.max_body }, upload));
    }
    let mut out = Output::default();
    let mut received = 0;
    let share = announced.unwrap_or(limits.buffer_body);
    let Some(share) = (share <= limits.buffer_body).then(|| reserve(budget, share)).flatten() else {
        let limit = limits.max_body;
        return Ok(Taken::Begun(Box::new(Begun { upload, rewriter, out, received, announced, limit })));
    };
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut upload).poll_frame(cx)).await {
        let piece = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => return Err((error.into(), upload)),
        };
        received += piece.len() as u64;
        if received > limits.max_body {
            return Err((UploadError::TooLarge { limit: limits.max_body }, upload));
        }
        if let Err(invalid) = rewriter.feed(&piece, &mut out) {
            return Err((invalid.into(), upload));
        }
        if received > limits.buffer_body {
            let limit = limits.max_body;
            return Ok(Taken::Begun(Box::new(Begun { upload, rewriter, out, received, announced, limit })));
        }
    }
    match rewriter.finish() {
        Err(invalid) => Err((invalid.into(), upload)),
        Ok(()) if !rewriter.length_matches(&out) => Err((UploadError::LengthMismatch, upload)),
        Ok(()) => Ok(Taken::Whole(Held::new(out, Some(share)), rewriter)),
    }
}

/// A share of the budget for held bodies; `None` when there is not enough left of it.
fn reserve(budget: &Arc<Semaphore>, bytes: u64) -> Option<OwnedSemaphorePermit> {
    Arc::clone(budget).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
}
