use callsign_core::allowance::{Ceiling, Ceilings, Limit};
use callsign_core::identity::caller_identity::CallerIdentity;

use super::*;
use crate::limits::acts::Verb;
use crate::limits::blocks::Block;
use crate::person::Person;

fn block(id: &str, tenant: Option<&str>) -> Block {
    Block {
        id: id.to_owned(),
        tenant: tenant.map(str::to_owned),
        since: Timestamp::now(),
        until: None,
        reason: Some(format!("{id} is rude")),
        cut: false,
        user_id: false,
        forgotten: false,
    }
}

fn rpm(user: &str) -> (Person, Override) {
    let (since, ceiling, by) = (Timestamp::now(), Ceiling::At(5), "admin".to_owned());
    let one = Override {
        user: user.to_owned(),
        tenant: None,
        limit: Limit::Rpm,
        ceiling,
        since,
        until: None,
        by,
        forgotten: false,
    };
    (Person { tenant: None, user: user.to_owned() }, one)
}

fn act(subject: &str) -> Act {
    Act::new(Verb::Case, "cli:root", subject, Some(""), Some(format!("about {subject}")))
}

fn caller(user: &str) -> CallerIdentity<'_> {
    CallerIdentity { user: Some(user), ..CallerIdentity::default() }
}

#[test]
fn each_change_has_its_act_and_a_change_of_nothing_has_none() {
    let state = OperatorState::default();
    state.put(&block("ada", None), "cli:root").unwrap();
    let (person, one) = rpm("bob");
    state.set_limits(&person, &[one], &[], "admin").unwrap();
    state.set_limits(&person, &[], &[Limit::Rpm], "admin").unwrap();
    state.set_limits(&person, &[], &[Limit::Rpm], "admin").unwrap();
    let unblock = Act::new(Verb::Unblock, "cli:root", "ada", None, None);
    assert_eq!(state.lift(|block| block.has_id("ada"), &unblock).0, 1);
    assert_eq!(state.lift(|block| block.has_id("ada"), &unblock).0, 0);
    let acts = state.acts(None, None);
    let shown: Vec<_> = acts.iter().map(|act| (act.act.as_str(), act.subject.as_str(), act.by.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("unblock", "ada", "cli:root"),
            ("reset_limits", "bob", "admin"),
            ("set_limits", "bob", "admin"),
            ("block", "ada", "cli:root")
        ]
    );
    assert_eq!(acts[3].detail.as_deref(), Some("permanently; ada is rude"));
    assert_eq!(acts[2].detail.as_deref(), Some("rpm=5"));
}

#[test]
fn a_forgotten_user_stays_blocked_and_limited_and_is_named_nowhere() {
    let state = OperatorState::default();
    for user in ["ada", "bob"] {
        state.put(&block(user, None), "cli:root").unwrap();
        let (person, one) = rpm(user);
        state.set_limits(&person, &[one], &[], "admin").unwrap();
        state.record(&act(user));
    }
    state.put(&block("acme_17", Some("")), "cli:root").unwrap();
    state.put(&block("ada", Some("other")), "cli:root").unwrap();
    let names = ["ada".to_owned(), "acme_17".to_owned()];
    let names = Names { all: &names, tenant: None };
    state.forget(names, &Act::new(Verb::Forget, "cli:root", "ada", Some(""), None));

    assert!(state.gate().stops(&caller("ada"), None) && state.gate().stops(&caller("x"), Some("acme_17")));
    assert_eq!(state.overrides().over(&caller("ada"), Ceilings::default()).0[0], Some(5));
    let kinds = [content::KIND, overrides::KIND, KIND];
    let entries = state.0.entries.lock();
    let texts = kinds.into_iter().flat_map(|kind| entries.of(kind)).map(|entry| entry.body.to_string());
    let theirs: Vec<_> = texts.filter(|text| text.contains("ada") || text.contains("acme_17")).collect();
    assert_eq!(theirs.len(), 2, "only the namesake of another tenant is named, in a block and its act: {theirs:?}");
    assert!(theirs.iter().all(|text| text.contains("other")));
    drop(entries);
    let acts = state.acts(None, None);
    assert_eq!((acts[0].act.as_str(), acts[0].forgotten), ("forget", true));
    assert_eq!(acts.iter().filter(|act| act.forgotten).count(), 5);
    assert!(state.acts(None, None).iter().any(|act| act.subject == "bob" && act.detail.is_some()));

    // The operator can still name the user.
    let unblock = Act::new(Verb::Unblock, "cli:root", "ada", Some(""), None);
    assert_eq!(state.lift(|block| block.has_id("ada") && block.is_of(None), &unblock).0, 1);
    let (person, _) = rpm("ada");
    assert_eq!(state.set_limits(&person, &[], &[Limit::Rpm], "admin").unwrap().0, 1);
    assert!(!state.gate().stops(&caller("ada"), None));
}

#[test]
fn the_log_is_bounded_in_number_and_age() {
    let state = OperatorState::default();
    let wide = Act { detail: Some("\u{1}".repeat(1_000)), ..act(&"\u{1}".repeat(1_024)) };
    state.record(&wide);
    assert_eq!(state.acts(None, None)[0].detail, None, "too long for an entry");
    for number in 0..MOST_ACTS {
        let text = text(&act(&number.to_string())).unwrap();
        state.0.entries.lock().add(KIND, &text);
    }
    state.record(&act("last"));
    let acts = state.acts(None, None);
    assert_eq!((acts.len(), acts[0].subject.as_str()), (MOST_ACTS, "last"));
    assert!(acts.iter().all(|act| act.subject != wide.subject), "the oldest is gone");
    let day = SignedDuration::from_hours(24);
    state.lift_old_acts(Timestamp::now() + day, 2);
    assert_eq!(state.acts(None, None).len(), MOST_ACTS);
    state.lift_old_acts(Timestamp::now() + day * 3, 2);
    assert_eq!(state.acts(None, None), []);
}
