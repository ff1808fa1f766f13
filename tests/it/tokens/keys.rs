//! An issuer's keys while callsign runs: single keys, floods of unknown keys, slow and failing issuers, rotation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use data_encoding::BASE64URL;

use super::*;
use crate::support::client::Persistent;

#[tokio::test]
async fn behind_a_load_balancer() {
    const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/ours/50dc6c495c0c9188";
    const KID: &str = "0f3b8a0e-9c1d-4c57-8f51-77f6b2a2a001";
    let server = KeyServer::start().await;
    server.publish(&format!("/{KID}"), P256.pem().to_owned());
    server.publish("/x", P256.pem().to_owned());
    let toml = format!(
        "[[issuers]]\nname = \"alb\"\npreset = \"aws-alb\"\njwks_url = \"{}\"\nsigner = \"{ARN}\"\n\
         [[keys]]\nname = \"app\"\nsha256 = \"{}\"\npreset = \"aws-alb\"\n",
        server.url(""),
        sha256(SIGNED_APP)
    );
    let (mock, callsign) = started(&toml).await;
    let url = callsign.url(CHAT);
    let app = format!("Bearer {SIGNED_APP}");
    let header = json!({"typ": "JWT", "alg": "ES256", "kid": KID, "signer": ARN, "client": "c", "exp": now() + 120});
    let claims = json!({"sub": "user_1", "email": "user@example", "exp": now() + 120, "iss": "https://idp.example"});
    let padded = |header: &Value| {
        let encode = |part: &Value| BASE64URL.encode(part.to_string().as_bytes());
        P256.sign_encoded(&format!("{}.{}", encode(header), encode(&claims))) + "=="
    };
    let post = async |token: &str| {
        let own = [("authorization", &*app), ("x-amzn-oidc-data", token), ("x-amzn-oidc-identity", "mallory")];
        client::post(&url, &[CLAIMED, &own].concat(), BODY).await
    };
    // The key is fetched once, for the first request that needs it.
    for _ in 0..3 {
        let answer = post(&padded(&header)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(arrived(&mock).await["user"], "user_1");
    }
    let long = "a".repeat(129);
    for kid in ["../x", "x/../x", "..%2fx", "x?y", "", &long] {
        let answer = post(&padded(&changed(header.clone(), "kid", json!(kid)))).await;
        assert_refused(&answer, 401, "invalid_credential", kid);
    }
    let answer = post(&padded(&changed(header.clone(), "signer", json!("arn:aws:mallory")))).await;
    assert_refused(&answer, 401, "invalid_credential", "another load balancer");
    assert_eq!(server.asked(), [format!("/{KID}")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unknown_keys_is_two_fetches_and_slows_nobody() {
    const CONNECTIONS: usize = 25;
    const EACH: usize = 40;
    let server = issuer_server().await;
    let (mock, callsign) = started(&both_ways(&server)).await;
    // Each issuer has loaded its keys.
    server.wait_asked(2).await;
    let url = callsign.url(CHAT);
    let mut connections = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let url = url.clone();
        connections.spawn(async move {
            let mut client = Persistent::connect(&url).await;
            for number in 0..EACH {
                let header = changed(P256.header(), "kid", json!(format!("unknown-{connection}-{number}")));
                let bearer = format!("Bearer {}", P256.sign(&header, &claims(DIRECT)));
                let own = [("authorization", &*bearer)];
                let answer = client.post(&url, &[CLAIMED, &own].concat(), BODY).await;
                assert_refused(&answer, 401, "invalid_credential", "unknown");
            }
        });
    }
    while let Some(done) = connections.join_next().await {
        done.unwrap();
    }
    assert_eq!(server.asked().len(), 2 + 2, "1,000 unknown keys");
    // Other users are not affected, even when the issuer is unreachable.
    drop(server);
    for way in WAYS {
        let token = RSA.token(&changed(claims(way.issuer()), "jti", json!(format!("{way:?}"))));
        assert_eq!(way.post(&callsign, &token).await.status, 200, "{way:?}");
    }
    assert_eq!(mock.begun(), WAYS.len());
}

#[tokio::test]
async fn a_slow_issuer_slows_only_those_who_need_it() {
    let server = issuer_server().await;
    let (_mock, callsign) = started(&both_ways(&server)).await;
    // Both issuers have loaded their keys once these have been answered.
    for way in WAYS {
        assert_eq!(way.post(&callsign, &P256.token(&claims(way.issuer()))).await.status, 200);
    }
    let new = Signer::generate(ES256, "new");
    server.publish(JWKS, jwks([&*RSA, &new]));
    server.hold();
    let token = new.token(&claims(DIRECT));
    let waiting = Way::Bearer.post(&callsign, &token);
    let meanwhile = async {
        server.wait_asked(3).await;
        for way in WAYS {
            // A token that is not cached, signed with a key that is.
            let token = RSA.token(&changed(claims(way.issuer()), "jti", json!("another")));
            assert_eq!(way.post(&callsign, &token).await.status, 200, "{way:?}");
        }
        server.release();
    };
    let (answer, ()) = tokio::join!(waiting, meanwhile);
    assert_eq!(answer.status, 200);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_at_the_issuer_costs_no_request() {
    const CONNECTIONS: usize = 8;
    const EACH: usize = 90;
    const ALL: usize = CONNECTIONS * EACH;
    let keys = ["k-1", "k-2", "k-3"].map(|kid| Signer::generate(ES256, kid));
    let server = Arc::new(KeyServer::start().await);
    server.publish(JWKS, jwks([&keys[0]]));
    let (mock, callsign) = started(&both_ways(&server)).await;
    let url = callsign.url(CHAT);
    let (sent, rotated) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (url, server, keys) = (url.clone(), server.clone(), keys.clone());
        let (sent, rotated) = (sent.clone(), rotated.clone());
        connections.spawn(async move {
            let mut client = Persistent::connect(&url).await;
            for _ in 0..EACH {
                // A new key is published after a third and after two thirds of the requests. Then it signs new tokens;
                // tokens signed with earlier keys are still used.
                let number = sent.fetch_add(1, Ordering::SeqCst);
                if number > 0 && number % (ALL / keys.len()) == 0 {
                    let rotations = number / (ALL / keys.len());
                    server.publish(JWKS, jwks(&keys[..=rotations]));
                    rotated.fetch_max(rotations, Ordering::SeqCst);
                }
                let newest = rotated.load(Ordering::SeqCst);
                let key = &keys[newest - (number % 2).min(newest)];
                let user = format!("user-{number}");
                let claims = changed(changed(claims(DIRECT), "sub", json!(user)), "sid", Value::Null);
                let bearer = format!("Bearer {}", key.token(&claims));
                let own = [("authorization", &*bearer)];
                let body = json!({"model": "m", "expected": user}).to_string();
                let answer = client.post(&url, &[CLAIMED, &own].concat(), body).await;
                assert_eq!(answer.status, 200, "request {number}: {}", answer.text());
            }
        });
    }
    while let Some(done) = connections.join_next().await {
        done.unwrap();
    }
    let received = mock.received();
    assert_eq!(received.len(), ALL);
    assert!(received.iter().all(|received| received.json().is_some_and(|body| body["user"] == body["expected"])));
    assert_eq!(server.asked().len(), 2 + 2, "one load for each issuer, one fetch for each rotation");
}
