//! Keeps OpenRouter's list prices fresh: fetches them at the start and every hour, and keeps the last good copy in the
//! data directory (`docs/SPEC.md#reservations`). Without a budget in dollars nothing is fetched.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use callsign_core::allowance::Limit;
use callsign_core::usage::price::PicoUsd;
use callsign_gateway::openrouter::{ListPrice, OpenRouterClient, OpenRouterError};
use callsign_gateway::prices::Prices;
use callsign_store::limits::{Limiter, Rules};
use callsign_telemetry::metrics::Metrics;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::in_force::InForce;
use crate::config::Config;

/// Age at which prices are fetched again.
const OLD: Duration = Duration::from_hours(1);
/// Interval of looking if they are needed and old enough. A reload may have set the first budget.
const EVERY: Duration = Duration::from_secs(10);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_mins(1);
/// The copy's name in the data directory.
const FILE: &str = "prices.json";
/// Maximum size of the copy in bytes. 10,000 models take about 1 MB.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// The stored form of a price: model, price of a prompt token, a completion token and a request, context length.
type Stored = (String, u64, u64, u64, Option<u64>);

/// Keeps prices fresh until the task is aborted.
pub(super) async fn run(in_force: InForce, prices: Prices, limiter: Limiter, metrics: Arc<Metrics>) {
    let directory = in_force.config().ledger.data_dir.clone();
    let copy = directory.map(|directory| directory.join(FILE));
    if let Some(copy) = copy.clone()
        && let Ok(Ok(known)) = tokio::task::spawn_blocking(move || read(&copy)).await
    {
        set(&prices, known, &metrics);
    }
    let mut due = Instant::now();
    let mut looks = interval(EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let config = in_force.config();
        let is_needed = Rules::new(&config.limits).has_dollar_budgets()
            || limiter.overrides().any(Limit::is_money)
            || !limiter.operator_state().keys_with(Limit::is_money).is_empty();
        if Instant::now() < due || !is_needed {
            continue;
        }
        match fetch(&config).await {
            Ok(fresh) if fresh.is_empty() => {}
            Ok(fresh) => {
                due = Instant::now() + OLD;
                keep(copy.clone(), fresh.clone()).await;
                set(&prices, fresh, &metrics);
                continue;
            }
            Err(error) => tracing::warn!(%error, "limits: cannot fetch list prices; the last ones stay in force"),
        }
        due = Instant::now() + PAUSE;
    }
}

fn set(prices: &Prices, fresh: Vec<ListPrice>, metrics: &Metrics) {
    prices.replace(fresh);
    metrics.limits.priced_models.set(i64::try_from(prices.len()).unwrap_or(i64::MAX));
}

/// Fetches prices with any of the operator's keys. Empty without one.
async fn fetch(config: &Config) -> Result<Vec<ListPrice>, OpenRouterError> {
    let tenants = config.tenants.list.iter().filter_map(|tenant| tenant.api_key.as_ref());
    let Some(key) = config.upstream.api_key.iter().chain(tenants).next() else { return Ok(Vec::new()) };
    OpenRouterClient::new(&config.upstream)?.models(key).await
}

async fn keep(copy: Option<PathBuf>, prices: Vec<ListPrice>) {
    let Some(copy) = copy else { return };
    let written = tokio::task::spawn_blocking(move || write(&copy, &prices)).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(%error, "limits: cannot keep a copy of list prices in the data directory");
    }
}

fn read(copy: &Path) -> io::Result<Vec<ListPrice>> {
    let mut text = Vec::new();
    File::open(copy)?.take(MOST_BYTES).read_to_end(&mut text)?;
    let stored: Vec<Stored> = serde_json::from_slice(&text)?;
    let price = |(model, prompt, completion, request, context_length)| ListPrice {
        model,
        prompt: PicoUsd(prompt),
        completion: PicoUsd(completion),
        request: PicoUsd(request),
        context_length,
    };
    Ok(stored.into_iter().map(price).collect())
}

fn write(copy: &Path, prices: &[ListPrice]) -> io::Result<()> {
    let stored = prices.iter().map(|price| {
        let ListPrice { model, prompt, completion, request, context_length } = price;
        (model.clone(), prompt.0, completion.0, request.0, *context_length)
    });
    let text = serde_json::to_vec(&stored.collect::<Vec<Stored>>())?;
    let fresh = copy.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&text)?;
    file.sync_data()?;
    std::fs::rename(&fresh, copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join(FILE);
        assert!(read(&copy).is_err());
        let price = |model: &str, context_length| ListPrice {
            model: model.to_owned(),
            prompt: PicoUsd(1),
            completion: PicoUsd(2),
            request: PicoUsd(3),
            context_length,
        };
        let prices = vec![price("a/b", Some(4)), price("c/d", None)];
        write(&copy, &prices).unwrap();
        assert_eq!(read(&copy).unwrap(), prices);
        std::fs::write(&copy, "[[").unwrap();
        assert!(read(&copy).is_err(), "a torn copy");
    }
}
