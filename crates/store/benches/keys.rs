//! Memory of 100,000 keys in the database, and the time to find one among 10 and among 100,000.
//!
//! `cargo bench -p callsign-store --bench keys` prints both, and fails if the memory exceeds 64 MiB.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints measurements")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use callsign_core::identity::row_seal::RowSeal;
use callsign_core::identity::secret::IdSecret;
use callsign_core::secret::{KeyDigest, Secret};
use callsign_store::limits::keys::index::KeyIndex;
use callsign_store::limits::keys::row::{Holder, KIND, KeyRow};
use callsign_store::state::Entries;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MANY: usize = 100_000;
const FEW: usize = 10;
const LOOKUPS: usize = 200_000;
/// Maximum memory of the many keys in MiB.
const MOST_MIB: u64 = 64;

fn main() {
    let few = measure(FEW);
    let before = resident_kib();
    let many = measure_with(MANY, || println!("memory of {MANY} keys: {} MiB", (resident_kib() - before) / 1024));
    let used = many.1.saturating_sub(before) / 1024;
    println!("time to find a key among {FEW}: {} ns, among {MANY}: {} ns", few.0.as_nanos(), many.0.as_nanos());
    assert!(used < MOST_MIB, "{used} MiB");
}

fn measure(keys: usize) -> (Duration, u64) {
    measure_with(keys, || {})
}

/// Returns the time to find a key, and the resident memory with all keys.
fn measure_with(keys: usize, loaded: impl FnOnce()) -> (Duration, u64) {
    let seal = RowSeal::of_keys(&IdSecret::new(&Secret::new("a secret of some length")).unwrap());
    let (index, mut entries) = (KeyIndex::default(), Entries::new(|_| true));
    index.configure(Some(seal.clone()), Duration::from_mins(1), &entries);
    let digest = |number: usize| KeyDigest::of(format!("sk-cs-{number}").as_bytes());
    for number in 0..keys {
        let user = format!("user-{number}@example.com");
        let holder = Holder { user: Some(user.clone()), ..Holder::default() };
        let op = Uuid::now_v7();
        let text = KeyRow::new(&user, holder, digest(number), "cli:root").text(&seal, op).unwrap();
        entries.add_as(KIND, op, &text);
        // As a server reads them, in pages.
        if number % 5_000 == 0 {
            index.apply(&entries);
        }
    }
    index.apply(&entries);
    let digests: Vec<_> = (0..keys.min(1_000)).map(|number| digest(number * keys / keys.min(1_000))).collect();
    let began = Instant::now();
    for number in 0..LOOKUPS {
        black_box(index.find(digests[number % digests.len()])).unwrap();
    }
    let time = began.elapsed() / u32::try_from(LOOKUPS).unwrap();
    loaded();
    (time, resident_kib())
}

/// Returns the resident memory of this process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
