//! The pool against a server that does exactly what a test says.

use std::hash::RandomState;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use callsign_core::fair_pool::FairPool;
use callsign_core::rewrite::{Filter, ReservedFields, Rewriter};
use callsign_telemetry::metrics::Metrics;
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt;

use super::*;
use crate::server::Upload;
use crate::upstream::connector::Route;
use crate::upstream::options::Options;
use crate::upstream::request_body::BodyCheck;
use crate::upstream::settings::PoolKind;
use crate::upstream::tls;

const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// Starts a server that runs `serve` for each connection, in threads. Returns its pool and its metrics.
fn pool(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> (InlinePool, Arc<Metrics>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url: Uri = format!("http://{}/api/v1", listener.local_addr().unwrap()).parse().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    let metrics = Arc::new(Metrics::new());
    let options = Options {
        url: url.clone(),
        connect_timeout: Duration::from_secs(10),
        first_byte_timeout: Duration::from_secs(10),
        http2: false,
        pool: PoolKind::Inline,
        proxy_from_env: false,
        metrics: Arc::clone(&metrics),
    };
    let connector = Connector::new(Route::Direct, tls::config().unwrap(), &options);
    (InlinePool::new(connector, &url, false), metrics)
}

/// Reads a request without a body. Returns false at the end of the connection.
fn read_head(stream: &mut TcpStream) -> bool {
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => seen.push(byte[0]),
            _ => return false,
        }
    }
    true
}

/// Answers each request with `answer`.
fn answering(answer: impl Into<Vec<u8>>) -> impl Fn(TcpStream) {
    let answer = answer.into();
    move |mut stream| {
        while read_head(&mut stream) {
            stream.write_all(&answer).unwrap();
        }
    }
}

fn request(pool: &InlinePool, method: Method) -> Request<RequestBody> {
    Request::builder().method(method).uri(pool.origin.url.clone()).body(RequestBody::empty()).unwrap()
}

async fn send(
    pool: &InlinePool,
    request: Request<RequestBody>,
    account: Option<&PoolKey>,
) -> Result<Response<InlineBody>, InlineError> {
    pool.send(Box::new(request), account, Instant::now()).await
}

/// Sends a request and reads the answer to its end, or as far as it goes.
async fn ask(pool: &InlinePool, method: Method, account: Option<&PoolKey>) -> Result<Bytes, callsign_http1::Error> {
    match send(pool, request(pool, method), account).await {
        Ok(answer) => answer.into_body().collect().await.map(http_body_util::Collected::to_bytes),
        Err(InlineError::Exchange(error)) => Err(error),
        Err(InlineError::Connect(error)) => panic!("{error}"),
    }
}

/// Waits for something that other tasks and threads do.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("waited for {what}"));
}

fn open(metrics: &Metrics) -> String {
    let text = metrics.encode();
    let line = text.lines().find_map(|line| line.strip_prefix("callsign_upstream_connections "));
    line.unwrap().to_owned()
}

#[tokio::test]
async fn a_connection_is_used_again_only_after_an_answer_that_leaves_no_doubt() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let whole = std::str::from_utf8(WHOLE).unwrap();
    for (method, answer, is_kept) in [
        (Method::GET, whole.to_owned(), true),
        (Method::GET, chunked.to_owned(), true),
        (Method::GET, chunked.replace("0\r\n\r\n", "0\r\nx-trailer: y\r\n\r\n"), true),
        (Method::GET, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(), true),
        (Method::GET, format!("HTTP/1.1 100 Continue\r\n\r\n{whole}"), true),
        (Method::GET, format!("{whole}x"), false),
        (Method::GET, format!("{whole}\r\n"), false),
        (Method::GET, format!("{whole}{whole}"), false),
        (Method::GET, format!("{chunked}{whole}"), false),
        (Method::GET, whole.replace("HTTP/1.1", "HTTP/1.0"), false),
        (Method::GET, whole.replace("content", "connection: close\r\ncontent"), false),
        (Method::GET, whole.replace("content", "content-length: 2\r\ncontent"), false),
        (Method::GET, chunked.replace("transfer", "content-length: 2\r\ntransfer"), false),
        (Method::GET, whole.replace("200 OK", "205 Reset Content"), false),
        (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n".to_owned(), false),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n".to_owned(), false),
        (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n".to_owned(), false),
    ] {
        let (pool, _) = pool(answering(answer.clone()));
        let account = PoolKey::new();
        ask(&pool, method.clone(), Some(&account)).await.unwrap();
        assert_eq!(pool.pool.idle(), usize::from(is_kept), "{method} {answer:?}");
        ask(&pool, method.clone(), Some(&account)).await.unwrap();
        assert_eq!(pool.pool.idle(), usize::from(is_kept), "{method} {answer:?}");
        let accountless = PoolKey::new();
        ask(&pool, method, None).await.unwrap();
        assert_eq!(pool.pool.idle(), usize::from(is_kept), "a caller who pays has no pool");
        assert!(pool.pool.take(&accountless, &pool.origin, Instant::now()).is_none(), "another account");
    }
}

