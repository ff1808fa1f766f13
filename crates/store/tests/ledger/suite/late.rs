//! Promises about costs that arrive late.

use callsign_core::usage::Usage;
use callsign_core::usage::money::NanoUsd;
use callsign_store::ledger::query::{By, Filter, Price};
use callsign_store::ledger::{Begun, Ledger};

use super::place::{Place, begun, begun_of, finished, id_at, only, pending, request};

/// Records a request whose cost is pending.
fn unpriced(ledger: &Ledger, begun: Begun) {
    let entry = ledger.begin(begun);
    entry.answered(Some("gen-late"));
    entry.finish(pending());
}

pub(super) async fn a_price_that_comes_late_moves_the_sums(place: Place) {
    let ledger = place.open();
    let late = Begun { markup: "1.5".parse().unwrap(), ..begun_of("acme", "alice") };
    let id = late.id;
    unpriced(&ledger, late);
    request(&ledger, begun("bob"), finished(10));
    ledger.close().await;

    let reader = place.reader();
    let found = only(reader.pending(&Filter::default(), None).await.unwrap());
    assert_eq!((found.id, found.tenant.as_deref(), found.account.as_deref()), (id, Some("acme"), Some("account")));
    assert_eq!((found.generation.as_str(), found.sent_user.as_deref()), ("gen-late", Some("acme_alice")));
    let price = Price {
        usage: Usage {
            cost: Some(NanoUsd(1_001)),
            provider_cost: Some(NanoUsd(100)),
            prompt_tokens: Some(30),
            ..Usage::default()
        },
        model: Some("openai/gpt-5".into()),
        provider: None,
    };
    let keeper = place.keeper();
    let unknown = Price { usage: Usage { cost: None, ..price.usage }, ..price.clone() };
    assert!(keeper.price(id, &unknown).await.unwrap(), "tokens without a cost");
    assert_eq!(reader.unpriced().await.unwrap(), (1, 0));
    assert!(keeper.price(id, &price).await.unwrap());
    let dearer = Price { usage: Usage { cost: Some(NanoUsd(9_999)), ..price.usage }, ..price.clone() };
    assert!(!keeper.price(id, &price).await.unwrap(), "the same price counts once");
    assert!(!keeper.price(id, &dearer).await.unwrap(), "a known cost is not replaced");
    assert!(!keeper.price(id_at(0), &price).await.unwrap(), "an unknown request has no price");

    let total = place.total().await;
    assert_eq!((total.requests, total.cost, total.provider_cost), (2, NanoUsd(1_011), NanoUsd(100)));
    // 10 + 1.5 * (1,001 + 100), rounded half up.
    assert_eq!((total.charged, total.prompt_tokens), (NanoUsd(1_662), 41));
    let models = reader.usage(By::Model, &Filter::default()).await.unwrap();
    assert_eq!(only(models).requests, 2, "the request still counts for the unknown model");
    assert_eq!(reader.unpriced().await.unwrap(), (0, 0));
    assert_eq!(reader.pending(&Filter::default(), None).await.unwrap(), []);
    place.assert_sums().await;
}

pub(super) async fn a_cost_that_can_never_be_found_is_counted(place: Place) {
    let ledger = place.open();
    let (one, other) = (begun("alice"), begun("bob"));
    let id = one.id;
    unpriced(&ledger, one);
    unpriced(&ledger, other);
    ledger.close().await;
    let keeper = place.keeper();
    assert!(keeper.never(id).await.unwrap());
    assert!(!keeper.never(id).await.unwrap(), "it counts once");
    let total = place.total().await;
    assert_eq!((total.requests, total.pending, total.never), (2, 1, 1));
    assert_eq!(place.reader().unpriced().await.unwrap(), (1, 1));
    let alice = Filter { user: Some("alice".to_owned()), ..Filter::default() };
    assert_eq!(place.reader().pending(&alice, None).await.unwrap(), []);
    place.assert_sums().await;
}

pub(super) async fn lookups_of_all_nodes_share_one_pace(place: Place) {
    const MINUTE: i64 = 60_000_000;
    let (one, two) = (place.keeper(), place.keeper());
    // Long gaps, so that the time of the test itself does not matter.
    one.set_lookup_gap(MINUTE).await.unwrap();
    assert_eq!(one.reserve_lookups(3).await.unwrap(), (0, MINUTE));
    let (wait, gap) = two.reserve_lookups(2).await.unwrap();
    assert!((2 * MINUTE..=3 * MINUTE).contains(&wait) && gap == MINUTE, "{wait}");
    let (wait, _) = one.reserve_lookups(1).await.unwrap();
    assert!((4 * MINUTE..=5 * MINUTE).contains(&wait), "{wait}");
    for ahead in ["+ 3600000000", "- 3600000000"] {
        place.run(&format!("UPDATE state SET lookup_us = lookup_us {ahead}")).await;
        assert_eq!(two.reserve_lookups(1).await.unwrap(), (0, MINUTE), "a clock was wrong: {ahead}");
    }
}
