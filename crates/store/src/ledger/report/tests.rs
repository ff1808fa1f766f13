use super::*;

fn row(user: &str) -> UsageRow {
    UsageRow {
        key: Some(user.to_owned()),
        tenant: Some("acme".to_owned()),
        external_user_id: Some("acme_1".to_owned()),
        requests: 3,
        errors: 1,
        prompt_tokens: 33,
        completion_tokens: 21,
        cached_tokens: 9,
        reasoning_tokens: 2,
        cost: NanoUsd(1_260_000),
        charged: NanoUsd(1_512_000),
        first_byte_us: 0,
        first_bytes: 0,
        last_seen: Some("2026-03-01T12:30:00.123456Z".parse().unwrap()),
    }
}

fn found(user: Option<&str>) -> Found {
    Found {
        kind: Kind::Upstream,
        identifier: "ab\u{1b}[2J\u{202e}c".to_owned(),
        user: user.map(str::to_owned),
        key: Some("app".to_owned()),
        tenant: None,
        first_seen: None,
        last_seen: Some("2026-03-01T12:30:00Z".parse().unwrap()),
        requests: 7,
    }
}

#[test]
fn money_is_an_exact_decimal() {
    for (nano, text) in [
        (0, "0"),
        (1, "0.000000001"),
        (1_260_000, "0.00126"),
        (1_000_000_000, "1"),
        (10_000_000_000, "10"),
        (-500_000_000, "-0.5"),
        (i64::MAX, "9223372036.854775807"),
        (i64::MIN, "-9223372036.854775808"),
    ] {
        assert_eq!(usd(NanoUsd(nano)), text);
    }
}

#[test]
fn usage_has_the_documented_keys_in_order() {
    assert_eq!(
        usage_json(By::User, &[row("alice")]).to_string(),
        concat!(
            r#"[{"user":"alice","external_user_id":"acme_1","requests":3,"errors":1,"prompt_tokens":33,"#,
            r#""completion_tokens":21,"cached_tokens":9,"reasoning_tokens":2,"cost_usd":"0.00126","#,
            r#""charged_usd":"0.001512","last_seen":"2026-03-01T12:30:00Z","tenant":"acme"}]"#
        )
    );
    for (by, first, keys) in
        [(By::Model, "model", 11), (By::Day, "day", 11), (By::App, "app", 11), (By::Tenant, "tenant", 10)]
    {
        let json = usage_json(by, &[row("x")]);
        let object = json[0].as_object().unwrap();
        assert_eq!((object.keys().next().unwrap().as_str(), object.len()), (first, keys));
    }
}

#[test]
fn whois_has_the_documented_keys_in_order() {
    assert_eq!(
        whois_json(&[found(None)]).to_string(),
        concat!(
            r#"[{"kind":"upstream","identifier":"ab\u001b[2J"#,
            "\u{202e}c",
            r#"","user":null,"key":"app","tenant":null,"first_seen":null,"last_seen":"2026-03-01T12:30:00Z","#,
            r#""requests":7}]"#
        )
    );
}

#[test]
fn no_cell_is_a_formula() {
    for (text, cell) in [
        ("alice", "alice"),
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1,2)", "\"'@SUM(1,2)\""),
        ("\t=1", "'\t=1"),
        ("\r=1", "\"'\r=1\""),
        ("a,\"b\"\nc", "\"a,\"\"b\"\"\nc\""),
        ("a=b", "a=b"),
    ] {
        let csv = usage_csv(By::User, &[row(text)]);
        let (_, line) = csv.split_once("\r\n").unwrap();
        assert!(line.starts_with(&format!("{cell},acme_1,3,")), "{line}");
    }
    let csv = usage_csv(By::User, &[row("=1+1")]);
    let (heading, line) = csv.split_once("\r\n").unwrap();
    assert!(heading.starts_with("user,external_user_id,requests,errors,"), "{heading}");
    assert_eq!(line, "'=1+1,acme_1,3,1,33,21,9,2,0.00126,0.001512,2026-03-01T12:30:00Z,acme\r\n");
}

#[test]
fn a_terminal_is_sent_no_commands() {
    let table = whois_table(&[found(Some("al\r\nice"))]);
    assert!(table.contains("ab\u{fffd}[2J\u{fffd}c") && table.contains("al\u{fffd}\u{fffd}ice"), "{table}");
    assert!(!table.contains(['\u{1b}', '\u{202e}', '\r']), "{table}");
    assert_eq!(table.lines().count(), 2);
    let table = usage_table(By::User, &[row("alice")]);
    assert!(table.contains("COST USD") && table.contains("0.00126"), "{table}");
}
