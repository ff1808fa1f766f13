use proptest::prelude::*;

use super::*;

/// Number of replicas in the random histories. One of them plays a place that is reset to an older copy.
const REPLICAS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Block(usize),
    /// Lifts one of the entries that the replica knows.
    Lift(usize, usize),
    /// Sends the entries of one replica to another, perhaps several times.
    Send(usize, usize, usize),
    Save(usize),
    /// Goes back to the saved copy, or to nothing.
    GoBack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..REPLICAS).prop_map(Step::Block),
        (0..REPLICAS, 0..100_usize).prop_map(|(on, which)| Step::Lift(on, which)),
        (0..REPLICAS, 0..REPLICAS, 1..3_usize).prop_map(|(from, to, times)| Step::Send(from, to, times)),
        (0..REPLICAS).prop_map(Step::Save),
        (0..1_usize).prop_map(Step::GoBack),
    ]
}

fn readable(entry: &Entry) -> bool {
    &*entry.body != "torn"
}

/// Returns what a place with these entries lacks.
fn missing_in(entries: &Entries, place: &[Entry]) -> Vec<Entry> {
    let mut seen = Seen::default();
    entries.see(place, &mut seen);
    entries.missing(seen, None)
}

fn list(entries: &Entries) -> Vec<Entry> {
    let mut all: Vec<_> = entries.all().map(|held| held.entry.clone()).collect();
    all.sort_by_key(|entry| entry.op);
    all
}

fn in_force(entries: &Entries) -> Vec<Uuid> {
    let mut all: Vec<_> = entries.of("block").map(|entry| entry.op).collect();
    all.sort();
    all
}

fn send(replicas: &mut [Entries], from: usize, to: usize) {
    let missing = missing_in(&replicas[from], &list(&replicas[to]));
    replicas[to].merge(&missing);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Replica 0 may lose its memory; the others are servers. Whatever the order and the repetition of exchanges, all
    /// replicas end with the same list: every entry except those that somebody who knew them lifted.
    #[test]
    fn replicas_converge(steps in prop::collection::vec(step(), 0..60)) {
        let mut replicas: Vec<_> = (0..REPLICAS).map(|_| Entries::new(readable)).collect();
        let mut saved: Vec<Vec<Entry>> = vec![Vec::new(); REPLICAS];
        let (mut made, mut lifted) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                // An acknowledged change on a server is in its memory and in its file.
                Step::Block(on) => {
                    let op = replicas[on].add("block", "x");
                    made.push(op);
                    if on == 0 {
                        send(&mut replicas, 0, 1);
                    }
                }
                Step::Lift(on, which) => {
                    let known = in_force(&replicas[on]);
                    if let Some(op) = known.get(which % known.len().max(1)) {
                        replicas[on].lift("block", *op);
                        lifted.push(*op);
                        if on == 0 {
                            send(&mut replicas, 0, 1);
                        }
                    }
                }
                Step::Send(from, to, times) => (0..times).for_each(|_| send(&mut replicas, from, to)),
                Step::Save(on) => saved[on] = list(&replicas[on]),
                Step::GoBack(on) => {
                    replicas[on] = Entries::new(readable);
                    replicas[on].merge(&saved[on]);
                }
            }
        }
        for _ in 0..2 {
            for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1), (2, 1)] {
                send(&mut replicas, from, to);
            }
        }
        let expected: Vec<_> = { made.retain(|op| !lifted.contains(op)); made.sort(); made };
        for replica in &replicas {
            prop_assert_eq!(in_force(replica), expected.clone());
            prop_assert_eq!(list(replica), list(&replicas[0]));
        }
    }
}

