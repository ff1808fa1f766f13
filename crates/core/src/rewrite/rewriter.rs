//! Dispatches a body to its rewriter: [`Filter`] for JSON, [`Form`] for multipart forms.

use bytes::Bytes;

use super::error::RewriteError;
use super::filter::Filter;
use super::multipart::Form;
use super::outer::OuterMembers;
use super::output::Output;

/// The rewriter of one request body. Boxed, because it moves through several futures and each would reserve its full
/// size.
#[derive(Debug)]
pub enum Rewriter {
    /// A JSON object.
    Json(Box<Filter>),
    /// A multipart form.
    Form(Box<Form>),
}

impl Rewriter {
    /// Rewrites the next piece and adds outgoing bytes to `out`.
    ///
    /// # Errors
    /// [`RewriteError`]. The caller must not feed more pieces and must not complete the outgoing body.
    pub fn feed(&mut self, piece: &Bytes, out: &mut Output) -> Result<(), RewriteError> {
        match self {
            Self::Json(filter) => filter.feed(piece, out),
            Self::Form(form) => Ok(form.feed(piece, out)?),
        }
    }

    /// Ends the body.
    ///
    /// # Errors
    /// [`RewriteError`] if the body is incomplete.
    pub fn finish(&mut self) -> Result<(), RewriteError> {
        match self {
            Self::Json(filter) => Ok(filter.finish()?),
            Self::Form(form) => Ok(form.finish()?),
        }
    }

    /// Returns the captured outer members. They are complete once [`Self::finish`] has succeeded.
    pub fn outer(&self) -> &OuterMembers {
        match self {
            Self::Json(filter) => filter.outer(),
            Self::Form(form) => form.outer(),
        }
    }

    /// Returns about the number of tokens of a complete body, as [`Filter::input_tokens`] does; 0 for forms.
    pub fn input_tokens(&self) -> u64 {
        match self {
            Self::Json(filter) => filter.input_tokens(),
            Self::Form(_) => 0,
        }
    }

    /// Returns the length of the outgoing body for an incoming length; `None` for forms, whose length depends on their
    /// parts.
    pub fn outgoing_length(&self, incoming: u64) -> Option<u64> {
        match self {
            Self::Json(filter) => Some(incoming + filter.reserve() as u64),
            Self::Form(_) => None,
        }
    }

    /// Returns true if the outgoing body is as long as announced, as [`Filter::length_matches`] does. Forms announce no
    /// length.
    pub fn length_matches(&self, out: &Output) -> bool {
        match self {
            Self::Json(filter) => filter.length_matches(out),
            Self::Form(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rewrite::ReservedFields;
    use crate::rewrite::multipart::Boundary;

    fn rewriters() -> [Rewriter; 2] {
        let reserved = Arc::new(ReservedFields::new(["user"], None));
        let boundary = |name| Boundary::of_content_type(format!("multipart/form-data; boundary={name}").as_bytes());
        let form = Form::new(Arc::clone(&reserved), &boundary("a").unwrap(), boundary("b").unwrap());
        [Rewriter::Json(Box::new(Filter::new(reserved, r#""user":"u""#.into()))), Rewriter::Form(Box::new(form))]
    }

    #[test]
    fn each_rewriter_accepts_its_own_kind_and_sends_the_announced_length() {
        let bodies = ["{}", "--a\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--a--"];
        for (number, mut rewriter) in rewriters().into_iter().enumerate() {
            let body = Bytes::from_static(bodies[number].as_bytes());
            let mut out = Output::default();
            assert!(rewriter.finish().is_err(), "nothing has come yet");
            rewriter.feed(&body, &mut out).unwrap();
            rewriter.finish().unwrap();
            assert!(rewriter.length_matches(&out));
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
    fn tokens_are_a_quarter_of_the_bytes_and_long_strings_count_by_themselves() {
        let text = |length: usize| "x".repeat(length);
        let (short, long) = (text(16 * 1024), text(16 * 1024 + 1));
        for (body, tokens) in [
            (r#"{"model":"m"}"#.to_owned(), 3),
            (format!(r#"{{"a":"{short}"}}"#), (8 + 16 * 1024) / 4),
            (format!(r#"{{"a":"{long}"}}"#), 2 + 2000),
            (format!(r#"{{"a":["{long}",{{"b":"{long}","c":"{short}"}}]}}"#), (25 + 16 * 1024) / 4 + 4000),
        ] {
            for size in [7, 1000, usize::MAX] {
                let [mut json, _] = rewriters();
                let mut out = Output::default();
                for piece in body.as_bytes().chunks(size) {
                    json.feed(&Bytes::copy_from_slice(piece), &mut out).unwrap();
                }
                json.finish().unwrap();
                assert_eq!(json.input_tokens(), tokens, "{} bytes in pieces of {size}", body.len());
            }
        }
    }

    #[test]
    fn an_unexpected_length_is_detected() {
        let [mut json, _] = rewriters();
        let mut out = Output::default();
        json.feed(&Bytes::from_static(b"{}"), &mut out).unwrap();
        out.copy(b" ");
        assert!(!json.length_matches(&out));
    }
}
