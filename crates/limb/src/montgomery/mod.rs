//! Batches of Montgomery arithmetic: several odd moduli of one size side by side, one per lane.
//!
//! Two representations implement [`Montgomery`]: [`fma::Fma`] (balanced limbs in doubles, needs a
//! fused multiply-add) and [`int::Int`] (28-bit limbs in 64-bit integers). Both work for moduli of
//! 512 to 4160 bits, allocate nothing after [`Montgomery::new`] but what a caller asks for, and
//! neither branches on nor indexes by a limb's value.

mod columns;
pub mod fma;
pub mod int;
mod words;

pub use words::bit_length;
pub(crate) use words::bits_at;

/// Arithmetic modulo [`Montgomery::WIDTH`] odd moduli at once.
///
/// Instance `i` of every operand belongs to modulus `i`. A residue stands for a class modulo its
/// modulus N; a representation keeps it in a range of its own, a little wider than one modulus.
/// R is `2^radix_bits`, the same for all instances, and at least `2^7` times every modulus.
pub trait Montgomery: Sized {
    /// Instances in a batch.
    const WIDTH: usize;
    /// One residue per instance. Wiped when dropped.
    type Residue: Clone;

    /// Prepares `moduli`, 64-bit words, least significant first.
    ///
    /// Pre: `moduli.len() == WIDTH`, every modulus odd and greater than 1, all of one word count.
    fn new(moduli: &[&[u64]]) -> Self;

    /// R is two to this power.
    fn radix_bits(&self) -> u32;

    /// Takes values as they are, in Montgomery form or not: no multiplication happens.
    ///
    /// Pre: each value is below its modulus and has at most the modulus's words.
    fn load(&self, values: &[&[u64]]) -> Self::Residue;

    /// Two to the power `exponents[i]`, as it is.
    ///
    /// Pre: each power is below half of R divided by 64.
    fn load_power_of_two(&self, exponents: &[u32]) -> Self::Residue;

    /// The value of one instance in `0..N`, as many words as the modulus.
    fn store(&self, x: &Self::Residue, instance: usize) -> Vec<u64>;

    /// `x = x * x / R`, and times two where `double` says so.
    fn square(&mut self, x: &mut Self::Residue, double: &[bool]);

    /// `x = x * y / R`.
    fn multiply(&mut self, x: &mut Self::Residue, y: &Self::Residue);

    /// `x = x / R`: out of Montgomery form.
    fn reduce(&mut self, x: &mut Self::Residue);

    /// `x = x - y`. Pre: `x` and `y` each came from `load`, `square` without doubling, `multiply`,
    /// or `reduce`; the result is multiplied or squared before it is subtracted again.
    fn subtract(&self, x: &mut Self::Residue, y: &Self::Residue);

    /// `out = table[index[i]]` for each instance, reading the whole table.
    ///
    /// Pre: the table has an even number of entries.
    fn select(&self, out: &mut Self::Residue, table: &[Self::Residue], index: &[usize]);

    /// Whether each instance of `x`, the result of [`Montgomery::reduce`], is 1 or -1 as an
    /// integer: `(is_one, is_minus_one)`.
    fn units(&self, x: &Self::Residue, instance: usize) -> (bool, bool);

    /// R mod N: the Montgomery form of one.
    fn one(&self) -> Self::Residue;

    /// R^2 mod N: multiplying by it brings a value into Montgomery form.
    fn radix_squared(&mut self) -> Self::Residue {
        let exponent = self.radix_bits();
        let mut x = self.one();
        let all = vec![true; Self::WIDTH];
        let none = vec![false; Self::WIDTH];
        for i in (0..u32::BITS - exponent.leading_zeros()).rev() {
            let bit = exponent >> i & 1 == 1;
            self.square(&mut x, if bit { &all } else { &none });
        }
        x
    }
}
