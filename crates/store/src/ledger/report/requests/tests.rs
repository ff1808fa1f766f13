use std::sync::Arc;

use callsign_core::usage::Usage;

use super::*;
use crate::ledger::query::StoredRequest;
use crate::ledger::record::Finished;
use crate::ledger::tests::{begun, finished, refused_row};

fn answered() -> StoredRequest {
    let usage = Usage {
        prompt_tokens: Some(11),
        completion_tokens: Some(7),
        cached_tokens: Some(3),
        cache_write_tokens: Some(0),
        reasoning_tokens: None,
        cost: Some(NanoUsd(1_000_000)),
        provider_cost: Some(NanoUsd(260_000)),
        server_tool_cost: None,
    };
    let ended = Finished {
        bill: Bill::Known,
        requested_model: Some("~openai/gpt".into()),
        model: Some("openai/gpt-5".into()),
        provider: Some("Azure".into()),
        usage,
        head_us: Some(120_999),
        first_output_us: Some(250_000),
        duration_us: 1_500_000,
        ..finished()
    };
    StoredRequest { begun: begun(1), generation: Some("gen-1".into()), count: 1, ended: Some(ended) }
}

fn refused() -> StoredRequest {
    let mut row = refused_row(2, "rate_limited", 0);
    row.count = 12;
    if let Some(ended) = &mut row.ended {
        ended.limit = Some("rpm".into());
    }
    row.into()
}

#[test]
fn a_request_has_the_documented_fields_in_order() {
    let request = answered();
    let id = request.begun.id.to_string();
    let expected = concat!(
        r#""began":"2026-09-21T14:13:20.000Z","user":"alice","key":"owui","tenant":"acme","endpoint":"chat","#,
        r#""requested_model":"~openai/gpt","model":"openai/gpt-5","provider":"Azure","generation":"gen-1","#,
        r#""status":200,"ending":"complete","error":null,"limit":null,"count":1,"head_ms":120,"#,
        r#""first_output_ms":250,"duration_ms":1500,"prompt_tokens":11,"completion_tokens":7,"cached_tokens":3,"#,
        r#""cache_write_tokens":0,"reasoning_tokens":null,"cost_usd":"0.00126","provider_cost_usd":"0.00026","#,
        r#""cost":"known","sent":{"user":"acme_alice","session":null,"metadata_session":null,"chat":null,"#,
        r#""message":null}}"#
    );
    assert_eq!(request_json(&request).to_string(), format!("{{\"request_id\":\"{id}\",{expected}"));
}

#[test]
fn a_cost_that_is_not_known_is_no_zero() {
    let running = StoredRequest { ended: None, ..answered() };
    let json = request_json(&running);
    assert_eq!((&json["ending"], &json["status"], &json["cost_usd"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(json["cost"], "pending");
    let json = request_json(&refused());
    assert_eq!((&json["cost"], &json["cost_usd"], &json["count"]), (&json!("free"), &json!("0"), &json!(12)));
    let mut died = answered();
    died.ended = Some(Finished::unknown(Bill::Never));
    let json = request_json(&died);
    assert_eq!((&json["ending"], &json["cost"], &json["cost_usd"]), (&json!("unknown"), &json!("never"), &Value::Null));
}

#[test]
fn csv_has_every_field_and_the_table_those_that_fit() {
    let csv = requests_csv(&[answered(), refused()]);
    let lines: Vec<_> = csv.split_terminator("\r\n").collect();
    let fields = request_json(&answered()).as_object().unwrap().len() - 1 + 5;
    for line in &lines {
        assert_eq!(line.split("\",\"").count(), fields, "{line}");
    }
    assert!(
        lines[0].ends_with("\"sent_user\",\"sent_session\",\"sent_metadata_session\",\"sent_chat\",\"sent_message\"")
    );
    assert!(lines[2].contains("\"refused\",\"rate_limited\",\"rpm\",\"12\""), "{csv}");
    let table = requests_table(&[answered(), refused()]);
    let heading = table.lines().next().unwrap();
    for column in IN_TABLE {
        assert!(heading.contains(&column.to_uppercase().replace('_', " ")), "{column} in {heading}");
    }
    assert_eq!(table.lines().count(), 3);
    assert_eq!(requests_table(&[]).lines().count(), 1);
}

#[test]
fn the_text_of_a_request_is_a_line_for_each_field() {
    let mut request = answered();
    request.begun.labels.user = Some(Arc::from("al\u{1b}[2J\nice"));
    let text = request_text(&request);
    assert_eq!(text.lines().count(), request_json(&request).as_object().unwrap().len() - 1 + 5);
    assert!(text.lines().any(|line| line.starts_with("user ") && line.ends_with("al\\u{1b}[2J\\nice")), "{text}");
    assert!(text.lines().any(|line| line.starts_with("sent user ") && line.ends_with("  acme_alice")), "{text}");
    assert!(text.lines().any(|line| line.starts_with("error ") && line.ends_with("  –")), "{text}");
}

#[test]
fn every_ending_is_listed() {
    let listed: Vec<_> = endings().collect();
    assert_eq!(listed.len(), 7);
    assert!(listed.contains(&"client_gone") && listed.contains(&"unknown"), "{listed:?}");
}
