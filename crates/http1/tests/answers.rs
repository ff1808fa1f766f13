//! Reads answers with hyper's client too, and compares. The check is that of the fuzz target.

#![expect(clippy::unwrap_used, reason = "a failing test panics")]

#[expect(clippy::expect_used, reason = "a failing check panics")]
#[path = "../../../fuzz/checks/http1_answers.rs"]
mod http1_answers;

use proptest::prelude::*;

const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 Fine",
    "HTTP/1.1 200",
    "HTTP/1.1 200 ",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 100 Continue",
    "HTTP/1.1 101 Switching Protocols",
    "HTTP/1.1 103 Early Hints",
    "HTTP/1.1 199 ",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 205 Reset Content",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 404 Not Found",
    "HTTP/1.1 999 \u{fc}",
    "HTTP/1.1 099 Low",
    "HTTP/1.1 20 Short",
    "HTTP/1.2 200 OK",
    "HTTP/2.0 200 OK",
    "ICY 200 OK",
    "\r\nHTTP/1.1 200 OK",
    "\n\n\nHTTP/1.1 200 OK",
    " HTTP/1.1 200 OK",
];
const HEADERS: &[&str] = &[
    "content-length: 5",
    "Content-Length: 5",
    "content-length: 6",
    "content-length: 0",
    "content-length: +5",
    "content-length: -5",
    "content-length: 5, 5",
    "content-length: 5, 6",
    "content-length: 5,",
    "content-length:",
    "content-length: 0x5",
    "content-length: 18446744073709551615",
    "content-length: 18446744073709551614",
    "content-length: 18446744073709551613",
    "content-length: 18446744073709551616",
    "content-length : 5",
    "content-length: \u{661}",
    "transfer-encoding: chunked",
    "Transfer-Encoding: Chunked",
    "transfer-encoding: gzip, chunked",
    "transfer-encoding: chunked, gzip",
    "transfer-encoding: identity",
    "transfer-encoding: chunked,",
    "transfer-encoding: x\u{fc}, chunked",
    "transfer-encoding:",
    "transfer-encoding : chunked",
    "connection: close",
    "connection: keep-alive",
    "connection: Close, x",
    "connection: x\u{fc}, close",
    "x: y",
    "x:y",
    "x:",
    "X-Long:  a  b\t ",
    "x: \u{fc}",
    "x: a\r\n b",
    "x: a\r\n\tb: c",
    " x: y",
    "x y: z",
    ": y",
    "x",
    "x: a\0b",
    "x: a\rb",
    "",
];
const ENDS: &[&str] = &["\r\n", "\n", "\r\r\n", "\r"];
const BODIES: &[&str] = &[
    "",
    "hello",
    "hell",
    "hello!",
    "helloHTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nforeign",
    "5\r\nhello\r\n0\r\n\r\n",
    "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "05\r\nhello\r\n000\r\n\r\n",
    "A\r\nhellohello\r\na\r\nhellohello\r\n0\r\n\r\n",
    "5;a=b\r\nhello\r\n0;c\r\n\r\n",
    "5 ; a=\"\r\nhello\r\n0\r\n\r\n",
    "5 \t\r\nhello\r\n0\r\n\r\n",
    "5 5\r\nhello\r\n0\r\n\r\n",
    "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "5;a\rb\r\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhello\r0\r\n\r\n",
    "5\r\nhello\r\n\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    ";\r\nhello\r\n0\r\n\r\n",
    "\r\nhello",
    "ffffffffffffffff\r\nhello",
    "10000000000000000\r\nhello",
    "00000000000000000005\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\na: b\r\n\r\n",
    "5\r\nhello\r\n0\r\na: b\r\nA: c\r\n\r\n",
    "5\r\nhello\r\n0\r\na b\r\n\r\n",
    "5\r\nhello\r\n0\r\n : b\r\n\r\n",
    "5\r\nhello\r\n0\r\na: b\n\r\n",
    "5\r\nhello\r\n0\r\na: \u{fc}\r\n b\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\nx",
    "5\r\nhello\r\n0\r\n\n",
    "5\r\nhello\r\n0\r\n\rx",
    "5\r\nhello\r\n0\r\n\r",
    "5\r\nhello\r\n0\r\n",
    "5\r\nhello\r\n",
    "5\r\nhe",
    "0\r\n\r\n",
];

/// Options and splits: the first four splits cut at the given places.
fn input(options: u8, splits: &[u8], bytes: &[u8]) -> Vec<u8> {
    let count = u8::try_from(splits.len()).unwrap();
    [&[options & 15 | count << 4], splits, bytes].concat()
}

#[test]
fn every_header_and_every_body_is_read_as_hyper_reads_it() {
    for header in HEADERS {
        for body in BODIES {
            let bytes = format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n{body}");
            let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{header}\r\n\r\n{body}");
            for options in [0, 4, 2, 6] {
                http1_answers::check(&input(options, &[40, 2, 2], bytes.as_bytes()));
                http1_answers::check(&input(options, &[60, 2, 2], chunked.as_bytes()));
            }
        }
    }
    for status in STATUS_LINES {
        for end in ENDS {
            for body in ["", "hello", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"] {
                let bytes = format!("{status}{end}content-length: 5{end}{end}{body}");
                for options in [0, 4, 2, 6] {
                    http1_answers::check(&input(options, &[17, 1, 3], bytes.as_bytes()));
                }
            }
        }
    }
}

#[test]
fn limits_are_those_of_hyper() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n";
    for count in [98, 99, 100] {
        let headers = "x: y\r\n".repeat(count);
        http1_answers::check(&input(0, &[], format!("{head}{headers}\r\n0\r\n\r\n").as_bytes()));
        http1_answers::check(&input(0, &[], format!("{head}\r\n0\r\n{headers}\r\n").as_bytes()));
        http1_answers::check(&input(0, &[], format!("{head}\r\n0\r\n{headers}x: y\r\n\r\n").as_bytes()));
    }
    // The limits are 16 KiB; the rest of an answer is some 60 bytes long.
    for length in 16_365..16_395 {
        let long = "x".repeat(length);
        http1_answers::check(&input(0, &[], format!("{head}\r\n1;{long}\r\nx\r\n0\r\n\r\n").as_bytes()));
        http1_answers::check(&input(0, &[], format!("{head}\r\n0\r\na: {long}\r\n\r\n").as_bytes()));
    }
}

fn answer() -> impl Strategy<Value = Vec<u8>> {
    let one = (
        prop::sample::select(STATUS_LINES),
        prop::collection::vec(prop::sample::select(HEADERS), 0..4),
        prop::bool::weighted(0.8),
        prop::sample::select(BODIES),
        prop::sample::select(BODIES),
    );
    let one = one.prop_map(|(status, headers, is_strict, body, after)| {
        let end = if is_strict { "\r\n" } else { "\n" };
        let mut text = format!("{status}{end}");
        for header in headers {
            text = text + header + end;
        }
        format!("{text}{end}{body}{after}").into_bytes()
    });
    prop::collection::vec(one, 1..3).prop_map(|answers| answers.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn random_answers_are_read_as_hyper_reads_them(
        options in 0_u8..16,
        splits in prop::collection::vec(0_u8..60, 0..8),
        mut bytes in answer(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 0..4),
    ) {
        for (place, byte, kind) in changes {
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        http1_answers::check(&input(options, &splits, &bytes));
    }
}
