//! The connection beside a server that does exactly what a test says.

#![expect(clippy::unwrap_used, reason = "a failing test panics")]

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use callsign_http1::{Connection, Error};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{Empty, Full, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn get() -> Request<Empty<Bytes>> {
    Request::get("/").body(Empty::new()).unwrap()
}

/// Begins an exchange, answers with `answer`, and returns the connection, its server and the head.
async fn exchange(
    answer: &[u8],
) -> (Connection<DuplexStream, Empty<Bytes>>, DuplexStream, Result<Response<()>, Error>) {
    let (client, mut server) = duplex(256 * 1024);
    let mut connection = Connection::new(client);
    connection.start(get());
    assert!(connection.poll_head(&mut noop()).is_pending());
    server.write_all(answer).await.unwrap();
    let head = std::future::poll_fn(|cx| connection.poll_head(cx)).await;
    (connection, server, head)
}

fn frames<B>(connection: &mut Connection<DuplexStream, B>) -> Vec<Result<Frame<Bytes>, Error>>
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin,
{
    let mut frames = Vec::new();
    while let Poll::Ready(Some(frame)) = connection.poll_frame(&mut noop()) {
        let is_last = frame.is_err();
        frames.push(frame);
        if is_last {
            break;
        }
    }
    frames
}

fn data(frame: &Result<Frame<Bytes>, Error>) -> &[u8] {
    frame.as_ref().unwrap().data_ref().unwrap()
}

#[tokio::test]
async fn chunks_that_arrive_together_are_one_frame() {
    let chunks = "5\r\nhello\r\n1\r\n \r\n5;x\r\nwor";
    let (mut connection, mut server, head) =
        exchange(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}").as_bytes()).await;
    assert_eq!(head.unwrap().status(), StatusCode::OK);
    let first = frames(&mut connection);
    assert_eq!((first.len(), data(&first[0])), (1, &b"hello wor"[..]));
    assert!(!connection.is_end_stream());
    server.write_all(b"ld\r\n0\r\na: b\r\n\r\n").await.unwrap();
    let rest = frames(&mut connection);
    assert_eq!((rest.len(), data(&rest[0])), (2, &b"ld"[..]));
    assert_eq!(rest[1].as_ref().unwrap().trailers_ref().unwrap()["a"], "b");
    assert!(connection.is_end_stream() && connection.is_idle(&mut noop()));
}

#[tokio::test]
async fn a_connection_takes_one_request_after_the_other() {
    let (mut connection, mut server, _) = exchange(WHOLE).await;
    for _ in 0..3 {
        assert!(!connection.is_idle(&mut noop()), "the body was not read");
        assert_eq!(data(&frames(&mut connection)[0]), b"{}");
        assert!(connection.is_idle(&mut noop()));
        connection.start(get());
        assert!(!connection.is_idle(&mut noop()), "there is no answer");
        assert!(connection.poll_head(&mut noop()).is_pending());
        server.write_all(WHOLE).await.unwrap();
        assert!(connection.poll_head(&mut noop()).is_ready());
    }
}

#[tokio::test]
async fn bytes_and_the_end_make_an_idle_connection_unusable() {
    for after in [&b"x"[..], b"\r\n", WHOLE, b""] {
        for is_together in [true, false] {
            let together = [WHOLE, if is_together { after } else { b"" }].concat();
            let (mut connection, mut server, _) = exchange(&together).await;
            assert_eq!(frames(&mut connection).len(), 1);
            if !is_together || after.is_empty() {
                assert!(connection.is_idle(&mut noop()));
                server.write_all(after).await.unwrap();
            }
            let _end = after.is_empty().then(|| drop(server));
            assert!(!connection.is_idle(&mut noop()), "{is_together} {after:?}");
            assert!(!connection.is_idle(&mut noop()), "it stays unusable");
        }
    }
}

#[tokio::test]
async fn doubts_make_a_connection_unusable() {
    for answer in [
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let (mut connection, _server, head) = exchange(answer.as_bytes()).await;
        head.unwrap();
        frames(&mut connection);
        assert!(connection.is_end_stream());
        assert!(!connection.is_idle(&mut noop()), "{answer}");
    }
}

#[tokio::test]
async fn a_request_that_asks_to_close_is_the_last() {
    let (client, mut server) = duplex(1024);
    let mut connection = Connection::new(client);
    connection.start(Request::get("/").header("connection", "close").body(Empty::<Bytes>::new()).unwrap());
    assert!(connection.poll_head(&mut noop()).is_pending());
    server.write_all(WHOLE).await.unwrap();
    assert!(connection.poll_head(&mut noop()).is_ready());
    assert_eq!(frames(&mut connection).len(), 1);
    assert!(!connection.is_idle(&mut noop()));
}

#[tokio::test]
async fn an_answer_that_breaks_off_fails_after_its_data() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let (mut connection, server, _) = exchange(answer.as_bytes()).await;
        drop(server);
        let frames = frames(&mut connection);
        assert_eq!(data(&frames[0]), b"hello");
        assert!(matches!(frames[1], Err(Error::Incomplete)), "{frames:?}");
    }
    let (_, _, head) = exchange(b"HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\nhello").await;
    assert!(matches!(head, Err(Error::Framing(_))), "{head:?}");
}

