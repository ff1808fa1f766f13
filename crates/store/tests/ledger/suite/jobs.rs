//! Promises about jobs, which belong to the caller who created them (docs/SPEC.md#videos).

use callsign_core::usage::Usage;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{Owner, Price};
use callsign_store::ledger::{Begun, Finished, Ledger};
use jiff::Timestamp;

use super::place::{Place, begun, begun_of, named, only, pending};

/// Records a request that has created this job or, on another endpoint, this generation.
async fn create(ledger: &Ledger, begun: Begun, endpoint: &str, id: &str) {
    let entry = ledger.begin(Begun { endpoint: endpoint.into(), ..begun });
    let written = entry.finish_at_once(Finished { generation: named(id), ..pending() }).unwrap().await;
    assert!(written, "{id}");
}

pub(super) async fn a_job_is_its_creators_at_once_and_open_until_it_has_a_cost(place: Place) {
    let (ledger, reader) = (place.open(), place.reader());
    let alice = begun("alice");
    let id = alice.id;
    create(&ledger, alice, "videos", "job-1").await;
    let owner = only(reader.owner_of_job("job-1").await.unwrap());
    let expected = Owner { tenant: None, key: "owui".to_owned(), user: Some("alice".to_owned()) };
    assert_eq!(owner, expected, "before the ledger is closed");
    create(&ledger, begun("alice"), "videos", "job-2").await;
    create(&ledger, begun_of("acme", "alice"), "videos", "job-3").await;
    create(&ledger, begun("bob"), "videos", "job-4").await;
    create(&ledger, begun("alice"), "chat/completions", "gen-1").await;
    ledger.close().await;

    assert_eq!(only(reader.owner_of_job("job-3").await.unwrap()).tenant.as_deref(), Some("acme"));
    for unknown in ["gen-1", "JOB-1", "job-5", ""] {
        assert_eq!(reader.owner_of_job(unknown).await.unwrap(), [], "{unknown}");
        assert_eq!(reader.pending_job(unknown).await.unwrap(), None, "{unknown}");
    }
    let open = async |owner: &Owner, since| reader.open_jobs(owner, since).await.unwrap();
    let other_key = Owner { key: "laptop".to_owned(), ..owner.clone() };
    let nobody = Owner { user: None, ..owner.clone() };
    for (caller, count) in [(&owner, 2), (&other_key, 2), (&nobody, 0)] {
        assert_eq!(open(caller, Timestamp::UNIX_EPOCH).await, count, "{caller:?}");
    }
    assert_eq!(open(&owner, Timestamp::now()).await, 0, "they are older");

    let found = reader.pending_job("job-1").await.unwrap().unwrap();
    assert_eq!((found.id, found.generation.as_str(), found.is_job), (id, "job-1", true));
    let price = Price { usage: Usage { cost: Some(NanoUsd(5)), ..Usage::default() }, ..Price::default() };
    assert!(place.keeper().price(id, &price).await.unwrap());
    assert_eq!((open(&owner, Timestamp::UNIX_EPOCH).await, reader.pending_job("job-1").await.unwrap()), (1, None));
    assert_eq!(only(reader.owner_of_job("job-1").await.unwrap()), owner, "it still has its owner");
}
