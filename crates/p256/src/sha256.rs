//! SHA-256 of four messages side by side. Source: FIPS 180-4.

use limb::lanes::Packed;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

const ROUND: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// Hash states of four messages; word `i` of all four in vector `i`.
#[derive(Clone, Copy)]
pub(crate) struct States<L: Packed>([L::I; 8]);

impl<L: Packed> States<L> {
    pub(crate) fn initial() -> Self {
        Self(INITIAL.map(L::splat_u32))
    }

    /// Absorbs one block into each state.
    pub(crate) fn absorb(&mut self, blocks: [&[u8; BLOCK]; 4]) {
        let mut words = [L::splat_i(0); 16];
        load_words::<L>(blocks, &mut words);
        compress::<L>(&mut self.0, &mut words);
    }

    /// Absorbs one block of each message given as words, word `i` of all four in vector `i`.
    pub(crate) fn absorb_words(&mut self, mut words: [L::I; 16]) {
        compress::<L>(&mut self.0, &mut words);
    }

    pub(crate) fn from_words(words: [L::I; 8]) -> Self {
        Self(words)
    }

    /// The states' words, as a block's words are given.
    pub(crate) fn words(&self) -> [L::I; 8] {
        self.0
    }

    /// The four states, big endian, as digests are written.
    pub(crate) fn digests(&self) -> [[u8; 32]; 4] {
        let mut out = [[0; 32]; 4];
        for half in 0..2 {
            let rows = transpose_words::<L>(core::array::from_fn(|i| self.0[half * 4 + i]));
            for (digest, row) in out.iter_mut().zip(rows) {
                digest[half * 16..][..16].copy_from_slice(&L::store_bytes(swap_bytes::<L>(row)));
            }
        }
        out
    }

    /// Starts the lanes anew whose flag is set.
    fn restart(&mut self, lanes: [bool; 4]) {
        let mask = lanes.map(|lane| 0u32.wrapping_sub(u32::from(lane)));
        let mask = vector_of::<L>(mask);
        for (word, initial) in self.0.iter_mut().zip(INITIAL) {
            let difference = L::and(L::xor(*word, L::splat_u32(initial)), mask);
            *word = L::xor(*word, difference);
        }
    }
}

fn vector_of<L: Packed>(words: [u32; 4]) -> L::I {
    let mut bytes = [0; 16];
    for (chunk, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *chunk = word.to_le_bytes();
    }
    L::load_bytes(&bytes)
}

/// Bytes of each 32-bit word in reverse.
#[inline(always)]
fn swap_bytes<L: Packed>(x: L::I) -> L::I {
    L::look_up(
        x,
        L::load_bytes(&[3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12]),
    )
}

/// Word `i` of vector `j` to word `j` of vector `i`.
#[inline(always)]
fn transpose_words<L: Packed>(x: [L::I; 4]) -> [L::I; 4] {
    let low = [L::zip_low_u32(x[0], x[1]), L::zip_low_u32(x[2], x[3])];
    let high = [L::zip_high_u32(x[0], x[1]), L::zip_high_u32(x[2], x[3])];
    [
        L::zip_low_u64(low[0], low[1]),
        L::zip_high_u64(low[0], low[1]),
        L::zip_low_u64(high[0], high[1]),
        L::zip_high_u64(high[0], high[1]),
    ]
}

#[inline(never)]
pub(crate) fn load_words<L: Packed>(blocks: [&[u8; BLOCK]; 4], words: &mut [L::I; 16]) {
    for (quarter, words) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let rows = blocks.map(|block| L::load_bytes(&block.as_chunks::<16>().0[quarter]));
        *words = transpose_words::<L>(rows).map(swap_bytes::<L>);
    }
}

/// Rotation to the right; neither WebAssembly nor AVX2 has one.
macro_rules! rotate {
    ($x:expr, $n:literal) => {
        L::or(L::shr_u32::<$n>($x), L::shl_u32::<{ 32 - $n }>($x))
    };
}

