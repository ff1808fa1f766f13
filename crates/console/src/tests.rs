mod keys;
mod roles;
mod with_ledger;

use std::time::Instant;

use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use serde_json::Value;

use super::*;
use axum::http::header::AUTHORIZATION;
use callsign_core::auth::settings::{Callers, ClientSession};
use callsign_core::identity::{Formats, Policy};
use callsign_core::tenant::Tenants;
use callsign_store::ledger::{self, Keeper, Ledger, Reader};
use callsign_store::limits::{self, Limiter, Rules};
use callsign_store::org_ids::OrgIds;
use callsign_telemetry::metrics::Metrics;
use callsign_telemetry::metrics::audit::Finding;
use self_test::{SelfTest, SelfTestError};
use sign_in::{Pending, SignIn};

pub(super) const TOKEN: &str = "an-admin-token-of-tests";

/// Returns an admin port with these settings, without a ledger.
pub(super) fn admin(settings: &Settings) -> Admin {
    admin_with(settings, None, Ledger::off())
}

/// Returns an admin port with these settings and a ledger.
pub(super) fn admin_with(settings: &Settings, ledger_access: Option<(Reader, Keeper)>, ledger: Ledger) -> Admin {
    Admin::new(settings, deps(ledger_access, ledger))
}

/// Returns an admin port whose program answers `refuses` so.
fn admin_refusing(settings: &Settings, refuses: Probe) -> Admin {
    Admin::new(settings, AdminDeps { refuses, ..deps(None, Ledger::off()) })
}

/// The sign-in without any issuer.
#[derive(Debug)]
struct NoSignIn;

impl SignIn for NoSignIn {
    fn is_on(&self) -> bool {
        false
    }

    fn user<'a>(&'a self, _: &'a HeaderMap) -> Pending<'a> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

fn deps(ledger_access: Option<(Reader, Keeper)>, ledger: Ledger) -> AdminDeps {
    let metrics = Arc::new(Metrics::new());
    let data = ledger::settings::Settings {
        store: None,
        mode: ledger::settings::Mode::Fast,
        retention_days: 400,
        data_dir: None,
        data_dir_set: false,
    };
    AdminDeps {
        limiter: {
            let deps = limits::LimiterDeps { metrics: Arc::clone(&metrics), ..Default::default() };
            Limiter::start(&limits::settings::Settings::default(), &data, deps).unwrap()
        },
        metrics,
        refuses: Probe(Arc::new(|| None)),
        view: Arc::new(arc_swap::ArcSwap::from_pointee(view())),
        sign_in: Arc::new(NoSignIn),
        reconcile: None,
        self_test: SelfTest(Arc::new(|_| Box::pin(async { Err(SelfTestError::Failed("not in this test".into())) }))),
        data: "127.0.0.1:8484".parse().unwrap(),
        ledger,
        ledger_access,
        archive: None,
    }
}

fn view() -> View {
    let operator = Policy::new(Formats::defaults().unwrap());
    View {
        callers: Callers {
            keys: Vec::new(),
            issuers: Vec::new(),
            passthrough: None,
            client_session: ClientSession::Drop,
            own_presets: std::collections::BTreeMap::new(),
        },
        tenants: Tenants { operator, list: Vec::new() },
        org_ids: OrgIds::default(),
        rules: Rules::new(&limits::settings::Settings::default()),
        people: Vec::new(),
        admin_tokens: Vec::new(),
        operator_pays: true,
        tls: false,
        max_body_bytes: 1 << 20,
    }
}

const PEER: &str = "10.0.0.1:40000";

/// Sends a request. `host` is added unless given.
pub(super) async fn send(admin: &Admin, line: &str, headers: &[(HeaderName, &str)], body: &str) -> Response<Body> {
    let (method, target) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target);
    if headers.iter().all(|(name, _)| name != HOST) {
        request = request.header(HOST, "localhost:8485");
    }
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let peer = Peer { address: PEER.parse().unwrap(), tls: false };
    admin.answer(request.body(Body::from(body.to_owned())).unwrap(), peer).await
}

pub(super) async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().into()).unwrap()
}

async fn code(response: Response<Body>) -> String {
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    body["error"]["code"].as_str().unwrap().to_owned()
}

fn header<'a>(response: &'a Response<Body>, name: &HeaderName) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

const BEARER: (HeaderName, &str) = (AUTHORIZATION, "Bearer an-admin-token-of-tests");
const FORM: [(HeaderName, &str); 2] =
    [(ORIGIN, "http://localhost:8485"), (CONTENT_TYPE, "application/x-www-form-urlencoded")];

fn settings() -> Settings {
    Settings { token: Some(Secret::new(TOKEN)), hosts: vec!["callsign.acme.example".to_owned()] }
}

#[tokio::test]
async fn a_failed_audit_makes_readyz_503() {
    let admin = admin(&Settings::default());
    let metrics = &admin.operator.deps.metrics;
    for finding in [Finding::Passed, Finding::Unreadable] {
        metrics.audited(finding, Instant::now());
        assert_eq!(send(&admin, "GET /readyz", &[], "").await.status(), 200, "{finding:?}");
    }
    metrics.audited(Finding::Failed, Instant::now());
    assert_eq!(send(&admin, "GET /readyz", &[], "").await.status(), 503);
    let text = metrics.encode();
    for line in [
        "callsign_self_audits_total 3",
        "callsign_self_audit_failures_total 1",
        "callsign_self_audit_unreadable_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{text}");
    }
}

