//! Nonces of RFC 6979, four at a time. Source: RFC 6979, sections 3.2 and 3.6.

use limb::lanes::Packed;

use crate::batch::wipe;
use crate::modulus::N;
use crate::sha256::{BLOCK, States, load_words};
use crate::u256::U256;

/// Bytes of fresh randomness that section 3.6's additional data k' holds. With 22 or fewer each of
/// the two updates takes one block after the private key's, with more it takes two.
pub(crate) const ADDED: usize = 16;

/// A block's words, or half of them: word `i` of four messages in vector `i`.
type Half<L> = [<L as limb::lanes::Lanes>::I; 8];
type Block<L> = [<L as limb::lanes::Lanes>::I; 16];

/// What rows share: HMAC's states under the all-zero key, the inner one with the first block of the
/// first update, `V || 0x00` and 31 bytes of the private key; the second half of the second
/// update's first block, `0x01` and the same bytes.
pub(crate) struct Shared<L: Packed> {
    inner: States<L>,
    outer: States<L>,
    second: Half<L>,
    last: u8,
}

/// The generator's states of four rows.
pub(crate) struct Nonces<L: Packed> {
    key: HmacKeys<L>,
    value: Half<L>,
}

impl<L: Packed> Shared<L> {
    /// `secret`: the private key, 32 bytes, big endian.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let zero = HmacKeys::<L>::new(&[L::splat_i(0); 8]);
        let mut inner = zero.inner;
        let mut block = [0; BLOCK];
        block[..32].fill(1);
        block[33..].copy_from_slice(&secret[..31]);
        inner.absorb([&block; 4]);
        block[32] = 1;
        let mut words = [L::splat_i(0); 16];
        load_words::<L>([&block; 4], &mut words);
        let second = core::array::from_fn(|i| words[8 + i]);
        wipe(&mut block, 0);
        wipe(&mut words, L::splat_i(0));
        Self {
            inner,
            outer: zero.outer,
            second,
            last: secret[31],
        }
    }
}

impl<L: Packed> Drop for Shared<L> {
    fn drop(&mut self) {
        wipe(core::slice::from_mut(&mut self.last), 0);
        wipe(&mut self.second, L::splat_i(0));
        wipe(core::slice::from_mut(&mut self.inner), States::initial());
    }
}

impl<L: Packed> Drop for Nonces<L> {
    fn drop(&mut self) {
        wipe(&mut self.value, L::splat_i(0));
        wipe(
            core::slice::from_mut(&mut self.key.inner),
            States::initial(),
        );
        wipe(
            core::slice::from_mut(&mut self.key.outer),
            States::initial(),
        );
    }
}

impl<L: Packed> Nonces<L> {
    /// Steps a to g. `hashes` are reduced modulo n (bits2octets), `added` is k', the same length,
    /// at most [`ADDED`] bytes, for every row.
    pub(crate) fn new(shared: &Shared<L>, hashes: &[[u8; 32]; 4], added: [&[u8]; 4]) -> Self {
        let length = added[0].len();
        debug_assert!(length <= ADDED && added.iter().all(|a| a.len() == length));
        // The last block of both updates: the secret's last byte, the hash, k'.
        let mut blocks = [[0; BLOCK]; 4];
        for i in 0..4 {
            blocks[i][0] = shared.last;
            blocks[i][1..33].copy_from_slice(&hashes[i]);
            blocks[i][33..33 + length].copy_from_slice(added[i]);
            blocks[i][33 + length] = 0x80;
            let bits = (2 * BLOCK + 33 + length) as u64 * 8;
            blocks[i][BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
        }
        let mut last = [L::splat_i(0); 16];
        load_words::<L>(blocks.each_ref(), &mut last);
        // d
        let mut inner = shared.inner;
        inner.absorb_words(last);
        let key = HmacKeys::<L>::new(&outer_words(&shared.outer, &inner.words()));
        // e
        let value = key.of_value(&[L::splat_u32(0x0101_0101); 8]);
        // f
        let mut inner = key.inner;
        inner.absorb_words(join::<L>(&value, &shared.second));
        inner.absorb_words(last);
        let key = HmacKeys::<L>::new(&outer_words(&key.outer, &inner.words()));
        // g
        let value = key.of_value(&value);
        wipe(&mut blocks, [0; BLOCK]);
        wipe(&mut last, L::splat_i(0));
        Self { key, value }
    }

    /// Step h: the next candidates.
    fn next(&mut self) -> [U256; 4] {
        self.value = self.key.of_value(&self.value);
        let bytes = States::<L>::from_words(self.value).digests();
        bytes.each_ref().map(U256::from_be_bytes)
    }

    /// Step h.3, after a refused candidate.
    fn refuse(&mut self) {
        // V || 0x00, then the padding's first bit.
        let mut block = join::<L>(&self.value, &[L::splat_i(0); 8]);
        block[8] = L::splat_u32(0x0080_0000);
        block[15] = L::splat_u32((BLOCK as u32 + 33) * 8);
        let mut inner = self.key.inner;
        inner.absorb_words(block);
        self.key = HmacKeys::<L>::new(&outer_words(&self.key.outer, &inner.words()));
        self.value = self.key.of_value(&self.value);
    }

    /// Each row's first candidate in 1..n after `skip` such candidates.
    pub(crate) fn first_valid(&mut self, skip: usize) -> [U256; 4] {
        let mut out = [U256::ZERO; 4];
        let mut left = [skip + 1; 4];
        loop {
            let mut candidates = self.next();
            for i in 0..4 {
                // Refusal tells only of candidates that are never used.
                if left[i] > 0 && candidates[i].is_unit::<N>() {
                    left[i] -= 1;
                    out[i] = candidates[i];
                }
            }
            wipe(&mut candidates, U256::ZERO);
            if left == [0; 4] {
                return out;
            }
            // Rows that have theirs go along; nothing reads their state again.
            self.refuse();
        }
    }
}

/// HMAC's states after the padded key.
struct HmacKeys<L: Packed> {
    inner: States<L>,
    outer: States<L>,
}

impl<L: Packed> HmacKeys<L> {
    fn new(key: &Half<L>) -> Self {
        let [inner, outer] = [0x3636_3636, 0x5c5c_5c5c].map(|pad| {
            let pad = L::splat_u32(pad);
            let mut states = States::initial();
            states.absorb_words(join::<L>(&key.map(|word| L::xor(word, pad)), &[pad; 8]));
            states
        });
        Self { inner, outer }
    }

    /// HMAC of 32 bytes a row.
    fn of_value(&self, value: &Half<L>) -> Half<L> {
        outer_words(&self.outer, &outer_words(&self.inner, value))
    }
}

/// The states after one last block of 32 bytes a row, 96 bytes in all.
fn outer_words<L: Packed>(states: &States<L>, rows: &Half<L>) -> Half<L> {
    let mut block = join::<L>(rows, &[L::splat_i(0); 8]);
    block[8] = L::splat_u32(0x8000_0000);
    block[15] = L::splat_u32((BLOCK as u32 + 32) * 8);
    let mut states = *states;
    states.absorb_words(block);
    states.words()
}

fn join<L: Packed>(first: &Half<L>, second: &Half<L>) -> Block<L> {
    core::array::from_fn(|i| if i < 8 { first[i] } else { second[i - 8] })
}
