//! Deliberate faults on either side: the client's answer, that nothing hangs, and that no answer goes to another
//! client. Connections that are refused, black-holed or silent are in `disconnects.rs`.

mod leaving;
mod processes;
mod resets;

use std::time::Duration;

use crate::support::chaos::{self, Chaos, Script, Then, When};
use crate::support::client::{self, Answer};
use crate::support::proxy::{APP, Callsign, Setup};
use crate::support::within;

/// A timeout that a loaded machine still meets, and that a test can wait for.
const SHORT: Duration = Duration::from_millis(300);

async fn ask(callsign: &Callsign) -> Answer {
    client::post(&callsign.url("chat/completions"), APP, r#"{"model":"m"}"#).await
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.header("x-callsign-error"))
}

/// Waits until callsign has counted `count` requests, whatever their outcome.
async fn wait_accounts(callsign: &Callsign, count: u64) {
    within("the ends of all requests", async {
        loop {
            let metrics = client::get(&callsign.admin_url("metrics"), &[]).await.text();
            let lines = metrics.lines().filter(|line| line.starts_with("callsign_requests_total"));
            if lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>() >= count {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn garbage_is_502() {
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}content-length: 2\r\n\r\n{{}}", "x: 1\r\n".repeat(200));
    let garbage: [&[u8]; 18] = [
        b"\0\x01\x02\xff\xfe\r\n\r\n",
        b"garbage\r\n\r\n",
        b"{\"choices\":[]}",
        b"<html></html>\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        // A TLS alert, HTTP/2 settings, an unrequested protocol, a head with too many lines.
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\0\0\0\x04\0\0\0\0\0",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        many_headers.as_bytes(),
    ];
    for then in [Then::Close, Then::Stall] {
        let scripts = garbage.iter().map(|bytes| (When::Head, bytes.to_vec(), then)).collect();
        let upstream = Chaos::in_turn(scripts).await;
        let setup = Setup::to(&upstream.url()).workers(1);
        let callsign = setup.adjust(|config| config.upstream.first_byte_timeout = SHORT).start();
        for (number, bytes) in garbage.iter().enumerate() {
            let answer = ask(&callsign).await;
            let said = bytes.escape_ascii().to_string();
            let unfinished = (504, "upstream_timeout");
            assert!(
                told(&answer) == (502, "upstream_unreachable")
                    || (matches!(then, Then::Stall) && told(&answer) == unfinished),
                "{said}: {answer:?}"
            );
            assert_eq!(upstream.accepted(), number + 1, "the request was retried: {said}");
        }
    }
    println!("garbage: {} answers, 0 relayed", garbage.len() * 2);
}

#[tokio::test]
async fn interim_answers_are_not_the_answer() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n".repeat(3);
    let upstream = Chaos::start(When::Head, [early.as_bytes(), &chaos::answer("{}")].concat(), Then::Close).await;
    let callsign = Setup::to(&upstream.url()).start();
    let answer = ask(&callsign).await;
    assert_eq!((told(&answer), answer.text().as_str()), ((200, ""), "{}"));
}

/// The upstream sends more than one answer: the next caller must not get the surplus.
#[tokio::test]
async fn an_answer_that_nobody_asked_for_goes_to_nobody() {
    const ROUNDS: usize = 50;
    let mine = |number: usize| chaos::answer(&format!("{{\"mine\":{number}}}"));
    let extra: [&[u8]; 3] = [&chaos::answer("{\"crossed\":1}"), b"garbage", b"\r\n"];
    let script = |number| (When::Head, [&mine(number), extra[number % 3]].concat(), Then::Stall);
    let mut scripts: Vec<Script> = (0..ROUNDS).map(script).collect();
    // Sends an answer before any request.
    scripts.push((When::Connected, mine(ROUNDS), Then::Stall));
    let upstream = Chaos::in_turn(scripts).await;
    let callsign = Setup::to(&upstream.url()).workers(1).start();
    let (mut served, mut refused) = (0, 0);
    for number in 0..ROUNDS {
        let answer = ask(&callsign).await;
        assert!(!answer.text().contains("crossed"), "{number}: {answer:?}");
        if answer.status == 200 {
            assert_eq!((answer.text(), &answer.cut), (format!("{{\"mine\":{}}}", upstream.accepted() - 1), &None));
            served += 1;
        } else {
            assert_eq!(told(&answer), (502, "upstream_unreachable"));
            refused += 1;
        }
    }
    assert!(served > ROUNDS / 3, "{served}");
    println!("unasked answers: {ROUNDS} rounds, {served} served, {refused} refused, 0 crossed");
}

#[tokio::test]
async fn an_upstream_without_an_address_is_502() {
    // Resolvers reject a label over 63 characters without asking the network.
    let callsign = Setup::to(&format!("http://{}.internal/api/v1", "x".repeat(80))).start();
    for _ in 0..2 {
        assert_eq!(told(&ask(&callsign).await), (502, "upstream_unreachable"));
    }
}

#[tokio::test]
async fn tls_that_fails_is_502_and_tls_that_stalls_504() {
    let (untrusted, heads, _) = crate::route::tls_upstream().await;
    let plain = Chaos::start(When::Bytes(1), chaos::answer("{}"), Then::Close).await;
    let reset = Chaos::start(When::Bytes(1), "", Then::Reset).await;
    let silent = Chaos::silent().await;
    for (port, expected) in [
        (untrusted.port(), (502, "upstream_unreachable")),
        (plain.address().port(), (502, "upstream_unreachable")),
        (reset.address().port(), (502, "upstream_unreachable")),
        (silent.address().port(), (504, "upstream_timeout")),
    ] {
        let setup = Setup::to(&format!("https://localhost:{port}/api/v1"));
        let setup =
            if expected.0 == 504 { setup.adjust(|config| config.upstream.connect_timeout = SHORT) } else { setup };
        assert_eq!(told(&ask(&setup.start()).await), expected, "{port}");
    }
    assert!(heads.all().is_empty(), "bytes were sent to an untrusted server");
    for upstream in [plain, reset, silent] {
        assert!(!String::from_utf8_lossy(&upstream.received()).contains("chat/completions"));
    }
}
