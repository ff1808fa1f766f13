//! Requests are written as hyper's client writes them.

#![expect(clippy::unwrap_used, reason = "a failing test panics")]

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use callsign_http1::{Connection, Error};
use http::{Method, Request};
use http_body::{Body, Frame, SizeHint};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A body of these pieces.
#[derive(Clone)]
struct Pieces {
    pieces: Vec<&'static str>,
    length: Option<u64>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().pieces.pop().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    }

    fn is_end_stream(&self) -> bool {
        self.length == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

/// A server that takes so many bytes at once and never answers.
struct Sink {
    taken: Arc<Mutex<Vec<u8>>>,
    at_once: usize,
    is_vectored: bool,
}

impl AsyncRead for Sink {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Sink {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let count = buf.len().min(self.at_once);
        self.taken.lock().unwrap().extend_from_slice(&buf[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut taken = self.taken.lock().unwrap();
        let before = taken.len();
        for buf in bufs {
            let count = buf.len().min(self.at_once - (taken.len() - before));
            taken.extend_from_slice(&buf[..count]);
        }
        Poll::Ready(Ok(taken.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn sink(at_once: usize) -> (Sink, Arc<Mutex<Vec<u8>>>) {
    let taken = Arc::default();
    (Sink { taken: Arc::clone(&taken), at_once, is_vectored: at_once > 3 }, taken)
}

fn own(request: Request<Pieces>, at_once: usize) -> (String, Poll<Result<http::Response<()>, Error>>) {
    let (sink, taken) = sink(at_once);
    let mut connection = Connection::new(sink);
    connection.start(request);
    let polled = connection.poll_head(&mut Context::from_waker(Waker::noop()));
    let taken = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
    (taken, polled)
}

fn hypers(request: Request<Pieces>) -> String {
    let (sink, taken) = sink(usize::MAX);
    let cx = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(Ok((mut sender, connection))) =
        pin!(hyper::client::conn::http1::handshake(TokioIo::new(sink))).poll(cx)
    else {
        unreachable!("a handshake over HTTP/1.1 sends nothing")
    };
    let (mut connection, mut asking) = (pin!(connection), pin!(sender.send_request(request)));
    for _ in 0..20 {
        assert!(connection.as_mut().poll(cx).is_pending());
        assert!(asking.as_mut().poll(cx).is_pending());
    }
    let taken = taken.lock().unwrap().clone();
    String::from_utf8(taken).unwrap()
}

fn request(method: Method, target: &str, headers: &[(&'static str, &'static str)], body: Pieces) -> Request<Pieces> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

#[test]
fn requests_are_written_as_hyper_writes_them() {
    let none = Pieces { pieces: vec![], length: Some(0) };
    let known = Pieces { pieces: vec!["lo", "", "hel"], length: Some(5) };
    let unknown = Pieces { pieces: vec!["a longer piece", "", "hel"], length: None };
    let headers = [("Host", "a:1"), ("X-B", "1"), ("x-a", ""), ("x-b", "2"), ("accept", "*/*")];
    for target in ["/", "/a/b?c=d%20e", "/?", "http://a:1/b?c", "http://a"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::from_bytes(b"QUERY").unwrap()] {
            for body in [&none, &known, &unknown] {
                let wanted = hypers(request(method.clone(), target, &headers, body.clone()));
                for at_once in [1, 3, 50, usize::MAX] {
                    let (taken, _) = own(request(method.clone(), target, &headers, body.clone()), at_once);
                    assert_eq!(taken, wanted);
                }
            }
        }
        for method in [Method::GET, Method::HEAD] {
            let wanted = hypers(request(method.clone(), target, &headers, none.clone()));
            assert_eq!(own(request(method, target, &headers, none.clone()), 7).0, wanted);
        }
    }
}

#[test]
fn the_body_decides_its_framing() {
    let known = Pieces { pieces: vec!["lo", "hel"], length: Some(5) };
    let headers = [("content-length", "7"), ("transfer-encoding", "gzip"), ("x", "y")];
    let (taken, _) = own(request(Method::POST, "/", &headers, known), usize::MAX);
    assert_eq!(taken, "POST / HTTP/1.1\r\nx: y\r\ncontent-length: 5\r\n\r\nhello");
}

#[test]
fn a_body_that_is_not_as_long_as_announced_fails() {
    for pieces in [vec!["lo!", "hel"], vec!["hel"]] {
        let (_, polled) = own(request(Method::POST, "/", &[], Pieces { pieces, length: Some(5) }), usize::MAX);
        assert!(matches!(polled, Poll::Ready(Err(Error::UploadLength))), "{polled:?}");
    }
}
