//! A connection and its state.

use std::error::Error as StdError;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Error;
use crate::framing::{Framing, asks_to_close};
use crate::read::{self, poll_read};
use crate::upload::{Length, Upload};
use crate::{request, response};

/// Maximum size of the head of an answer in bytes, interim answers included.
const MOST_HEAD: usize = read::MOST;

/// A client's HTTP/1.1 connection over the stream `S`, for requests with the body `B`.
#[derive(Debug)]
pub struct Connection<S, B> {
    stream: S,
    /// `None` once the request has left whole.
    upload: Option<Upload<B>>,
    state: State,
    /// Cleared by anything that leaves a doubt about the next byte.
    is_reusable: bool,
}

#[derive(Debug)]
enum State {
    /// Between two exchanges.
    Idle,
    Head(Box<Head>),
    Body(Answer),
}

/// The bytes of the head that have arrived.
#[derive(Debug)]
struct Head {
    method: Method,
    /// The headers' map of the request, which is used again.
    headers: HeaderMap,
    /// The beginning of a head.
    bytes: BytesMut,
}

/// The body of an answer.
#[derive(Debug)]
struct Answer {
    framing: Framing,
    /// Data that has arrived.
    data: Option<Bytes>,
    /// The bytes that have arrived after the data.
    last: Option<Box<Last>>,
}

#[derive(Debug)]
enum Last {
    Trailers(HeaderMap),
    Error(Error),
}

impl<S, B> Connection<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Wraps a stream to a server.
    pub fn new(stream: S) -> Self {
        Self { stream, upload: None, state: State::Idle, is_reusable: true }
    }

    /// Returns the stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Begins to send a request. What was left of an earlier exchange is forgotten.
    pub fn start(&mut self, request: Request<B>) {
        let (parts, body) = request.into_parts();
        let length = Length::of(&body);
        self.is_reusable &= !asks_to_close(&parts.headers);
        self.upload = Some(Upload::new(request::head(&parts, length), body, length));
        let mut headers = parts.headers;
        headers.clear();
        self.state = State::Head(Box::new(Head { method: parts.method, headers, bytes: BytesMut::new() }));
    }

    /// Sends the request on, and returns the head of the answer once it has arrived.
    ///
    /// # Errors
    /// [`Error`]. The connection must be dropped then.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Error>> {
        self.poll_upload(cx)?;
        loop {
            let State::Head(head) = &mut self.state else { return Poll::Ready(Err(Error::Incomplete)) };
            let most = MOST_HEAD.saturating_sub(head.bytes.len()).max(1);
            let read = ready!(poll_read(&mut self.stream, most, cx, |piece| head.read(piece)));
            let found = read.map_err(Error::Io)?;
            if self.upload.as_ref().is_some_and(|upload| !upload.is_head_sent()) {
                return Poll::Ready(Err(Error::Unexpected));
            }
            if let Some((head, answer, has_surplus)) = found? {
                self.is_reusable &= !has_surplus
                    && head.version() == Version::HTTP_11
                    && head.status() != StatusCode::SWITCHING_PROTOCOLS
                    && !asks_to_close(head.headers());
                self.state = State::Body(answer);
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// Sends the request on, and returns the next frame of the answer's body.
    ///
    /// # Errors
    /// [`Error`]. The connection must be dropped then.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.poll_upload(cx)?;
        loop {
            let State::Body(answer) = &mut self.state else { return Poll::Ready(None) };
            if let Some(frame) = answer.take() {
                return Poll::Ready(Some(frame));
            }
            if answer.framing.is_end() {
                return Poll::Ready(None);
            }
            let read = ready!(poll_read(&mut self.stream, read::MOST, cx, |piece| answer.read(piece)));
            let has_surplus = read.map_err(Error::Io)?;
            self.is_reusable &= !has_surplus;
        }
    }

    /// Returns true if no frame of the answer is left.
    pub fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Body(answer) => answer.data.is_none() && answer.last.is_none() && answer.framing.is_end(),
            State::Idle | State::Head(_) => false,
        }
    }

    /// Returns how many bytes of the answer's body are left.
    pub fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Body(Answer { framing: Framing::Length(left), data, .. }) => {
                SizeHint::with_exact(left + data.as_ref().map_or(0, |data| data.len() as u64))
            }
            State::Idle | State::Head(_) | State::Body(_) => SizeHint::default(),
        }
    }

    /// Returns true if the request has left whole, the answer was read to its end, and no byte or EOF has followed it.
    /// Wakes `cx` when that changes. Only then the connection can send another request.
    pub fn is_idle(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.is_reusable {
            return false;
        }
        match &self.state {
            State::Idle => {}
            State::Body(Answer { framing: Framing::Close(_), .. }) | State::Head(_) => return false,
            State::Body(_) => {
                if !self.is_end_stream() || !matches!(self.poll_upload(cx), Ok(())) || self.upload.is_some() {
                    return false;
                }
                self.state = State::Idle;
            }
        }
        // A byte, the end or an error: the connection is of no further use.
        self.is_reusable = poll_read(&mut self.stream, 1, cx, |_| ()).is_pending();
        self.is_reusable
    }

    /// Sends the request on.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if let Some(upload) = &mut self.upload
            && upload.poll(&mut self.stream, cx)?.is_ready()
        {
            self.upload = None;
        }
        Ok(())
    }
}

