//! One body's rewriting, whichever kind of body it is.

use bytes::Bytes;

use super::filter::{Filter, Invalid};
use super::multipart::{BadForm, Form};
use super::output::Output;
use super::tools::SharedTool;

/// What rewrites a request's body.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the larger one is the usual one, and is moved but a few times")]
pub enum Rewriter {
    /// A JSON object.
    Json(Filter),
    /// A multipart form.
    Form(Box<Form>),
}

/// Why a body must not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It is not one strict JSON object.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It asks for what all callers of the account share.
    #[error(transparent)]
    SharedTool(#[from] SharedTool),
    /// It is no form that can be read in one way only.
    #[error(transparent)]
    Form(#[from] BadForm),
}

impl Rewriter {
    /// Takes the next piece in and puts what may leave into `out`.
    ///
    /// # Errors
    /// [`Rejected`]; it must not be fed again, and what it let out before must not be completed.
    pub fn feed(&mut self, piece: &Bytes, out: &mut Output) -> Result<(), Rejected> {
        match self {
            Self::Json(filter) => filter.feed(piece, out),
            Self::Form(form) => Ok(form.feed(piece, out)?),
        }
    }

    /// Ends the body.
    ///
    /// # Errors
    /// [`Rejected`] when it is not complete.
    pub fn finish(&mut self) -> Result<(), Rejected> {
        match self {
            Self::Json(filter) => Ok(filter.finish()?),
            Self::Form(form) => Ok(form.finish()?),
        }
    }

    /// How long the outgoing body will be for an incoming one of this length; `None` if that is not known before it is
    /// read.
    pub fn outgoing_length(&self, incoming: u64) -> Option<u64> {
        match self {
            Self::Json(filter) => Some(incoming + filter.reserve() as u64),
            Self::Form(_) => None,
        }
    }

    /// Whether what was put out is as long as announced. See [`Filter::kept_its_word`].
    pub fn kept_its_word(&self, out: &Output) -> bool {
        match self {
            Self::Json(filter) => filter.kept_its_word(out),
            Self::Form(_) => true,
        }
    }
}