#[test]
fn a_torn_entry_keeps_its_last_good_copy_and_is_repaired() {
    let mut good = Entries::new(readable);
    let op = good.add("block", "whole");
    let torn = vec![Entry { kind: "block".into(), op, lifted: false, body: "torn".into() }];
    assert_eq!(good.merge(&torn), 0);
    assert_eq!(good.of("block").next().map(|entry| &*entry.body), Some("whole"));
    assert_eq!(missing_in(&good, &torn).len(), 1, "the place gets the good copy back");
    let mut fresh = Entries::new(readable);
    fresh.merge(&torn);
    assert!(missing_in(&fresh, &list(&good)).is_empty(), "a torn copy does not replace a good one");
    fresh.merge(&list(&good));
    assert_eq!(list(&fresh), list(&good));
}

#[test]
fn number_and_bytes_are_bounded() {
    let mut entries = Entries::new(readable);
    let long = Entry { kind: "block".into(), op: Uuid::now_v7(), lifted: false, body: "x".repeat(8193).into() };
    assert_eq!(entries.merge(&[long]), 1);
    let kept = entries.add("block", "x");
    let lifted = |_| Entry { kind: "block".into(), op: Uuid::now_v7(), lifted: true, body: "".into() };
    let mut many: Vec<_> = (0..=MOST_LIFTED).map(lifted).collect();
    many.sort_by_key(|entry| entry.op);
    entries.merge(&many);
    assert_eq!(list(&entries).len(), MOST_LIFTED + 1, "the oldest lifted entry is dropped");
    assert_eq!(entries.dropped(&many), many[..1]);
    assert_eq!(in_force(&entries), [kept]);
}

#[test]
fn a_lifting_is_kept_though_many_later_entries_were_lifted() {
    let mut entries = Entries::new(readable);
    let old = entries.add("block", "x");
    let place = list(&entries);
    for _ in 0..MOST_LIFTED {
        let op = entries.add("block", "x");
        entries.lift("block", op);
    }
    entries.lift("block", old);
    // The exchange with a place that has not heard of it.
    entries.merge(&place);
    assert!(in_force(&entries).is_empty());
    assert!(missing_in(&entries, &place).iter().any(|entry| entry.op == old && entry.lifted));
    // A server that begins keeps it too.
    let mut fresh = Entries::new(readable);
    fresh.merge(&list(&entries));
    let op = fresh.add("block", "x");
    fresh.lift("block", op);
    fresh.merge(&place);
    assert!(in_force(&fresh).is_empty());
    assert_eq!(list(&fresh).len(), MOST_LIFTED, "the entry that was lifted first is dropped");
}

#[test]
fn a_wrong_number_of_a_lifting_counts_as_none() {
    for body in ["", "1", "99999999999999999999", "0000000000000000000x", "18446744073709551615"] {
        assert_eq!(lifting_of(body), 0, "{body}");
    }
    assert_eq!(lifting_of(&lifting(7)), 7);
    let mut entries = Entries::new(readable);
    let forged = Entry { kind: "block".into(), op: Uuid::now_v7(), lifted: true, body: lifting(u64::MAX).into() };
    entries.merge(&[forged]);
    let op = entries.add("block", "x");
    entries.lift("block", op);
    assert_eq!(list(&entries).iter().find(|entry| entry.op == op).map(|entry| lifting_of(&entry.body)), Some(1));
}

#[test]
fn only_later_changes_are_compared_with_a_place_that_had_the_rest() {
    let mut entries = Entries::new(readable);
    let old = entries.add("block", "x");
    let since = entries.generation();
    let new = entries.add("block", "y");
    let ids = |missing: Vec<Entry>| missing.into_iter().map(|entry| entry.op).collect::<Vec<_>>();
    assert_eq!(ids(entries.missing(Seen::default(), Some(since))), [new]);
    let mut seen = Seen::default();
    let torn = Entry { kind: "block".into(), op: old, lifted: false, body: "torn".into() };
    entries.see(std::slice::from_ref(&torn), &mut seen);
    assert_eq!(ids(entries.missing(seen, Some(entries.generation()))), [old], "a worse copy is replaced");
    assert_eq!(entries.changed_after("block", since).map(|entry| entry.op).collect::<Vec<_>>(), [new]);
}
