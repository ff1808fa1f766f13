//! The API and the pages over a filled ledger.

use callsign_core::request_id::{RANDOM, RequestId};
use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::markup::Markup;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::outcome::Outcome;
use callsign_store::ledger::settings::{Mode, Store};
use callsign_store::ledger::{Begun, Finished, RequestLabels, SentIds};
use callsign_store::trusted_clock::TrustedClock;
use serde_json::json;

use super::*;

/// Returns the beginning and the end of a request of this user.
fn request(number: u8, user: &str, status: u16) -> (Begun, Finished) {
    let began_us = jiff::Timestamp::now().as_microsecond();
    let labels = RequestLabels { key: "owui".into(), user: Some(user.into()), ..RequestLabels::default() };
    let begun = Begun {
        id: RequestId::new(began_us, [number; RANDOM]),
        began_us,
        labels,
        sent: SentIds { user: Some(format!("acme_{user}").into()), ..SentIds::default() },
        endpoint: "chat/completions".into(),
        account: None,
        markup: Markup::ONE,
    };
    let finished = Finished {
        outcome: Some(Outcome::Complete),
        status,
        error: (status >= 400).then(|| "server_error".into()),
        limit: None,
        bill: if number == 3 { Bill::Pending } else { Bill::Known },
        requested_model: None,
        model: Some("openai/gpt-5".into()),
        provider: Some("Azure".into()),
        generation: Some(format!("gen-{number}").into()),
        usage: Usage {
            completion_tokens: Some(7),
            cost: (number != 3).then_some(NanoUsd(1_000_000)),
            provider_cost: (number == 1).then_some(NanoUsd(260_000)),
            ..Usage::default()
        },
        request_bytes: 1,
        response_bytes: 1,
        head_us: Some(100_000),
        first_output_us: Some(200_000),
        duration_us: 1_000_000,
    };
    (begun, finished)
}

/// An admin port over three requests: two of alice, of which one failed, and one of bob, whose cost is pending.
struct Rig {
    admin: Admin,
    cookie: String,
    _directory: tempfile::TempDir,
}

impl Rig {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = ledger::settings::Settings {
            store: Some(Store::Sqlite(directory.path().join("ledger.db"))),
            mode: Mode::Fast,
            retention_days: 400,
            data_dir: Some(directory.path().to_owned()),
            data_dir_set: true,
        };
        let ledger = Ledger::open(&data, &Arc::new(Metrics::new()), &Arc::new(TrustedClock::proven())).unwrap();
        for (number, user, status) in [(1, "alice", 200), (2, "alice", 502), (3, "bob", 200)] {
            let (begun, finished) = request(number, user, status);
            drop(ledger.begin(begun).finish(finished));
        }
        ledger.close().await;
        let access = (Reader::open(&data).unwrap(), Keeper::open(&data).unwrap());
        let admin = admin_with(&settings(), Some(access), ledger);
        let answer = send(&admin, "POST /login", &FORM, "token=an-admin-token-of-tests").await;
        let cookie = header(&answer, &SET_COOKIE).split(';').next().unwrap().to_owned();
        Self { admin, cookie, _directory: directory }
    }

    /// Sends a call of the API and returns status and JSON.
    async fn call(&self, line: &str, body: &str) -> (u16, Value) {
        let (method, path) = line.split_once(' ').unwrap();
        let answer = send(&self.admin, &format!("{method} /api/v1/admin/{path}"), &[BEARER], body).await;
        let status = answer.status().as_u16();
        let text = text(answer).await;
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}: {text}")))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, json) = self.call(&format!("GET {path}"), "").await;
        assert_eq!(status, 200, "{path}: {json}");
        json
    }

    /// Sends a form of a page and returns the status, and the target of a redirect or the page.
    async fn submit(&self, path: &str, fields: &str) -> (u16, String) {
        let cookie = [(COOKIE, self.cookie.as_str())];
        let headers: Vec<_> = FORM.into_iter().chain(cookie).collect();
        let answer = send(&self.admin, &format!("POST {path}"), &headers, fields).await;
        let status = answer.status().as_u16();
        let target = answer.headers().get(axum::http::header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
        (
            status,
            match target {
                Some(target) => target,
                None => text(answer).await,
            },
        )
    }

    /// Returns status and text of a page.
    async fn page(&self, path: &str) -> (u16, String) {
        let answer = send(&self.admin, &format!("GET {path}"), &[(COOKIE, &self.cookie)], "").await;
        (answer.status().as_u16(), text(answer).await)
    }
}

