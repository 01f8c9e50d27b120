//! Long numbers outside the batches: `crypto-bigint` where speed does not matter.

use crypto_bigint::BoxedUint;
use zeroize::{Zeroize, Zeroizing};

/// 64-bit words, least significant first, wiped when dropped.
pub(crate) type Words = Zeroizing<Vec<u64>>;

/// Big-endian bytes as words. Post: `bytes.len() / 8` words, rounded up.
pub(crate) fn words_from_be(bytes: &[u8]) -> Words {
    let mut words = Zeroizing::new(vec![0u64; bytes.len().div_ceil(8)]);
    for (i, byte) in bytes.iter().rev().enumerate() {
        words[i / 8] |= u64::from(*byte) << (8 * (i % 8));
    }
    words
}

/// Words as `length` big-endian bytes. Pre: the value fits.
pub(crate) fn words_to_be(words: &[u64], length: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0u8; length]);
    for (i, byte) in bytes.iter_mut().rev().enumerate() {
        *byte = words.get(i / 8).map_or(0, |w| (w >> (8 * (i % 8))) as u8);
    }
    bytes
}

/// Words as a number of the same width.
pub(crate) fn boxed(words: &[u64]) -> Zeroizing<BoxedUint> {
    let bytes = words_to_be(words, words.len() * 8);
    let bits = words.len() as u32 * 64;
    Zeroizing::new(BoxedUint::from_be_slice_truncated(&bytes, bits))
}

/// A number as `count` words. Pre: the value fits.
pub(crate) fn words_of(number: &BoxedUint, count: usize) -> Words {
    let mut bytes = number.to_be_bytes();
    let mut words = words_from_be(&bytes);
    bytes.zeroize();
    words.resize(count, 0);
    words
}

/// Adds a small number in place. Pre: no carry leaves the last word.
pub(crate) fn add_small(words: &mut [u64], small: u64) {
    let mut carry = small;
    for word in words {
        let (sum, over) = word.overflowing_add(carry);
        *word = sum;
        carry = u64::from(over);
    }
    debug_assert_eq!(carry, 0);
}

/// Whether bit `i` is set.
pub(crate) fn bit(words: &[u64], i: u32) -> bool {
    words[(i / 64) as usize] >> (i % 64) & 1 == 1
}

/// `x / 2^shift`, as many words.
pub(crate) fn shift_right(words: &[u64], shift: u32) -> Words {
    let (skip, bits) = ((shift / 64) as usize, shift % 64);
    let word = |i: usize| words.get(i).copied().unwrap_or(0);
    Zeroizing::new(
        (0..words.len())
            .map(|i| {
                let high = if bits == 0 {
                    0
                } else {
                    word(i + skip + 1) << (64 - bits)
                };
                word(i + skip) >> bits | high
            })
            .collect(),
    )
}

/// Trailing zero bits. Pre: not zero.
pub(crate) fn trailing_zeros(words: &[u64]) -> u32 {
    let mut zeros = 0;
    for word in words {
        zeros += word.trailing_zeros();
        if *word != 0 {
            break;
        }
    }
    zeros
}

/// `x mod small`, without a division instruction's quotient ever being kept.
pub(crate) fn rem_small(words: &[u64], small: u32) -> u32 {
    let small = u64::from(small);
    let mut r = 0u64;
    for word in words.iter().rev() {
        r = (r << 32 | word >> 32) % small;
        r = (r << 32 | word & 0xffff_ffff) % small;
    }
    r as u32
}
