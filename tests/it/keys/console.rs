//! The pages of keys: a browser's forms, without scripts.

use crate::support::client::{self, Answer};

use super::{Rig, ask};

struct Browser<'r> {
    rig: &'r Rig,
    cookie: String,
}

impl<'r> Browser<'r> {
    async fn sign_in(rig: &'r Rig) -> Self {
        let browser = Self { rig, cookie: String::new() };
        let answer = browser.send("login", "token=an-admin-token-of-tests").await;
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        Self { rig, cookie }
    }

    async fn send(&self, path: &str, form: &str) -> Answer {
        let origin = self.rig.callsign.admin_url("").trim_end_matches('/').to_owned();
        let headers = [
            ("origin", origin.as_str()),
            ("cookie", self.cookie.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        client::post(&self.rig.callsign.admin_url(path), &headers, form.to_owned()).await
    }

    async fn page(&self, path: &str) -> String {
        let answer = client::get(&self.rig.callsign.admin_url(path), &[("cookie", &self.cookie)]).await;
        assert_eq!(answer.status, 200, "{path}");
        answer.text()
    }
}

/// Returns the key that a page shows.
fn shown(answer: &Answer) -> String {
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"), "{}", answer.text());
    let text = answer.text();
    let (_, rest) = text.split_once("value=\"sk-cs-").unwrap_or_else(|| panic!("no key in {text}"));
    format!("sk-cs-{}", rest.split('"').next().unwrap())
}

#[tokio::test]
async fn the_console_creates_rotates_and_revokes_and_shows_a_key_once() {
    let rig = Rig::start("").await;
    let browser = Browser::sign_in(&rig).await;
    assert!(browser.page("keys").await.contains("action=\"/keys\""));
    let form = "kind=user&holder=ada&preset=&name=&expires=90d&limit=rpm&value=60";
    let key = shown(&browser.send("keys", form).await);
    assert_eq!(ask(&rig.callsign, &key).await.status, 200);
    let list = browser.page("keys?find=ad").await;
    assert!(list.contains("/keys/key?name=ada") && list.contains("rpm=60") && !list.contains(&key), "{list}");
    assert!(!browser.page("keys?find=nobody").await.contains("/keys/key?name=ada"));
    let page = browser.page("keys/key?name=ada").await;
    assert!(page.contains("/keys/rotate") && page.contains("name=\"confirm\"") && !page.contains(&key));
    let rotated = shown(&browser.send("keys/rotate", "name=ada&overlap=0s").await);
    assert_eq!(ask(&rig.callsign, &key).await.status, 401);
    assert_eq!(ask(&rig.callsign, &rotated).await.status, 200);
    assert_eq!(browser.send("keys/revoke", "name=ada").await.status, 400, "it must be confirmed");
    assert_eq!(ask(&rig.callsign, &rotated).await.status, 200);
    let revoked = browser.send("keys/revoke", "name=ada&confirm=1&cut=1").await;
    assert_eq!((revoked.status.as_u16(), revoked.header("location")), (303, "/keys?done=applied"));
    assert_eq!(ask(&rig.callsign, &rotated).await.status, 401);
    assert!(browser.page("keys?done=applied").await.contains("Every running server applies it"));
    let audit = browser.page("audit").await;
    assert!(audit.contains("rotate key") && !audit.contains(&rotated));
    let csv = browser.page("keys.csv").await;
    assert!(csv.starts_with("name,") || csv.starts_with("\"name\""), "{csv}");
    for bad in ["kind=user", "kind=tool&holder=a", "kind=app&holder=a&name=app", "kind=user&holder=a&key=sk-cs-mine"] {
        assert!(browser.send("keys", bad).await.status.is_client_error(), "{bad}");
    }
}