#[tokio::test]
async fn an_answer_that_is_dropped_or_cut_closes_its_connection() {
    let (pool, metrics) = pool(answering(&b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}"[..]));
    let account = PoolKey::new();
    let answer = send(&pool, request(&pool, Method::GET), Some(&account)).await.unwrap();
    assert_eq!(open(&metrics), "1");
    drop(answer);
    assert_eq!((open(&metrics).as_str(), pool.pool.idle()), ("0", 0));
    {
        let mut sending = std::pin::pin!(send(&pool, request(&pool, Method::GET), Some(&account)));
        until("a connection", || {
            let polled = sending.as_mut().poll(&mut line::noop());
            assert!(polled.is_pending() || open(&metrics) == "1");
            polled.is_ready() || open(&metrics) == "1"
        })
        .await;
    }
    assert_eq!((open(&metrics).as_str(), pool.pool.idle()), ("0", 0));
}

#[tokio::test]
async fn an_idle_connection_that_receives_something_closes_at_once() {
    for surprise in [&b""[..], b"x", WHOLE] {
        let (tell, told) = mpsc::channel::<()>();
        let told = std::sync::Mutex::new(told);
        let (pool, metrics) = pool(move |mut stream| {
            while read_head(&mut stream) {
                stream.write_all(WHOLE).unwrap();
                if told.lock().unwrap().recv().is_ok() {
                    stream.write_all(surprise).unwrap();
                    return;
                }
            }
        });
        let account = PoolKey::new();
        // The sweeping task begins with the first connection, and waits already when the second one becomes idle.
        let second = send(&pool, request(&pool, Method::GET), Some(&account)).await.unwrap();
        ask(&pool, Method::GET, Some(&account)).await.unwrap();
        tokio::task::yield_now().await;
        second.into_body().collect().await.unwrap();
        for left in ["1", "0"] {
            tell.send(()).unwrap();
            until("the end of the connection", || open(&metrics) == left).await;
        }
        assert_eq!(pool.pool.idle(), 0);
    }
}

/// The runtime does not learn of the bytes: only the kernel is asked.
#[tokio::test]
async fn the_kernel_is_asked_before_a_connection_is_used_again() {
    let (tell, told) = mpsc::channel::<()>();
    let (wrote, written) = mpsc::channel::<()>();
    let (told, wrote) = (std::sync::Mutex::new(told), std::sync::Mutex::new(wrote));
    let (pool, _) = pool(move |mut stream| {
        read_head(&mut stream);
        stream.write_all(WHOLE).unwrap();
        told.lock().unwrap().recv().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nforeign").unwrap();
        wrote.lock().unwrap().send(()).unwrap();
    });
    let account = PoolKey::new();
    ask(&pool, Method::GET, Some(&account)).await.unwrap();
    let mut line = pool.pool.take(&account, &pool.origin, Instant::now()).unwrap();
    assert!(line.is_usable(&pool.origin));
    tell.send(()).unwrap();
    written.recv().unwrap();
    // There was no await since the bytes were written.
    assert!(!line.is_usable(&pool.origin));
}

#[tokio::test]
async fn idle_connections_close_after_their_time() {
    let (pool, metrics) = pool(answering(WHOLE));
    let account = PoolKey::new();
    ask(&pool, Method::GET, Some(&account)).await.unwrap();
    // Lets the sweeping task begin to wait.
    tokio::task::yield_now().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(49)).await;
    tokio::task::yield_now().await;
    assert_eq!((open(&metrics).as_str(), pool.pool.idle()), ("1", 1));
    tokio::time::advance(Duration::from_secs(2)).await;
    until("the end of the connection", || open(&metrics) == "0").await;
    assert_eq!(pool.pool.idle(), 0);
}

