//! Nonces of RFC 6979, four at a time. Source: RFC 6979, sections 3.2 and 3.6.

use limb::lanes::Packed;

use crate::batch::wipe;
use crate::modulus::N;
use crate::sha256::{BLOCK, States};
use crate::u256::U256;

/// Bytes of fresh randomness that section 3.6's additional data k' holds. With 22 or fewer the
/// first update takes three blocks after the key's, with 32 it takes four.
pub(crate) const ADDED: usize = 16;

/// The generator's states of four rows.
pub(crate) struct Nonces<L: Packed> {
    key: HmacKeys<L>,
    value: [[u8; 32]; 4],
}

/// What rows share: HMAC's states under the all-zero key, and the first block of the first update,
/// `V || 0x00` and 31 bytes of the private key.
pub(crate) struct Shared<L: Packed> {
    inner: States<L>,
    outer: States<L>,
    secret: [u8; 32],
}

impl<L: Packed> Shared<L> {
    /// `secret`: the private key, 32 bytes, big endian.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let zero = HmacKeys::<L>::new(&[[0; 32]; 4]);
        let mut block = [0; BLOCK];
        block[..32].fill(1);
        block[33..].copy_from_slice(&secret[..31]);
        let mut inner = zero.inner;
        inner.absorb([&block; 4]);
        wipe(&mut block, 0);
        Self {
            inner,
            outer: zero.outer,
            secret: *secret,
        }
    }
}

impl<L: Packed> Drop for Shared<L> {
    fn drop(&mut self) {
        wipe(&mut self.secret, 0);
        wipe(core::slice::from_mut(&mut self.inner), States::initial());
    }
}

impl<L: Packed> Drop for Nonces<L> {
    fn drop(&mut self) {
        wipe(&mut self.value, [0; 32]);
        wipe(core::slice::from_mut(&mut self.key.inner), States::initial());
        wipe(core::slice::from_mut(&mut self.key.outer), States::initial());
    }
}

impl<L: Packed> Nonces<L> {
    /// Steps a to g. `hashes` are reduced modulo n (bits2octets), `added` is k', the same length,
    /// at most [`ADDED`] bytes, for every row.
    pub(crate) fn new(shared: &Shared<L>, hashes: &[[u8; 32]; 4], added: [&[u8]; 4]) -> Self {
        let length = added[0].len();
        debug_assert!(length <= ADDED && added.iter().all(|a| a.len() == length));
        // d: the secret's last byte, the hash, k'; the first block is in `shared`.
        let mut block = [[0; BLOCK]; 4];
        for i in 0..4 {
            block[i][0] = shared.secret[31];
            block[i][1..33].copy_from_slice(&hashes[i]);
            block[i][33..33 + length].copy_from_slice(added[i]);
            close(&mut block[i], 33 + length, 2 * BLOCK + 33 + length);
        }
        let mut inner = shared.inner;
        inner.absorb(block.each_ref());
        let mut key = HmacKeys::new(&outer_digests(&shared.outer, &inner.digests()));
        // e
        let value = key.of_value(&[[1; 32]; 4]);
        // f: V || 0x01 || secret || hash || k' over two blocks.
        let mut first = [[0; BLOCK]; 4];
        for i in 0..4 {
            first[i][..32].copy_from_slice(&value[i]);
            first[i][32] = 1;
            first[i][33..].copy_from_slice(&shared.secret[..31]);
        }
        let mut inner = key.inner;
        inner.absorb(first.each_ref());
        inner.absorb(block.each_ref());
        key = HmacKeys::new(&outer_digests(&key.outer, &inner.digests()));
        // g
        let value = key.of_value(&value);
        wipe(&mut first, [0; BLOCK]);
        wipe(&mut block, [0; BLOCK]);
        Self { key, value }
    }

    /// Step h: the next candidates.
    fn next(&mut self) -> [U256; 4] {
        self.value = self.key.of_value(&self.value);
        self.value.each_ref().map(U256::from_be_bytes)
    }

    /// Step h.3, after a refused candidate.
    fn refuse(&mut self) {
        let mut block = [[0; BLOCK]; 4];
        for (block, value) in block.iter_mut().zip(&self.value) {
            block[..32].copy_from_slice(value);
            close(block, 33, BLOCK + 33);
        }
        let mut inner = self.key.inner;
        inner.absorb(block.each_ref());
        self.key = HmacKeys::new(&outer_digests(&self.key.outer, &inner.digests()));
        self.value = self.key.of_value(&self.value);
    }

    /// Each row's first candidate in 1..n after `skip` such candidates.
    pub(crate) fn first_valid(&mut self, skip: usize) -> [U256; 4] {
        let mut out = [U256::ZERO; 4];
        let mut left = [skip + 1; 4];
        loop {
            let candidates = self.next();
            for i in 0..4 {
                // Refusal tells only of candidates that are never used.
                if left[i] > 0 && candidates[i].is_unit::<N>() {
                    left[i] -= 1;
                    out[i] = candidates[i];
                }
            }
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
    fn new(keys: &[[u8; 32]; 4]) -> Self {
        let [inner, outer] = [0x36, 0x5c].map(|pad| {
            let mut blocks = [[pad; BLOCK]; 4];
            for (block, key) in blocks.iter_mut().zip(keys) {
                for (byte, key) in block.iter_mut().zip(key) {
                    *byte ^= key;
                }
            }
            let mut states = States::initial();
            states.absorb(blocks.each_ref());
            wipe(&mut blocks, [0; BLOCK]);
            states
        });
        Self { inner, outer }
    }

    /// HMAC of 32 bytes a row.
    fn of_value(&self, value: &[[u8; 32]; 4]) -> [[u8; 32]; 4] {
        outer_digests(&self.outer, &outer_digests(&self.inner, value))
    }
}

/// The digests of 32 bytes a row after one block.
fn outer_digests<L: Packed>(states: &States<L>, rows: &[[u8; 32]; 4]) -> [[u8; 32]; 4] {
    let mut blocks = [[0; BLOCK]; 4];
    for (block, row) in blocks.iter_mut().zip(rows) {
        block[..32].copy_from_slice(row);
        close(block, 32, BLOCK + 32);
    }
    let mut states = *states;
    states.absorb(blocks.each_ref());
    wipe(&mut blocks, [0; BLOCK]);
    states.digests()
}

/// Pads a message's last block: `at` bytes of it are used, the whole message has `length` bytes.
fn close(block: &mut [u8; BLOCK], at: usize, length: usize) {
    debug_assert!(at < BLOCK - 8 && length % BLOCK == at);
    block[at] = 0x80;
    block[BLOCK - 8..].copy_from_slice(&(length as u64 * 8).to_be_bytes());
}