#[tokio::test]
async fn readyz_lists_problems_and_is_503_only_while_requests_are_refused() {
    let refusal = Arc::new(parking_lot::Mutex::new(None));
    let probe = Arc::clone(&refusal);
    let admin = admin_refusing(&Settings::default(), Probe(Arc::new(move || *probe.lock())));
    let ready = async || {
        let answer = send(&admin, "GET /readyz", &[], "").await;
        (answer.status().as_u16(), text(answer).await)
    };
    assert_eq!(ready().await, (200, "ready\n".to_owned()));
    let metrics = &admin.operator.deps.metrics;
    metrics.health.set("key", "a key is refused");
    metrics.limits.store_up.set(0);
    let degraded = "degraded: the store of limits is unavailable\ndegraded: a key is refused\n";
    assert_eq!(ready().await, (200, format!("ready\n{degraded}")));
    *refusal.lock() = Some("draining");
    assert_eq!(ready().await, (503, format!("draining\n{degraded}")));
    *refusal.lock() = None;
    metrics.health.clear("key");
    metrics.limits.store_up.set(1);
    assert_eq!(ready().await, (200, "ready\n".to_owned()));
}

#[tokio::test]
async fn without_a_token_only_the_public_paths_answer() {
    let admin = admin(&Settings::default());
    for path in ["/healthz", "/readyz", "/metrics"] {
        let evil = [(HOST, "evil.example")];
        assert_eq!(send(&admin, &format!("GET {path}"), &evil, "").await.status(), 200, "{path}");
    }
    for path in ["/", "/login", "/style.css", "/api/v1/admin/user-mapping/statistics", "/nothing"] {
        let answer = send(&admin, &format!("GET {path}"), &[BEARER], "").await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(code(answer).await, "admin_token_not_set");
    }
}

