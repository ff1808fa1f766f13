//! The insert statements, and the arguments of all tables but `requests`.

use callsign_core::request_id::RequestId;

use super::columns::{self, CHANGING, FIXED};
use crate::ledger::engine::{Arguments, Engine};
use crate::ledger::increments::{Carried, Person, SpeedKey, SumKey};
use crate::ledger::insert::Insert;
use crate::ledger::speed::Speed;
use crate::ledger::sums::{AMOUNTS, Sums, column_list, columns as summed};

/// The largest sum of money in one row of `sums`: 4 billion dollars. Twice this fits into 64 bits.
const MOST_MONEY: i64 = 4_000_000_000_000_000_000;
/// The largest other sum in one row. Readers add up to 900 such rows without an overflow.
const MOST: i64 = 10_000_000_000_000_000;

/// The insert statements of one engine.
#[derive(Debug)]
pub(super) struct Statements {
    /// Rows that were not written before.
    pub(super) fresh_rows: Insert,
    /// Rows that may exist as begun. A finished row does not change.
    pub(super) rows: Insert,
    pub(super) contexts: Insert,
    /// People who may be there already.
    pub(super) new_people: Insert,
    pub(super) people: Insert,
    pub(super) listed: Insert,
    pub(super) identifiers: Insert,
    pub(super) sums: Insert,
    pub(super) speed: Insert,
}

/// Returns the limit of a summed column. A sum stops there instead of overflowing, which PostgreSQL would refuse and
/// SQLite would round: the numbers come from clients and upstreams.
fn most(name: &str) -> i64 {
    if AMOUNTS.contains(&name) { MOST_MONEY } else { MOST }
}

/// Returns the assignments that add to the summed columns.
pub(super) fn raised<'n>(table: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let raise = |name: &str| {
        let sum = format!("{table}.{name} + excluded.{name}");
        let most = most(name);
        format!("{name} = CASE WHEN {sum} > {most} THEN {most} ELSE {sum} END")
    };
    names.into_iter().map(raise).collect::<Vec<_>>().join(", ")
}

/// Returns an assignment of the greater of the old and the new value. SQLite and PostgreSQL name this function
/// differently.
fn later(table: &str, name: &str) -> String {
    format!("{name} = CASE WHEN excluded.{name} > {table}.{name} THEN excluded.{name} ELSE {table}.{name} END")
}

/// Returns the assignments of `first_us`, `last_us` and `requests`.
pub(super) fn seen(table: &str) -> String {
    format!(
        "first_us = CASE WHEN excluded.first_us < {table}.first_us THEN excluded.first_us ELSE {table}.first_us END, \
         {}, requests = {table}.requests + excluded.requests",
        later(table, "last_us")
    )
}

/// Returns the conflict clause of sums.
pub(super) fn on_sums_conflict() -> String {
    format!("ON CONFLICT ({SUM_KEY}) DO UPDATE SET {}, {}", raised("sums", summed()), later("sums", "last_us"))
}

/// The key columns of `sums`.
pub(super) const SUM_KEY: &str = "grain, bucket_us, person, model, provider, status, error";

/// The table `people` and its columns, in the order of [`bind_person`].
const PEOPLE: &str = "people (person, tenant, key_name, user_id, tenant_person, sent, first_us, last_us, requests)";