#[tokio::test]
async fn a_head_has_at_most_32_kib() {
    for (length, fits) in [(32_000, true), (33_000, false)] {
        for piece in [100_000, 1_000] {
            let (client, mut server) = duplex(piece);
            let mut connection = Connection::new(client);
            connection.start(get());
            assert!(connection.poll_head(&mut noop()).is_pending());
            let answer = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(length));
            let writing = async { server.write_all(answer.as_bytes()).await };
            let reading = async {
                let head = std::future::poll_fn(|cx| connection.poll_head(cx)).await;
                drop(connection);
                head
            };
            let (_, head) = tokio::join!(writing, reading);
            assert_eq!(head.is_ok(), fits, "{head:?}");
            assert!(fits || matches!(head, Err(Error::TooLong)), "{head:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_before_the_head_has_left_is_refused() {
    let (client, mut server) = duplex(100);
    let mut connection = Connection::new(client);
    connection.start(Request::get("/").header("x", "y".repeat(200)).body(Empty::<Bytes>::new()).unwrap());
    assert!(connection.poll_head(&mut noop()).is_pending());
    server.write_all(WHOLE).await.unwrap();
    let polled = connection.poll_head(&mut noop());
    assert!(matches!(polled, Poll::Ready(Err(Error::Unexpected))), "{polled:?}");
}

#[tokio::test]
async fn an_answer_is_read_while_the_upload_runs() {
    let (client, mut server) = duplex(64);
    let mut connection = Connection::new(client);
    connection.start(Request::post("/").body(Full::new(Bytes::from(vec![b'x'; 1000]))).unwrap());
    assert!(connection.poll_head(&mut noop()).is_pending());
    server.read_exact(&mut [0; 60]).await.unwrap();
    assert!(connection.poll_head(&mut noop()).is_pending());
    server.write_all(WHOLE).await.unwrap();
    assert!(connection.poll_head(&mut noop()).is_ready());
    assert_eq!(data(&frames(&mut connection)[0]), b"{}");
    assert!(!connection.is_idle(&mut noop()), "the upload is not complete");
    let mut left = Vec::new();
    while !connection.is_idle(&mut noop()) {
        let mut piece = [0; 64];
        let count = server.read(&mut piece).await.unwrap();
        left.extend_from_slice(&piece[..count]);
    }
    assert!(left.ends_with(b"xxx"));
}

#[tokio::test]
async fn an_upload_that_fails_ends_the_exchange() {
    let (client, _server) = duplex(1024);
    let mut connection = Connection::new(client);
    let fails: Result<Frame<Bytes>, std::io::Error> = Err(std::io::ErrorKind::Other.into());
    connection.start(Request::post("/").body(StreamBody::new(Once(Some(fails)))).unwrap());
    let polled = connection.poll_head(&mut noop());
    assert!(matches!(polled, Poll::Ready(Err(Error::Upload(_)))), "{polled:?}");
}

/// A stream of one item.
struct Once<T>(Option<T>);

impl<T: Unpin> futures_core::Stream for Once<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(self.get_mut().0.take())
    }
}
