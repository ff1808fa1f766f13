//! Finds the ids of the operator's accounts at the start and after each reload, for the console.

use std::time::Duration;

use tokio::time::sleep;

use super::in_force::InForce;
use crate::accounts;

/// Pause after the first failure. It doubles with each further one.
const PAUSE: Duration = Duration::from_mins(1);
/// Longest pause. An upstream that is not OpenRouter may never answer.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Looks for ids until the task is aborted.
pub(super) async fn run(in_force: InForce) {
    let mut pause = PAUSE;
    loop {
        let (found, error) = accounts::find(&in_force.config()).await;
        in_force.found_org_ids(found, error.is_none());
        let Some(error) = error else {
            in_force.changed().await;
            continue;
        };
        tracing::info!(
            %error,
            retry_seconds = pause.as_secs(),
            "accounts: OpenRouter did not tell the id of an account; until it does, whois does not resolve \
             sha256(ORG_ID-user) (OPENROUTER_ORG_ID sets the id)"
        );
        tokio::select! {
            () = in_force.changed() => pause = PAUSE,
            () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}
