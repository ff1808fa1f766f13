//! The corner cases of JSON (`json_suite/table.rs`) through the real server: accepted bodies arrive byte for byte.
//! Refused ones get 400 `invalid_json` with the offset of the first bad byte, and no complete request reaches the
//! upstream.

#![expect(clippy::print_stdout, reason = "the test prints the number of cases")]

mod table;

use std::collections::HashSet;

use mock_openrouter::MockServer;
use serde::de::IgnoredAny;

use crate::support::client::{self, Answer};
use crate::support::proxy::{ALICE, Callsign, callsign};
use crate::support::within;
use table::{Case, Disposition, Source, cases};

/// The members that callsign appends.
const OURS: &str = r#""user":"alice","metadata":{"user_id":"alice"}"#;
/// Bodies up to this length are also sent byte by byte.
const SHORT: usize = 64;

/// Ways of sending a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Whole,
    ByteByByte,
}

async fn send(callsign: &Callsign, body: &[u8], sent: Sent) -> Answer {
    let url = callsign.url("chat/completions");
    if sent == Sent::Whole {
        return client::post(&url, ALICE, body.to_vec()).await;
    }
    let (upload, answer) = client::upload(&url, ALICE);
    let answer = tokio::spawn(answer);
    for byte in body {
        // callsign has refused the body and does not read on.
        if upload.send(vec![*byte]).await.is_err() {
            break;
        }
    }
    drop(upload);
    answer.await.unwrap().unwrap().finish().await
}

/// Returns the body with callsign's members before its last brace.
fn expected(body: &[u8]) -> Vec<u8> {
    let close = body.iter().rposition(|&byte| byte == b'}').unwrap();
    let (before, after) = body.split_at(close);
    let is_empty = before.trim_ascii() == b"{";
    // The byte reserved for a comma becomes a space.
    let ours = if is_empty { format!("{OURS} ") } else { format!(",{OURS}") };
    [before, ours.as_bytes(), after].concat()
}

/// Returns the offset in a refusal's message.
fn offset(answer: &Answer) -> Option<usize> {
    let body = answer.json();
    let (_, behind) = body["error"]["message"].as_str()?.split_once("byte ")?;
    behind.split_once(':')?.0.parse().ok()
}

/// Sends a case and returns a description of the error, if its answer is wrong.
async fn check(case: &Case, sent: Sent, mock: &MockServer, callsign: &Callsign) -> Option<String> {
    let answer = send(callsign, &case.body, sent).await;
    let right = match case.fate {
        Disposition::Arrives if answer.status == 200 => {
            within("the record", mock.next_received()).await.body == expected(&case.body)
        }
        Disposition::Arrives => false,
        Disposition::Refused(at) => {
            answer.status == 400 && answer.header("x-callsign-error") == "invalid_json" && offset(&answer) == Some(at)
        }
    };
    (!right).then(|| format!("{sent:?} {}: {:?}, got {} {}", case.name, case.fate, answer.status, answer.text()))
}

async fn run_all(hold: &str) {
    let (mock, callsign) = callsign(&[
        ("CALLSIGN_BUFFER_BODY_BYTES", hold),
        ("SEND_END_USER_ID", "true"),
        ("CALLSIGN_PROMPT_CACHE_KEY", "drop"),
    ])
    .await;
    let (mut sent, mut arrived, mut wrong) = (0, 0, Vec::new());
    for case in &cases() {
        for how in [Sent::Whole, Sent::ByteByByte] {
            if how == Sent::Whole || case.body.len() <= SHORT {
                wrong.extend(check(case, how, &mock, &callsign).await);
                sent += 1;
                arrived += usize::from(case.fate == Disposition::Arrives);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(mock.received().len(), arrived, "the upstream received a refused request");
    println!("buffer_body_bytes={hold}: {sent} requests, {arrived} arrived, {} refused", sent - arrived);
}

#[tokio::test]
async fn every_case_through_the_server_buffered() {
    run_all("262144").await;
}

#[tokio::test]
async fn every_case_through_the_server_streamed() {
    run_all("0").await;
}

/// Checks the table: no case twice, and `serde_json` agrees where the grammar leaves no choice.
#[test]
fn the_table_is_what_the_grammar_says() {
    let cases = cases();
    let mut bodies = HashSet::new();
    let twice: Vec<_> = cases.iter().filter(|case| !bodies.insert(&case.body)).map(|case| &case.name).collect();
    assert!(twice.is_empty(), "twice: {twice:#?}");
    for case in &cases {
        let valid = std::str::from_utf8(&case.body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        match (case.source, case.fate) {
            (Source::Grammar, fate) => assert_eq!(valid, fate == Disposition::Arrives, "{}", case.name),
            (Source::Choice, Disposition::Arrives) => assert!(valid, "{}", case.name),
            (Source::Choice, Disposition::Refused(_)) => {}
        }
        if let Disposition::Refused(at) = case.fate {
            assert!(at <= case.body.len(), "{}", case.name);
        }
    }
    let count = |wanted: &dyn Fn(&Case) -> bool| cases.iter().filter(|case| wanted(case)).count();
    let accepted = count(&|case| case.fate == Disposition::Arrives && case.source == Source::Grammar);
    let chosen = count(&|case| case.source == Source::Choice);
    let chosen_arrive = count(&|case| case.source == Source::Choice && case.fate == Disposition::Arrives);
    let refused = cases.len() - accepted - chosen;
    println!(
        "{} cases: {accepted} must arrive, {refused} must be refused, {chosen} are left to implementations ({chosen_arrive} of them arrive)",
        cases.len()
    );
    assert!(cases.len() >= 250);
}