#[tokio::test]
async fn a_time_zone_is_stated_kept_in_links_and_forms_and_must_exist() {
    let rig = Rig::start().await;
    let (status, page) = rig.page("/users?range=7d&tz=europe/berlin").await;
    assert_eq!(status, 200, "{page}");
    for part in [
        "all times Europe/Berlin",
        "/users?sort=spend&amp;range=30d&amp;tz=Europe%2FBerlin\"",
        "/export.csv?by=user&amp;range=7d&amp;sort=spend&amp;tz=Europe%2FBerlin\"",
        "<a href=\"/models?tz=Europe%2FBerlin\"",
        "<input type=\"hidden\" name=\"tz\" value=\"Europe/Berlin\">",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let (_, utc) = rig.page("/users?range=7d").await;
    assert!(utc.contains("all times UTC") && !utc.contains("tz="), "{utc}");
    let (status, refused) = rig.page("/users?tz=Mars/Olympus").await;
    assert!(status == 400 && refused.contains("tz takes UTC or the IANA name of a time zone"), "{refused}");
    let blocked = rig.submit("/user/block?tz=Asia/Tokyo", "id=alice&tenant=").await;
    assert_eq!(blocked, (303, "/user?id=alice&tenant=&done=unstored&tz=Asia%2FTokyo".to_owned()));
}

#[tokio::test]
async fn lists_have_small_charts_and_badges() {
    let rig = Rig::start().await;
    let (_, page) = rig.page("/users").await;
    assert_eq!(page.matches("<svg class=\"spark\"").count(), 2, "{page}");
    assert!(page.contains("v-100h8v100z") && !page.contains("blocked</span>"), "{page}");
    rig.submit("/user/block", "id=alice&tenant=").await;
    let (_, page) = rig.page("/users").await;
    assert_eq!(page.matches("<span class=\"state bad\">blocked</span>").count(), 1, "{page}");
    for path in ["/models", "/providers", "/apps?range=24h"] {
        let (_, page) = rig.page(path).await;
        assert_eq!(page.matches("<svg class=\"spark\"").count(), 1, "{path}: {page}");
    }
}

#[tokio::test]
async fn the_page_of_costs_says_what_is_missing_and_shows_a_result() {
    let rig = Rig::start().await;
    let (status, page) = rig.page("/costs?added=3&nano_usd=2000000&failed=1").await;
    assert!(status == 200 && page.contains("1 wait for their cost, 0 never get one."), "{page}");
    assert!(page.contains("3 costs added, $0.002 in all. 1 could not be looked up"), "{page}");
    assert_eq!(rig.submit("/costs/reconcile", "").await.0, 404, "this program has no reconciliation");
}

/// Returns the message of an error.
fn message(json: &Value) -> &str {
    json["error"]["message"].as_str().unwrap()
}

#[tokio::test]
async fn every_call_refuses_unknown_parameters_in_the_shape_of_the_api() {
    let rig = Rig::start().await;
    let document = rig.get("openapi.json").await;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let path = path.trim_start_matches('/').replace("{user_id}", "alice").replace("{id}", "alice");
            let line = format!("{} {path}?weather=fine", method.to_uppercase());
            let (status, json) = rig.call(&line, "").await;
            assert_eq!((status, &json["error"]["code"]), (400, &json!("invalid_request")), "{line}: {json}");
            assert!(message(&json).starts_with("unknown parameter `weather`; this call takes "), "{json}");
            let names = operation["parameters"].as_array().into_iter().flatten();
            for name in names.filter(|of| of["in"] == "query").map(|of| of["name"].as_str().unwrap()) {
                let names: Vec<_> = message(&json).split([' ', ',']).collect();
                assert!(names.contains(&name), "{name} is documented for {line}: {json}");
            }
            let (status, json) = rig.call(&line.replace("alice", "%ff"), "").await;
            assert_eq!((status, &json["error"]["code"]), (400, &json!("invalid_request")), "{line}: {json}");
        }
    }
}