/// Absorbs one block of each message. `words` is used up.
#[inline(never)]
fn compress<L: Packed>(state: &mut [L::I; 8], words: &mut [L::I; 16]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (sixteen, constants) in ROUND.as_chunks::<16>().0.iter().enumerate() {
        for i in 0..16 {
            if sixteen != 0 {
                let w1 = words[(i + 14) % 16];
                let s1 = L::xor(
                    L::xor(rotate!(w1, 17), rotate!(w1, 19)),
                    L::shr_u32::<10>(w1),
                );
                let w15 = words[(i + 1) % 16];
                let s0 = L::xor(
                    L::xor(rotate!(w15, 7), rotate!(w15, 18)),
                    L::shr_u32::<3>(w15),
                );
                let sum = L::add_u32(L::add_u32(words[i], words[(i + 9) % 16]), s0);
                words[i] = L::add_u32(sum, s1);
            }
            let s1 = L::xor(L::xor(rotate!(e, 6), rotate!(e, 11)), rotate!(e, 25));
            let choice = L::xor(g, L::and(e, L::xor(f, g)));
            let sum = L::add_u32(L::add_u32(h, words[i]), L::splat_u32(constants[i]));
            let t1 = L::add_u32(L::add_u32(sum, choice), s1);
            let s0 = L::xor(L::xor(rotate!(a, 2), rotate!(a, 13)), rotate!(a, 22));
            let majority = L::or(L::and(a, b), L::and(c, L::or(a, b)));
            let t2 = L::add_u32(s0, majority);
            (h, g, f, e) = (g, f, e, L::add_u32(d, t1));
            (d, c, b, a) = (c, b, a, L::add_u32(t1, t2));
        }
    }
    for (word, x) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = L::add_u32(*word, x);
    }
}

/// The last blocks of a message: what its whole blocks leave over, 0x80, zeros, its bit length.
struct Tail {
    bytes: [u8; 2 * BLOCK],
    blocks: usize,
}

impl Tail {
    fn of(message: &[u8]) -> Self {
        let rest = message.as_chunks::<BLOCK>().1;
        let mut bytes = [0; 2 * BLOCK];
        bytes[..rest.len()].copy_from_slice(rest);
        bytes[rest.len()] = 0x80;
        let blocks = if rest.len() < BLOCK - 8 { 1 } else { 2 };
        let bits = message.len() as u64 * 8;
        bytes[blocks * BLOCK - 8..blocks * BLOCK].copy_from_slice(&bits.to_be_bytes());
        Self { bytes, blocks }
    }
}

/// What a lane is at.
struct Lane<'a> {
    index: usize,
    whole: &'a [[u8; BLOCK]],
    tail: Tail,
    done: usize,
}

impl Lane<'_> {
    fn block(&self) -> &[u8; BLOCK] {
        self.whole.get(self.done).unwrap_or_else(|| {
            &self.tail.bytes.as_chunks::<BLOCK>().0[self.done - self.whole.len()]
        })
    }

    fn is_done(&self) -> bool {
        self.done == self.whole.len() + self.tail.blocks
    }
}

/// SHA-256 of each message, in order. Lengths may differ: a lane that is through takes the next
/// message, so that the lanes idle only at the end.
pub(crate) fn sha256_many<L: Packed>(messages: &[&[u8]]) -> Vec<[u8; 32]> {
    let mut digests = vec![[0; 32]; messages.len()];
    let empty = [0; BLOCK];
    let mut next = messages.iter().enumerate();
    let mut states = States::<L>::initial();
    let mut lanes: [Option<Lane>; 4] = [const { None }; 4];
    loop {
        let mut fresh = [false; 4];
        for (lane, fresh) in lanes.iter_mut().zip(&mut fresh) {
            if lane.is_none()
                && let Some((index, message)) = next.next()
            {
                *lane = Some(Lane {
                    index,
                    whole: message.as_chunks::<BLOCK>().0,
                    tail: Tail::of(message),
                    done: 0,
                });
                *fresh = true;
            }
        }
        if lanes.iter().all(Option::is_none) {
            return digests;
        }
        if fresh.contains(&true) {
            states.restart(fresh);
        }
        let blocks = lanes
            .each_ref()
            .map(|lane| lane.as_ref().map_or(&empty, Lane::block));
        states.absorb(blocks);
        let mut results = None;
        for (i, slot) in lanes.iter_mut().enumerate() {
            if let Some(lane) = slot {
                lane.done += 1;
                if lane.is_done() {
                    digests[lane.index] = results.get_or_insert_with(|| states.digests())[i];
                    *slot = None;
                }
            }
        }
    }
}
