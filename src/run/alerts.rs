//! Sends alerts to the webhook (docs/SPEC.md#alerts): takes those that parts of callsign raised, looks for problems itself,
//! and sends one an hour of each kind and subject.

mod message;
mod pace;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use callsign_core::secret::Secret;
use callsign_gateway::upstream::control::ControlClient;
use callsign_store::ledger::Reader;
use callsign_telemetry::alerts::{Alert, AlertKind};
use callsign_telemetry::metrics::Metrics;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use url::Url;

use super::in_force::InForce;
use message::Message;
use pace::{Pace, Verdict};

/// Interval of taking alerts.
const EVERY: Duration = Duration::from_secs(1);
/// Interval of looking for collisions and pending costs in the ledger.
const LOOK: Duration = Duration::from_mins(10);
/// Pending costs of more requests than this are an alert.
const BACKLOG: u64 = 1_000;
/// Pauses before another attempt to send.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25)];
/// Timeouts of the webhook: connecting, and the whole request.
const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);

/// Sends alerts until the task is aborted. A reload may set or remove the webhook.
pub(super) async fn run(in_force: InForce, reader: Option<Reader>, metrics: Arc<Metrics>) {
    let Ok(client) = ControlClient::new(CONNECT, WHOLE) else {
        return tracing::error!("alerts: cannot create the HTTP client; no alert is sent");
    };
    let (mut pace, mut known, mut next_look) = (Pace::default(), BTreeSet::new(), Instant::now());
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let config = in_force.config();
        metrics.alerts.turn(config.alerts.webhook.is_some());
        let Some(webhook) = &config.alerts.webhook else { continue };
        raise_new_problems(&metrics, &mut known);
        if let Some(reader) = reader.as_ref().filter(|_| Instant::now() >= next_look) {
            next_look = Instant::now() + LOOK;
            look(reader, &metrics).await;
        }
        let now = Instant::now();
        for alert in metrics.alerts.take() {
            let message = match pace.judge(&alert, now) {
                Verdict::Send => Message::of(&alert, &config),
                Verdict::Silence => continue,
            };
            send(&client, webhook, &message).await;
        }
        if let Some(left_out) = pace.summary(now) {
            send(&client, webhook, &Message::summary(left_out)).await;
        }
    }
}

/// Raises an alert for each problem of `/readyz` that was not there before.
fn raise_new_problems(metrics: &Metrics, known: &mut BTreeSet<String>) {
    let problems: BTreeSet<_> = metrics.degraded().into_iter().collect();
    for problem in problems.difference(known) {
        metrics.alerts.raise(|| Alert::new(AlertKind::Degraded, problem));
    }
    *known = problems;
}

/// Raises alerts about collisions and costs that wait. A ledger that does not answer is a problem of its own.
async fn look(reader: &Reader, metrics: &Metrics) {
    if let Ok(statistics) = reader.statistics().await {
        for collision in &statistics.collisions {
            metrics.alerts.raise(|| Alert::new(AlertKind::Collision, &collision.external_user_id));
        }
    }
    if let Ok((pending, _)) = reader.unpriced().await
        && pending > BACKLOG
    {
        metrics.alerts.raise(|| Alert::new(AlertKind::CostBacklog, "pending costs"));
    }
}

/// Sends a message, and tries again if the webhook does not take it. The log names neither URL nor content.
async fn send(client: &ControlClient, webhook: &Secret, message: &Message) {
    let Ok(url) = webhook.expose().parse::<Url>() else { return };
    for pause in PAUSES.into_iter().map(Some).chain([None]) {
        let request = message
            .signed(webhook)
            .into_iter()
            .fold(client.post(url.clone()), |request, (name, value)| request.header(name, value));
        let why = match request.body(message.body.clone()).send().await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => answer.status().to_string(),
            Err(error) if error.is_timeout() => "no answer in time".to_owned(),
            Err(_) => "no connection".to_owned(),
        };
        match pause {
            Some(pause) => sleep(pause).await,
            None => {
                tracing::warn!(kind = message.kind, why, "alerts: the webhook does not take an alert; it is dropped");
            }
        }
    }
}
