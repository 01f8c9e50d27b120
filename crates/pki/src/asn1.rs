//! The little DER that keys, names and the assembly of a certificate need. Certificates are parsed by
//! `x509-parser`. Every writer returns a buffer that is wiped when dropped and never grows, so that no copy
//! of a private key is left behind by a reallocation. Source: X.690.

use crate::error::{Error, malformed};
use zeroize::Zeroizing;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// The tag of `[n]` with a constructed value.
pub(crate) const fn explicit(n: u8) -> u8 {
    0xa0 | n
}

/// The tag of `[n]` with a primitive value.
pub(crate) const fn implicit(n: u8) -> u8 {
    0x80 | n
}

/// One element: `raw` is tag, length and value together.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
    pub(crate) raw: &'a [u8],
}

/// Reads elements one after the other. Accepts DER only: definite lengths in their shortest form.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(der: &'a [u8]) -> Self {
        Self { rest: der }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn element(&mut self) -> Result<Element<'a>, Error> {
        let cut_off = || malformed("DER ends inside an element");
        let [tag, first, ..] = *self.rest else {
            return Err(cut_off());
        };
        if tag & 0x1f == 0x1f {
            return Err(malformed("DER with a tag number over 30"));
        }
        let (header, length) = match first {
            0..=0x7f => (2, usize::from(first)),
            // Four octets of length are enough for any file that a program reads into memory.
            0x81..=0x84 => {
                let count = usize::from(first & 0x7f);
                let octets = self.rest.get(2..2 + count).ok_or_else(cut_off)?;
                let length = octets
                    .iter()
                    .fold(0usize, |sum, octet| sum << 8 | usize::from(*octet));
                if octets[0] == 0 || length < 0x80 {
                    return Err(malformed(
                        "DER with a length that is not in its shortest form",
                    ));
                }
                (2 + count, length)
            }
            _ => return Err(malformed("DER with an indefinite or oversized length")),
        };
        let end = header.checked_add(length).ok_or_else(cut_off)?;
        let raw = self.rest.get(..end).ok_or_else(cut_off)?;
        self.rest = &self.rest[end..];
        Ok(Element {
            tag,
            value: &raw[header..],
            raw,
        })
    }

    pub(crate) fn expect(&mut self, tag: u8) -> Result<Element<'a>, Error> {
        let element = self.element()?;
        if element.tag == tag {
            Ok(element)
        } else {
            Err(malformed(format!(
                "DER has tag {:02x} where {tag:02x} belongs",
                element.tag
            )))
        }
    }

    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Error> {
        if self.peek() == Some(tag) {
            self.element().map(Some)
        } else {
            Ok(None)
        }
    }

    /// The elements of a SEQUENCE.
    pub(crate) fn sequence(&mut self) -> Result<Reader<'a>, Error> {
        self.expect(SEQUENCE)
            .map(|element| Reader::new(element.value))
    }

    /// A non-negative INTEGER, big endian, without a leading zero octet (zero itself is empty).
    pub(crate) fn unsigned(&mut self) -> Result<&'a [u8], Error> {
        let value = self.expect(INTEGER)?.value;
        match value {
            [] => Err(malformed("DER with an empty INTEGER")),
            [0] => Ok(&[]),
            [0, rest @ ..] if rest[0] & 0x80 != 0 => Ok(rest),
            [0, ..] => Err(malformed(
                "DER with an INTEGER that is not in its shortest form",
            )),
            [first, ..] if first & 0x80 != 0 => Err(malformed("DER with a negative INTEGER")),
            _ => Ok(value),
        }
    }

    /// An OBJECT IDENTIFIER's content, its arcs below 2^31 and in their shortest form, as Go's cryptobyte reads it.
    pub(crate) fn oid(&mut self) -> Result<&'a [u8], Error> {
        let content = self.expect(OID)?.value;
        if is_oid(content, 1 << 31) {
            Ok(content)
        } else {
            Err(malformed("DER with a damaged OBJECT IDENTIFIER"))
        }
    }

    /// The OBJECT IDENTIFIER of an AlgorithmIdentifier's content; parameters, when there are any, are left to be read
    /// and are one whole element at least, as Go's parseAI wants them.
    pub(crate) fn algorithm(&mut self) -> Result<&'a [u8], Error> {
        let oid = self.oid()?;
        if !self.is_empty() {
            let mut parameters = *self;
            parameters.element()?;
        }
        Ok(oid)
    }

    /// A BOOLEAN of one octet, 00 or ff.
    pub(crate) fn boolean(&mut self) -> Result<bool, Error> {
        match self.expect(BOOLEAN)?.value {
            [0] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(malformed("DER with a damaged BOOLEAN")),
        }
    }

    /// A BIT STRING's octets and its number of unused bits, which are zero.
    pub(crate) fn loose_bit_string(&mut self) -> Result<(&'a [u8], u8), Error> {
        let damaged = || malformed("DER with a damaged BIT STRING");
        let (unused, octets) = self
            .expect(BIT_STRING)?
            .value
            .split_first()
            .ok_or_else(damaged)?;
        match (unused, octets.last()) {
            (0, None) => Ok((octets, 0)),
            (0..=7, Some(last)) if last & ((1 << unused) - 1) == 0 => Ok((octets, *unused)),
            _ => Err(damaged()),
        }
    }

    /// The octets of a BIT STRING that has no unused bits.
    pub(crate) fn bit_string(&mut self) -> Result<&'a [u8], Error> {
        bits(self.expect(BIT_STRING)?.value)
    }

    pub(crate) fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(malformed("DER with octets after its end"))
        }
    }
}

