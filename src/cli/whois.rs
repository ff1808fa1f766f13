//! `callsign whois`: finds the caller of an identifier that OpenRouter or a provider reports.

use std::fs;
use std::io::{self, Write};

use super::Exit;
use super::args::Whois;
use crate::config::Config;
use callsign_core::visible::printable;
use callsign_store::ledger::{LedgerError, Reader, report};
use callsign_store::org_ids::OrgIds;
use callsign_store::whois::{self, Answer, Candidates, Question};

/// Prints the callers that were found. Fails if there are none.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn print(
    config: &Config,
    asked: &Whois,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let candidates = match asked.candidates.as_ref().map(fs::read_to_string).transpose() {
        Ok(text) => Candidates::new(text.unwrap_or_default()),
        Err(error) => {
            writeln!(err, "callsign: the --candidates file cannot be read: {error}")?;
            return Ok(Exit::Invalid);
        }
    };
    let identifier = asked.id.trim();
    let question = Question { identifier, tenant: asked.tenant.as_deref(), candidates: &candidates };
    let (answer, is_read) = search(config, question, err).await?;
    let found = &answer.found;
    if asked.format == "json" {
        writeln!(out, "{}", serde_json::to_string_pretty(&report::whois_json(found))?)?;
    } else if !found.is_empty() {
        write!(out, "{}", report::whois_table(found))?;
    }
    if config.ledger.store.is_none() {
        writeln!(
            err,
            "callsign: the ledger is off, so only the formats are used. With one (CALLSIGN_DATA_DIR), whois finds every \
             identifier that was sent, and tells its key and times"
        )?;
    }
    if found.is_empty() {
        explain(config, question, &answer, is_read, err)?;
        return Ok(Exit::Failure);
    }
    Ok(Exit::Success)
}

/// Searches the ledger, and returns true if it could be read. Without a ledger, the formats tell the caller.
async fn search(config: &Config, question: Question<'_>, err: &mut impl Write) -> io::Result<(Answer, bool)> {
    let asked = match Reader::open(&config.ledger) {
        Ok(reader) => whois::ask(config.whois_scope(), &reader, question).await,
        Err(error) => Err(error),
    };
    let by_formats = || whois::by_formats(config.whois_scope(), question);
    match asked {
        Ok(answer) => Ok((answer, true)),
        Err(LedgerError::Off) => Ok((whois::without_ledger(config.whois_scope(), question), false)),
        Err(error) => {
            writeln!(err, "callsign: {}; only the formats are used", printable(&error.to_string()))?;
            Ok((Answer { guesses: by_formats(), ..Answer::default() }, false))
        }
    }
}

/// Prints how to find more.
fn explain(
    config: &Config,
    question: Question<'_>,
    answer: &Answer,
    is_read: bool,
    err: &mut impl Write,
) -> io::Result<()> {
    if answer.guesses.is_empty() || is_read {
        writeln!(err, "callsign: no caller has this identifier (upper and lower case differ)")?;
    } else {
        writeln!(err, "callsign: nobody can tell if this identifier was sent")?;
    }
    if is_read {
        writeln!(err, "  {}", answer.absence())?;
    }
    for note in answer.notes() {
        writeln!(err, "  {}", printable(&note))?;
    }
    match question.candidates.count() {
        0 => writeln!(err, "  To compare a hash with your users, list their ids one per line: --candidates FILE")?,
        count => writeln!(err, "  None of the {count} candidates has it with the current formats and secret.")?,
    }
    if config.org_ids.is_empty() && OrgIds::may_report(question.identifier) {
        writeln!(
            err,
            "  A provider may report sha256(ORG_ID-user), but ORG_ID is not known: set OPENROUTER_ORG_ID to search for \
             that form."
        )?;
    }
    Ok(())
}
