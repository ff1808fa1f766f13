//! `callsign limits show`: prints the used part of each limit and the time until it becomes available again. It reads
//! the shared store, or the data directory, which the server updates every second.

use std::io::{self, Write};

use serde_json::json;

use crate::cli::Exit;
use crate::cli::operator_state::Opened;
use crate::config::Config;
use callsign_core::allowance::{Ceilings, Limit};
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::visible::printable;
use callsign_store::limits::{Calendar, Gauge, Link, Rules, Subject, look, span};

/// Prints the limits of a user.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn show(
    config: &Config,
    (user, tenant): (&str, Option<&str>),
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let tenant = tenant.filter(|tenant| !tenant.is_empty());
    let sources = CallerIdentity { tenant, user: Some(user), ..CallerIdentity::default() };
    let rules = Rules::new(&config.limits);
    let set = Opened::open_if_any(config, err).await?;
    let ceilings = rules.ceilings(&sources, &set.overrides());
    if !json {
        for one in set.overrides().of(tenant, user) {
            writeln!(out, "{one}")?;
        }
        if rules.stops(&sources) {
            writeln!(out, "{} is blocked by the configuration", printable(user))?;
        }
    }
    if !ceilings.is_any() {
        if json {
            writeln!(out, "[]")?;
        } else {
            writeln!(out, "{} has no limits in this configuration", printable(user))?;
        }
        if config.limits.store.is_none() && config.ledger.data_dir.is_none() {
            let message = "no state is shared with a server, so limits of a server with other settings are not known; \
                           run the command with the settings of the server";
            writeln!(err, "callsign: {message}")?;
        }
        return Ok(Exit::Success);
    }
    let subject = Subject::user(tenant, user);
    let calendar = Calendar::new(rules.zone.clone());
    let gauges = match (&config.limits.store, &config.ledger.data_dir) {
        (Some(url), _) => match Link::new(url) {
            Ok(link) if link.dial().await.is_ok() => look::in_store(&link, &calendar, subject, ceilings).await.ok(),
            _ => None,
        },
        (None, Some(directory)) => look::in_directory(directory, &calendar, subject, ceilings).await.ok(),
        (None, None) => {
            writeln!(
                err,
                "callsign: the counters are only in the server's memory; set CALLSIGN_DATA_DIR for both to share them"
            )?;
            return Ok(Exit::Failure);
        }
    };
    let Some(gauges) = gauges else {
        writeln!(err, "callsign: the counters cannot be read; check CALLSIGN_LIMIT_STORE or CALLSIGN_DATA_DIR")?;
        return Ok(Exit::Failure);
    };
    if json {
        list(ceilings, &gauges, out)?;
    } else {
        table(ceilings, &gauges, out)?;
    }
    Ok(Exit::Success)
}

fn list(ceilings: Ceilings, gauges: &[Gauge; 6], out: &mut impl Write) -> io::Result<()> {
    let rows = Limit::ALL.into_iter().zip(gauges).filter_map(|(limit, gauge)| {
        let most = limit.shown(ceilings.of(limit)?);
        let used = limit.shown(gauge.used);
        let seconds = (gauge.wait_ms > 0).then(|| gauge.wait_ms / 1000 + 1);
        Some(json!({ "limit": limit.name(), "used": used, "of": most, "comes_back_seconds": seconds }))
    });
    writeln!(out, "{}", serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?)
}

fn table(ceilings: Ceilings, gauges: &[Gauge; 6], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:<14}{:>16}{:>16}  comes back", "limit", "used", "of")?;
    for (limit, gauge) in Limit::ALL.into_iter().zip(gauges) {
        let Some(most) = ceilings.of(limit) else { continue };
        let back = match gauge.wait_ms {
            0 => "–".to_owned(),
            wait => format!("in {}", span(u32::try_from(wait / 1000 + 1).unwrap_or(u32::MAX))),
        };
        writeln!(out, "{:<14}{:>16}{:>16}  {back}", limit.name(), limit.shown(gauge.used), limit.shown(most))?;
    }
    Ok(())
}
