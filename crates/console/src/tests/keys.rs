//! Keys while no place of state takes them.

use std::time::Duration;

use callsign_core::identity::row_seal::RowSeal;
use callsign_core::identity::secret::IdSecret;
use callsign_core::secret::{KeyDigest, Secret};
use callsign_store::limits::orders::key::{Create, For, create};
use serde_json::Value;

use super::*;

/// Returns an admin port without a place of state, whose app `chat` has a key.
fn with_key() -> Admin {
    let admin = admin(&settings());
    let seal = RowSeal::of_keys(&IdSecret::new(&Secret::new("a secret of some length")).unwrap());
    let state = admin.operator.deps.limiter.operator_state();
    state.configure_keys(Some(seal), Duration::from_hours(1));
    let order = Create {
        of: For::App("chat".to_owned(), None),
        name: None,
        tenant: None,
        expires: None,
        limits: Vec::new(),
        from: Vec::new(),
        by: "admin".to_owned(),
    };
    create(state, admin.operator.view().configured(), order).unwrap();
    admin
}

/// Returns true if callers may use this key now.
fn is_valid(admin: &Admin, key: &str) -> bool {
    admin.operator.deps.limiter.operator_state().keys().find(KeyDigest::of(key.as_bytes())).is_some()
}

#[tokio::test]
async fn a_rotation_that_no_place_takes_hands_out_the_key_that_is_in_force() {
    let admin = with_key();
    let answer = send(&admin, "POST /api/v1/admin/keys/chat/rotate", &[BEARER], "").await;
    assert_eq!(answer.status(), 200);
    let told: Value = serde_json::from_str(&text(answer).await).unwrap();
    assert_eq!(told["kept"], false, "{told}");
    assert!(is_valid(&admin, told["key"].as_str().unwrap()));

    let answer = send(&admin, "POST /login", &FORM, &format!("token={TOKEN}")).await;
    let cookie = header(&answer, &SET_COOKIE).split(';').next().unwrap().to_owned();
    let headers: Vec<_> = FORM.into_iter().chain([(COOKIE, cookie.as_str())]).collect();
    let page = text(send(&admin, "POST /keys/rotate", &headers, "name=chat&overlap=0s").await).await;
    let (_, key) = page.split_once("value=\"sk-cs-").unwrap();
    assert!(is_valid(&admin, &format!("sk-cs-{}", key.split('"').next().unwrap())), "{page}");
    assert!(page.contains("In force on this server only"), "{page}");
}

#[tokio::test]
async fn a_key_that_no_place_takes_is_not_created() {
    let admin = with_key();
    let answer = send(&admin, "POST /api/v1/admin/keys", &[BEARER], r#"{"user":"alice"}"#).await;
    assert_eq!((answer.status().as_u16(), code(answer).await), (503, "state_unavailable".to_owned()));
    assert_eq!(admin.operator.deps.limiter.operator_state().listed_keys().len(), 1);
}
