//! The corner cases of JSON (`json_suite/table.rs`), each through the real server: accepted bodies arrive byte for byte,
//! refused ones get 400 `invalid_json` with the offset of the offending byte, and nothing whole reaches the upstream.

#![expect(clippy::print_stdout, reason = "what was tried is counted aloud")]

mod table;

use std::collections::HashSet;

use callsign::standin::StandIn;
use serde::de::IgnoredAny;

use crate::support::client::{self, Answer};
use crate::support::proxy::{ALICE, Callsign, callsign};
use crate::support::within;
use table::{Case, Fate, Source, cases};

/// What callsign appends here.
const OURS: &str = r#""user":"alice","metadata":{"user_id":"alice"}"#;
/// Bodies up to this length are also sent byte by byte.
const SHORT: usize = 64;

/// How a body is sent.
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
        // Who refuses the body needs no more of it.
        if upload.send(vec![*byte]).await.is_err() {
            break;
        }
    }
    drop(upload);
    answer.await.unwrap().unwrap().finish().await
}

/// The body with ours before its last brace.
fn expected(body: &[u8]) -> Vec<u8> {
    let close = body.iter().rposition(|&byte| byte == b'}').unwrap();
    let (before, after) = body.split_at(close);
    let is_empty = before.trim_ascii() == b"{";
    // The byte that a comma would take is kept free.
    let ours = if is_empty { format!("{OURS} ") } else { format!(",{OURS}") };
    [before, ours.as_bytes(), after].concat()
}

/// The offset that a refusal names.
fn offset(answer: &Answer) -> Option<usize> {
    let body = answer.json();
    let (_, behind) = body["error"]["message"].as_str()?.split_once("byte ")?;
    behind.split_once(':')?.0.parse().ok()
}

/// What is wrong with the way that this case was answered, if anything.
async fn check(case: &Case, sent: Sent, standin: &StandIn, callsign: &Callsign) -> Option<String> {
    let answer = send(callsign, &case.body, sent).await;
    let right = match case.fate {
        Fate::Arrives if answer.status == 200 => {
            within("the record", standin.next_received()).await.body == expected(&case.body)
        }
        Fate::Arrives => false,
        Fate::Refused(at) => {
            answer.status == 400 && answer.header("x-callsign-error") == "invalid_json" && offset(&answer) == Some(at)
        }
    };
    (!right).then(|| format!("{sent:?} {}: {:?}, got {} {}", case.name, case.fate, answer.status, answer.text()))
}

async fn run_all(hold: &str) {
    let (standin, callsign) = callsign(&[
        ("CALLSIGN_HOLD_BODY_BYTES", hold),
        ("SEND_END_USER_ID", "true"),
        ("CALLSIGN_PROMPT_CACHE_KEY", "drop"),
    ])
    .await;
    let (mut sent, mut arrived, mut wrong) = (0, 0, Vec::new());
    for case in &cases() {
        for how in [Sent::Whole, Sent::ByteByByte] {
            if how == Sent::Whole || case.body.len() <= SHORT {
                wrong.extend(check(case, how, &standin, &callsign).await);
                sent += 1;
                arrived += usize::from(case.fate == Fate::Arrives);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(standin.received().len(), arrived, "of what was refused, nothing whole has arrived");
    println!("hold_body_bytes={hold}: {sent} requests, {arrived} arrived, {} refused", sent - arrived);
}

#[tokio::test]
async fn every_case_through_the_server_held() {
    run_all("262144").await;
}

#[tokio::test]
async fn every_case_through_the_server_streamed() {
    run_all("0").await;
}

/// The table itself: every case once, and `serde_json` of the same opinion where the grammar leaves no choice.
#[test]
fn the_table_is_what_the_grammar_says() {
    let cases = cases();
    let mut bodies = HashSet::new();
    let twice: Vec<_> = cases.iter().filter(|case| !bodies.insert(&case.body)).map(|case| &case.name).collect();
    assert!(twice.is_empty(), "twice: {twice:#?}");
    for case in &cases {
        let valid = std::str::from_utf8(&case.body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        match (case.source, case.fate) {
            (Source::Grammar, fate) => assert_eq!(valid, fate == Fate::Arrives, "{}", case.name),
            (Source::Contract, Fate::Arrives) => assert!(valid, "{}", case.name),
            (Source::Contract, Fate::Refused(_)) => {}
        }
        if let Fate::Refused(at) = case.fate {
            assert!(at <= case.body.len(), "{}", case.name);
        }
    }
    let count = |wanted: &dyn Fn(&Case) -> bool| cases.iter().filter(|case| wanted(case)).count();
    let accepted = count(&|case| case.fate == Fate::Arrives && case.source == Source::Grammar);
    let chosen = count(&|case| case.source == Source::Contract);
    let chosen_arrive = count(&|case| case.source == Source::Contract && case.fate == Fate::Arrives);
    let refused = cases.len() - accepted - chosen;
    println!(
        "{} cases: {accepted} must arrive, {refused} must be refused, {chosen} are left to implementations ({chosen_arrive} of them arrive)",
        cases.len()
    );
    assert!(cases.len() >= 250);
}
