//! Instruction sets the kernels are written for, and the choice of one at run time.
//!
//! **Invariant:** an [`Isa`] for which [`Isa::is_available`] is false never reaches a kernel: [`Isa::detect`] and
//! [`Isa::available`] return only what the processor reports, and every safe wrapper asserts it.

/// Environment variable that caps the instruction set: `portable`, `avx2` or `avx512`.
pub const ISA_VARIABLE: &str = "RNN_ISA";

/// An instruction set with its own variant of every kernel, ordered from the narrowest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Whatever the target guarantees: four lanes that the compiler maps to SSE2 or NEON.
    Portable,
    /// AVX2 with FMA: eight lanes.
    Avx2,
    /// AVX-512 F, BW, DQ and VL: sixteen lanes.
    Avx512,
}

impl Isa {
    /// Every instruction set, narrowest first.
    pub const ALL: [Isa; 3] = [Isa::Portable, Isa::Avx2, Isa::Avx512];

    /// The widest instruction set of this processor, capped by the environment variable `RNN_ISA`.
    ///
    /// An unknown value of the variable is ignored.
    #[must_use]
    pub fn detect() -> Isa {
        let cap = std::env::var(ISA_VARIABLE)
            .ok()
            .and_then(|name| Isa::from_name(&name))
            .unwrap_or(Isa::Avx512);
        Isa::available()
            .into_iter()
            .filter(|isa| *isa <= cap)
            .max()
            .unwrap_or(Isa::Portable)
    }

    /// Every instruction set this processor runs, narrowest first; never empty.
    #[must_use]
    pub fn available() -> Vec<Isa> {
        Isa::ALL
            .into_iter()
            .filter(|isa| isa.is_available())
            .collect()
    }

    /// Whether this processor runs the variant.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => false,
        }
    }

    /// The name that `RNN_ISA` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }

    /// The instruction set called `name`, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Isa> {
        Isa::ALL
            .into_iter()
            .find(|isa| isa.name().eq_ignore_ascii_case(name.trim()))
    }

    /// Number of `f32` lanes in one vector.
    #[must_use]
    pub const fn lanes(self) -> usize {
        match self {
            Isa::Portable => 4,
            Isa::Avx2 => 8,
            Isa::Avx512 => 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portable_is_always_available_and_detect_is_among_the_available() {
        assert_eq!(Isa::available()[0], Isa::Portable);
        assert!(Isa::detect().is_available());
    }

    #[test]
    fn names_round_trip() {
        for isa in Isa::ALL {
            assert_eq!(Isa::from_name(isa.name()), Some(isa));
        }
        assert_eq!(Isa::from_name("sse"), None);
    }
}
