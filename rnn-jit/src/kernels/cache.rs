//! Sizes of the caches, for choices of block sizes alone: no result depends on the answer being right.
//!
//! **Invariant:** the answer is the same for the whole life of the process.

use std::sync::OnceLock;

/// Bytes that are taken where the machine does not say: the least of the processors of the last years.
const USUAL: usize = 1 << 20;

/// Bytes of the second-level cache of one core.
#[must_use]
pub fn second_cache() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| reported().unwrap_or(USUAL))
}

// The deterministic cache parameters: leaf 4 where Intel, leaf 0x8000_001D where AMD defined them, of the same form.
#[cfg(target_arch = "x86_64")]
fn reported() -> Option<usize> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    let vendor = __cpuid(0);
    let (highest, leaf) = match vendor.ebx.to_le_bytes() {
        [b'A', b'u', b't', b'h'] => (__cpuid(0x8000_0000).eax, 0x8000_001d),
        _ => (vendor.eax, 4),
    };
    if highest < leaf {
        return None;
    }
    (0..8)
        .map(|index| __cpuid_count(leaf, index))
        .take_while(|cache| cache.eax & 0x1f != 0)
        .find(|cache| cache.eax >> 5 & 7 == 2)
        .and_then(|cache| {
            let ways = (cache.ebx >> 22) + 1;
            let partitions = (cache.ebx >> 12 & 0x3ff) + 1;
            let line = (cache.ebx & 0xfff) + 1;
            let sets = cache.ecx.checked_add(1)?;
            let bytes = [partitions, line, sets]
                .into_iter()
                .try_fold(ways as usize, |bytes, factor| {
                    bytes.checked_mul(factor as usize)
                })?;
            (bytes >= 64 * 1024).then_some(bytes)
        })
}

#[cfg(not(target_arch = "x86_64"))]
fn reported() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_cache_is_larger_than_a_first_and_fits_a_processor() {
        let bytes = second_cache();
        assert!((64 << 10..=64 << 20).contains(&bytes), "{bytes}");
        assert_eq!(bytes, second_cache());
    }
}
