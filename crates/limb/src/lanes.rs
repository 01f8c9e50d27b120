//! The lane trait: two independent 64-bit instances side by side, seen as doubles or as integers.

/// Two instances of a computation, one per 64-bit lane.
///
/// Every operation is lane-wise. Nothing here branches on or indexes by a lane's value.
pub trait Lanes: Copy + 'static {
    /// Two doubles.
    type F: Copy;
    /// Two 64-bit integers, two's complement, wrapping.
    type I: Copy;

    /// Whether [`Lanes::madd`] and [`Lanes::nmadd`] round once on this CPU.
    ///
    /// Found by running the operation on operands whose product needs more than 53 bits.
    fn fused() -> bool {
        let a = f64::from(1u32 << 27) + 1.0;
        // a * a = 2^54 + 2^28 + 1: the trailing one is lost unless the product is exact.
        let high = a * a;
        let low = Self::store_f(Self::nmadd(
            Self::splat_f(core::hint::black_box(a)),
            Self::splat_f(a),
            Self::splat_f(high),
        ));
        low == [-1.0, -1.0]
    }

    /// The same double in both lanes.
    fn splat_f(x: f64) -> Self::F;
    /// Lane 0 first.
    fn load_f(x: [f64; 2]) -> Self::F;
    /// Lane 0 first.
    fn store_f(x: Self::F) -> [f64; 2];
    /// The same integer in both lanes.
    fn splat_i(x: i64) -> Self::I;
    /// Lane 0 first.
    fn load_i(x: [i64; 2]) -> Self::I;
    /// Lane 0 first.
    fn store_i(x: Self::I) -> [i64; 2];

    /// `a * b + c`, rounded once where [`Lanes::fused`] holds.
    fn madd(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `c - a * b`, rounded once where [`Lanes::fused`] holds.
    fn nmadd(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a + b`.
    fn add_f(a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`.
    fn sub_f(a: Self::F, b: Self::F) -> Self::F;
    /// `a * b`.
    fn mul_f(a: Self::F, b: Self::F) -> Self::F;
    /// The bit pattern as integers.
    fn to_bits(a: Self::F) -> Self::I;
    /// The bit pattern as doubles.
    fn from_bits(a: Self::I) -> Self::F;

    /// `a + b`, wrapping.
    fn add_i(a: Self::I, b: Self::I) -> Self::I;
    /// `a - b`, wrapping.
    fn sub_i(a: Self::I, b: Self::I) -> Self::I;
    /// Bitwise and.
    fn and(a: Self::I, b: Self::I) -> Self::I;
    /// Bitwise or.
    fn or(a: Self::I, b: Self::I) -> Self::I;
    /// Bitwise exclusive or.
    fn xor(a: Self::I, b: Self::I) -> Self::I;
    /// Shift left, zeros in.
    fn shl<const N: u32>(a: Self::I) -> Self::I;
    /// Logical shift right.
    fn shr_u<const N: u32>(a: Self::I) -> Self::I;
    /// Arithmetic shift right.
    fn shr_s<const N: u32>(a: Self::I) -> Self::I;
    /// Product of the low 32 bits of each lane, unsigned, 64 bits wide.
    fn mul_u32(a: Self::I, b: Self::I) -> Self::I;

    /// Products of the two low 32-bit words (lane 0) of `a` and `b`, unsigned, 64 bits wide: the
    /// operands hold four words of 32 bits, lane 0's low word first.
    fn mul_words_low(a: Self::I, b: Self::I) -> Self::I;
    /// Products of the two high 32-bit words (lane 1), as [`Lanes::mul_words_low`].
    fn mul_words_high(a: Self::I, b: Self::I) -> Self::I;
    /// The low words of the four lanes of `low` and `high`, as four words.
    fn pack_words(low: Self::I, high: Self::I) -> Self::I;
}

/// The same 128 bits as sixteen bytes or as four 32-bit words, lowest address first.
///
/// Nothing here branches on or indexes memory by a byte's value: [`Packed::look_up`] selects
/// within a register.
pub trait Packed: Lanes {
    /// Reads sixteen bytes.
    fn load_bytes(x: &[u8; 16]) -> Self::I;
    /// Writes sixteen bytes.
    fn store_bytes(x: Self::I) -> [u8; 16];
    /// The same byte sixteen times.
    fn splat_u8(x: u8) -> Self::I;
    /// The same word four times.
    fn splat_u32(x: u32) -> Self::I;

    /// Byte `i` of the result is `table[index[i]]` for `index[i] < 16` and 0 for
    /// `index[i] >= 128`. Pre: no byte of `index` is from 16 to 127, where CPUs disagree.
    fn look_up(table: Self::I, index: Self::I) -> Self::I;
    /// Byte-wise `min(a + b, 255)`, unsigned.
    fn add_sat_u8(a: Self::I, b: Self::I) -> Self::I;
    /// `a0 b0 a1 b1 ...` over the low eight bytes of each.
    fn zip_low_u8(a: Self::I, b: Self::I) -> Self::I;
    /// `a8 b8 a9 b9 ...` over the high eight bytes of each.
    fn zip_high_u8(a: Self::I, b: Self::I) -> Self::I;
    /// As [`Packed::zip_low_u8`], of 16-bit units.
    fn zip_low_u16(a: Self::I, b: Self::I) -> Self::I;
    /// As [`Packed::zip_high_u8`], of 16-bit units.
    fn zip_high_u16(a: Self::I, b: Self::I) -> Self::I;
    /// As [`Packed::zip_low_u8`], of 32-bit units.
    fn zip_low_u32(a: Self::I, b: Self::I) -> Self::I;
    /// As [`Packed::zip_high_u8`], of 32-bit units.
    fn zip_high_u32(a: Self::I, b: Self::I) -> Self::I;
    /// Low halves of both, `a` first.
    fn zip_low_u64(a: Self::I, b: Self::I) -> Self::I;
    /// High halves of both, `a` first.
    fn zip_high_u64(a: Self::I, b: Self::I) -> Self::I;

    /// Word-wise `a + b`, wrapping.
    fn add_u32(a: Self::I, b: Self::I) -> Self::I;
    /// Word-wise shift left, zeros in.
    fn shl_u32<const N: u32>(a: Self::I) -> Self::I;
    /// Word-wise shift right, zeros in.
    fn shr_u32<const N: u32>(a: Self::I) -> Self::I;

    /// `a * b + c` where product and sum are exact doubles, so that one rounding and two agree;
    /// the faster of both forms.
    fn madd_exact(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
}
