//! Distinguished names: text for people, and the encoding of the subjects that we write.

use crate::asn1::{self, Reader};
use crate::error::{Error, malformed};
use crate::public_key::dotted;
use std::fmt::Write;

/// Short names of attribute types. Source: RFC 4514 section 3, then OpenSSL's for the common rest.
const SHORT_NAMES: [(&[u8], &str); 14] = [
    (b"\x55\x04\x03", "CN"),
    (b"\x55\x04\x04", "SN"),
    (b"\x55\x04\x05", "serialNumber"),
    (b"\x55\x04\x06", "C"),
    (b"\x55\x04\x07", "L"),
    (b"\x55\x04\x08", "ST"),
    (b"\x55\x04\x09", "STREET"),
    (b"\x55\x04\x0a", "O"),
    (b"\x55\x04\x0b", "OU"),
    (b"\x55\x04\x0c", "title"),
    (b"\x55\x04\x2a", "GN"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "emailAddress"),
    (b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", "UID"),
    (b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", "DC"),
];

/// An attribute of a subject that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// commonName.
    CommonName,
    /// organizationName.
    Organization,
}

impl Attribute {
    fn oid(self) -> &'static [u8] {
        match self {
            Self::CommonName => b"\x55\x04\x03",
            Self::Organization => b"\x55\x04\x0a",
        }
    }
}

/// Text of a DER Name in the encoded order, `CN=a,O=b`; a multi-valued RDN is joined by `+`. Characters that could
/// deceive on a terminal are escaped too. Errors: `Malformed` where Go's parseName has one. Source: RFC 4514.
pub(crate) fn text(der: &[u8]) -> Result<String, Error> {
    let mut text = String::new();
    let mut names = Reader::new(der).sequence()?;
    while !names.is_empty() {
        let mut set = Reader::new(names.expect(asn1::SET)?.value);
        let mut separator = if text.is_empty() { "" } else { "," };
        while !set.is_empty() {
            let mut attribute = set.sequence()?;
            let oid = attribute.oid()?;
            let value = attribute.element()?;
            text.push_str(separator);
            separator = "+";
            let short = SHORT_NAMES.iter().find(|(known, _)| *known == oid);
            match short {
                Some((_, name)) => text.push_str(name),
                None => text.push_str(&dotted(oid)),
            }
            text.push('=');
            let value = string(value.tag, value.value)
                .ok_or_else(|| malformed("a name whose characters are not those of their type"))?;
            escape(&mut text, &value);
        }
    }
    Ok(text)
}

/// Characters of a directory string; `None` when it is of another type or not what its type allows.
/// Source: Go's parseASN1String; it has no UniversalString.
pub(crate) fn string(tag: u8, value: &[u8]) -> Option<String> {
    let ascii = |allowed: fn(u8) -> bool| {
        let fits = value.iter().all(|octet| allowed(*octet));
        fits.then(|| value.iter().copied().map(char::from).collect())
    };
    match tag {
        asn1::UTF8_STRING => String::from_utf8(value.to_vec()).ok(),
        NUMERIC_STRING => ascii(|octet| octet.is_ascii_digit() || octet == b' '),
        PRINTABLE_STRING => ascii(is_printable),
        IA5_STRING => ascii(|octet| octet.is_ascii()),
        // Read as Latin-1, as Go, OpenSSL and BoringSSL do.
        TELETEX_STRING => ascii(|_| true),
        BMP_STRING => bmp(value),
        _ => None,
    }
}

const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const BMP_STRING: u8 = 0x1e;

/// X.680's set, and the `*` and `&` that Go allows because certificates hold them.
fn is_printable(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(&octet)
}

/// UCS-2: no surrogates, no noncharacters; one terminating zero is dropped.
fn bmp(value: &[u8]) -> Option<String> {
    let value = value
        .strip_suffix(&[0, 0])
        .filter(|_| value.len() & 1 == 0)
        .unwrap_or(value);
    let (pairs, rest) = value.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|pair| match u16::from_be_bytes(*pair) {
            0xfffe | 0xffff | 0xfdd0..=0xfdef => None,
            unit => char::from_u32(u32::from(unit)),
        })
        .collect()
}

fn escape(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => {
                text.push('\\');
                text.push(character);
            }
            ' ' if index == 0 || index == last => text.push_str("\\ "),
            '#' if index == 0 => text.push_str("\\#"),
            _ if character.is_control() || deceives(character) => {
                let mut octets = [0; 4];
                for octet in character.encode_utf8(&mut octets).bytes() {
                    text.push('\\');
                    push_hex(text, &[octet]);
                }
            }
            _ => text.push(character),
        }
    }
}