#[tokio::test]
async fn an_unknown_host_is_refused_before_other_checks() {
    let admin = admin(&settings());
    for path in ["/", "/login", "/api/v1/admin/openapi.json"] {
        let answer = send(&admin, &format!("GET {path}"), &[BEARER, (HOST, "rebound.evil.example")], "").await;
        assert_eq!(answer.status(), 403, "{path}");
        assert_eq!(code(answer).await, "unknown_host");
    }
    for host in ["callsign.acme.example", "[::1]:8485", "192.0.2.7"] {
        let answer = send(&admin, "GET /api/v1/admin/openapi.json", &[BEARER, (HOST, host)], "").await;
        assert_eq!(answer.status(), 200, "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_api_requires_the_token_as_a_bearer() {
    let admin = admin(&settings());
    let path = "GET /api/v1/admin/user-mapping/configuration";
    for wrong in [
        &[][..],
        &[(AUTHORIZATION, TOKEN)],
        &[(AUTHORIZATION, "Basic an-admin-token-of-tests")],
        &[BEARER, BEARER],
        &[(AUTHORIZATION, "Bearer an-admin-token-of-test")],
        &[(AUTHORIZATION, "Bearer ")],
    ] {
        let answer = send(&admin, path, wrong, "").await;
        assert_eq!(
            (answer.status(), header(&answer, &WWW_AUTHENTICATE)),
            (StatusCode::UNAUTHORIZED, "Bearer realm=\"callsign\"")
        );
        assert_eq!(code(answer).await, "unauthorized");
    }
    for right in ["Bearer an-admin-token-of-tests", "bearer  an-admin-token-of-tests"] {
        assert_eq!(send(&admin, path, &[(AUTHORIZATION, right)], "").await.status(), 200, "{right}");
    }
    // Two of the requests above had a wrong token. After three more a wrong one is one too many.
    let guessed = [(AUTHORIZATION, "Bearer guessed")];
    for _ in 0..3 {
        assert_eq!(send(&admin, path, &guessed, "").await.status(), 401);
    }
    let answer = send(&admin, path, &guessed, "").await;
    assert_eq!((answer.status(), header(&answer, &RETRY_AFTER)), (StatusCode::TOO_MANY_REQUESTS, "57"));
    assert_eq!(send(&admin, path, &[BEARER], "").await.status(), 200, "the right token always works");
}

#[tokio::test]
async fn errors_have_their_status_and_are_json() {
    let admin = admin(&settings());
    for (line, status, expected) in [
        ("GET /api/v1/admin/nothing", 404, "not_found"),
        ("GET /api/v2", 404, "not_found"),
        ("DELETE /api/v1/admin/user-mapping/statistics", 405, "method_not_allowed"),
        ("PUT /api/v1/admin/users/alice/unblock", 404, "not_found"),
        ("GET /api/v1/admin/user-mapping/statistics", 503, "ledger_off"),
        ("GET /api/v1/admin/usage?by=weather", 400, "invalid_request"),
        ("GET /api/v1/admin/user-mapping/configuration?tenant=nobodys", 404, "unknown_tenant"),
        ("POST /api/v1/admin/user-mapping/test-mapping", 400, "invalid_request"),
    ] {
        let answer = send(&admin, line, &[BEARER], "").await;
        assert_eq!(answer.status(), status, "{line}");
        assert_eq!(code(answer).await, expected, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn signing_in_and_out() {
    let admin = admin(&settings());
    let answer = send(&admin, "GET /user?id=a%26b", &[], "").await;
    assert_eq!(
        (answer.status(), header(&answer, &LOCATION)),
        (StatusCode::SEE_OTHER, "/login?next=%2Fuser%3Fid%3Da%2526b")
    );
    let answer = send(&admin, "POST /login", &FORM, "token=wrong&next=/settings").await;
    assert_eq!(answer.status(), 403);
    assert!(text(answer).await.contains("That is no admin token."));
    let answer = send(&admin, "POST /login", &FORM, "token=an-admin-token-of-tests&next=/settings").await;
    assert_eq!((answer.status(), header(&answer, &LOCATION)), (StatusCode::SEE_OTHER, "/settings"));
    let cookie = header(&answer, &SET_COOKIE).to_owned();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict; Path=/;") && !cookie.contains("Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let signed_in = [(COOKIE, cookie)];
    let answer = send(&admin, "GET /settings", &signed_in, "").await;
    assert_eq!(answer.status(), 200);
    assert!(text(answer).await.contains("SEND_END_USER_ID"));
    // The API does not accept sessions, and pages do not accept bearer tokens.
    assert_eq!(send(&admin, "GET /api/v1/admin/user-mapping/configuration", &signed_in, "").await.status(), 401);
    assert_eq!(send(&admin, "GET /settings", &[BEARER], "").await.status(), 303);
    let out = [signed_in.as_slice(), FORM.as_slice()].concat();
    let answer = send(&admin, "POST /logout", &out, "").await;
    assert!(header(&answer, &SET_COOKIE).contains("Max-Age=0"));
    assert_eq!(send(&admin, "GET /settings", &signed_in, "").await.status(), 303);
}

#[tokio::test(start_paused = true)]
async fn a_browser_using_tls_gets_a_secure_cookie() {
    let admin = admin(&settings());
    let form = [(ORIGIN, "https://callsign.acme.example"), (HOST, "callsign.acme.example")];
    let answer = send(&admin, "POST /login", &form, "token=an-admin-token-of-tests").await;
    assert!(header(&answer, &SET_COOKIE).ends_with("; Secure"));
}

#[tokio::test(start_paused = true)]
async fn the_sixth_wrong_token_of_a_minute_is_too_many_and_the_right_one_still_works() {
    let admin = admin(&settings());
    for _ in 0..5 {
        assert_eq!(send(&admin, "POST /login", &FORM, "token=guessed").await.status(), 403);
    }
    let answer = send(&admin, "POST /login", &FORM, "token=guessed").await;
    assert_eq!((answer.status(), header(&answer, &RETRY_AFTER)), (StatusCode::TOO_MANY_REQUESTS, "57"));
    assert!(text(answer).await.contains("Too many wrong tokens"));
    // The API shares the count.
    let guessed = [(AUTHORIZATION, "Bearer guessed")];
    assert_eq!(send(&admin, "GET /api/v1/admin/user-mapping/configuration", &guessed, "").await.status(), 429);
    assert_eq!(send(&admin, "POST /login", &FORM, "token=an-admin-token-of-tests").await.status(), 303);
}

#[tokio::test(start_paused = true)]
async fn a_form_from_another_origin_is_refused() {
    let admin = admin(&settings());
    for origin in [
        None,
        Some("null"),
        Some("https://evil.example"),
        Some("http://localhost:9999"),
        Some("http://localhost:8485.evil.example"),
    ] {
        for path in ["/login", "/logout", "/"] {
            let origin = origin.map(|origin| (ORIGIN, origin));
            let headers: Vec<_> = origin.clone().into_iter().collect();
            let answer = send(&admin, &format!("POST {path}"), &headers, "token=an-admin-token-of-tests").await;
            assert_eq!(answer.status(), 403, "{origin:?}");
            assert_eq!(header(&answer, &SET_COOKIE), "");
            assert_eq!(code(answer).await, "foreign_origin");
        }
    }
}

#[tokio::test]
async fn every_response_forbids_scripts_frames_and_caching() {
    let admin = admin(&settings());
    for line in ["GET /login", "GET /", "GET /nothing", "GET /api/v1/admin/user-mapping/configuration", "GET /healthz"]
    {
        let answer = send(&admin, line, &[], "").await;
        let policy = header(&answer, &CONTENT_SECURITY_POLICY);
        assert!(
            policy.starts_with("default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
            "{line}: {policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
        assert_eq!(header(&answer, &X_CONTENT_TYPE_OPTIONS), "nosniff", "{line}");
        assert_eq!(header(&answer, &CACHE_CONTROL), "no-store", "{line}");
        assert_eq!(header(&answer, &REFERRER_POLICY), "same-origin", "{line}");
    }
}