/// The octets of a BIT STRING's content that has no unused bits.
pub(crate) fn bits(content: &[u8]) -> Result<&[u8], Error> {
    match content {
        [0, octets @ ..] => Ok(octets),
        _ => Err(malformed("DER with a BIT STRING that is not whole octets")),
    }
}

/// Go's RightAlign: octets with unused bits at their end are shifted to the right.
pub(crate) fn right_aligned((octets, unused): (&[u8], u8)) -> Vec<u8> {
    let mut carried = 0;
    octets
        .iter()
        .map(|octet| {
            let wide = u16::from_be_bytes([carried, *octet]) >> unused;
            carried = *octet;
            wide.to_le_bytes()[0]
        })
        .collect()
}

/// Reads one SEQUENCE that fills `der` and hands its elements to `read`, which has to consume them all.
pub(crate) fn whole_sequence<'a, T>(
    der: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut outer = Reader::new(der);
    let mut inner = outer.sequence()?;
    outer.end()?;
    let result = read(&mut inner)?;
    inner.end()?;
    Ok(result)
}

pub(crate) type Der = Zeroizing<Vec<u8>>;

/// One element with the concatenated `parts` as its value.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Der {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = Zeroizing::new(Vec::with_capacity(length + 6));
    push_header(&mut der, tag, length);
    for part in parts {
        der.extend_from_slice(part);
    }
    der
}

/// Appends an element's tag and length, at most six octets.
pub(crate) fn push_header(der: &mut Vec<u8>, tag: u8, length: usize) {
    der.push(tag);
    if let (true, Ok(short)) = (length < 0x80, u8::try_from(length)) {
        der.push(short);
    } else {
        let octets = length.to_be_bytes();
        let skip = octets.iter().take_while(|octet| **octet == 0).count();
        // At most four octets follow: the buffers here are far below 4 GiB.
        der.push(0x80 | u8::try_from(octets.len() - skip).unwrap_or(4));
        der.extend_from_slice(&octets[skip..]);
    }
}

/// Octets of an element whose value has `length` octets.
pub(crate) fn element_size(length: usize) -> usize {
    let octets = match length {
        0..=0x7f => 0,
        0x80..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xff_ffff => 3,
        _ => 4,
    };
    2 + octets + length
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Der {
    tlv(SEQUENCE, parts)
}

/// INTEGER from big-endian octets, leading zeros dropped.
pub(crate) fn unsigned(octets: &[u8]) -> Der {
    let skip = octets.iter().take_while(|octet| **octet == 0).count();
    let octets = &octets[skip..];
    match octets.first() {
        Some(first) if first & 0x80 == 0 => tlv(INTEGER, &[octets]),
        _ => tlv(INTEGER, &[&[0], octets]),
    }
}

pub(crate) fn bit_string(octets: &[u8]) -> Der {
    tlv(BIT_STRING, &[&[0], octets])
}

/// Whether the octets are arcs in their shortest form, each below `limit` as encoded.
pub(crate) fn is_oid(content: &[u8], limit: u64) -> bool {
    let mut arc: u64 = 0;
    let mut inside = false;
    for octet in content {
        if !inside && *octet == 0x80 {
            return false;
        }
        arc = arc << 7 | u64::from(octet & 0x7f);
        if arc >= limit {
            return false;
        }
        inside = octet & 0x80 != 0;
        if !inside {
            arc = 0;
        }
    }
    !inside && !content.is_empty()
}

/// Dotted text of an OBJECT IDENTIFIER's content; `None` when it is not one that fits 64-bit arcs.
pub(crate) fn dotted(content: &[u8]) -> Option<String> {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc: u64 = 0;
    let mut inside = false;
    for octet in content {
        arc = arc.checked_mul(128)? | u64::from(octet & 0x7f);
        inside = octet & 0x80 != 0;
        if !inside {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.push(first);
                arcs.push(arc - first * 40);
            } else {
                arcs.push(arc);
            }
            arc = 0;
        }
    }
    if inside || arcs.is_empty() {
        return None;
    }
    Some(
        arcs.iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join("."),
    )
}

/// OBJECT IDENTIFIER's content from dotted text.
pub(crate) fn oid_content(dotted: &str) -> Option<Vec<u8>> {
    let arcs = dotted
        .split('.')
        .map(|arc| arc.parse::<u64>().ok())
        .collect::<Option<Vec<_>>>()?;
    let [first, second, rest @ ..] = arcs.as_slice() else {
        return None;
    };
    if *first > 2 || (*first < 2 && *second > 39) {
        return None;
    }
    let mut content = Vec::new();
    push_arc(&mut content, first.checked_mul(40)?.checked_add(*second)?);
    for arc in rest {
        push_arc(&mut content, *arc);
    }
    Some(content)
}

