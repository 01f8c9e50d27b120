//! PBKDF2 with HMAC-SHA1, 4,096 rounds, and AES-256-GCM in WebAssembly, for the comparison with Node's own.
//! Source of the numbers: K3s `pkg/cluster/encrypt.go`.

use std::num::NonZeroU32;
use std::slice;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use ring::{aead, pbkdf2};
use sha1::Sha1;

const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).unwrap();
const SALT: usize = 16;
const NONCE: usize = 12;
const TAG: usize = 16;

/// Whose code does the work.
const RING: u32 = 1;

/// Gives `length` bytes of zeros to the caller for good: a bench's process ends soon.
#[unsafe(no_mangle)]
pub extern "C" fn reserve(length: usize) -> *mut u8 {
    Box::leak(vec![0; length].into_boxed_slice()).as_mut_ptr()
}

/// Encrypts in place, or with `opening` = 1 decrypts. The bytes: salt as text, nonce, document, tag or room for it. Answers 1,
/// or 0 when it can't or the tag does not fit.
///
/// # Safety
/// Both regions come from `reserve` and are no smaller than said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn run(
    opening: u32,
    way: u32,
    bytes: *mut u8,
    length: usize,
    passphrase: *const u8,
    size: usize,
) -> u32 {
    // SAFETY: regions of `reserve` are initialised, disjoint, and never freed; nothing else runs meanwhile.
    let (bytes, passphrase) = unsafe {
        (
            slice::from_raw_parts_mut(bytes, length),
            slice::from_raw_parts(passphrase, size),
        )
    };
    let done = if opening == 1 {
        opened(way, bytes, passphrase)
    } else {
        sealed(way, bytes, passphrase)
    };
    u32::from(done.is_some())
}

fn sealed(way: u32, bytes: &mut [u8], passphrase: &[u8]) -> Option<()> {
    let (salt, nonce, rest) = parts(bytes)?;
    let (document, room) = rest.split_at_mut_checked(rest.len().checked_sub(TAG)?)?;
    if way == RING {
        let tag = ring_key(passphrase, salt)?
            .seal_in_place_separate_tag(ring_nonce(nonce)?, aead::Aad::empty(), document)
            .ok()?;
        room.copy_from_slice(tag.as_ref());
    } else {
        let nonce: &[u8; NONCE] = (&*nonce).try_into().ok()?;
        let tag = rust_crypto_key(passphrase, salt)
            .encrypt_inout_detached(nonce.into(), b"", document.into())
            .ok()?;
        room.copy_from_slice(&tag);
    }
    Some(())
}

fn opened(way: u32, bytes: &mut [u8], passphrase: &[u8]) -> Option<()> {
    let (salt, nonce, rest) = parts(bytes)?;
    if way == RING {
        ring_key(passphrase, salt)?
            .open_in_place(ring_nonce(nonce)?, aead::Aad::empty(), rest)
            .ok()?;
    } else {
        let (document, tag) = rest.split_at_mut_checked(rest.len().checked_sub(TAG)?)?;
        let nonce: &[u8; NONCE] = (&*nonce).try_into().ok()?;
        let tag: &[u8; TAG] = (&*tag).try_into().ok()?;
        rust_crypto_key(passphrase, salt)
            .decrypt_inout_detached(nonce.into(), b"", document.into(), tag.into())
            .ok()?;
    }
    Some(())
}

fn parts(bytes: &mut [u8]) -> Option<(&mut [u8], &mut [u8], &mut [u8])> {
    let (salt, rest) = bytes.split_at_mut_checked(SALT)?;
    let (nonce, rest) = rest.split_at_mut_checked(NONCE)?;
    Some((salt, nonce, rest))
}

fn rust_crypto_key(passphrase: &[u8], salt: &[u8]) -> Aes256Gcm {
    let key: [u8; 32] = ::pbkdf2::pbkdf2_hmac_array::<Sha1, 32>(passphrase, salt, ROUNDS.get());
    Aes256Gcm::new(&key.into())
}

fn ring_key(passphrase: &[u8], salt: &[u8]) -> Option<aead::LessSafeKey> {
    let mut key = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA1, ROUNDS, salt, passphrase, &mut key);
    Some(aead::LessSafeKey::new(
        aead::UnboundKey::new(&aead::AES_256_GCM, &key).ok()?,
    ))
}

fn ring_nonce(nonce: &[u8]) -> Option<aead::Nonce> {
    aead::Nonce::try_assume_unique_for_key(nonce).ok()
}