impl Statements {
    pub(super) fn new(engine: Engine) -> Self {
        let replaced: Vec<_> = CHANGING.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        // A row is written again when it was answered or has ended. The data of its beginning does not change.
        let on_rows = format!("ON CONFLICT (id) DO UPDATE SET {} WHERE requests.ending IS NULL", replaced.join(", "));
        let rows = format!("requests ({})", columns::own());
        let width = FIXED.len() + CHANGING.len();
        let on_people = format!(
            "ON CONFLICT (person) DO UPDATE SET \
             sent = CASE WHEN excluded.last_us >= people.last_us THEN excluded.sent ELSE people.sent END, {}",
            seen("people")
        );
        let on_identifiers = format!(
            "ON CONFLICT (digest, kind, person) DO UPDATE SET way = identifiers.way | excluded.way, \
             identifier = COALESCE(identifiers.identifier, excluded.identifier), {}",
            seen("identifiers")
        );
        let sums = format!("sums ({SUM_KEY}, {}, last_us)", column_list());
        let on_speed = format!(
            "ON CONFLICT (grain, bucket_us, model, provider, bin) DO UPDATE SET {}",
            raised("speed", ["answers", "first_output_us", "head_us", "output_tokens", "output_us"])
        );
        Self {
            fresh_rows: Insert::new(engine, &rows, width, ""),
            rows: Insert::new(engine, &rows, width, &on_rows),
            contexts: Insert::new(
                engine,
                "contexts (context, person, session, chat, sent_user, sent_session, sent_metadata_session, sent_chat, \
                 endpoint, account, markup)",
                11,
                "",
            ),
            new_people: Insert::new(engine, PEOPLE, 9, "ON CONFLICT (person) DO NOTHING"),
            people: Insert::new(engine, PEOPLE, 9, &on_people),
            listed: Insert::new(engine, "requests_by_person (person, id)", 2, "ON CONFLICT (person, id) DO NOTHING"),
            identifiers: Insert::new(
                engine,
                "identifiers (digest, kind, person, way, identifier, first_us, last_us, requests)",
                8,
                &on_identifiers,
            ),
            sums: Insert::new(engine, &sums, 8 + summed().count(), &on_sums_conflict()),
            speed: Insert::new(
                engine,
                "speed (grain, bucket_us, model, provider, bin, answers, first_output_us, head_us, output_tokens, \
                 output_us)",
                10,
                &on_speed,
            ),
        }
    }
}

pub(super) fn bind_person((person, of): &(&i64, &Person), to: &mut Arguments) -> Result<(), sqlx::Error> {
    to.int(Some(**person))?;
    of.labels.person().into_iter().try_for_each(|name| to.text(Some(name)))?;
    to.int(Some(of.labels.tenant_number()))?;
    to.shared(of.sent.as_ref())?;
    [of.seen.first_us, of.seen.last_us, of.seen.requests].into_iter().try_for_each(|value| to.int(Some(value)))
}

pub(super) fn bind_listed((person, id): &(i64, RequestId), to: &mut Arguments) -> Result<(), sqlx::Error> {
    to.int(Some(*person))?;
    to.bytes(id.as_bytes())
}

pub(super) fn bind_identifier(
    ((digest, kind, person), carried): &(&(i64, i64, i64), &Carried),
    to: &mut Arguments,
) -> Result<(), sqlx::Error> {
    [*digest, *kind, *person, carried.way].into_iter().try_for_each(|value| to.int(Some(value)))?;
    to.shared(carried.text.as_ref())?;
    let seen = carried.seen;
    [seen.first_us, seen.last_us, seen.requests].into_iter().try_for_each(|value| to.int(Some(value)))
}

pub(super) fn bind_sums((key, sums): &(&SumKey, &Sums), to: &mut Arguments) -> Result<(), sqlx::Error> {
    [key.grain, key.bucket_us, key.person].into_iter().try_for_each(|value| to.int(Some(value)))?;
    to.shared(Some(&key.model))?;
    to.shared(Some(&key.provider))?;
    to.int(Some(key.status))?;
    to.shared(Some(&key.error))?;
    for (value, name) in sums.values.into_iter().zip(summed()) {
        to.int(Some(value.clamp(-most(name), most(name))))?;
    }
    to.int(Some(sums.last_us))
}

pub(super) fn bind_speed((key, speed): &(&SpeedKey, &Speed), to: &mut Arguments) -> Result<(), sqlx::Error> {
    to.int(Some(key.grain))?;
    to.int(Some(key.bucket_us))?;
    to.shared(Some(&key.model))?;
    to.shared(Some(&key.provider))?;
    let Speed { answers, first_output_us, head_us, output_tokens, output_us } = speed;
    to.int(Some(key.bin))?;
    let values = [*answers, *first_output_us, *head_us, *output_tokens, *output_us];
    values.into_iter().try_for_each(|value| to.int(Some(value.min(MOST))))
}
