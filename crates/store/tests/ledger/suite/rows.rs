//! Promises about single rows.

use callsign_core::usage::Usage;
use callsign_core::usage::judgement::Bill;
use callsign_core::usage::money::NanoUsd;
use callsign_core::usage::outcome::Outcome;
use callsign_store::ledger::query::{By, Filter, Found, Kind, RequestFilter, Split, Step, UsageRow};
use callsign_store::ledger::settings::Settings;
use callsign_store::ledger::{Begun, Entry, Finished, SentIds};
use callsign_store::org_ids::OrgIds;

use super::place::{Place, begun, finished, named, only, request, until};

pub(super) async fn a_request_can_be_read_back(place: Place) {
    let ledger = place.open();
    let entry = ledger.begin(begun("alice"));
    entry.answered(Some("gen-1"));
    entry.finish(finished(1_260_000));
    ledger.close().await;

    let reader = place.reader();
    let line = only(reader.usage(By::User, &Filter::default()).await.unwrap());
    let expected = UsageRow {
        key: Some("alice".to_owned()),
        external_user_id: Some("acme_alice".to_owned()),
        requests: 1,
        prompt_tokens: 11,
        completion_tokens: 7,
        cached_tokens: 3,
        reasoning_tokens: 2,
        cost: NanoUsd(1_260_000),
        charged: NanoUsd(1_260_000),
        last_seen: line.last_seen,
        ..UsageRow::default()
    };
    assert_eq!(line, expected);
    let request = only(reader.request("gen-1").await.unwrap());
    let request_id = request.begun.id.to_string();
    for (identifier, kind) in [
        ("alice", Kind::User),
        ("acme_alice", Kind::User),
        ("session of alice", Kind::Session),
        ("chat of alice", Kind::Chat),
        ("message of alice", Kind::Message),
        ("gen-1", Kind::Generation),
        (&request_id, Kind::Request),
    ] {
        let found = only(reader.whois(identifier, &OrgIds::default()).await.unwrap());
        let expected = Found {
            kind,
            identifier: identifier.to_owned(),
            user: Some("alice".to_owned()),
            key: Some("owui".to_owned()),
            tenant: None,
            first_seen: line.last_seen,
            last_seen: line.last_seen,
            requests: 1,
        };
        assert_eq!(found, expected, "{identifier}");
        assert!(request.is_found_by(identifier, &OrgIds::default()), "{identifier}");
        assert_eq!(
            request.was_sent(identifier, &OrgIds::default()),
            ["acme_alice", "gen-1"].contains(&identifier),
            "{identifier}"
        );
    }
    assert!(!request.is_found_by("acme_bob", &OrgIds::default()));
    assert_eq!(reader.whois("acme_bob", &OrgIds::default()).await.unwrap(), []);
    let owner = only(reader.owner_of("gen-1").await.unwrap());
    assert_eq!((owner.tenant, owner.key, owner.user), (None, "owui".to_owned(), Some("alice".to_owned())));
    assert_eq!(reader.owner_of("gen-2").await.unwrap(), []);
    let mapping = only(reader.mapping("alice", None).await.unwrap());
    assert_eq!((mapping.external_user_id.as_deref(), mapping.requests), (Some("acme_alice"), 1));
    assert_eq!(reader.identifiers_of("alice", Some(""), 10).await.unwrap().len(), 4);
}

/// No column is mixed up with another one.
pub(super) async fn every_value_is_read_back(place: Place) {
    let ledger = place.open();
    let sent = SentIds {
        user: named("sent user"),
        session: named("sent session"),
        metadata_session: named("sent metadata session"),
        chat: named("sent chat"),
        message: named("sent message"),
    };
    let begun = Begun { sent, markup: "1.25".parse().unwrap(), account: None, ..begun("alice") };
    let usage = Usage {
        prompt_tokens: Some(1),
        completion_tokens: Some(2),
        cached_tokens: Some(3),
        cache_write_tokens: Some(4),
        reasoning_tokens: Some(5),
        cost: Some(NanoUsd(6)),
        provider_cost: Some(NanoUsd(7)),
        server_tool_cost: Some(NanoUsd(8)),
    };
    let finished = Finished {
        outcome: Some(Outcome::UpstreamCut),
        status: 502,
        error: named("upstream_cut"),
        limit: named("rpm"),
        bill: Bill::Never,
        requested_model: named("asked"),
        model: named("answered"),
        provider: named("provider"),
        generation: named("gen-1"),
        usage,
        request_bytes: 9,
        response_bytes: 10,
        head_us: Some(11),
        first_output_us: Some(12),
        duration_us: 13,
    };
    request(&ledger, begun.clone(), finished.clone());
    ledger.close().await;
    for id in [begun.id.to_string(), "gen-1".to_owned()] {
        let found = only(place.reader().request(&id).await.unwrap());
        assert_eq!((found.begun, found.count, found.generation.as_deref()), (begun.clone(), 1, Some("gen-1")));
        assert_eq!(found.ended, Some(finished.clone()));
    }
}