fn push_arc(content: &mut Vec<u8>, arc: u64) {
    let groups = (u64::BITS - arc.leading_zeros()).max(1).div_ceil(7);
    for group in (0..groups).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        content.push((arc >> (7 * group)).to_le_bytes()[0] & 0x7f | more);
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, dotted, is_oid, oid_content, right_aligned, tlv, unsigned};
    use pkcs5::der::{Decode, Encode, asn1::ObjectIdentifier, asn1::OctetStringRef, asn1::UintRef};

    /// The crate `der` is the judge of lengths at and around every bound.
    #[test]
    fn lengths() {
        for length in [
            0,
            1,
            126,
            127,
            128,
            129,
            255,
            256,
            257,
            65_535,
            65_536,
            1 << 17,
        ] {
            let value = vec![0x5a; length];
            let ours = tlv(super::OCTET_STRING, &[&value]);
            assert_eq!(
                OctetStringRef::new(&value).unwrap().to_der().unwrap(),
                *ours
            );
            let element = Reader::new(&ours).element().unwrap();
            assert_eq!(
                (element.value, element.raw),
                (value.as_slice(), ours.as_slice())
            );
            for cut in [1, ours.len() / 2, ours.len() - 1] {
                assert!(Reader::new(&ours[..cut]).element().is_err() || cut >= ours.len());
            }
        }
    }

    #[test]
    fn integers() {
        for octets in [
            &[0][..],
            &[0, 0],
            &[1],
            &[0x7f],
            &[0x80],
            &[0, 0x80],
            &[0xff; 20],
            &[0, 0, 1, 0],
        ] {
            let ours = unsigned(octets);
            assert_eq!(UintRef::new(octets).unwrap().to_der().unwrap(), *ours);
            let trimmed: Vec<u8> = octets
                .iter()
                .copied()
                .skip_while(|octet| *octet == 0)
                .collect();
            assert_eq!(Reader::new(&ours).unsigned().unwrap(), trimmed);
        }
    }

    #[test]
    fn encodings_that_are_not_der() {
        for der in [
            &[0x04, 0x80][..], // indefinite
            &[0x04, 0x81, 0x01, 0x00],
            &[0x04, 0x82, 0x00, 0x80],
            &[0x04, 0x85, 0, 0, 0, 0, 1, 0],
            &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x1f, 0x01, 0x00],
            &[0x04],
            &[],
        ] {
            assert!(Reader::new(der).element().is_err(), "{der:02x?}");
        }
        for der in [
            &[2, 0][..],
            &[2, 1, 0x80],
            &[2, 2, 0, 1],
            &[2, 2, 0, 0],
            &[2, 1, 0xff],
        ] {
            assert!(Reader::new(der).unsigned().is_err(), "{der:02x?}");
        }
        for der in [&[1, 1, 1][..], &[1, 0], &[1, 2, 0, 0]] {
            assert!(Reader::new(der).boolean().is_err(), "{der:02x?}");
        }
        for der in [&[3, 0][..], &[3, 1, 1], &[3, 2, 8, 0], &[3, 2, 1, 1]] {
            assert!(Reader::new(der).loose_bit_string().is_err(), "{der:02x?}");
        }
    }

    #[test]
    fn object_identifiers() {
        for text in [
            "0.0",
            "0.39",
            "1.0",
            "1.2.840.113549.1.1.11",
            "2.5.29.37.0",
            "1.3.132.0.35",
        ] {
            let content = oid_content(text).unwrap();
            assert_eq!(dotted(&content).unwrap(), text);
            assert!(is_oid(&content, 1 << 31));
            let judged = ObjectIdentifier::from_bytes(&content).unwrap();
            assert_eq!(judged.to_string(), text);
            assert_eq!(
                ObjectIdentifier::from_der(&judged.to_der().unwrap()).unwrap(),
                judged
            );
        }
        // The example of X.690, 8.19.5.
        assert_eq!(oid_content("2.999.3").unwrap(), [0x88, 0x37, 0x03]);
        assert_eq!(dotted(&[0x88, 0x37, 0x03]).unwrap(), "2.999.3");
        for text in [
            "",
            "1",
            "3.1",
            "0.40",
            "1.40",
            "a.b",
            "1..2",
            "1.2.",
            "-1.2",
            "1.2.99999999999999999999",
        ] {
            assert_eq!(oid_content(text), None, "{text}");
        }
        for content in [
            &[][..],
            &[0x80],
            &[0x2a, 0x80, 0x01],
            &[0x2a, 0x81],
            &[0x2a, 0x88, 0x80, 0x80, 0x80, 0x00],
        ] {
            assert!(!is_oid(content, 1 << 31), "{content:02x?}");
        }
    }

    #[test]
    fn unused_bits_go_to_the_front() {
        assert_eq!(right_aligned((&[0xab, 0xcd], 0)), [0xab, 0xcd]);
        assert_eq!(right_aligned((&[0xab, 0xc0], 4)), [0x0a, 0xbc]);
    }
}
