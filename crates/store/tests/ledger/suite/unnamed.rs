//! Promises about the names of rejected rows (docs/SPEC.md#rejected-rows).

use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{By, Filter, Repair};
use callsign_store::ledger::{Begun, Finished, Name, RequestLabels, SentIds};

use super::place::{Place, begun, finished, named, request, until};

/// Puts a text into a request, so that the database stores it in one column.
type Put = fn(&mut Begun, &mut Finished, Name);

/// Every column with text that a request can fill.
const COLUMNS: [(&str, &str, Put); 22] = [
    ("requests", "message", |begun, _, text| begun.labels.message = Some(text)),
    ("requests", "sent_message", |begun, _, text| begun.sent.message = Some(text)),
    ("requests", "generation", |_, finished, text| finished.generation = Some(text)),
    ("requests", "error", |_, finished, text| finished.error = Some(text)),
    ("requests", "refusing_limit", |_, finished, text| finished.limit = Some(text)),
    ("requests", "requested_model", |_, finished, text| finished.requested_model = Some(text)),
    ("requests", "model", |_, finished, text| finished.model = Some(text)),
    ("requests", "provider", |_, finished, text| finished.provider = Some(text)),
    ("contexts", "session", |begun, _, text| begun.labels.session = Some(text)),
    ("contexts", "chat", |begun, _, text| begun.labels.chat = Some(text)),
    ("contexts", "sent_user", |begun, _, text| begun.sent.user = Some(text)),
    ("contexts", "sent_session", |begun, _, text| begun.sent.session = Some(text)),
    ("contexts", "sent_metadata_session", |begun, _, text| begun.sent.metadata_session = Some(text)),
    ("contexts", "sent_chat", |begun, _, text| begun.sent.chat = Some(text)),
    ("contexts", "endpoint", |begun, _, text| begun.endpoint = text),
    ("contexts", "account", |begun, _, text| begun.account = Some(text)),
    ("people", "key_name", |begun, _, text| begun.labels.key = text),
    ("people", "user_id", |begun, _, text| begun.labels.user = Some(text)),
    ("identifiers", "identifier", |begun, _, text| begun.sent.user = Some(text)),
    ("sums", "model", |_, finished, text| finished.model = Some(text)),
    ("speed", "provider", |_, finished, text| finished.provider = Some(text)),
    // The last: `forget` keeps the tenant of a repaired row.
    ("people", "tenant", |begun, _, text| begun.labels.tenant = Some(text)),
];

/// Requests of others in the large batch.
const OTHERS: u32 = 40;

/// Makes the database refuse new rows with `poison` in a column, or accept them again.
async fn refuse(place: &Place, table: &str, column: &str, refuses: bool) {
    let sql = match (place.is_sqlite(), refuses) {
        (true, true) => format!(
            "CREATE TRIGGER refused BEFORE INSERT ON {table} WHEN NEW.{column} LIKE '%poison' \
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        ),
        (true, false) => "DROP TRIGGER refused".to_owned(),
        (false, true) => format!(
            "ALTER TABLE {table} ADD CONSTRAINT refused CHECK ({column} IS NULL OR {column} NOT LIKE '%poison') NOT VALID"
        ),
        (false, false) => format!("ALTER TABLE {table} DROP CONSTRAINT refused"),
    };
    place.run(&sql).await;
}

/// Asserts that no table has a name of `mallory`, or the number of a person in `rejected`.
async fn assert_unnamed(place: &Place, column: &str) {
    for table in ["people", "contexts", "requests_by_person", "identifiers", "sums"] {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE person IN (SELECT person FROM rejected)");
        assert_eq!(place.number(&sql).await, 0, "{table}, {column} refused");
    }
    for (table, columns) in [
        ("requests", "message sent_message generation error refusing_limit requested_model model provider"),
        ("contexts", "session chat sent_user sent_session sent_metadata_session sent_chat endpoint account"),
        ("people", "tenant key_name user_id sent"),
        ("identifiers", "identifier"),
        ("sums", "model provider error"),
        ("speed", "model provider"),
        ("rejected", "reason"),
    ] {
        for name in columns.split(' ') {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE {name} LIKE '%mallory%'");
            assert_eq!(place.number(&sql).await, 0, "{table}.{name}, {column} refused");
        }
    }
}

/// Whatever column is refused, at the beginning or at the end, in a small batch or in a large one.
pub(super) async fn rejected_rows_leave_no_names(place: Place) {
    place.come_and_go().await;
    let (mut requests, mut cost) = (0, 0);
    for (table, column, put) in COLUMNS {
        let poisoned = |way: &str| {
            let mut begun = begun(&format!("mallory of {table}.{column} {way}"));
            begun.sent = SentIds { user: named("sent of mallory"), ..begun.sent };
            let mut finished = Finished { generation: named("gen-of-mallory"), ..finished(50) };
            put(&mut begun, &mut finished, format!("mallory {way} poison").into());
            (begun, finished)
        };
        refuse(&place, table, column, true).await;
        let ledger = place.open();
        let (begun_long, finished_long) = poisoned("long");
        let mut callers = vec![begun_long.labels.clone()];
        let long = ledger.begin(begun_long);
        let noted = "SELECT (SELECT COUNT(*) FROM requests WHERE node IS NOT NULL)";
        until("the running request is noted", async || place.number(noted).await == 1).await;
        for number in 0..OTHERS {
            if number == OTHERS / 2 {
                let (begun, finished) = poisoned("large");
                callers.push(begun.labels.clone());
                request(&ledger, begun, finished);
            }
            request(&ledger, begun(&format!("user-{}", number % 5)), finished(1));
        }
        long.finish(finished_long);
        ledger.close().await;
        let ledger = place.open();
        let (begun, finished) = poisoned("small");
        callers.push(begun.labels.clone());
        request(&ledger, begun, finished);
        ledger.close().await;
        assert_unnamed(&place, column).await;
        requests += u64::from(OTHERS) + 3;
        cost += i64::from(OTHERS) + 3 * 50;
        let total = place.total().await;
        assert_eq!((total.requests, total.cost), (requests, NanoUsd(cost)), "{table}.{column}");
        assert_eq!(total.prompt_tokens, 11 * requests, "{table}.{column}");
        place.assert_sums().await;
        refuse(&place, table, column, false).await;
        assert_repaired(&place, column, &callers).await;
        place.assert_sums().await;
    }
    place.assert_smooth();
}

/// Gives each rejected row its caller back, and then forgets the callers again.
async fn assert_repaired(place: &Place, column: &str, callers: &[RequestLabels]) {
    let (reader, keeper) = (place.reader(), place.keeper());
    let rejected = reader.rejected().await.unwrap();
    assert_eq!(rejected.len(), callers.len(), "{column}");
    // The latest is first, and the order of the large batch and the running request is that of their beginnings.
    for (row, caller) in rejected.iter().rev().zip(callers) {
        assert_eq!(keeper.repair(row.id, caller).await.unwrap(), Repair::Done, "{column}");
    }
    for caller in callers {
        let (user, tenant) = (caller.user.as_deref().unwrap_or_default(), caller.tenant.as_deref());
        let filter = Filter { user: Some(user.to_owned()), ..Filter::default() };
        let usage = reader.usage(By::User, &filter).await.unwrap();
        assert_eq!(usage.iter().map(|line| line.cost.0).sum::<i64>(), 50, "{column}: {user}");
        keeper.forget(user, tenant).await.unwrap();
    }
}