pub(super) async fn what_runs_is_noted_and_finishes_as_one_row(place: Place) {
    let ledger = place.open();
    let entry = ledger.begin(begun("alice"));
    let reader = place.reader();
    entry.answered(Some("gen-long"));
    until("the begun request is written", async || !reader.owner_of("gen-long").await.unwrap().is_empty()).await;
    assert_eq!(place.total().await.requests, 0, "a running request is already counted");
    entry.finish(finished(5));
    ledger.close().await;
    assert_eq!(only(reader.whois("gen-long", &OrgIds::default()).await.unwrap()).requests, 1);
    assert_eq!((place.total().await.requests, place.total().await.cost), (1, NanoUsd(5)));
    place.assert_sums().await;
}

pub(super) async fn a_dropped_request_is_a_client_that_left(place: Place) {
    let ledger = place.open();
    drop::<Entry>(ledger.begin(begun("alice")));
    ledger.close().await;
    let total = place.total().await;
    assert_eq!((total.requests, total.errors, total.cost, total.never), (1, 0, NanoUsd(0), 1));
    let page = place.reader().requests(&RequestFilter::default(), 10, std::time::Duration::MAX).await.unwrap();
    assert_eq!(only(page.requests).ended.unwrap().outcome, Some(Outcome::ClientGone));
}

/// The previous run died: its requests are counted once, and its in-flight requests are given up once.
pub(super) async fn what_a_dead_run_left_is_taken_over_once(place: Place) {
    let ledger = place.open();
    let entry = ledger.begin(begun("alice"));
    entry.answered(Some("gen-dead"));
    request(&ledger, begun("bob"), finished(7));
    ledger.close().await;
    entry.finish(finished(1));
    assert_eq!(place.total().await.requests, 1);
    for _ in 0..3 {
        place.come_and_go().await;
    }
    let total = place.total().await;
    assert_eq!((total.requests, total.errors, total.cost, total.pending), (2, 0, NanoUsd(7), 1));
    let pending = only(place.reader().pending(&Filter::default(), None).await.unwrap());
    assert_eq!((pending.generation.as_str(), pending.key.as_str()), ("gen-dead", "owui"));
    assert_eq!(place.reader().pending(&Filter::default(), Some(pending.id)).await.unwrap(), []);
    assert_eq!(place.reader().unpriced().await.unwrap(), (1, 0));
    assert_eq!(only(place.reader().mapping("alice", None).await.unwrap()).requests, 1);
    place.assert_sums().await;
}

pub(super) async fn two_nodes_share_a_ledger(place: Place) {
    let other = Place { settings: place.settings.clone(), ..Place::new(None) };
    let other =
        Place { settings: Settings { data_dir: Some(other.directory.path().into()), ..other.settings }, ..other };
    let (one, two) = (place.open(), other.open());
    let long = one.begin(begun("long"));
    long.answered(Some("gen-long"));
    until("the long one is noted", async || !place.reader().owner_of("gen-long").await.unwrap().is_empty()).await;
    for number in 0..500 {
        let user = format!("user-{}", number % 7);
        request(&one, begun(&user), finished(1));
        request(&two, begun(&user), finished(1));
    }
    two.close().await;
    // A restart must not give up requests that run on another node.
    other.come_and_go().await;
    long.finish(finished(1));
    one.close().await;
    let total = place.total().await;
    assert_eq!((total.requests, total.cost), (1001, NanoUsd(1001)));
    assert_eq!(place.reader().statistics().await.unwrap().users, 8);
    place.assert_sums().await;
}