/// The head of an answer, its body, and whether bytes follow the body.
type Found = (Response<()>, Answer, bool);

impl Head {
    /// Adds a piece. Returns the head once it is complete.
    fn read(&mut self, piece: &mut BytesMut) -> Result<Option<Found>, Error> {
        if piece.is_empty() {
            return Err(Error::Incomplete);
        }
        if self.bytes.is_empty() {
            return self.parse(piece);
        }
        let seen = self.bytes.len();
        self.bytes.extend_from_slice(piece);
        if response::may_end(&self.bytes, seen) {
            let mut bytes = std::mem::take(&mut self.bytes);
            return self.parse(&mut bytes);
        }
        self.check_length()?;
        Ok(None)
    }

    /// Looks for a head in `bytes`, and keeps what may be the beginning of one.
    fn parse(&mut self, bytes: &mut BytesMut) -> Result<Option<Found>, Error> {
        while !bytes.is_empty() {
            let Some((length, head)) = response::parse(bytes, std::mem::take(&mut self.headers))? else {
                self.bytes = BytesMut::from(&bytes[..]);
                self.check_length()?;
                return Ok(None);
            };
            let _head = bytes.split_to(length);
            let is_interim = head.status().is_informational() && head.status() != StatusCode::SWITCHING_PROTOCOLS;
            if is_interim {
                continue;
            }
            let framing = Framing::of(&self.method, head.status(), head.version(), head.headers())?;
            let mut answer = Answer { framing, data: None, last: None };
            let has_surplus = !bytes.is_empty() && answer.read(bytes);
            return Ok(Some((head, answer, has_surplus)));
        }
        Ok(None)
    }

    fn check_length(&self) -> Result<(), Error> {
        if self.bytes.len() < MOST_HEAD { Ok(()) } else { Err(Error::TooLong) }
    }
}

impl Answer {
    /// Reads a piece; an empty one is the end of the connection. Returns true if bytes follow the body.
    fn read(&mut self, piece: &mut BytesMut) -> bool {
        if piece.is_empty() {
            self.last = self.framing.end().err().map(|error| Box::new(Last::Error(error)));
            return false;
        }
        let read = self.framing.read(piece);
        let has_surplus = read.used < piece.len();
        let last = match read.error {
            Some(error) => Some(Last::Error(error)),
            None if self.framing.is_end() => match self.framing.trailers() {
                Ok(trailers) => trailers.map(Last::Trailers),
                Err(error) => Some(Last::Error(error)),
            },
            None => None,
        };
        self.last = last.map(Box::new);
        self.data = (read.data > 0).then(|| read::split(piece, read.data));
        has_surplus
    }

    /// Takes the next frame that has arrived.
    fn take(&mut self) -> Option<Result<Frame<Bytes>, Error>> {
        if let Some(data) = self.data.take() {
            return Some(Ok(Frame::data(data)));
        }
        Some(match *self.last.take()? {
            Last::Trailers(trailers) => Ok(Frame::trailers(trailers)),
            Last::Error(error) => Err(error),
        })
    }
}