/// Zero-width and direction-changing characters, line and paragraph separators.
fn deceives(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

pub(crate) fn push_hex(text: &mut String, octets: &[u8]) {
    for octet in octets {
        // Writing to a String does not fail.
        let _ = write!(text, "{octet:02x}");
    }
}

/// The DER Name of a subject: one RDN an attribute, UTF8String each. Errors: `Malformed` for a value that is empty or
/// over 64 characters. Source: RFC 5280 4.1.2.4 and the bounds ub-common-name, ub-organization-name of its appendix A.1.
pub(crate) fn encode(subject: &[(Attribute, String)]) -> Result<Vec<u8>, Error> {
    let mut names = Vec::new();
    for (attribute, value) in subject {
        check_length(value)?;
        let pair = asn1::sequence(&[
            &asn1::tlv(asn1::OID, &[attribute.oid()]),
            &asn1::tlv(asn1::UTF8_STRING, &[value.as_bytes()]),
        ]);
        names.extend_from_slice(&asn1::tlv(asn1::SET, &[&pair]));
    }
    Ok(asn1::sequence(&[&names]).to_vec())
}

/// Appends the DER Name of one of K3s's leaves: all organizations in one RDN, sorted as DER sorts a SET, then the
/// common name. PrintableString where every character allows it, else UTF8String. Errors: `Malformed` as for [`encode`].
/// Source: Go's pkix.Name.ToRDNSequence (crypto/x509/pkix) and makeField (encoding/asn1), by which K3s encodes.
pub(crate) fn push_leaf<S: AsRef<str>>(
    names: &mut Vec<u8>,
    organizations: &[S],
    common_name: &str,
) -> Result<(), Error> {
    check_length(common_name)?;
    let mut set = 0;
    for organization in organizations {
        check_length(organization.as_ref())?;
        set += attribute_size(organization.as_ref());
    }
    let common = attribute_size(common_name);
    let first = match set {
        0 => 0,
        set => asn1::element_size(set),
    };
    asn1::push_header(names, asn1::SEQUENCE, first + asn1::element_size(common));
    if set != 0 {
        asn1::push_header(names, asn1::SET, set);
        let start = names.len();
        for organization in organizations {
            push_attribute(names, Attribute::Organization, organization.as_ref());
        }
        if organizations.len() > 1 {
            sort_elements(&mut names[start..])?;
        }
    }
    asn1::push_header(names, asn1::SET, common);
    push_attribute(names, Attribute::CommonName, common_name);
    Ok(())
}

fn check_length(value: &str) -> Result<(), Error> {
    if value.is_empty() || (value.len() > 64 && value.chars().count() > 64) {
        return Err(malformed(
            "a name in the subject must have 1 to 64 characters",
        ));
    }
    Ok(())
}

/// Octets of the encoded attribute type. Both are 2.5.4.x.
const ATTRIBUTE_TYPE: usize = 5;

fn attribute_size(value: &str) -> usize {
    asn1::element_size(ATTRIBUTE_TYPE + asn1::element_size(value.len()))
}

fn push_attribute(names: &mut Vec<u8>, attribute: Attribute, value: &str) {
    let size = ATTRIBUTE_TYPE + asn1::element_size(value.len());
    asn1::push_header(names, asn1::SEQUENCE, size);
    asn1::push_header(names, asn1::OID, ATTRIBUTE_TYPE - 2);
    names.extend_from_slice(attribute.oid());
    let tag = if value.bytes().all(printable) {
        asn1::PRINTABLE_STRING
    } else {
        asn1::UTF8_STRING
    };
    asn1::push_header(names, tag, value.len());
    names.extend_from_slice(value.as_bytes());
}

/// Source: X.680 41.4; Go's isPrintable refuses `*` and `&` as well when it chooses a type.
fn printable(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet)
}

fn sort_elements(set: &mut [u8]) -> Result<(), Error> {
    let copy = set.to_vec();
    let mut reader = Reader::new(&copy);
    let mut elements = Vec::new();
    while !reader.is_empty() {
        elements.push(reader.element()?.raw);
    }
    elements.sort_unstable();
    set.copy_from_slice(&elements.concat());
    Ok(())
}
