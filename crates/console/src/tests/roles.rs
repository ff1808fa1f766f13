//! Every route of the admin port with every kind of token.

use callsign_core::secret::KeyDigest;
use serde_json::Value;

use super::*;
use crate::roles::{AdminToken, Role};

/// The tokens, and whether each may read sums, read about users, and act.
const TOKENS: [(&str, Role, bool, [bool; 3]); 3] = [
    ("sums-sums-sums-sums", Role::Viewer, false, [true, false, false]),
    ("persons-persons-persons", Role::Viewer, true, [true, true, false]),
    ("operator-operator-operator", Role::Operator, false, [true, true, true]),
];
/// Calls whose need depends on the query: they read sums (0) or about users (1).
const BY_QUERY: [(&str, usize); 4] = [
    ("GET /api/v1/admin/usage?by=model", 0),
    ("GET /api/v1/admin/usage?by=user", 1),
    ("GET /api/v1/admin/usage?by=day,user", 1),
    ("GET /api/v1/admin/usage?by=model&user=alice", 1),
];

/// Returns an admin port with these tokens, and the view to change them.
fn with_tokens() -> (Admin, Arc<arc_swap::ArcSwap<View>>) {
    let deps = deps(None, Ledger::off());
    let view = Arc::clone(&deps.view);
    let token = |(token, role, persons, _): (&str, Role, bool, _)| AdminToken {
        name: token.to_owned(),
        digest: KeyDigest::of(token.as_bytes()),
        role,
        persons,
    };
    view.store(Arc::new(View { admin_tokens: TOKENS.map(token).into(), ..super::view() }));
    (Admin::new(&settings(), deps), view)
}

/// Returns the status of a call with a token.
async fn status(admin: &Admin, line: &str, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    send(admin, line, &[(AUTHORIZATION, &bearer)], "").await.status().as_u16()
}

/// Signs in and returns the cookie.
async fn sign_in(admin: &Admin, token: &str) -> String {
    let answer = send(admin, "POST /login", &FORM, &format!("token={token}")).await;
    header(&answer, &SET_COOKIE).split(';').next().unwrap().to_owned()
}

/// Returns what a call needs according to the document: a token (0), `persons` (1), the role operator (2).
fn documented(document: &Value, operation: &Value) -> usize {
    let security = operation.get("security").unwrap_or(&document["security"]);
    assert_eq!(security.as_array().map(Vec::len), Some(1), "{security}");
    match security[0]["adminToken"].as_array().unwrap().as_slice() {
        [] => 0,
        [role] if role == "persons" => 1,
        [role] if role == "operator" => 2,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_of_the_api_needs_the_documented_role() {
    let (admin, _) = with_tokens();
    let document = send(&admin, "GET /api/v1/admin/openapi.json", &[BEARER], "").await;
    let document: Value = serde_json::from_str(&text(document).await).unwrap();
    let mut calls: Vec<_> = BY_QUERY.map(|(line, need)| (line.to_owned(), need, None)).into();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let need = documented(&document, operation);
            assert!(method == "get" || need == 2, "{method} {path} acts");
            let line = format!("{} /api/v1/admin{path}", method.to_uppercase());
            calls.push((line, need, Some(&operation["responses"])));
        }
    }
    assert!(calls.len() > 20, "{calls:?}");
    for (line, need, responses) in calls {
        let target = line.replace("{user_id}", "alice").replace("{id}", "alice").replace("{name}", "alice");
        let is_documented = |status: u16| responses.is_none_or(|known| known.get(status.to_string()).is_some());
        for (token, _, _, may) in TOKENS {
            let status = status(&admin, &target, token).await;
            assert_eq!(status != 403, may[need], "{line} by {token}: {status}");
            assert!(status != 401 && is_documented(status), "{line} by {token}: {status}");
        }
        assert_eq!(send(&admin, &target, &[], "").await.status(), 401, "{line}");
        // After five within a minute they are 429.
        let wrong = status(&admin, &target, "a-wrong-token-of-somebody").await;
        assert!([401, 429].contains(&wrong) && is_documented(wrong), "{line}: {wrong}");
    }
}

#[tokio::test]
async fn a_page_needs_the_role_of_its_token_and_a_removed_token_ends_its_sessions() {
    let (admin, view) = with_tokens();
    for (token, _, _, may) in TOKENS {
        let cookie = sign_in(&admin, token).await;
        for (line, need) in [
            ("GET /models", 0),
            ("GET /settings", 0),
            ("GET /export.csv?by=model", 0),
            ("GET /export.csv?by=user", 1),
            ("GET /users", 1),
            ("GET /user?id=a", 1),
            ("GET /requests", 1),
            ("GET /mapping", 1),
            ("GET /whois?id=a", 2),
            ("GET /audit", 2),
            ("GET /keys", 2),
            ("GET /keys.csv", 2),
            ("GET /keys/key?name=a", 2),
            ("POST /keys", 2),
            ("POST /keys/rotate", 2),
            ("POST /keys/revoke", 2),
            ("GET /user/forget?id=a", 2),
            ("POST /user/block", 2),
            ("POST /alerts/test", 2),
            ("POST /user/limits/reset", 2),
        ] {
            let headers: Vec<_> = FORM.into_iter().chain([(COOKIE, cookie.as_str())]).collect();
            let answer = send(&admin, line, &headers, "").await;
            assert_eq!(answer.status() != 403, may[need], "{line} by {token}: {}", answer.status());
            if answer.status() == 403 {
                let page = text(answer).await;
                assert!(page.contains("Not permitted") && page.contains("[[admin.tokens]]"), "{page}");
            }
        }
    }
    let cookie = sign_in(&admin, TOKENS[2].0).await;
    view.store(Arc::new(super::view()));
    let answer = send(&admin, "GET /models", &[(COOKIE, &cookie)], "").await;
    assert_eq!(header(&answer, &LOCATION), "/login?next=%2Fmodels");
}

#[tokio::test]
async fn reads_about_users_are_recorded_once_an_hour() {
    let (admin, _) = with_tokens();
    let (token, ..) = TOKENS[1];
    for line in ["GET /api/v1/admin/limits/alice", "GET /api/v1/admin/limits/alice", "HEAD /api/v1/admin/limits/bob"] {
        assert_eq!(status(&admin, line, token).await, 200, "{line}");
    }
    assert_eq!(status(&admin, "GET /api/v1/admin/usage?by=model", TOKENS[0].0).await, 503, "sums without a ledger");
    let acts = send(&admin, "GET /api/v1/admin/audit", &[BEARER], "").await;
    let acts: Value = serde_json::from_str(&text(acts).await).unwrap();
    let rows: Vec<_> = acts.as_array().unwrap().iter().map(|act| (&act["by"], &act["act"], &act["subject"])).collect();
    let read = |subject: &'static str| (Value::from(token), Value::from("read"), Value::from(subject));
    let expected = [read("bob"), read("alice")];
    assert_eq!(rows, expected.iter().map(|(by, act, subject)| (by, act, subject)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_right_token_works_after_any_number_of_wrong_ones() {
    let (admin, _) = with_tokens();
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(status(&admin, "GET /api/v1/admin/blocks", "a-wrong-token-of-somebody").await);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    for (token, ..) in TOKENS {
        assert_ne!(status(&admin, "GET /api/v1/admin/openapi.json", token).await, 429);
    }
    assert_eq!(status(&admin, "GET /api/v1/admin/blocks", TOKEN).await, 200);
}
