//! The vector instructions that the kernels use.

use fearless_simd::Level;

/// A set of vector instructions that this machine has.
#[derive(Clone, Copy, Debug)]
pub struct Instructions(Level);

impl Instructions {
    /// Returns the widest that the kernels know: AVX-512, AVX2, SSE4.2 and SSE2 on x86-64, NEON on ARM. The machine is
    /// asked once; later calls read the answer.
    pub fn widest() -> Self {
        Self(Level::new())
    }

    /// Returns all that this machine has, for tests: every one gives the same answers.
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