#[tokio::test]
async fn a_retired_account_keeps_no_connection() {
    let (pool, metrics) = pool(answering(WHOLE));
    let (kept, retired) = (PoolKey::new(), PoolKey::new());
    let running = send(&pool, request(&pool, Method::GET), Some(&retired)).await.unwrap();
    ask(&pool, Method::GET, Some(&kept)).await.unwrap();
    ask(&pool, Method::GET, Some(&retired)).await.unwrap();
    assert_eq!((open(&metrics).as_str(), pool.pool.idle()), ("3", 2));
    retired.retire();
    pool.drop_retired();
    assert_eq!((open(&metrics).as_str(), pool.pool.idle()), ("2", 1));
    running.into_body().collect().await.unwrap();
    assert_eq!((open(&metrics).as_str(), pool.pool.idle()), ("1", 1), "it does not return");
}

#[tokio::test]
async fn there_are_at_most_so_many_idle_connections() {
    let (pool, metrics) = pool(answering(WHOLE));
    let account = PoolKey::new();
    let mut answers = Vec::new();
    for _ in 0..=idle::MOST_IDLE {
        answers.push(send(&pool, request(&pool, Method::GET), Some(&account)).await.unwrap());
    }
    for answer in answers {
        answer.into_body().collect().await.unwrap();
    }
    assert_eq!(pool.pool.idle(), idle::MOST_IDLE);
    assert_eq!(open(&metrics), idle::MOST_IDLE.to_string());
}

/// The head is larger than what the system buffers for a server that does not read.
#[tokio::test]
async fn an_answer_before_the_head_has_left_is_refused() {
    let (pool, metrics) = pool(|mut stream| {
        stream.read_exact(&mut [0; 1000]).unwrap();
        stream.write_all(WHOLE).unwrap();
        thread::park();
    });
    let mut request = request(&pool, Method::GET);
    let long = HeaderValue::from_bytes(&vec![b'x'; 32 * 1024 * 1024]).unwrap();
    request.headers_mut().insert("x-long", long);
    let refused = send(&pool, request, Some(&PoolKey::new())).await;
    assert!(matches!(refused, Err(InlineError::Exchange(_))), "{refused:?}");
    assert_eq!((open(&metrics).as_str(), pool.pool.idle()), ("0", 0));
}

/// The server answers a large upload without reading it, and resets the connection.
#[tokio::test]
async fn an_answer_survives_a_broken_upload() {
    let answer =
        [b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 48000\r\n\r\n".to_vec(), vec![b'x'; 48_000]].concat();
    let (pool, _) = pool(move |mut stream| {
        read_head(&mut stream);
        stream.write_all(&answer).unwrap();
        let socket = socket2::SockRef::from(&stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    });
    let text = format!("{{\"a\":\"{}\"}}", "x".repeat(32 * 1024 * 1024));
    let body = || {
        let filter = Filter::new(Arc::new(ReservedFields::new(["user"], None)), String::new());
        let upload = Upload::from(Bytes::from(text.clone()));
        RequestBody::new(upload, Rewriter::Json(Box::new(filter)), u64::MAX, BodyCheck::none(), None)
    };
    for buffered in [false, true] {
        let mut body = body();
        if buffered {
            body.buffer(u64::MAX >> 1, FairPool::new(u64::MAX >> 1, RandomState::new()).share("a", u64::MAX >> 1))
                .await
                .unwrap();
        }
        let request = Request::post(pool.origin.url.clone()).body(body).unwrap();
        let answer = send(&pool, request, Some(&PoolKey::new())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 48_000);
        assert_eq!(pool.pool.idle(), 0);
    }
}

#[test]
fn a_request_names_its_path_alone() {
    assert_eq!(origin_form(&"https://a:1/b/c?d=e".parse().unwrap()), "/b/c?d=e");
}
