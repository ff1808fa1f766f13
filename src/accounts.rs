//! Asks OpenRouter for the ids of the operator's accounts (`docs/SPEC.md#organisation-id`).
//!
//! The ids must not reach logs and callers. Nothing is asked if `OPENROUTER_ORG_ID` is set.

use std::io::{self, Write};

use callsign_core::secret::Secret;
use callsign_core::visible::printable;
use callsign_gateway::openrouter::{OpenRouterClient, OpenRouterError};
use callsign_store::org_ids::OrgIds;

use crate::config::Config;

/// Asks for the id of each account that pays for requests. Returns the ids that are known, and the first error.
pub(crate) async fn find(config: &Config) -> (OrgIds, Option<OpenRouterError>) {
    let keys = keys(config);
    if config.upstream.org_id.is_some() || keys.is_empty() {
        return (config.org_ids.clone(), None);
    }
    let client = match OpenRouterClient::new(&config.upstream) {
        Ok(client) => client,
        Err(error) => return (OrgIds::default(), Some(error)),
    };
    let (mut found, mut failed) = (Vec::new(), None);
    for key in keys {
        match client.account(key).await {
            Ok(account) => found.extend(account.id().map(|id| id.expose().to_owned())),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    (found.into_iter().collect(), failed)
}

/// Finds the ids for a command that looks `identifier` up. Only what a provider may report needs them.
///
/// # Errors
/// I/O errors of `err`.
pub(crate) async fn find_for(config: &mut Config, identifier: &str, err: &mut impl Write) -> io::Result<()> {
    if !config.org_ids.is_empty() || !OrgIds::may_report(identifier.trim()) {
        return Ok(());
    }
    let (found, error) = find(config).await;
    config.org_ids = found;
    if let Some(error) = error {
        let error = printable(&error.to_string());
        writeln!(
            err,
            "callsign: OpenRouter did not tell the id of an account ({error}); its users are not compared with \
             sha256(ORG_ID-user). Try again, or set OPENROUTER_ORG_ID."
        )?;
    }
    Ok(())
}

/// Returns the different keys of the operator and the tenants.
fn keys(config: &Config) -> Vec<&Secret> {
    let tenants = config.tenants.list.iter().filter_map(|tenant| tenant.api_key.as_ref());
    let mut keys: Vec<&Secret> = Vec::new();
    for key in config.upstream.api_key.iter().chain(tenants) {
        if !keys.iter().any(|known| known.expose() == key.expose()) {
            keys.push(key);
        }
    }
    keys
}
