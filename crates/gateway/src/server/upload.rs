//! The body of a request as the handler gets it: raw, or decoded if the handler asks for that.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use callsign_core::fair_pool::FairShare;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::decoded::{ContentCoding, Decoded};
use super::raw_upload::{RawUpload, UploadReadError};
use super::timeouts::{Activity, UploadTimeouts};

/// The body of a request. Its size is not limited here.
#[derive(Debug)]
pub struct Upload(Source);

#[derive(Debug)]
enum Source {
    Raw(RawUpload),
    Decoded(Box<Decoded>),
}

impl Upload {
    /// Creates an empty body.
    pub fn empty() -> Self {
        Bytes::new().into()
    }

    /// Wraps hyper's request body.
    pub(super) fn new(body: Incoming, timeouts: UploadTimeouts, activity: &Arc<Activity>) -> Self {
        Self(Source::Raw(RawUpload::new(body, timeouts, activity)))
    }

    /// Returns this body decoded. More than `limit` compressed bytes are an error. `memory` is the decoder's
    /// share, returned on drop.
    #[must_use]
    pub fn decoded(self, coding: ContentCoding, limit: u64, memory: FairShare) -> Self {
        match self.0 {
            Source::Raw(raw) => Self(Source::Decoded(Box::new(Decoded::new(raw, coding, limit, memory)))),
            Source::Decoded(_) => self,
        }
    }

    /// Returns the unread rest of the body, undecoded.
    #[must_use]
    pub fn into_raw(self) -> Self {
        match self.0 {
            Source::Decoded(decoded) => Self(Source::Raw(decoded.into_raw())),
            Source::Raw(_) => self,
        }
    }

    /// Returns true if the body has been polled undecoded. hyper then has sent `100 Continue` to a client that waits
    /// for it.
    pub fn is_polled(&self) -> bool {
        match &self.0 {
            Source::Raw(raw) => raw.is_polled(),
            Source::Decoded(_) => true,
        }
    }
}

impl From<Bytes> for Upload {
    /// Creates a body from buffered bytes.
    fn from(bytes: Bytes) -> Self {
        Self(Source::Raw(bytes.into()))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadReadError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadReadError>>> {
        match &mut self.get_mut().0 {
            Source::Raw(raw) => Pin::new(raw).poll_frame(cx),
            Source::Decoded(decoded) => decoded.poll_piece(cx).map(|next| next.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Raw(raw) => raw.is_end_stream(),
            Source::Decoded(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Raw(raw) => raw.size_hint(),
            Source::Decoded(_) => SizeHint::default(),
        }
    }
}
