//! Promises about forgetting a person (docs/SPEC.md#forget).

use std::path::Path;

use callsign_core::usage::Usage;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{By, Filter, Price};
use callsign_store::ledger::{Begun, Finished, RequestLabels};
use callsign_store::org_ids::OrgIds;

use super::place::{Place, begun, begun_of, finished, named, only, pending, request};

/// Returns true if any table or file of the ledger contains this text.
async fn is_kept(place: &Place, text: &str) -> bool {
    let mut kept = is_in_files(place.directory.path(), text);
    if !place.is_sqlite() {
        for table in
            ["requests", "contexts", "unsummed", "people", "identifiers", "sums", "speed", "rejected", "nodes", "state"]
        {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE {table}::text LIKE '%{text}%'");
            kept |= place.number(&sql).await > 0;
        }
    }
    kept
}

fn is_in_files(directory: &Path, text: &str) -> bool {
    std::fs::read_dir(directory).unwrap().any(|file| {
        // SQLite may have deleted its log meanwhile.
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

fn with_key(begun: Begun, key: &str) -> Begun {
    Begun { labels: RequestLabels { key: key.into(), ..begun.labels.clone() }, ..begun }
}

pub(super) async fn a_forgotten_person_leaves_only_sums(place: Place) {
    let ledger = place.open();
    for _ in 0..3 {
        let entry = ledger.begin(with_key(begun_of("acme", "mallory-the-forgotten"), "mallorys-laptop"));
        entry.answered(Some("gen-of-mallory"));
        entry.finish(Finished { status: 500, error: named("status_500"), ..finished(5) });
        request(&ledger, begun("bob"), finished(7));
    }
    // The same user id in another tenant is another person.
    request(&ledger, begun_of("umbrella", "mallory-the-forgotten"), finished(11));
    ledger.close().await;
    // One of the rows is still in the spill file.
    let away = place.away();
    let ledger = away.open();
    request(&ledger, with_key(begun_of("acme", "mallory-the-forgotten"), "mallorys-tablet"), finished(13));
    ledger.close().await;
    let before = place.total().await;

    let forgotten = place.keeper().forget("mallory-the-forgotten", Some("acme")).await.unwrap();
    assert_eq!((forgotten.requests, forgotten.identifiers), (4, 5));
    assert_eq!(place.total().await, before);
    let reader = place.reader();
    for identifier in ["mallory-the-forgotten", "acme_mallory-the-forgotten", "message of mallory-the-forgotten"] {
        let found = only(reader.whois(identifier, &OrgIds::default()).await.unwrap());
        assert_eq!(found.tenant.as_deref(), Some("umbrella"), "{identifier}");
    }
    assert_eq!(reader.whois("gen-of-mallory", &OrgIds::default()).await.unwrap(), []);
    for key in ["mallorys-laptop", "mallorys-tablet"] {
        assert!(!is_kept(&place, key).await, "{key}");
    }
    let keys = reader.usage(By::Key, &Filter::default()).await.unwrap();
    let nameless = keys.iter().find(|line| line.key.is_none()).unwrap();
    assert_eq!((nameless.tenant.as_deref(), nameless.requests, nameless.cost), (Some("acme"), 3, NanoUsd(15)));
    assert_eq!(reader.errors(&Filter::default()).await.unwrap()[0].requests, 3);
    place.assert_sums().await;

    place.keeper().forget("mallory-the-forgotten", Some("umbrella")).await.unwrap();
    assert_eq!(place.total().await, before);
    for text in ["mallory", "gen-of"] {
        assert!(!is_kept(&place, text).await, "{text}");
    }
    assert!(is_kept(&place, "bob").await, "the search finds nothing at all");
    place.come_and_go().await;
    let after = place.total().await;
    assert_eq!((after.requests, after.cost.0), (before.requests + 1, before.cost.0 + 13));
    assert!(!is_kept(&place, "mallory").await);
    place.assert_sums().await;
}

pub(super) async fn a_key_that_others_use_keeps_its_name(place: Place) {
    let ledger = place.open();
    request(&ledger, begun("mallory"), finished(1));
    request(&ledger, begun("bob"), finished(2));
    ledger.close().await;
    assert_eq!(place.keeper().forget("nobody", None).await.unwrap().requests, 0);
    assert_eq!(place.keeper().forget("", None).await.unwrap().requests, 0);
    assert_eq!(place.keeper().forget("mallory", None).await.unwrap().requests, 1);
    assert_eq!(place.keeper().forget("mallory", None).await.unwrap().requests, 0);
    assert!(!is_kept(&place, "mallory").await);
    let line = only(place.reader().usage(By::Key, &Filter::default()).await.unwrap());
    assert_eq!((line.key.as_deref(), line.requests, line.cost), (Some("owui"), 2, NanoUsd(3)));
    place.assert_sums().await;
}

pub(super) async fn a_cost_that_arrives_after_forget_changes_nothing(place: Place) {
    let ledger = place.open();
    let theirs = begun_of("acme", "mallory");
    let id = theirs.id;
    let entry = ledger.begin(theirs);
    entry.answered(Some("gen-late"));
    entry.finish(pending());
    ledger.close().await;
    assert_eq!(place.reader().unpriced().await.unwrap(), (1, 0));
    let keeper = place.keeper();
    keeper.forget("mallory", Some("acme")).await.unwrap();
    let total = place.total().await;
    assert_eq!((total.requests, total.pending, total.never), (1, 0, 1));
    let usage = Usage { cost: Some(NanoUsd(5)), ..Usage::default() };
    assert!(!keeper.price(id, &Price { usage, ..Price::default() }).await.unwrap());
    assert!(!keeper.never(id).await.unwrap());
    assert_eq!(place.total().await, total);
    assert_eq!(place.reader().unpriced().await.unwrap(), (0, 1));
    place.assert_sums().await;
}
