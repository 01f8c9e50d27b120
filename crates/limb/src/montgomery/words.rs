//! Plain 64-bit words, least significant first: the form in which numbers come and go.

/// Number of bits up to the highest one that is set; 0 for zero.
#[must_use]
pub fn bit_length(words: &[u64]) -> u32 {
    let mut bits = 0;
    let mut base = 0;
    for word in words {
        if *word != 0 {
            bits = base + u64::BITS - word.leading_zeros();
        }
        base += u64::BITS;
    }
    bits
}

/// Bits `at..at + width` of `words`. Pre: `width < 64`. Bits past the end are zero.
pub(crate) fn bits_at(words: &[u64], at: u32, width: u32) -> u64 {
    let (word, shift) = ((at / 64) as usize, at % 64);
    let low = words.get(word).map_or(0, |w| w >> shift);
    let high = match words.get(word + 1) {
        Some(w) if shift > 0 => w << (64 - shift),
        _ => 0,
    };
    (low | high) & ((1 << width) - 1)
}

/// Inverse of an odd `x` modulo 2^64. Source: Newton's iteration; `x` is its own inverse mod 8.
pub(crate) fn inverse_2_64(x: u64) -> u64 {
    let mut y = x;
    for _ in 0..5 {
        y = y.wrapping_mul(2u64.wrapping_sub(x.wrapping_mul(y)));
    }
    y
}

/// Sum of signed limbs of `width` bits each, in `0..modulus`.
///
/// Pre: the sum lies strictly between -2 * modulus and (1 + excess) * modulus, and its magnitude is
/// below 2^63 times the modulus's highest word; each limb's magnitude is below 2^62. Post: as many words as `modulus`. No branch depends on a limb.
pub(crate) fn collect(
    limbs: impl Iterator<Item = i64>,
    width: u32,
    modulus: &[u64],
    excess: u32,
) -> Vec<u64> {
    let mut words = vec![0u64; modulus.len() + 1];
    let mut carry = 0i64;
    let mut at = 0u32;
    for limb in limbs {
        let sum = limb + carry;
        carry = sum >> width;
        let digit = sum.cast_unsigned() & ((1 << width) - 1);
        place(&mut words, at, digit);
        at += width;
    }
    // What is left is the sign (or a few bits past the last word when the value is above it).
    while at < (words.len() as u32) * 64 {
        let digit = carry.cast_unsigned() & ((1 << width) - 1);
        place(&mut words, at, digit);
        carry >>= width;
        at += width;
    }
    // A negative sum gets the modulus, twice if need be; then it is taken away, and put back where
    // that borrowed.
    for _ in 0..2 {
        let negative = sign_mask(&words);
        add_masked(&mut words, modulus, negative);
    }
    for _ in 0..excess {
        add_negated_masked(&mut words, modulus, u64::MAX);
        let borrowed = sign_mask(&words);
        add_masked(&mut words, modulus, borrowed);
    }
    debug_assert_eq!(words[modulus.len()], 0);
    words.truncate(modulus.len());
    words
}

/// `2x mod modulus`. Pre: `x < modulus`, of one length.
pub(crate) fn double_mod(x: &[u64], modulus: &[u64]) -> Vec<u64> {
    let mut words = vec![0u64; modulus.len() + 1];
    let mut top = 0;
    for (out, word) in words.iter_mut().zip(x) {
        *out = word << 1 | top;
        top = word >> 63;
    }
    words[modulus.len()] = top;
    add_negated_masked(&mut words, modulus, u64::MAX);
    let borrowed = sign_mask(&words);
    add_masked(&mut words, modulus, borrowed);
    words.truncate(modulus.len());
    words
}

/// `2^bits mod modulus` for `bits` at least the modulus's length.
pub(crate) fn power_of_two_mod(bits: u32, modulus: &[u64]) -> Vec<u64> {
    let length = bit_length(modulus);
    debug_assert!(bits >= length);
    // 2^(length - 1) is the highest power below an odd modulus greater than 1.
    let mut x = vec![0u64; modulus.len()];
    x[((length - 1) / 64) as usize] = 1 << ((length - 1) % 64);
    for _ in length - 1..bits {
        x = double_mod(&x, modulus);
    }
    x
}

fn place(words: &mut [u64], at: u32, digit: u64) {
    let (word, shift) = ((at / 64) as usize, at % 64);
    if let Some(w) = words.get_mut(word) {
        *w |= digit << shift;
    }
    if shift > 0
        && let Some(w) = words.get_mut(word + 1)
    {
        *w |= digit >> (64 - shift);
    }
}

fn sign_mask(words: &[u64]) -> u64 {
    words
        .last()
        .map_or(0, |w| (w.cast_signed() >> 63).cast_unsigned())
}

fn add_masked(words: &mut [u64], addend: &[u64], mask: u64) {
    let mut carry = false;
    for (i, word) in words.iter_mut().enumerate() {
        let a = addend.get(i).map_or(0, |w| w & mask);
        (*word, carry) = carrying_add(*word, a, carry);
    }
}

fn add_negated_masked(words: &mut [u64], addend: &[u64], mask: u64) {
    let mut carry = mask & 1 == 1;
    for (i, word) in words.iter_mut().enumerate() {
        let a = addend.get(i).map_or(mask, |w| !w & mask);
        (*word, carry) = carrying_add(*word, a, carry);
    }
}

fn carrying_add(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(u64::from(carry));
    (sum, first | second)
}
