//! Promises about users and identifiers.

use callsign_store::ledger::query::{By, Filter, Kind, Mapping};
use callsign_store::ledger::{Begun, RequestLabels, SentIds};
use callsign_store::org_ids::OrgIds;

use super::place::{Place, begun, begun_of, finished, only, request};

pub(super) async fn two_users_with_one_identifier_are_a_collision(place: Place) {
    let with = |user: &str, sent: Option<&str>, tenant: &str| {
        let begun = begun_of(tenant, user);
        let user = (!user.is_empty()).then(|| user.into());
        let labels = RequestLabels { user, ..begun.labels.clone() };
        Begun { labels, sent: SentIds { user: sent.map(Into::into), ..SentIds::default() }, ..begun }
    };
    let ledger = place.open();
    request(&ledger, with("alice", Some("same"), "acme"), finished(1));
    request(&ledger, with("bob", Some("bobs"), "acme"), finished(1));
    request(&ledger, with("carol", Some("same"), "umbrella"), finished(1));
    request(&ledger, with("dave", None, "acme"), finished(1));
    request(&ledger, with("", Some("same"), "acme"), finished(1));
    ledger.close().await;
    let statistics = place.reader().statistics().await.unwrap();
    assert_eq!((statistics.users, statistics.mapped, statistics.unmapped), (4, 3, 1));
    assert_eq!((statistics.distinct, statistics.collisions), (3, Vec::new()));
    assert_eq!(place.counter("callsign_ledger_collisions_total"), 0);

    for _ in 0..2 {
        let ledger = place.open();
        request(&ledger, with("erin", Some("same"), "acme"), finished(1));
        ledger.close().await;
    }
    let collisions = place.counter("callsign_ledger_collisions_total");
    assert_eq!(collisions, 1, "a collision is counted once, when it first happens");
    let collision = only(place.reader().statistics().await.unwrap().collisions);
    let of_acme = |user: &str| (Some("acme".to_owned()), user.to_owned());
    let users = vec![of_acme("alice"), of_acme("erin")];
    assert_eq!((collision.external_user_id.as_str(), collision.users), ("same", users));
}

pub(super) async fn the_form_that_a_provider_reports_is_found(place: Place) {
    let ledger = place.open();
    request(&ledger, begun("alice"), finished(1));
    request(&ledger, begun("bob"), finished(1));
    ledger.close().await;
    // printf %s org_1-acme_alice | sha256sum
    let form = "3672edf7a00c2ad74de7881e6bc66ab75abe7b5731c00797d63b39441de9b50b";
    let reader = place.reader();
    let found = only(reader.whois(form, &OrgIds::from_iter(["org_1".to_owned()])).await.unwrap());
    assert_eq!((found.kind, found.user.as_deref(), found.identifier.as_str()), (Kind::Upstream, Some("alice"), form));
    assert_eq!(reader.whois(form, &OrgIds::default()).await.unwrap(), []);
    assert_eq!(reader.whois(form, &OrgIds::from_iter(["org_2".to_owned()])).await.unwrap(), []);
}

pub(super) async fn an_identifier_in_several_tenants_is_found_in_each(place: Place) {
    let ledger = place.open();
    for begun in [begun("alice"), begun_of("acme", "alice"), begun_of("umbrella", "alice")] {
        request(&ledger, begun, finished(1));
    }
    ledger.close().await;
    let reader = place.reader();
    let tenants_of = |mappings: Vec<Mapping>| mappings.into_iter().map(|mapping| mapping.tenant).collect::<Vec<_>>();
    let all = [None, Some("acme".to_owned()), Some("umbrella".to_owned())];
    assert_eq!(tenants_of(reader.mapping("alice", None).await.unwrap()), all);
    assert_eq!(tenants_of(reader.mapping("alice", Some("")).await.unwrap()), all[..1]);
    assert_eq!(reader.whois("alice", &OrgIds::default()).await.unwrap().len(), 3);
    let first = reader.mappings(None, 2).await.unwrap();
    let rest = reader.mappings(first.last(), 2).await.unwrap();
    assert_eq!([tenants_of(first), tenants_of(rest)].concat(), all);
}

pub(super) async fn users_whose_ids_begin_alike_stay_apart(place: Place) {
    let ids: Vec<_> = ["a", "b", "c", "é", "é1"].map(|end| format!("{}{end}", "ü".repeat(40))).to_vec();
    let ledger = place.open();
    for id in &ids {
        request(&ledger, begun(id), finished(1));
    }
    ledger.close().await;
    let reader = place.reader();
    let users_of = |mappings: Vec<Mapping>| mappings.into_iter().map(|mapping| mapping.user).collect::<Vec<_>>();
    for id in &ids {
        assert_eq!(users_of(reader.mapping(id, None).await.unwrap()), [id.as_str()]);
        let filter = Filter { user: Some(id.clone()), ..Filter::default() };
        assert_eq!(only(reader.usage(By::User, &filter).await.unwrap()).requests, 1);
    }
    let (mut pages, mut last) = (Vec::new(), None);
    loop {
        let page = reader.mappings(last.as_ref(), 2).await.unwrap();
        let Some(end) = page.last() else { break };
        last = Some(end.clone());
        pages.extend(users_of(page));
    }
    assert_eq!(pages.len(), ids.len(), "{pages:?}");
    assert!(ids.iter().all(|id| pages.contains(id)), "{pages:?}");
    assert_eq!(place.keeper().forget(&ids[0], None).await.unwrap().requests, 1);
    assert_eq!(users_of(reader.mappings(None, 9).await.unwrap()).len(), ids.len() - 1);
}
