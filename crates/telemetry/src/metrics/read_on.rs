//! Metrics of answers that are read on after their client has left (docs/SPEC.md#clients-that-leave).

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The way in which reading on ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOnResult {
    /// The whole answer was read.
    Complete,
    /// Only the head was read, because the answer is a stream or has no readable usage.
    Head,
    /// OpenRouter did not answer, or its answer broke.
    Failed,
    /// It took longer than `upstream.first_byte_timeout_seconds`.
    Timeout,
    /// A block, a changed configuration or a drain ended it.
    Stopped,
    /// It did not begin, because its share was used up. The request was cancelled.
    Full,
}

impl ReadOnResult {
    const ALL: [Self; 6] = [Self::Complete, Self::Head, Self::Failed, Self::Timeout, Self::Stopped, Self::Full];

    fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Head => "head",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Stopped => "stopped",
            Self::Full => "full",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// `callsign_read_on_total{result}`.
#[derive(Debug, Default)]
pub struct ReadOnMetrics(Family<ResultLabel, Counter>);

impl ReadOnMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        // Created with 0, because a rate needs the first value too.
        for result in ReadOnResult::ALL {
            drop(self.0.get_or_create(&ResultLabel { result: result.name() }));
        }
        registry.register("read_on", "Answers read on after their client had left, by result", self.0.clone());
    }

    /// Counts a result.
    pub fn count(&self, result: ReadOnResult) {
        self.0.get_or_create(&ResultLabel { result: result.name() }).inc();
    }
}
