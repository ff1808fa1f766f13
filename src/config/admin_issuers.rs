//! Parses `[[admin.issuers]]`: issuers whose tokens, added by a proxy in front, sign people in to the console
//! (docs/SPEC.md#sign-in-by-a-proxy).

use http::header::AUTHORIZATION;

use super::callers::issuer;
use super::reader::{Reader, Reported};
use super::table_reader::TableReader;
use super::values;
use callsign_core::auth::issuer::KeySource;
use callsign_core::auth::issuer::preset::{Audience, IssuerClaim};
use callsign_core::auth::settings::{Callers, TokenIssuer};

/// An issuer whose tokens sign people in to the console.
#[derive(Clone, Debug)]
pub struct AdminIssuer {
    /// The rules for its tokens and the source of its keys.
    pub issuer: TokenIssuer,
    /// The users who may do everything.
    pub operators: Vec<String>,
    /// The users who may read.
    pub viewers: Vec<String>,
    /// True if viewers may read about single users.
    pub persons: bool,
}

/// Reads all entries.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<AdminIssuer>, Reported> {
    let entries = reader.layers.tables("admin.issuers").into_iter();
    let read: Vec<_> = entries.map(|entry| read_one(TableReader::entry(reader, "admin.issuers", &entry))).collect();
    let issuers = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut unique = Ok(());
    for (index, AdminIssuer { issuer, .. }) in issuers.iter().enumerate() {
        let is_same = |other: &AdminIssuer| {
            other.issuer.rules.name == issuer.rules.name || other.issuer.rules.header == issuer.rules.header
        };
        if issuers.iter().take(index).any(is_same) {
            unique = reader.refuse(&issuer.source, "has the name or the header of an earlier entry; choose another");
        }
    }
    unique.map(|()| issuers)
}

fn read_one(mut table_reader: TableReader<'_, '_>) -> Result<AdminIssuer, Reported> {
    let operators = table_reader.list("operators", values::name);
    let viewers = table_reader.list("viewers", values::name);
    let persons = table_reader.field("persons", values::switch);
    let issuer = issuer::read_one(&mut table_reader).and_then(|issuer| check(issuer, &mut table_reader));
    let (operators, viewers) = (operators?, viewers?);
    if operators.is_empty() && viewers.is_empty() {
        return table_reader.missing("operators", "list the users who may sign in, or set viewers");
    }
    if let Some(both) = viewers.iter().find(|user| operators.contains(user)) {
        return table_reader.refuse("viewers", format!("lists {both}, who is in operators too; remove one"));
    }
    Ok(AdminIssuer { issuer: issuer?, operators, viewers, persons: persons?.unwrap_or_default() })
}

/// Checks the rules that are stricter than those of issuers of callers.
fn check(mut issuer: TokenIssuer, table_reader: &mut TableReader<'_, '_>) -> Result<TokenIssuer, Reported> {
    let preset = issuer.preset;
    let has_own_audience = matches!(preset.audience, Audience::Required | Audience::Recommended)
        && !matches!(preset.issuer, IssuerClaim::Audience(_));
    if !has_own_audience {
        let message = format!("is {}, whose tokens have no audience of the console alone; use another", preset.name);
        return table_reader.refuse("preset", message);
    }
    if issuer.rules.audience.len() != 1 {
        let message = "must have one entry: the audience of the tokens for the console, and of nothing else";
        return table_reader.refuse("audience", message);
    }
    if matches!(issuer.keys, KeySource::Secret(_)) {
        return table_reader.refuse("secret", "could sign tokens too; set jwks_url or jwks_file");
    }
    if issuer.rules.header == AUTHORIZATION {
        let message = "must be another one than authorization: set it to the header in which the proxy sends the token, \
                       and let the proxy replace what its clients send in it";
        return table_reader.refuse("header", message);
    }
    issuer.rules.for_console = true;
    Ok(issuer)
}

/// Refuses issuers of callers whose rules accept a token for the console.
pub(super) fn check_callers(issuers: &[AdminIssuer], callers: &Callers, reader: &mut Reader<'_>) {
    for AdminIssuer { issuer, .. } in issuers {
        for other in callers.issuers.iter().filter(|other| accepts_tokens_of(other, issuer)) {
            let message = format!(
                "has no audience that keeps out the tokens of [[admin.issuers]] {}: set `audience`, to another one",
                issuer.rules.name
            );
            let _ = reader.refuse::<()>(&other.source, message);
        }
    }
}

/// Returns true if the rules of `other` accept a token of the console's issuer.
fn accepts_tokens_of(other: &TokenIssuer, console: &TokenIssuer) -> bool {
    let (theirs, ours) = (&other.rules, &console.rules);
    let is_same_issuer = theirs.issuer.is_some() && theirs.issuer == ours.issuer;
    let has_same_keys = match (&other.keys, &console.keys) {
        (KeySource::File(theirs), KeySource::File(ours)) => theirs == ours,
        (theirs, ours) => theirs.url().is_some() && theirs.url() == ours.url(),
    };
    let keeps_out = !theirs.audience.is_empty() && ours.audience.iter().all(|ours| !theirs.audience.contains(ours));
    (is_same_issuer || has_same_keys) && !keeps_out
}
