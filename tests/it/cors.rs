//! Cross-origin requests from browsers and apps (`docs/SPEC.md#cors`).

use http::Method;

use crate::support::client::{self, Answer};
use crate::support::proxy::{APP, Callsign, callsign};

async fn preflight(callsign: &Callsign, path: &str, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    client::request(Method::OPTIONS, &callsign.url(path), &headers, "").await
}

#[tokio::test]
async fn browsers_may_call_from_named_origins_only() {
    let (mock, allowing) = callsign(&[("CALLSIGN_CORS_ORIGINS", "https://chat.example")]).await;
    let allowed = preflight(&allowing, "chat/completions", "https://chat.example").await;
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://chat.example");
    assert_eq!(allowed.header("access-control-allow-headers"), "authorization,content-type");
    assert_eq!(preflight(&allowing, "chat/completions", "https://evil.example").await.status, 405);
    assert_eq!(preflight(&allowing, "keys", "https://chat.example").await.status, 404);
    for (origin, expected) in [("https://chat.example", "https://chat.example"), ("https://evil.example", "")] {
        let headers = [&[("origin", origin)], APP].concat();
        let answer = client::post(&allowing.url("chat/completions"), &headers, "{}").await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, expected));
        let refused = client::post(&allowing.url("chat/completions"), &[("origin", origin)], "{}").await;
        assert_eq!((refused.status.as_u16(), refused.header("access-control-allow-origin")), (401, expected));
    }
    assert!(mock.received().iter().all(|received| !received.headers.contains_key("origin")));

    let (_mock, silent) = callsign(&[]).await;
    let refused = preflight(&silent, "chat/completions", "https://chat.example").await;
    assert_eq!((refused.status.as_u16(), refused.header("access-control-allow-origin")), (405, ""));
    let headers = [&[("origin", "https://chat.example")], APP].concat();
    let answer = client::post(&silent.url("chat/completions"), &headers, "{}").await;
    assert_eq!(answer.header("access-control-allow-origin"), "", "the upstream's header passed");
}

#[tokio::test]
async fn private_networks_are_allowed_to_allowed_origins_on_the_data_port_only() {
    let (_mock, callsign) = callsign(&[("CALLSIGN_CORS_ORIGINS", "app://obsidian.md,https://chat.example")]).await;
    let ask = async |url: &str, origin: &str, private: Option<&str>| {
        let mut headers = vec![("origin", origin), ("access-control-request-method", "POST")];
        headers.extend(private.map(|private| ("access-control-request-private-network", private)));
        let answer = client::request(Method::OPTIONS, url, &headers, "").await;
        (answer.status.as_u16(), answer.header("access-control-allow-private-network").to_owned())
    };
    let (data, admin) = (callsign.url("chat/completions"), callsign.admin_url("healthz"));
    assert_eq!(ask(&data, "app://obsidian.md", Some("true")).await, (204, "true".to_owned()));
    assert_eq!(ask(&data, "https://chat.example", None).await, (204, String::new()));
    assert_eq!(ask(&data, "https://evil.example", Some("true")).await, (405, String::new()));
    // Compared whole.
    for other in ["app://obsidian.md:443", "app://obsidian", "APP://obsidian.md", "app://obsidian.md/", "null"] {
        assert_eq!(ask(&data, other, Some("true")).await, (405, String::new()), "{other}");
    }
    assert_eq!(ask(&admin, "app://obsidian.md", Some("true")).await.1, "");
}
