//! Base64 in PEM's lines, sixteen characters at a time: 0.2 us for a certificate and its key. No table is indexed by
//! what is encoded, for it may be a key.

use limb::lanes::Packed;

#[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
type Vector = limb::arch::portable::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
type Vector = limb::arch::wasm::Wasm;

/// Octets that fill a line.
const OCTETS: usize = 48;
/// Characters of a line. Source: RFC 7468 section 2.
const COLUMNS: usize = 64;

/// Writes `octets` in lines of 64 columns, each with its LF. Source: RFC 4648 section 4.
/// Pre: `text` is [`lines_size`] long.
pub(crate) fn write_lines(text: &mut [u8], octets: &[u8]) {
    let (whole, rest) = octets.as_chunks::<OCTETS>();
    let (lines, _) = text.as_chunks_mut::<{ COLUMNS + 1 }>();
    let constants = std::hint::black_box(&CONSTANTS);
    for (octets, line) in whole.iter().zip(lines) {
        encode_line::<Vector>(constants, octets, line);
        line[COLUMNS] = b'\n';
    }
    if !rest.is_empty() {
        let mut last = [0; OCTETS];
        last[..rest.len()].copy_from_slice(rest);
        let mut line = [b'\n'; COLUMNS + 1];
        encode_line::<Vector>(constants, &last, &mut line);
        let digits = (rest.len() * 4).div_ceil(3);
        let length = rest.len().div_ceil(3) * 4;
        line[digits..length].fill(b'=');
        line[length] = b'\n';
        text[whole.len() * (COLUMNS + 1)..].copy_from_slice(&line[..=length]);
        wipe(&mut last);
        wipe(&mut line);
    }
}

/// Length of what [`write_lines`] writes.
pub(crate) fn lines_size(octets: usize) -> usize {
    octets.div_ceil(3) * 4 + octets.div_ceil(OCTETS)
}

/// Overwrites what may hold a key. The hint keeps the compiler from dropping the stores.
pub(crate) fn wipe(octets: &mut [u8]) {
    octets.fill(0);
    std::hint::black_box(octets);
}

/// Vector constants as memory: V8 makes one by three instructions on the ports that the look-ups need.
struct Constants {
    /// The octets b1 b0 b2 b1 of each three.
    order: [u8; 16],
    /// The same, four octets further on.
    late_order: [u8; 16],
    sextets: [u32; 4],
    parts: [u8; 5],
    alphabet: [[u8; 16]; 4],
}

static CONSTANTS: Constants = Constants {
    order: [1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10],
    late_order: [5, 4, 6, 5, 8, 7, 9, 8, 11, 10, 12, 11, 14, 13, 15, 14],
    sextets: [0x3f, 0x3f00, 0x3f_0000, 0x3f00_0000],
    parts: [0x10, 0x20, 0x30, 0x70, 0x80],
    alphabet: [
        *b"ABCDEFGHIJKLMNOP",
        *b"QRSTUVWXYZabcdef",
        *b"ghijklmnopqrstuv",
        *b"wxyz0123456789+/",
    ],
};

/// Leaves the line's last octet alone.
#[inline(always)]
fn encode_line<L: Packed>(k: &Constants, octets: &[u8; OCTETS], line: &mut [u8; COLUMNS + 1]) {
    let columns = line.as_chunks_mut::<16>().0;
    for (part, columns) in columns.iter_mut().enumerate() {
        // The last read begins four octets early so as to end with the line.
        let (from, order) = if part == 3 {
            (32, &k.late_order)
        } else {
            (12 * part, &k.order)
        };
        let mut read = [0; 16];
        read.copy_from_slice(&octets[from..from + 16]);
        let read = L::look_up(L::load_bytes(&read), L::load_bytes(order));
        *columns = L::store_bytes(letters::<L>(k, sextets::<L>(k, read)));
    }
}

/// Each 32-bit word holds, lowest first, the octets b1 b0 b2 b1 of three; the result's bytes are their four sextets.
#[inline(always)]
fn sextets<L: Packed>(k: &Constants, x: L::I) -> L::I {
    let [first, second, third, fourth] = k.sextets.map(L::splat_u32);
    let first = L::and(L::shr_u32::<10>(x), first);
    let second = L::and(L::shl_u32::<4>(x), second);
    let third = L::and(L::shr_u32::<6>(x), third);
    let fourth = L::and(L::shl_u32::<8>(x), fourth);
    L::or(L::or(first, second), L::or(third, fourth))
}

/// The letters of sixteen sextets.
#[inline(always)]
fn letters<L: Packed>(k: &Constants, sextets: L::I) -> L::I {
    let [second, third, fourth, spread, top] = k.parts.map(L::splat_u8);
    let letters = |index, sixteen| {
        // Below 16 for the sextets of this sixteen; the others are 16 to 63 and get the top bit, which gives no letter.
        let others = L::and(L::add_sat_u8(index, spread), top);
        L::look_up(L::load_bytes(sixteen), L::or(index, others))
    };
    let [a, b, c, d] = &k.alphabet;
    let first = letters(sextets, a);
    let second = letters(L::xor(sextets, second), b);
    let third = letters(L::xor(sextets, third), c);
    let fourth = letters(L::xor(sextets, fourth), d);
    L::or(L::or(first, second), L::or(third, fourth))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64ct::{Base64, Encoding};
    use limb::arch::portable::Portable;

    /// Judge: base64ct.
    #[test]
    fn equals_base64ct() {
        let octets: Vec<u8> = (0..1000u32)
            .map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24).to_le_bytes()[0])
            .collect();
        for length in 0..400 {
            let mut text = vec![0; lines_size(length)];
            write_lines(&mut text, &octets[length..2 * length]);
            let whole = Base64::encode_string(&octets[length..2 * length]);
            let lines: Vec<&str> = whole
                .as_bytes()
                .chunks(COLUMNS)
                .map(|line| std::str::from_utf8(line).unwrap())
                .collect();
            let expected: String = lines.iter().map(|line| format!("{line}\n")).collect();
            assert_eq!(std::str::from_utf8(&text).unwrap(), expected);
        }
    }

    #[test]
    fn every_sextet() {
        let mut octets = [0u8; OCTETS];
        for (triple, octets) in (0u32..).zip(octets.chunks_mut(3)) {
            let sextets = [0, 1, 2, 3].map(|i| 4 * triple + i);
            let bits = sextets.iter().fold(0, |bits, sextet| bits << 6 | sextet);
            octets.copy_from_slice(&bits.to_be_bytes()[1..]);
        }
        let mut line = [b'\n'; COLUMNS + 1];
        encode_line::<Portable>(&CONSTANTS, &octets, &mut line);
        assert_eq!(&line[..COLUMNS], CONSTANTS.alphabet.as_flattened());
    }
}