/// A process that does not reach the database for long is taken for dead. It was not.
pub(super) async fn a_real_end_replaces_that_of_a_request_that_was_given_up(place: Place) {
    let spilling = place.away();
    let ledger = place.open();
    let (long, lost) = (begun("long"), begun("lost"));
    let long = ledger.begin(long);
    let lost_entry = ledger.begin(lost.clone());
    for (entry, generation) in [(&long, "gen-long"), (&lost_entry, "gen-lost")] {
        entry.answered(Some(generation));
    }
    let noted = async |generation| !place.reader().owner_of(generation).await.unwrap().is_empty();
    until("both are noted", async || noted("gen-long").await && noted("gen-lost").await).await;
    place.run("UPDATE nodes SET seen_us = 0").await;
    let other = Place { settings: place.settings.clone(), ..Place::new(None) };
    let other =
        Place { settings: Settings { data_dir: Some(other.directory.path().into()), ..other.settings }, ..other };
    other.come_and_go().await;
    assert_eq!(place.number("SELECT COUNT(*) FROM requests WHERE ending = 4").await, 2);
    place.assert_sums().await;
    long.finish(Finished { generation: named("gen-long"), ..finished(70) });
    ledger.close().await;
    place.assert_sums().await;
    // The end of the other one comes by the spill file of the same process.
    let ledger = spilling.open();
    request(&ledger, lost, finished(5));
    ledger.close().await;
    place.fold().await;
    let total = place.total().await;
    assert_eq!((total.requests, total.cost, total.pending, total.never), (2, NanoUsd(75), 0, 0));
    assert_eq!(place.number("SELECT COUNT(*) FROM requests WHERE ending = 0").await, 2);
    assert_eq!(only(place.reader().mapping("long", None).await.unwrap()).requests, 1, "it is counted once");
    place.assert_sums().await;
}

pub(super) async fn strict_means_that_the_row_is_there(place: Place) {
    let place = place.strict();
    let ledger = place.open();
    let reader = place.reader();
    for number in 0..20 {
        let generation = format!("gen-{number}");
        let entry = ledger.begin(begun("alice"));
        entry.answered(Some(&generation));
        entry.finish(finished(1)).unwrap().await;
        assert_eq!(reader.owner_of(&generation).await.unwrap().len(), 1, "{generation}");
    }
    assert!(ledger.is_available());
    ledger.close().await;
    assert_eq!(place.total().await.requests, 20);
}

pub(super) async fn odd_text_stays_text(place: Place) {
    let ledger = place.open();
    let odd = "'); DROP TABLE requests; --\u{1F600} \u{202E}\"$1 ?1";
    let mut finished = finished(1);
    finished.model = Some(format!("{odd}\0").into());
    request(&ledger, begun(odd), finished);
    ledger.close().await;
    let reader = place.reader();
    assert_eq!(only(reader.whois(odd, &OrgIds::default()).await.unwrap()).user.as_deref(), Some(odd));
    let model = only(reader.usage(By::Model, &Filter::default()).await.unwrap()).key.unwrap();
    assert_eq!(model, format!("{odd}\u{fffd}"));
    place.assert_smooth();
}

pub(super) async fn a_ledger_without_rows_answers_with_nothing(place: Place) {
    for _ in 0..2 {
        let reader = place.reader();
        assert_eq!(reader.usage(By::User, &Filter::default()).await.unwrap(), []);
        assert_eq!(reader.series(Step::Day, Split::Model, &Filter::default()).await.unwrap(), []);
        assert_eq!(reader.speed(&Filter::default()).await.unwrap(), []);
        assert_eq!(reader.errors(&Filter::default()).await.unwrap(), []);
        assert_eq!(reader.whois("x", &OrgIds::from_iter(["org".to_owned()])).await.unwrap(), []);
        assert_eq!(reader.statistics().await.unwrap().users, 0);
        assert_eq!(reader.pending(&Filter::default(), None).await.unwrap(), []);
        assert_eq!((reader.unpriced().await.unwrap(), reader.oldest().await.unwrap()), ((0, 0), None));
        let page = reader.requests(&RequestFilter::default(), 10, std::time::Duration::ZERO).await.unwrap();
        assert_eq!((page.requests, page.next, page.searched_back_to), (Vec::new(), None, None));
        // Without a database, and with an empty one.
        place.come_and_go().await;
    }
}
