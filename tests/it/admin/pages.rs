//! The console's pages as markup: complete without scripts, and outside names are escaped.

use super::{HOSTILE, Rig, encoded};
use crate::support::client::{self, Answer};

/// A signed-in operator's session.
struct Operator {
    rig: Rig,
    cookie: String,
}

impl Operator {
    async fn sign_in() -> Self {
        let rig = Rig::start().await;
        let origin = rig.callsign.admin_url("");
        let headers = [("origin", origin.trim_end_matches('/'))];
        let answer = client::post(&rig.callsign.admin_url("login"), &headers, "token=an-admin-token-of-tests").await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        Self { rig, cookie }
    }

    async fn get(&self, path: &str) -> Answer {
        client::get(&self.rig.callsign.admin_url(path), &[("cookie", &self.cookie)]).await
    }
}

/// Checks a page for the parts that every page has, and for those that no page may have.
fn examine(path: &str, page: &str) {
    for part in
        ["<html lang=\"en\">", "<main id=\"main\"", "href=\"#main\"", "<nav aria-label=\"Pages\">", "<h1>", "</html>"]
    {
        assert!(page.contains(part), "{path}: {part} in {page}");
    }
    // The value of a field is the id to the letter; a browser shows it apart from all other text.
    let texts: String = page.split("<input").map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    for forbidden in ["<script", " style=", " onclick", "javascript:", "\u{202e}", "<b>model"] {
        assert!(!texts.contains(forbidden), "{path}: {forbidden} in {page}");
    }
    assert_eq!(page.matches("<table").count(), page.matches("<caption").count(), "{path}");
    assert!(page.len() < 200_000, "{path}: {} bytes", page.len());
}

#[tokio::test]
async fn every_page_is_whole_and_names_are_text() {
    let operator = Operator::sign_in().await;
    for path in [
        "",
        "?range=24h",
        "?range=90d",
        "users",
        "models",
        "users?sort=name&find=a",
        "users?range=last-month",
        "users?from=2026-01-01&to=2026-03-31",
        "providers",
        "apps",
        "errors",
        "requests",
        "requests?user=alice",
        "requests?user=&since=7d",
        "audit",
        "user/forget?id=alice",
        "speed",
        "mapping",
        "settings",
        "settings?tenant=acme",
        "whois",
        "whois?id=acme_1",
        "whois?id=nobody-has-this",
        "user?id=alice",
        "user?id=bob&tenant=",
    ] {
        let answer = operator.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, "text/html; charset=utf-8"),
            "{path}"
        );
        examine(path, &answer.text());
    }
    let users = operator.get("users").await.text();
    assert!(users.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{users}");
    for user in HOSTILE {
        let answer = operator.get(&format!("user?id={}", encoded(user))).await;
        assert_eq!(answer.status, 200, "{user}");
        examine(user, &answer.text());
    }
    let overview = operator.get("").await.text();
    assert!(overview.contains("Identifiers collide") && overview.contains("$0.00588"), "{overview}");
    let mapping = operator.get("mapping").await.text();
    assert!(mapping.contains("acme_4 stands for 2 users (dan, dora)"), "{mapping}");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_a_page() {
    let operator = Operator::sign_in().await;
    for (path, status, said) in [
        ("nothing", 404, "There is no page at this address"),
        ("user?id=mallory", 404, "Unknown user"),
        ("user?id=bob", 409, "Several users have this id"),
        ("settings?tenant=evil", 404, "Not found"),
        ("users?range=1y", 400, "range takes 24h, 7d, 30d, 90d, month, last-month"),
        ("users?weather=fine", 400, "this call takes range"),
    ] {
        let answer = operator.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        let page = answer.text();
        assert!(page.contains(said), "{path}: {page}");
        examine(path, &page);
    }
}

#[tokio::test]
async fn the_csv_of_a_page_is_defused() {
    let operator = Operator::sign_in().await;
    let answer = operator.get("export.csv?by=user&range=7d").await;
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"callsign-usage-by-user.csv\"");
    assert!(answer.text().contains("\r\n\"'=cmd|"), "{}", answer.text());
    let stranger = client::get(&operator.rig.callsign.admin_url("export.csv"), &[]).await;
    assert_eq!(stranger.status, 303);
}
