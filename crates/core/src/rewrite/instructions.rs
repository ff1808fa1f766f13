//! The vector instructions that the kernels use.

use std::sync::atomic::{AtomicUsize, Ordering};

use fearless_simd::Level;

/// A set of vector instructions that this machine has.
#[derive(Clone, Copy, Debug)]
pub struct Instructions(Level);

impl Instructions {
    /// Returns the widest that the kernels know: AVX-512, AVX2, SSE4.2 and SSE2 on x86-64, NEON on ARM. The machine is
    /// asked once; later calls read the answer.
    ///
    /// With `--cfg training` all of them take turns, so that the profile has counts for machines of every kind
    /// (`deploy/binary/build.sh`).
    pub fn widest() -> Self {
        if cfg!(training) { Self::in_turn() } else { Self(Level::new()) }
    }

    fn in_turn() -> Self {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let all = Self::all();
        let turn = CALLS.fetch_add(1, Ordering::Relaxed) % all.len();
        all.get(turn).copied().unwrap_or(Self(Level::new()))
    }

    /// Returns all that this machine has, the widest first. Every one gives the same answers.
    pub fn all() -> Vec<Self> {
        let widest = Level::new();
        #[cfg(target_arch = "x86_64")]
        let narrower = {
            use fearless_simd::Simd;
            [widest.as_avx2().map(Simd::level), widest.as_sse4_2().map(Simd::level), widest.as_sse2().map(Simd::level)]
        };
        #[cfg(not(target_arch = "x86_64"))]
        let narrower = [None];
        std::iter::once(widest).chain(narrower.into_iter().flatten()).map(Self).collect()
    }

    pub(super) fn level(self) -> Level {
        self.0
    }
}
