//! `callsign forget`: erases a user from the ledger and the archive. Sums stay.

use std::io::{self, BufRead, Write};

use serde_json::{Value, json};

use super::args::Forget;
use super::error::CommandError;
use super::person;
use super::{Exit, record};
use crate::config::Config;
use callsign_store::archive::settings::Place;
use callsign_store::archive::{self, reader};
use callsign_store::ledger::{Keeper, LedgerError, Reader};
use callsign_store::person::{Named, Person};

/// Maximum bytes of an answer that are read.
const LONGEST_ANSWER: u64 = 100;

/// Erases the user and prints how much was erased. Running it again is harmless. `answers` is the terminal on which it
/// asks before; `None` if there is no terminal.
///
/// # Errors
/// I/O errors of `out` and `err`.
pub(super) async fn run(
    config: &Config,
    asked: &Forget,
    answers: Option<impl BufRead>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    match forget(config, asked, answers, out, err).await {
        Ok(exit) => Ok(exit),
        Err(error) => error.report(err),
    }
}

/// A person, and whether the ledger knows them.
struct Target {
    person: Person,
    ledger: Option<(Reader, Keeper)>,
}

async fn forget(
    config: &Config,
    asked: &Forget,
    answers: Option<impl BufRead>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Exit, CommandError> {
    if !asked.yes && !asked.dry_run && answers.is_none() {
        let why =
            "forget asks before it erases, and there is no terminal; add --yes, or --dry-run to see what it erases";
        return Err(CommandError::Usage(why.to_owned()));
    }
    let place = config.archive.place.as_ref();
    let Some(target) = find(config, asked, err).await? else { return Ok(Exit::Failure) };
    let person = &target.person;
    if !asked.yes {
        let (requests, archives) = count(&target, place).await?;
        if requests + archives == 0 {
            return nobody(err);
        }
        if asked.dry_run && asked.form.is_json() {
            write_json(&target, true, &json!({ "requests": requests, "archives": archives }), out)?;
            return Ok(Exit::Success);
        }
        let what = format!("{}: {requests} requests in the ledger, {archives} archives", person::shown(person));
        if asked.dry_run {
            writeln!(out, "Would erase {what}. Sums are kept.")?;
            return Ok(Exit::Success);
        }
        if !agrees(&what, answers, err)? {
            writeln!(err, "callsign: nothing is erased")?;
            return Ok(Exit::Failure);
        }
    }
    let names = names(&target).await?;
    if !record::forget(config, person, &names, err).await? {
        return Ok(Exit::Failure);
    }
    erase(&target, place, asked.form.is_json(), out, err).await
}

/// Asks before erasing. Only a line of `yes` agrees.
fn agrees(what: &str, answers: Option<impl BufRead>, err: &mut impl Write) -> io::Result<bool> {
    write!(err, "Erase {what}? It cannot be undone. Type yes to erase: ")?;
    err.flush()?;
    let mut answer = String::new();
    if let Some(answers) = answers {
        answers.take(LONGEST_ANSWER).read_line(&mut answer)?;
    }
    Ok(answer.trim() == "yes")
}

/// Finds the user in the ledger. The archive may have requests of a user whom the ledger does not know. Returns `None`,
/// with the reason on `err`, if there is not exactly one.
async fn find(config: &Config, asked: &Forget, err: &mut impl Write) -> Result<Option<Target>, CommandError> {
    let archived = || {
        let tenant = asked.tenant.clone().filter(|tenant| !tenant.is_empty());
        Target { person: Person { tenant, user: asked.user.clone() }, ledger: None }
    };
    let has_archive = config.archive.place.is_some();
    let (reader, keeper) = match Reader::open(&config.ledger).and_then(|r| Ok((r, Keeper::open(&config.ledger)?))) {
        Ok(ledger) => ledger,
        Err(LedgerError::Off) if has_archive => return Ok(Some(archived())),
        Err(error) => return Err(error.into()),
    };
    let named = Named { id: &asked.user, tenant: asked.tenant.as_deref() };
    let people = named.users(&reader, &config.org_ids, asked.user_id).await?;
    if people.is_empty() && has_archive {
        return Ok(Some(archived()));
    }
    let person = person::only(&people, err)?;
    Ok(person.map(|person| Target { person, ledger: Some((reader, keeper)) }))
}

/// Returns the user id and the identifiers that were sent for the user.
async fn names(target: &Target) -> Result<Vec<String>, CommandError> {
    let Person { tenant, user } = &target.person;
    let Some((reader, _)) = &target.ledger else { return Ok(vec![user.clone()]) };
    Ok(reader.names_of(user, Some(tenant.as_deref().unwrap_or_default())).await?)
}

/// Counts the requests and archives that would be erased.
async fn count(target: &Target, place: Option<&Place>) -> Result<(u64, u64), CommandError> {
    let (person, mut requests) = (&target.person, 0);
    if let Some((reader, _)) = &target.ledger {
        let each = person::each_request(reader, person, |_| {
            requests += 1;
            Ok(())
        });
        each.await?;
    }
    let archives = match place {
        Some(place) => {
            let found = reader::of_person(&place.directory, &place.password, person.tenant.as_deref(), &person.user);
            found.map_err(|error| CommandError::file(&place.directory, "cannot read the archive", error))?.paths.len()
        }
        None => 0,
    };
    Ok((requests, archives as u64))
}

async fn erase(
    target: &Target,
    place: Option<&Place>,
    json: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Exit, CommandError> {
    let (tenant, user) = (target.person.tenant.as_deref(), &target.person.user);
    // The archive first: if this fails, the ledger still has the user, and the command can be repeated.
    let (mut removed, mut kept) = (0, 0);
    if let Some(place) = place {
        let forgotten = archive::forget_person(place, tenant, user).await?;
        (removed, kept) = (forgotten.removed, forgotten.unreadable);
        if !json {
            writeln!(out, "Archives removed: {removed}.")?;
        }
        if kept > 0 {
            writeln!(err, "callsign: {kept} archives cannot be read (another password?) and are kept")?;
        }
    }
    let Some((_, keeper)) = &target.ledger else {
        if removed == 0 {
            return nobody(err);
        }
        if json {
            write_json(target, false, &json!({ "archives": removed, "archives_kept": kept }), out)?;
        }
        return Ok(Exit::Success);
    };
    let forgotten = keeper.forget(user, tenant).await?;
    if json {
        let counts = json!({
            "requests": forgotten.requests,
            "identifiers": forgotten.identifiers,
            "archives": removed,
            "archives_kept": kept,
        });
        write_json(target, false, &counts, out)?;
        return Ok(Exit::Success);
    }
    writeln!(
        out,
        "Forgotten: {} requests no longer name the user, {} identifiers are deleted. Sums are kept.",
        forgotten.requests, forgotten.identifiers
    )?;
    Ok(Exit::Success)
}

/// Writes the person, and the counts of what is erased or, with `dry_run`, would be.
fn write_json(target: &Target, dry_run: bool, counts: &Value, out: &mut impl Write) -> io::Result<()> {
    let Person { tenant, user } = &target.person;
    let whole = json!({ "user": user, "tenant": tenant, "dry_run": dry_run, "erased": counts });
    writeln!(out, "{}", serde_json::to_string_pretty(&whole)?)
}

fn nobody(err: &mut impl Write) -> Result<Exit, CommandError> {
    writeln!(err, "callsign: no request of this user is in the ledger or the archive")?;
    Ok(Exit::Failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_agrees() {
        let mut shown = Vec::new();
        for (answer, expected) in
            [("yes\n", true), (" yes \n", true), ("y\n", false), ("", false), ("no\nyes\n", false)]
        {
            assert_eq!(agrees("user alice", Some(answer.as_bytes()), &mut shown).unwrap(), expected, "{answer:?}");
        }
        assert!(!agrees("user alice", None::<&[u8]>, &mut shown).unwrap());
        assert!(String::from_utf8(shown).unwrap().starts_with("Erase user alice? It cannot be undone."));
    }
}
