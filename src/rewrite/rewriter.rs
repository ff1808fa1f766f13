//! One body's rewriting, whichever kind of body it is.

use bytes::Bytes;

use super::filter::{Filter, Invalid};
use super::multipart::{BadForm, Form};
use super::output::Output;
use super::tools::SharedTool;

/// What rewrites a request's body. In a box, since it is handed from future to future, each of which has room for it for as
/// long as the request lasts.
#[derive(Debug)]
pub enum Rewriter {
    /// A JSON object.
    Json(Box<Filter>),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rewrite::OwnedNames;
    use crate::rewrite::multipart::Boundary;

    fn rewriters() -> [Rewriter; 2] {
        let owned = Arc::new(OwnedNames::new(["user"], None));
        let boundary = |name| Boundary::of_content_type(format!("multipart/form-data; boundary={name}").as_bytes());
        let form = Form::new(Arc::clone(&owned), &boundary("a").unwrap(), boundary("b").unwrap());
        [Rewriter::Json(Box::new(Filter::new(owned, r#""user":"u""#.into()))), Rewriter::Form(Box::new(form))]
    }

    #[test]
    fn each_reads_its_own_kind_and_keeps_its_word() {
        let bodies = ["{}", "--a\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--a--"];
        for (number, mut rewriter) in rewriters().into_iter().enumerate() {
            let body = Bytes::from_static(bodies[number].as_bytes());
            let mut out = Output::default();
            assert!(rewriter.finish().is_err(), "nothing has come yet");
            rewriter.feed(&body, &mut out).unwrap();
            rewriter.finish().unwrap();
            assert!(rewriter.kept_its_word(&out));
            let announced = rewriter.outgoing_length(2);
            let sent: Vec<u8> = out.into_pieces().flatten().collect();
            assert!(!sent.is_empty());
            assert_eq!(announced, (number == 0).then_some(sent.len() as u64));
        }
        for (rewriter, other) in rewriters().iter_mut().zip(["--a\r\n", "{}"]) {
            assert!(rewriter.feed(&Bytes::from_static(other.as_bytes()), &mut Output::default()).is_err());
        }
    }

    #[test]
    fn a_body_of_another_length_than_announced_is_noticed() {
        let [mut json, _] = rewriters();
        let mut out = Output::default();
        json.feed(&Bytes::from_static(b"{}"), &mut out).unwrap();
        out.copy(b" ");
        assert!(!json.kept_its_word(&out));
    }
}