#[tokio::test]
async fn a_bad_value_names_the_parameter_and_the_accepted_form() {
    let rig = Rig::start().await;
    for (line, body, expected) in [
        ("GET usage?by=app", "", "by takes one or two different names, separated by a comma, of: user, model, "),
        ("GET usage?by=user,user", "", "by takes one or two different names"),
        ("GET usage?since=yesterday", "", "since takes a number of hours or days"),
        ("GET requests?until=x", "", "until takes a number of hours or days"),
        ("GET usage?status=99", "", "status takes an HTTP status from 100 to 599"),
        ("GET usage?format=xml", "", "format takes json or csv"),
        ("GET usage?model=", "", "model takes a name"),
        ("GET requests?limit=1001", "", "limit takes a number from 1 to 1000"),
        ("GET requests?limit=0", "", "limit takes a number from 1 to 1000"),
        ("GET requests?ending=never", "", "ending takes one of complete, client_gone, "),
        ("GET requests?before=gen-1", "", "before takes the `next` of another answer"),
        ("GET requests?user=a&user=b", "", "user is given more than once"),
        ("PUT users/alice/block", r#"{"why":"x"}"#, "the body: why: unknown field `why`, expected one of `reason`"),
        ("PUT users/alice/block", r#"{"seconds":0}"#, "seconds takes a number from 1 to "),
        ("PUT users/alice/block", "[", "the body: "),
        ("POST user-mapping/test-mapping", "", "the body: expected JSON with a user_id"),
        (
            "POST user-mapping/test-mapping",
            r#"{"user_id":"a","x":1}"#,
            "the body: x: unknown field `x`, expected one of",
        ),
        ("POST user-mapping/test-mapping", r#"{"user_id":7}"#, "the body: user_id: invalid type"),
    ] {
        let (status, json) = rig.call(line, body).await;
        assert_eq!((status, &json["error"]["code"]), (400, &json!("invalid_request")), "{line}: {json}");
        assert!(message(&json).starts_with(expected), "{line}: {json}");
    }
}

#[tokio::test]
async fn usage_is_filtered_and_grouped_by_two_names() {
    let rig = Rig::start().await;
    let rows = rig.get("usage?by=user,model&user=alice&key=owui&provider=Azure&tenant=").await;
    assert_eq!(
        [&rows[0]["user"], &rows[0]["model"], &rows[0]["requests"]],
        [&json!("alice"), &json!("openai/gpt-5"), &json!(2)]
    );
    assert_eq!([&rows[0]["cost_usd"], &rows[0]["provider_cost_usd"]], [&json!("0.00226"), &json!("0.00026")]);
    assert_eq!(rig.get("usage?by=user&user=bob").await[0]["cost_pending"], 1);
    assert_eq!(rig.get("usage?by=key&status=502").await[0]["requests"], 1);
    for nothing in
        ["model=x", "key=x", "provider=x", "tenant=x", "user=x", "status=404", "until=2020-01-01", "since=2999-01-01"]
    {
        assert_eq!(rig.get(&format!("usage?{nothing}")).await, json!([]), "{nothing}");
        assert_eq!(rig.get(&format!("requests?{nothing}")).await["requests"], json!([]), "{nothing}");
    }
}

#[tokio::test]
async fn requests_are_listed_by_page_and_found_by_either_id() {
    let rig = Rig::start().await;
    let first = rig.get("requests?user=alice&limit=1").await;
    assert_eq!(first["requests"][0]["generation"], "gen-2", "the newest comes first");
    let before = first["next"].as_str().unwrap();
    let second = rig.get(&format!("requests?user=alice&limit=1&before={before}")).await;
    let of_alice = &second["requests"][0];
    assert_eq!([&of_alice["generation"], &of_alice["sent"]["user"]], ["gen-1", "acme_alice"]);
    for (filter, generation) in
        [("error=server_error", "gen-2"), ("status=502", "gen-2"), ("user=bob&ending=complete", "gen-3")]
    {
        let found = rig.get(&format!("requests?{filter}")).await;
        assert_eq!(found["requests"].as_array().unwrap().len(), 1, "{filter}: {found}");
        assert_eq!(found["requests"][0]["generation"], generation);
        assert_eq!([&found["next"], &found["searched_back_to"]], [&Value::Null, &Value::Null]);
    }
    for id in ["gen-1", of_alice["request_id"].as_str().unwrap()] {
        assert_eq!(&rig.get(&format!("requests/{id}")).await, of_alice);
    }
    for id in ["gen-9", "nothing", &RequestId::MIN.to_string()] {
        let (status, json) = rig.call(&format!("GET requests/{id}"), "").await;
        assert_eq!((status, &json["error"]["code"]), (404, &json!("unknown_request")), "{id}");
    }
}

#[tokio::test]
async fn a_guess_of_whois_is_a_note() {
    let rig = Rig::start().await;
    assert_eq!(rig.get("whois/acme_alice").await[0]["user"], "alice");
    let today = jiff::Timestamp::now().strftime("%Y-%m-").to_string();
    // The default format writes a user's id as it is, so any text may be a user.
    let (status, json) = rig.call("GET whois/mallory", "").await;
    assert_eq!((status, &json["error"]["code"]), (404, &json!("unknown_identifier")), "{json}");
    assert!(message(&json).contains(&format!("not in the ledger, which goes back to {today}")), "{json}");
    assert_eq!(json["notes"], json!(["under the current format it would belong to user mallory"]));
    let (status, page) = rig.page("/whois?id=mallory").await;
    assert_eq!(status, 200);
    assert!(
        page.contains("not in the ledger, which goes back to ") && page.contains("That is not a finding."),
        "{page}"
    );
    assert!(!page.contains("/user?id=mallory"), "a guess is no link to a person: {page}");
}

#[tokio::test]
async fn pages_show_costs_speed_and_errors_of_parameters() {
    let rig = Rig::start().await;
    let (_, overview) = rig.page("/").await;
    assert!(overview.contains("1 requests have no cost yet, 0 never will."), "{overview}");
    assert!(overview.contains("$0.00226") && overview.contains(", $0.00026 of it by providers"), "{overview}");
    assert!(rig.page("/user?id=bob").await.1.contains("1 requests have no cost yet"));
    assert!(!rig.page("/user?id=alice").await.1.contains("have no cost yet"));
    let (_, speed) = rig.page("/speed").await;
    assert!(speed.contains("<td>Azure</td>") || speed.contains(">Azure<"), "{speed}");
    for (path, reason) in [
        ("/?range=1y", "range takes 24h, 7d, 30d, 90d, month, last-month"),
        ("/users?rnge=7d", "unknown parameter `rnge`; this call takes range"),
        ("/users?sort=age", "sort takes spend, requests, errors, refused, last-seen, name"),
        ("/users?from=2026-02-01&to=2026-01-01", "from and to take two dates in order"),
        ("/requests?weather=fine", "this call takes form, unattributed, since"),
        ("/requests?status=1", "status takes an HTTP status"),
        ("/request", "id is missing"),
        ("/audit?by=", "by takes a name"),
        ("/user?id=alice&done=yes", "done takes applied, late, unstored, nothing"),
        ("/export.csv?by=weather", "by takes one or two different names"),
        ("/user", "id is missing"),
        ("/mapping?x=1", "this call takes after, tenant"),
        ("/settings?x=1", "this call takes tenant, alert"),
        ("/whois?x=1", "this call takes id"),
    ] {
        let (status, page) = rig.page(path).await;
        assert_eq!(status, 400, "{path}");
        assert!(page.contains("<nav aria-label=\"Pages\">") && page.contains(reason), "{path}: {page}");
    }
}

#[tokio::test]
async fn requests_are_filtered_by_a_form_and_each_has_its_page() {
    let rig = Rig::start().await;
    let (status, page) = rig.page("/requests").await;
    assert_eq!((status, page.matches("<a href=\"/request?id=").count()), (200, 3), "{page}");
    let form = "form=1&user=alice&tenant=&key=&model=&provider=&status=&error=&ending=complete&since=&until=";
    let cookie = [(COOKIE, rig.cookie.as_str())];
    let answer = send(&rig.admin, &format!("GET /requests?{form}"), &cookie, "").await;
    assert_eq!(header(&answer, &axum::http::header::LOCATION), "/requests?user=alice&ending=complete");
    let answer = send(&rig.admin, "GET /requests?form=1&unattributed=1", &cookie, "").await;
    assert_eq!(header(&answer, &axum::http::header::LOCATION), "/requests?user=");
    for (query, count) in [("user=alice", 2), ("user=", 0), ("error=server_error", 1), ("model=openai/gpt-5", 3)] {
        let (_, page) = rig.page(&format!("/requests?{query}")).await;
        assert_eq!(page.matches("<a href=\"/request?id=").count(), count, "{query}: {page}");
        assert!(page.contains("Remove the filter"), "{query}: {page}");
    }
    let (_, file) = rig.page("/requests.csv?user=bob").await;
    assert_eq!(file.lines().count(), 2, "{file}");
    for (id, parts) in [
        ("gen-1", ["$0.00126", "$0.00026", "acme_alice", "200\u{202f}ms", "until the first output", "Azure"]),
        ("gen-2", ["502", "server_error", "acme_alice", "1,000\u{202f}ms", "chat/completions", "openai/gpt-5"]),
        ("gen-3", ["pending", "acme_bob", "Generation", "gen-3", "/user?id=bob", "owui"]),
    ] {
        let (status, page) = rig.page(&format!("/request?id={id}")).await;
        assert_eq!(status, 200, "{page}");
        for part in parts {
            assert!(page.contains(part), "{id}: {part} in {page}");
        }
    }
    assert_eq!(rig.page("/request?id=gen-9").await.0, 404);
    let answer = send(&rig.admin, "GET /whois?id=gen-2", &cookie, "").await;
    assert_eq!(
        header(&answer, &axum::http::header::LOCATION),
        "/request?id=gen-2",
        "the search box finds a generation"
    );
}

#[tokio::test]
async fn lists_are_sorted_searched_and_exported_as_shown() {
    let rig = Rig::start().await;
    let place = |page: &str, name: &str| page.find(&format!(">{name}</bdi>")).unwrap();
    let (_, by_spend) = rig.page("/users").await;
    assert!(place(&by_spend, "alice") < place(&by_spend, "bob"), "{by_spend}");
    let (_, by_last_seen) = rig.page("/users?sort=last-seen").await;
    assert!(place(&by_last_seen, "bob") < place(&by_last_seen, "alice"), "{by_last_seen}");
    let (_, found) = rig.page("/users?find=BOB").await;
    assert!(found.contains(">bob</bdi>") && !found.contains(">alice</bdi>"), "{found}");
    let (_, file) = rig.page("/export.csv?by=user&sort=last-seen").await;
    let first: Vec<_> = file.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(first, ["\"bob\"", "\"alice\"", "\"total\""], "{file}");
    assert!(file.lines().last().unwrap().contains("\"0.00226\""), "{file}");
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let (_, day) = rig.page(&format!("/users?from={today}&to={today}")).await;
    assert!(day.contains(&format!("requests in {today}")), "{day}");
    let (_, errors) = rig.page("/errors").await;
    assert!(errors.contains("/requests?since=") && errors.contains("error=server_error"), "{errors}");
}

#[tokio::test]
async fn forms_block_limit_and_forget_and_the_audit_page_shows_it() {
    let rig = Rig::start().await;
    let (status, to) = rig.submit("/user/block", "id=alice&tenant=&time=24h&reason=spam+<b>&cut=1").await;
    assert_eq!(status, 303, "{to}");
    assert!(to.starts_with("/user?id=alice&tenant=&done="), "{to}");
    let (_, page) = rig.page(&to).await;
    assert!(page.contains("<p class=\"notice\"") && page.contains("Unblock"), "{page}");
    assert_eq!(rig.get("blocks").await[0]["id"], "alice");
    let (_, audit) = rig.page("/audit").await;
    for part in
        ["Blocks in force", "spam &lt;b&gt;", "<bdi class=\"name\">block</bdi>", "<bdi class=\"name\">admin</bdi>"]
    {
        assert!(audit.contains(part), "{part} in {audit}");
    }
    let (status, to) = rig.submit("/user/unblock", "id=alice&tenant=&from=audit").await;
    assert!(status == 303 && to.starts_with("/audit?done="), "{to}");
    assert_eq!(rig.get("blocks").await, json!([]));
    assert_eq!(rig.submit("/user/unblock", "id=alice&tenant=").await.1, "/user?id=alice&tenant=&done=nothing");

    let (status, to) = rig.submit("/user/limits", "id=bob&tenant=&limit=rpm&value=5&time=").await;
    assert_eq!(status, 303, "{to}");
    assert_eq!(rig.get("limits/bob").await["set"][0]["value"], "5");
    assert_eq!(rig.submit("/user/limits/reset", "id=bob&tenant=").await.0, 303);
    assert_eq!(rig.get("limits/bob").await["set"], json!([]));
    assert!(rig.page("/audit.csv").await.1.contains("\"reset_limits\""));

    for (path, fields, reason) in [
        ("/user/block", "id=nobody&tenant=&time=", "no request in the ledger has this id"),
        ("/user/block", "id=alice&tenant=&time=soon", "time takes a duration"),
        ("/user/block", "id=alice&user=bob", "unknown parameter `user`"),
        ("/user/block", "tenant=", "id is missing"),
        ("/user/limits", "id=bob&tenant=&limit=rpm&value=many&time=", "value "),
        ("/user/limits", "id=bob&tenant=&limit=weather&value=1&time=", "value "),
        ("/user/forget", "id=alice&tenant=&confirm=bob", "nothing is erased"),
    ] {
        let (status, page) = rig.submit(path, fields).await;
        assert!((400..500).contains(&status) && page.contains(reason), "{path} {fields}: {status} {page}");
    }
    let (_, asked) = rig.page("/user/forget?id=alice&tenant=").await;
    assert!(asked.contains("The ledger has 2 requests that name this user"), "{asked}");
    let (status, page) = rig.submit("/user/forget", "id=alice&tenant=&confirm=alice").await;
    assert!(status == 200 && page.contains("2 requests no longer name the user"), "{page}");
    assert_eq!(rig.page("/user?id=alice").await.0, 404);
}

#[tokio::test]
async fn forms_of_other_sites_and_without_a_session_act_on_nothing() {
    let rig = Rig::start().await;
    for path in ["/user/block", "/user/unblock", "/user/limits", "/user/limits/reset", "/user/forget"] {
        let fields = "id=alice&tenant=&confirm=alice&time=";
        let foreign = [(COOKIE, rig.cookie.as_str()), (ORIGIN, "http://evil.example")];
        assert_eq!(send(&rig.admin, &format!("POST {path}"), &foreign, fields).await.status(), 403, "{path}");
        assert_eq!(
            send(&rig.admin, &format!("POST {path}"), &[foreign[0].clone()], fields).await.status(),
            403,
            "{path}"
        );
        let answer = send(&rig.admin, &format!("POST {path}"), &FORM, fields).await;
        assert_eq!(header(&answer, &axum::http::header::LOCATION), "/login", "{path}");
    }
    assert_eq!(rig.get("blocks").await, json!([]));
    assert_eq!(rig.page("/user?id=alice").await.0, 200);
}
