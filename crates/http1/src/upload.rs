//! Writes a request: its head, then its body as the connection takes it.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::Body;
use tokio::io::AsyncWrite;

use crate::Error;

/// Bytes that wait for the connection before more of the body is asked for.
const MOST_BYTES: usize = 32 * 1024;
/// Pieces that wait.
const MOST_PIECES: usize = 16;

/// The announcement of a body's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// There is no body.
    None,
    Known(u64),
    Chunked,
}

impl Length {
    pub(crate) fn of<B: Body>(body: &B) -> Self {
        if body.is_end_stream() {
            return Self::None;
        }
        body.size_hint().exact().map_or(Self::Chunked, Self::Known)
    }
}

/// The unsent rest of a request.
#[derive(Debug)]
pub(crate) struct Upload<B> {
    /// Pieces that wait for the connection.
    queue: VecDeque<Bytes>,
    /// Bytes in `queue`.
    queued: usize,
    /// Bytes of the head that wait.
    head: usize,
    /// True once the head has also left the stream's own buffer.
    is_head_sent: bool,
    /// True if no written byte waits in the stream's own buffer.
    is_flushed: bool,
    /// `None` once the body is at its end.
    body: Option<B>,
    length: Length,
}

impl<B: Body<Data = Bytes> + Unpin> Upload<B>
where
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    pub(crate) fn new(head: Bytes, body: B, length: Length) -> Self {
        let mut queue = VecDeque::with_capacity(MOST_PIECES);
        let bytes = head.len();
        queue.push_back(head);
        Self {
            queued: bytes,
            head: bytes,
            queue,
            is_head_sent: false,
            is_flushed: false,
            body: (length != Length::None).then_some(body),
            length,
        }
    }

    /// Returns true if the whole head has left.
    pub(crate) fn is_head_sent(&self) -> bool {
        self.is_head_sent
    }

    /// Writes until the request is complete, which is `Ready`, or something is awaited.
    pub(crate) fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        loop {
            let is_waiting = self.fill(cx)?.is_pending();
            let is_empty = self.queue.is_empty();
            if !self.is_flushed && (is_empty || (self.head == 0 && !self.is_head_sent)) {
                ready!(Pin::new(&mut *stream).poll_flush(cx)).map_err(Error::Io)?;
                self.is_flushed = true;
                self.is_head_sent = true;
            }
            if !is_empty {
                ready!(self.write(stream, cx)).map_err(Error::Io)?;
            } else if is_waiting {
                return Poll::Pending;
            } else {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Asks the body for pieces. `Pending` if the body has none yet.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while let Some(body) = &mut self.body {
            if self.queued >= MOST_BYTES || self.queue.len() >= MOST_PIECES {
                break;
            }
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(frame) => {
                    let frame = frame.map_err(|error| Error::Upload(error.into()))?;
                    let is_end = body.is_end_stream();
                    if let Ok(piece) = frame.into_data() {
                        self.add(piece)?;
                    }
                    if is_end {
                        self.end()?;
                    }
                }
                None => self.end()?,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn add(&mut self, piece: Bytes) -> Result<(), Error> {
        if piece.is_empty() {
            return Ok(());
        }
        match &mut self.length {
            Length::Chunked => {
                self.push(format!("{:X}\r\n", piece.len()).into());
                self.push(piece);
                self.push(Bytes::from_static(b"\r\n"));
            }
            Length::Known(left) => {
                *left = left.checked_sub(piece.len() as u64).ok_or(Error::UploadLength)?;
                self.push(piece);
            }
            Length::None => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        self.body = None;
        match self.length {
            Length::Chunked => self.push(Bytes::from_static(b"0\r\n\r\n")),
            Length::Known(1..) => return Err(Error::UploadLength),
            Length::Known(0) | Length::None => {}
        }
        Ok(())
    }

    fn push(&mut self, piece: Bytes) {
        self.queued += piece.len();
        self.queue.push_back(piece);
    }

    fn write<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut slices = [IoSlice::new(&[]); MOST_PIECES + 3];
        let count = self.queue.len().min(slices.len());
        for (slice, piece) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(piece);
        }
        let stream = Pin::new(stream);
        let written = match &slices[..count] {
            [one] => ready!(stream.poll_write(cx, one))?,
            all => ready!(stream.poll_write_vectored(cx, all))?,
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.is_flushed = false;
        self.advance(written);
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        self.head = self.head.saturating_sub(written);
        self.queued -= written.min(self.queued);
        while let Some(first) = self.queue.front_mut() {
            if first.len() > written {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.queue.pop_front();
        }
    }
}
