//! `/readyz` is 503 only while requests are refused, and lists problems (docs/SPEC.md#readiness).

use mock_openrouter::MockServer;

use crate::support::client;
use crate::support::proxy::{ALICE, Callsign, Setup};
use crate::support::within;

/// Nothing listens on this port.
const AWAY: (&str, &str) = ("CALLSIGN_LIMIT_STORE", "redis://127.0.0.1:1");

async fn becomes(callsign: &Callsign, status: u16, text: &str) {
    within(text, async { while callsign.ready().await != (status, text.to_owned()) {} }).await;
}

async fn request(callsign: &Callsign) -> u16 {
    client::post(&callsign.url("chat/completions"), ALICE, r#"{"model":"m","messages":[]}"#).await.status.as_u16()
}

#[tokio::test]
async fn without_its_store_of_limits_callsign_is_ready_if_it_may_count_locally() {
    let mock = MockServer::start().await.unwrap();
    let degraded = "degraded: the store of limits is unavailable\n\
                    degraded: a place of state is unavailable; the known blocks stay in force\n\
                    degraded: the list of blocks has not been read yet: no place of state answers\n";
    let limit = ("CALLSIGN_LIMIT_RPM", "100");
    let callsign = Setup::to(&mock.url()).set(&[AWAY, limit]).start();
    becomes(&callsign, 200, &format!("ready\n{degraded}")).await;
    assert_eq!(request(&callsign).await, 200);

    let callsign = Setup::to(&mock.url()).set(&[AWAY, limit, ("CALLSIGN_LIMIT_ON_STORE_FAILURE", "deny")]).start();
    let refuses = "the list of blocks has not been read yet (limits.on_store_failure = \"deny\")\n";
    becomes(&callsign, 503, &format!("{refuses}{degraded}")).await;
    assert_eq!(request(&callsign).await, 503);
}

#[tokio::test]
async fn a_required_archive_that_cannot_be_written_is_not_ready() {
    let mock = MockServer::start().await.unwrap();
    for (required, status, first) in [
        ("true", 503, "requests cannot be archived, and must be (CALLSIGN_ARCHIVE_REQUIRED)\n"),
        ("false", 200, "ready\n"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("archive");
        let callsign = Setup::to(&mock.url())
            .set(&[
                ("CALLSIGN_ARCHIVE_DIR", path.to_str().unwrap()),
                ("CALLSIGN_ARCHIVE_PASSWORD", "a-password-of-the-archive"),
                ("CALLSIGN_ARCHIVE_REQUIRED", required),
            ])
            .start();
        assert_eq!(callsign.ready().await, (200, "ready\n".to_owned()));
        // A file in place of the directory: also root cannot write.
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        assert_eq!(request(&callsign).await, 200, "it is archived after its end");
        becomes(&callsign, status, &format!("{first}degraded: the archive cannot be written\n")).await;
        assert_eq!(request(&callsign).await, status);
    }
}
