//! `/metrics` and the dashboards that use it.

use std::collections::BTreeSet;

use mock_openrouter::MockServer;

use crate::support::client;
use crate::support::proxy::{APP, Setup, callsign};
use crate::support::within;

/// Returns the names of metrics in a Prometheus expression.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
    words.filter(|word| word.starts_with("callsign_"))
}

/// Collects every `expr`, `query` and `definition` in a Grafana dashboard.
fn expressions(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(text) if ["expr", "query", "definition"].contains(&name.as_str()) => {
                        found.push(text.to_owned());
                    }
                    _ => expressions(value, found),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

/// Returns the names under which a scrape stores the metrics of `/metrics` (OpenMetrics 1.0, "Metric types").
fn stored(metrics: &str) -> BTreeSet<String> {
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .flat_map(|(name, kind)| {
            let suffixes: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                "info" => &["_info"],
                _ => &[""],
            };
            suffixes.iter().map(move |suffix| format!("{name}{suffix}"))
        })
        .collect()
}

#[tokio::test]
async fn connections_to_the_upstream_are_counted_while_they_are_open() {
    let mock = MockServer::start().await.unwrap();
    let callsign = Setup::to(&mock.url()).workers(1).start();
    let body = r#"{"model":"m","messages":[]}"#;
    for _ in 0..3 {
        assert_eq!(client::post(&callsign.url("chat/completions"), APP, body).await.status, 200);
    }
    let scrape = || async { client::get(&callsign.admin_url("metrics"), &[]).await.text() };
    let before = scrape().await;
    assert!(before.contains("callsign_upstream_connections 1\n"), "{before}");
    assert!(before.contains("callsign_upstream_connections_opened_total 1\n"), "{before}");
    drop(mock);
    within("the connection's end", async { while !scrape().await.contains("callsign_upstream_connections 0\n") {} })
        .await;
}

#[tokio::test]
async fn a_clean_start_raises_no_counter_and_units_are_base_units() {
    let mock = MockServer::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let archive = directory.path().join("archive");
    let variables = [
        ("CALLSIGN_DATA_DIR", data),
        ("CALLSIGN_ARCHIVE_DIR", archive.to_str().unwrap()),
        ("CALLSIGN_ARCHIVE_PASSWORD", "a-password-of-a-test-0123"),
        ("CALLSIGN_LIMIT_USD_DAY", "1"),
    ];
    let callsign = Setup::to(&mock.url()).set(&variables).start();
    let text = client::get(&callsign.admin_url("metrics"), &[]).await.text();
    let counters: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#') && line.split(['{', ' ']).next().unwrap().ends_with("_total"))
        .collect();
    assert!(counters.len() > 40, "{text}");
    for line in counters {
        assert!(line.ends_with(" 0"), "{line}");
    }
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        let unit = ["_ms", "_us", "_milliseconds", "_microseconds", "_minutes", "_kib", "_mib", "_percent"]
            .into_iter()
            .find(|unit| name.trim_end_matches("_total").ends_with(unit));
        assert_eq!(unit, None, "{name}");
    }
}

#[tokio::test]
async fn a_scraper_that_does_not_ask_for_openmetrics_gets_the_older_format() {
    let (_mock, callsign) = callsign(&[]).await;
    let answer = client::get(&callsign.admin_url("metrics"), &[]).await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text();
    let families: BTreeSet<_> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).map(|(name, _)| name).collect();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        assert!(families.contains(name) || families.contains(base), "{line}");
    }
    assert!(families.contains("callsign_ledger_lost_total") && !text.contains("# EOF"), "{text}");
}

#[tokio::test]
async fn the_grafana_dashboard_asks_for_nothing_that_is_not_there() {
    let (_mock, callsign) = callsign(&[("SEND_END_USER_ID", "true")]).await;
    let body = r#"{"model":"m","messages":[]}"#;
    // A request without a user, so that an identifier is omitted, and one that callsign refuses.
    assert_eq!(client::post(&callsign.url("chat/completions"), APP, body).await.status, 200);
    assert_eq!(client::post(&callsign.url("chat/completions"), &[], body).await.status, 401);
    let openmetrics = client::get(&callsign.admin_url("metrics"), &[("accept", "application/openmetrics-text")]).await;
    assert!(openmetrics.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    let metrics = stored(&openmetrics.text());
    let dashboard = std::fs::read_to_string("deploy/grafana.json").unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    let asked: BTreeSet<_> = found.iter().flat_map(|expression| names(expression)).map(str::to_owned).collect();
    assert!(asked.len() > 20, "{asked:?}");
    let missing: Vec<_> = asked.difference(&metrics).collect();
    assert!(missing.is_empty(), "{missing:?} of {metrics:#?}");
    let rules = std::fs::read_to_string("deploy/alerts.yaml").unwrap();
    let rules: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    let missing: Vec<_> = rules.iter().flat_map(|rule| names(rule)).filter(|name| !metrics.contains(*name)).collect();
    assert!(rules.len() > 10 && missing.is_empty(), "{missing:?} of {rules:?}");
    // Every metric is shown, except the counts of bodies that the self-audit has passed.
    let shown = |name: &&String| {
        let base = name.trim_end_matches("_sum").trim_end_matches("_count");
        asked.contains(*name) || asked.contains(&format!("{base}_bucket"))
    };
    let unseen: Vec<_> = metrics.iter().filter(|name| !shown(name)).collect();
    assert_eq!(unseen, ["callsign_self_audit_unreadable_total", "callsign_self_audits_total"]);
}
