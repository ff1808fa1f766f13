use callsign_core::usage::money::NanoUsd;

use super::*;

fn row(user: &str) -> UsageRow {
    UsageRow {
        key: Some(user.to_owned()),
        tenant: Some("acme".to_owned()),
        external_user_id: Some("acme_1".to_owned()),
        requests: 3,
        second: None,
        errors: 1,
        refused: 4,
        pending: 1,
        never: 0,
        prompt_tokens: 33,
        completion_tokens: 21,
        cached_tokens: 9,
        cache_write_tokens: 5,
        reasoning_tokens: 2,
        cost: NanoUsd(1_000_000),
        provider_cost: NanoUsd(260_000),
        charged: NanoUsd(1_512_000),
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
        usage_json(By::User.into(), &[row("alice")]).to_string(),
        concat!(
            r#"[{"user":"alice","external_user_id":"acme_1","requests":3,"errors":1,"refused":4,"prompt_tokens":33,"#,
            r#""completion_tokens":21,"cached_tokens":9,"cache_write_tokens":5,"reasoning_tokens":2,"#,
            r#""cost_usd":"0.00126","provider_cost_usd":"0.00026","charged_usd":"0.001512","cost_pending":1,"#,
            r#""cost_never":0,"last_seen":"2026-03-01T12:30:00Z","tenant":"acme"}]"#
        )
    );
    let by_two = |first, second| Grouping { first, second: Some(second) };
    for (by, first, keys) in [
        (By::Model.into(), "model", 16),
        (By::Hour.into(), "hour", 16),
        (By::Key.into(), "key", 16),
        (By::Tenant.into(), "tenant", 15),
        (by_two(By::Model, By::Day), "model", 17),
        (by_two(By::User, By::Tenant), "user", 17),
    ] {
        let json = usage_json(by, &[row("x")]);
        let object = json[0].as_object().unwrap();
        assert_eq!((object.keys().next().unwrap().as_str(), object.len()), (first, keys), "{by:?}");
    }
}

#[test]
fn one_or_two_different_groupings_are_parsed() {
    for (text, first, second) in [
        ("user", By::User, None),
        ("hour", By::Hour, None),
        ("model,day", By::Model, Some(By::Day)),
        ("month,provider", By::Month, Some(By::Provider)),
    ] {
        assert_eq!(text.parse(), Ok(Grouping { first, second }), "{text}");
    }
    for text in ["", "app", "User", "user,", ",user", "user,user", "user,model,day", "user, model"] {
        assert_eq!(text.parse::<Grouping>(), Err(crate::ledger::query::GroupingError), "{text}");
    }
    for by in By::ALL {
        assert_eq!(by.name().parse(), Ok(Grouping::from(by)));
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
            r#""requests":7,"test":false}]"#
        )
    );
    let of_test = Found { key: Some("callsign-check".to_owned()), ..found(None) };
    assert_eq!(whois_json(&[of_test])[0]["test"], true);
}

#[test]
fn no_cell_is_a_formula() {
    for (text, cell) in [
        ("alice", "alice"),
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(1,2)", "'@SUM(1,2)"),
        ("\u{ff1d}1+1", "'\u{ff1d}1+1"),
        ("\u{ff0b}1", "'\u{ff0b}1"),
        ("\u{ff0d}1", "'\u{ff0d}1"),
        ("\u{ff20}A1", "'\u{ff20}A1"),
        ("x;=cmd|'/C calc'!A1;y", "x;'=cmd|'/C calc'!A1;y"),
        ("x; \"=1;\u{ff1d}2", "x; \"\"'=1;'\u{ff1d}2"),
        ("x\t@A1\n+1\r-1", "x\t'@A1\n'+1\r'-1"),
        ("\t=1", "\t'=1"),
        (" =1", " '=1"),
        ("a,\"b\"\nc", "a,\"\"b\"\"\nc"),
        ("a=b", "a=b"),
        ("a-b+c@d", "a-b+c@d"),
    ] {
        let csv = usage_csv(By::User.into(), &[row(text)]);
        let (_, line) = csv.split_once("\r\n").unwrap();
        assert!(line.starts_with(&format!("\"{cell}\",\"acme_1\",\"3\",")), "{line}");
    }
}

#[test]
fn csv_quotes_every_cell_and_ends_with_a_total() {
    let csv = usage_csv(By::User.into(), &[row("alice"), row("bob")]);
    let lines: Vec<_> = csv.split_terminator("\r\n").collect();
    assert!(lines[0].starts_with("\"user\",\"external_user_id\",\"requests\",\"errors\","), "{csv}");
    let alice = "\"alice\",\"acme_1\",\"3\",\"1\",\"4\",\"33\",\"21\",\"9\",\"5\",\"2\",\"0.00126\",\"0.00026\",\
                 \"0.001512\",\"1\",\"0\",\"2026-03-01T12:30:00Z\",\"acme\"";
    assert_eq!(lines[1], alice);
    assert!(lines[3].starts_with("\"total\",\"\",\"6\",\"2\",\"8\",\"66\","), "{csv}");
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_terminal_is_sent_no_commands() {
    let table = whois_table(&[found(Some("al\r\nice"))]);
    assert!(table.contains("ab\\u{1b}[2J\\u{202e}c") && table.contains("al\\r\\nice"), "{table}");
    assert!(!table.contains(['\u{1b}', '\u{202e}', '\r']), "{table}");
    assert_eq!(table.lines().count(), 2);
}

#[test]
fn a_table_has_the_columns_that_a_person_reads() {
    let table = |by, row: UsageRow, columns| usage_table(by, &[row], &columns).unwrap();
    let heading =
        |table: String| table.lines().next().unwrap().split("  ").map(str::trim).collect::<Vec<_>>().join(" ");
    let long = "user_2N4ZuACdqJrGGgz5c2e";
    let of_nobody = UsageRow { tenant: None, prompt_tokens: 1_234_567_890, ..row(long) };
    let usual = table(By::User.into(), of_nobody.clone(), Columns::Usual);
    assert!(usual.contains("COST USD") && usual.contains("0.00126"), "{usual}");
    assert!(usual.lines().all(|line| line.chars().count() <= 120), "{usual}");
    assert!(!usual.contains("CACHED") && !usual.contains("TENANT"), "{usual}");
    assert!(table(By::User.into(), row(long), Columns::Usual).contains("TENANT"), "a row has a tenant");
    let by_two = Grouping { first: By::Model, second: Some(By::Day) };
    let two = UsageRow { second: Some("2026-11-29".to_owned()), ..of_nobody };
    let usual = table(by_two, UsageRow { key: Some("anthropic/claude-sonnet-4.5".to_owned()), ..two }, Columns::Usual);
    assert!(usual.lines().all(|line| line.chars().count() <= 120), "{usual}");
    let all = heading(table(By::User.into(), row("a"), Columns::All));
    assert!(["EXTERNAL USER ID", "CACHE WRITE TOKENS", "COST NEVER"].iter().all(|title| all.contains(title)), "{all}");
    let named = |names: &[&str]| Columns::Named(names.iter().map(|name| (*name).to_owned()).collect());
    let some = table(By::User.into(), row("a"), named(&["cost_usd", "user", "requests"]));
    assert_eq!(heading(some).split_whitespace().collect::<Vec<_>>(), ["USER", "COST", "USD", "REQUESTS"]);
    let unknown = usage_table(By::User.into(), &[], &named(&["cost"])).unwrap_err().to_string();
    assert!(
        unknown.starts_with("there is no column \"cost\"; there are user, external_user_id, requests,"),
        "{unknown}"
    );
}
