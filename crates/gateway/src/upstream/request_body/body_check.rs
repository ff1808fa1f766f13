//! A check of a complete body before its last byte leaves.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use callsign_core::rewrite::Rewriter;
use callsign_core::rewrite::outer::OuterMembers;

use super::super::upload_state::UploadError;

type Checking = Pin<Box<dyn Future<Output = Result<(), UploadError>> + Send>>;
/// Starts the check with the body's outer members and about the number of its tokens.
type Begin = Box<dyn FnOnce(&OuterMembers, u64) -> Checking + Send>;

/// A check that may wait, for example for the store of limits.
pub struct BodyCheck(Step);

enum Step {
    Waiting(Begin),
    Running(Checking),
    Passed,
}

impl BodyCheck {
    /// Creates a check. `begin` gets the body's outer members and about the number of its tokens.
    pub fn new<F>(begin: impl FnOnce(&OuterMembers, u64) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), UploadError>> + Send + 'static,
    {
        Self(Step::Waiting(Box::new(|outer, tokens| Box::pin(begin(outer, tokens)))))
    }

    /// Creates a check that passes.
    pub fn none() -> Self {
        Self(Step::Passed)
    }

    /// Polls the check of a body that `rewriter` has found valid.
    pub(super) fn poll(&mut self, rewriter: &Rewriter, cx: &mut Context<'_>) -> Poll<Result<(), UploadError>> {
        if let Step::Waiting(_) = self.0
            && let Step::Waiting(begin) = std::mem::replace(&mut self.0, Step::Passed)
        {
            self.0 = Step::Running(begin(rewriter.outer(), rewriter.input_tokens()));
        }
        if let Step::Running(checking) = &mut self.0 {
            let result = ready!(checking.as_mut().poll(cx));
            self.0 = Step::Passed;
            return Poll::Ready(result);
        }
        Poll::Ready(Ok(()))
    }
}

impl std::fmt::Debug for BodyCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyCheck").finish_non_exhaustive()
    }
}
