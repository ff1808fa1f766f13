//! Measures formatting identifiers: `cargo bench --bench formats`. From a caller's source values to the members of a
//! body.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;

use callsign_core::endpoint::INFERENCE;
use callsign_core::identity::caller_identity::CallerIdentity;
use criterion::{Criterion, criterion_group, criterion_main};

#[path = "support/policy.rs"]
mod policy;

fn formats(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("identifiers of a chat");
    for (name, format) in policy::FORMATS {
        let policy = policy::with(format);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let identifiers =
                    policy.identify(black_box(&CallerIdentity::SAMPLE), &[], INFERENCE[0].fields).unwrap();
                black_box(identifiers.members())
            });
        });
    }
}

criterion_group!(benches, formats);
criterion_main!(benches);
