use callsign_core::identity::secret::IdSecret;
use callsign_core::secret::Secret;

use super::*;
use crate::limits::keys::row::Holder;

fn seal() -> RowSeal {
    RowSeal::of_keys(&IdSecret::new(&Secret::new("a secret of some length")).unwrap())
}

fn holder(user: &str) -> Holder {
    Holder { user: Some(user.to_owned()), ..Holder::default() }
}

fn row(name: &str) -> KeyRow {
    KeyRow::new(name, holder(name), KeyDigest::of(name.as_bytes()), "cli:root")
}

fn add(entries: &mut Entries, key: &KeyRow) -> Uuid {
    let op = Uuid::now_v7();
    entries.add_as(KIND, op, &key.text(&seal(), op).unwrap());
    op
}

fn retire(entries: &mut Entries, retired: &RetiredRow) {
    let op = Uuid::now_v7();
    entries.add_as(RETIRED, op, &retired.text(&seal(), op).unwrap());
}

fn is_known(index: &KeyIndex, name: &str) -> bool {
    index.find(KeyDigest::of(name.as_bytes())).is_some_and(|key| key.name == name)
}

fn started() -> (KeyIndex, Entries) {
    let (index, entries) = (KeyIndex::default(), Entries::new(|_| true));
    index.configure(Some(seal()), Duration::from_mins(1), &entries);
    (index, entries)
}

#[test]
fn changes_are_applied_one_by_one() {
    let (index, mut entries) = started();
    let ops: Vec<_> = (0..2_000).map(|number| add(&mut entries, &row(&format!("u{number}")))).collect();
    index.apply(&entries);
    assert!((0..2_000).all(|number| is_known(&index, &format!("u{number}"))));
    entries.lift(KIND, ops[7]);
    add(&mut entries, &row("late"));
    index.apply(&entries);
    assert!(!is_known(&index, "u7") && is_known(&index, "u8") && is_known(&index, "late"));
    assert_eq!(index.refused(), 0);
}

#[test]
fn keys_that_are_used_stay_read_up_to_a_number() {
    let (index, mut entries) = started();
    let ops: Vec<_> = (0..=MOST_READ).map(|number| add(&mut entries, &row(&format!("u{number}")))).collect();
    index.apply(&entries);
    assert!((0..=MOST_READ).all(|number| is_known(&index, &format!("u{number}"))));
    let find = |name: &str| index.find(KeyDigest::of(name.as_bytes())).unwrap();
    assert!(Arc::ptr_eq(&find("u0"), &find("u0")));
    let last = format!("u{MOST_READ}");
    assert!(!Arc::ptr_eq(&find(&last), &find(&last)), "one more than may stay");
    // A key that is gone makes room.
    entries.lift(KIND, ops[0]);
    index.apply(&entries);
    assert!(Arc::ptr_eq(&find(&last), &find(&last)));
}

#[test]
fn a_row_that_callsign_has_not_written_is_refused_and_counted_until_it_is_gone() {
    let (index, mut entries) = started();
    let forged = row("eve").text(&seal(), Uuid::now_v7()).unwrap();
    let op = entries.add(KIND, &forged);
    entries.add(KIND, "{}");
    index.apply(&entries);
    assert!(!is_known(&index, "eve"));
    assert_eq!(index.refused(), 2);
    entries.lift(KIND, op);
    index.apply(&entries);
    assert_eq!(index.refused(), 1);
}

#[test]
fn without_the_secret_no_row_is_in_force_and_with_it_again_all_are() {
    let (index, mut entries) = started();
    add(&mut entries, &row("ada"));
    index.apply(&entries);
    index.configure(None, Duration::from_mins(1), &entries);
    assert!(!is_known(&index, "ada"));
    assert_eq!(index.refused(), 1);
    index.configure(Some(seal()), Duration::from_mins(1), &entries);
    assert!(is_known(&index, "ada") && index.refused() == 0);
}

/// A server that did not know of the revocation has rotated the key meanwhile.
#[test]
fn rows_that_are_older_than_the_revocation_of_their_name_are_not_in_force() {
    for is_forgotten in [false, true] {
        let (index, mut entries) = started();
        add(&mut entries, &row("ada"));
        add(&mut entries, &row("bob"));
        index.apply(&entries);
        let retired = RetiredRow::new("ada", &holder("ada"), &[], false);
        retire(&mut entries, &if is_forgotten { retired.forgotten() } else { retired });
        index.apply(&entries);
        assert!(!is_known(&index, "ada") && is_known(&index, "bob"));
        // The name may be used again for the same holder.
        add(&mut entries, &row("ada"));
        index.apply(&entries);
        assert!(is_known(&index, "ada"));
        let (fresh, _) = started();
        fresh.configure(Some(seal()), Duration::from_mins(1), &entries);
        assert!(is_known(&fresh, "ada"));
    }
}

#[test]
fn the_list_is_stale_after_its_time() {
    let (index, entries) = started();
    assert!(!index.is_stale());
    index.configure(Some(seal()), Duration::ZERO, &entries);
    while !index.is_stale() {
        std::hint::spin_loop();
    }
    index.configure(Some(seal()), Duration::from_mins(1), &entries);
    assert!(!index.is_stale());
}
