//! RSAPrivateKey of RFC 8017, A.1.2, in DER.

use zeroize::{Zeroize, Zeroizing};

use crate::RsaError;

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

/// A sequence of the version 0 and the integers, each given in big-endian bytes.
///
/// The one allocation has its final size, so no copy of a secret stays behind.
pub(crate) fn encode(integers: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = 3 + integers
        .iter()
        .map(|i| header(i) + content(i))
        .sum::<usize>();
    let mut out = Zeroizing::new(Vec::with_capacity(length + 4));
    out.push(SEQUENCE);
    push_length(&mut out, length);
    out.extend_from_slice(&[INTEGER, 1, 0]);
    for integer in integers {
        let trimmed = trim(integer);
        out.push(INTEGER);
        push_length(&mut out, content(integer));
        if needs_zero(trimmed) {
            out.push(0);
        }
        out.extend_from_slice(trimmed);
    }
    out
}

/// The eight integers n, e, d, p, q, dP, dQ, qInv in big-endian bytes without leading zeros.
pub(crate) fn decode(der: &[u8]) -> Result<[&[u8]; 8], RsaError> {
    let mut rest = der;
    let mut body = element(&mut rest, SEQUENCE)?;
    if !rest.is_empty() {
        return Err(RsaError::InvalidKey("data follow the PKCS#1 structure"));
    }
    match element(&mut body, INTEGER)? {
        [0] => {}
        [1] => {
            return Err(RsaError::InvalidKey(
                "a key of more than two primes is not supported",
            ));
        }
        _ => return Err(RsaError::InvalidKey("unknown PKCS#1 version")),
    }
    let mut integers = [&[][..]; 8];
    for integer in &mut integers {
        let bytes = element(&mut body, INTEGER)?;
        *integer = match bytes {
            [] => {
                return Err(RsaError::InvalidKey(
                    "an empty integer in the PKCS#1 structure",
                ));
            }
            [0, next, ..] if *next < 0x80 => {
                return Err(RsaError::InvalidKey("an integer is not encoded in DER"));
            }
            [0, rest @ ..] => rest,
            [first, ..] if *first >= 0x80 => {
                return Err(RsaError::InvalidKey(
                    "a negative integer in the PKCS#1 structure",
                ));
            }
            bytes => bytes,
        };
    }
    if !body.is_empty() {
        return Err(RsaError::InvalidKey("data follow the last integer"));
    }
    Ok(integers)
}

fn element<'a>(input: &mut &'a [u8], tag: u8) -> Result<&'a [u8], RsaError> {
    let broken = RsaError::InvalidKey("the PKCS#1 structure is damaged or no RSA private key");
    let (&[found, first], mut rest) = input.split_first_chunk().ok_or(broken.clone())?;
    let length = match first {
        0..=0x7f => usize::from(first),
        0x81 | 0x82 => {
            let (bytes, after) = rest
                .split_at_checked(usize::from(first - 0x80))
                .ok_or(broken.clone())?;
            rest = after;
            let length = bytes.iter().fold(0, |all, b| all << 8 | usize::from(*b));
            // DER takes the shortest form.
            if length < if first == 0x81 { 0x80 } else { 0x100 } {
                return Err(broken);
            }
            length
        }
        _ => return Err(broken),
    };
    if found != tag {
        return Err(broken);
    }
    let (value, after) = rest.split_at_checked(length).ok_or(broken)?;
    *input = after;
    Ok(value)
}

fn trim(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|b| **b == 0).count();
    &integer[zeros.min(integer.len().saturating_sub(1))..]
}

fn needs_zero(trimmed: &[u8]) -> bool {
    trimmed.first().is_none_or(|b| *b >= 0x80)
}

fn content(integer: &[u8]) -> usize {
    let trimmed = trim(integer);
    trimmed.len() + usize::from(needs_zero(trimmed))
}

fn header(integer: &[u8]) -> usize {
    1 + match content(integer) {
        0..=0x7f => 1,
        0x80..=0xff => 2,
        _ => 3,
    }
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend_from_slice(&[0x81, length as u8]),
        _ => {
            let mut bytes = (length as u16).to_be_bytes();
            out.push(0x82);
            out.extend_from_slice(&bytes);
            bytes.zeroize();
        }
    }
}
