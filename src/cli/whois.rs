//! `callsign whois`: which caller stands behind an identifier that OpenRouter or a provider reports.

use std::fs;
use std::io::{self, Write};

use super::Exit;
use super::args::Whois;
use crate::config::{Config, printable};
use callsign_store::ledger::query::Found;
use callsign_store::ledger::{LedgerError, Reader, report};
use callsign_store::whois::{self, Candidates, Question};

/// Prints who it is; exits with failure if nobody is found.
///
/// # Errors
/// Those of `out` and `err`.
pub(super) async fn print(
    config: &Config,
    asked: &Whois,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let candidates = match asked.candidates.as_ref().map(fs::read_to_string).transpose() {
        Ok(text) => Candidates::new(text.unwrap_or_default()),
        Err(error) => {
            writeln!(err, "callsign: the candidates cannot be read: {error}")?;
            return Ok(Exit::Invalid);
        }
    };
    let identifier = asked.id.trim();
    let question = Question { identifier, tenant: asked.tenant.as_deref(), candidates: &candidates };
    let found = search(config, question, err).await?;
    if asked.format == "json" {
        writeln!(out, "{}", serde_json::to_string_pretty(&report::whois_json(&found))?)?;
    } else if !found.is_empty() {
        write!(out, "{}", report::whois_table(&found))?;
    }
    if found.is_empty() {
        explain(config, &candidates, err)?;
        return Ok(Exit::Failure);
    }
    Ok(Exit::Success)
}

/// By the ledger if there is one and it answers, else by the formats alone.
async fn search(config: &Config, question: Question<'_>, err: &mut impl Write) -> io::Result<Vec<Found>> {
    let asked = match Reader::open(&config.ledger) {
        Ok(reader) => whois::ask(config.whois_scope(), &reader, question).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(found) => Ok(found),
        Err(LedgerError::Off) => Ok(whois::by_formats(config.whois_scope(), question)),
        Err(error) => {
            writeln!(err, "callsign: {}; asking the formats alone", printable(&error.to_string()))?;
            Ok(whois::by_formats(config.whois_scope(), question))
        }
    }
}

/// What could be done to find more.
fn explain(config: &Config, candidates: &Candidates, err: &mut impl Write) -> io::Result<()> {
    writeln!(err, "callsign: nobody is found behind this identifier; it is compared to the letter")?;
    if config.ledger.store.is_none() {
        writeln!(err, "  The ledger is off (CALLSIGN_DATA_DIR, CALLSIGN_LEDGER): only the formats could be asked.")?;
    }
    match candidates.count() {
        0 => writeln!(err, "  A hash can be tried against your users, one id a line: --candidates FILE")?,
        count => writeln!(err, "  None of {count} candidates has it under the formats and secret in force.")?,
    }
    if config.upstream.org_id.is_none() {
        writeln!(err, "  A provider may report sha256(ORG_ID-user): set OPENROUTER_ORG_ID to have that tried.")?;
    }
    Ok(())
}
