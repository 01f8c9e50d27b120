//! 256-bit integers at the border: bytes in, bytes out, comparison, one subtraction.

use crate::modulus::Modulus;

/// Shape: four 64-bit words, least significant first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct U256(pub(crate) [u64; 4]);

impl U256 {
    pub(crate) const ZERO: Self = Self([0; 4]);
    pub(crate) const ONE: Self = Self([1, 0, 0, 0]);

    /// Reads 32 bytes, big endian.
    pub(crate) fn from_be_bytes(bytes: &[u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().rev().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*chunk);
        }
        Self(words)
    }

    /// Writes 32 bytes, big endian.
    pub(crate) fn to_be_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (word, chunk) in self.0.iter().rev().zip(bytes.as_chunks_mut::<8>().0) {
            *chunk = word.to_be_bytes();
        }
        bytes
    }

    /// `self + other` modulo 2^256, and the carry.
    pub(crate) const fn add(self, other: Self) -> (Self, bool) {
        let mut out = [0; 4];
        let mut carry = false;
        let mut i = 0;
        while i < 4 {
            let (sum, first) = self.0[i].overflowing_add(other.0[i]);
            let (sum, second) = sum.overflowing_add(carry as u64);
            out[i] = sum;
            carry = first | second;
            i += 1;
        }
        (Self(out), carry)
    }

    /// `self - other` modulo 2^256, and the borrow.
    pub(crate) const fn sub(self, other: Self) -> (Self, bool) {
        let mut out = [0; 4];
        let mut borrow = false;
        let mut i = 0;
        while i < 4 {
            let (difference, first) = self.0[i].overflowing_sub(other.0[i]);
            let (difference, second) = difference.overflowing_sub(borrow as u64);
            out[i] = difference;
            borrow = first | second;
            i += 1;
        }
        (Self(out), borrow)
    }

    /// `a` where the condition holds, else `b`, by masks.
    pub(crate) fn select(condition: bool, a: Self, b: Self) -> Self {
        let mask = 0u64.wrapping_sub(core::hint::black_box(u64::from(condition)));
        Self(core::array::from_fn(|i| (a.0[i] & mask) | (b.0[i] & !mask)))
    }

    /// Subtracts the modulus once where that leaves no borrow.
    /// Pre: `self < 2 * M`, which every 256-bit integer is for both of the curve's moduli.
    pub(crate) fn reduce_once<M: Modulus>(self) -> Self {
        let (less, borrow) = self.sub(M::VALUE);
        Self::select(borrow, self, less)
    }

    /// Whether `1 <= self < M`.
    pub(crate) fn is_unit<M: Modulus>(self) -> bool {
        let any = self.0.iter().fold(0, |all, word| all | word);
        let (_, below) = self.sub(M::VALUE);
        below & (any != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modulus::N;

    #[test]
    fn bytes_and_bounds() {
        let mut bytes = [0; 32];
        bytes[31] = 1;
        bytes[0] = 0x80;
        let x = U256::from_be_bytes(&bytes);
        assert_eq!(x.0, [1, 0, 0, 1 << 63]);
        assert_eq!(x.to_be_bytes(), bytes);
        assert!(!U256::ZERO.is_unit::<N>());
        assert!(!N::VALUE.is_unit::<N>());
        assert!(U256::ONE.is_unit::<N>());
        assert!(N::VALUE.sub(U256::ONE).0.is_unit::<N>());
        assert_eq!(N::VALUE.reduce_once::<N>(), U256::ZERO);
    }
}
