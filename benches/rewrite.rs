//! Measures the rewrite of request bodies: `cargo bench --bench rewrite`.
//!
//! Every body passes the complete filter (strict JSON, UTF-8, blanking, appending, shared tool detection) in pieces of
//! the size of socket reads. The goals in GB/s: history 12, Chinese 10, escaped 8, image 20,
//! tool schemas 3, chat 2 (docs/PERFORMANCE.md#reading-bodies).

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callsign_core::endpoint::REMOVED_FIELDS;
use callsign_core::rewrite::ReservedFields;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/pass.rs"]
mod pass;

fn rewrite(criterion: &mut Criterion) {
    let reserved = Arc::new(ReservedFields::new(REMOVED_FIELDS, Some("prompt_cache_key")));
    let mut group = criterion.benchmark_group("rewrite");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(20);
    for (name, body) in bodies::all() {
        let body = Bytes::from(body);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| pass::pass(&reserved, &body)));
    }
    group.finish();
}

criterion_group!(benches, rewrite);
criterion_main!(benches);
