//! The batch path's view of a profile: an ordinary certificate cut at the fields that differ from row to row.

use crate::asn1::{self, Reader};
use crate::error::{Error, internal, malformed};
use crate::issue::{check_dns, parse_ip};
use crate::leaf::rows::Row;
use crate::name;
use std::net::IpAddr;
use time::OffsetDateTime;

/// Octets of a serial. Its first is from 0x01 to 0x7f, so that all of them are written and none is added.
pub(super) const SERIAL: usize = 16;
/// Octets of an uncompressed point of P-256.
pub(super) const POINT: usize = 65;

/// What every leaf of a profile shares, in the order of TBSCertificate. Source: RFC 5280 4.1.
pub(super) struct Template {
    version: Vec<u8>,
    algorithm: Vec<u8>,
    issuer: Vec<u8>,
    /// SubjectPublicKeyInfo as far as the point.
    key: Vec<u8>,
    /// All extensions but subjectAltName, which comes last.
    extensions: Vec<u8>,
}

/// Encoded fields of the row at hand, kept for their memory and for rows that have them alike.
#[derive(Default)]
pub(super) struct Fields {
    validity: Option<(i64, i64)>,
    validity_der: Vec<u8>,
    subject: Vec<u8>,
    names: Vec<u8>,
}

impl Template {
    /// Cuts a TBSCertificate without subjectAltName whose key is of P-256. Errors: `Malformed`.
    pub(super) fn cut(tbs: &[u8]) -> Result<Self, Error> {
        asn1::whole_sequence(tbs, |reader| {
            let version = reader.expect(asn1::explicit(0))?.raw.to_vec();
            reader.expect(asn1::INTEGER)?;
            let algorithm = reader.expect(asn1::SEQUENCE)?.raw.to_vec();
            let issuer = reader.expect(asn1::SEQUENCE)?.raw.to_vec();
            reader.expect(asn1::SEQUENCE)?;
            reader.expect(asn1::SEQUENCE)?;
            let key = reader.expect(asn1::SEQUENCE)?.raw;
            let key = key[..key.len().saturating_sub(POINT)].to_vec();
            let extensions = reader.expect(asn1::explicit(3))?.value;
            let extensions = Reader::new(extensions).expect(asn1::SEQUENCE)?.value;
            Ok(Self {
                version,
                algorithm,
                issuer,
                key,
                extensions: extensions.to_vec(),
            })
        })
    }

    /// The AlgorithmIdentifier that follows the TBSCertificate once more.
    pub(super) fn algorithm(&self) -> &[u8] {
        &self.algorithm
    }

    /// Appends the TBSCertificate of a row. Errors: `Malformed` for names and times that a certificate cannot hold,
    /// the same that the ordinary path refuses.
    pub(super) fn fill(
        &self,
        der: &mut Vec<u8>,
        fields: &mut Fields,
        row: &Row<'_>,
        serial: &[u8; SERIAL],
        point: &[u8; POINT],
    ) -> Result<(), Error> {
        fields.set_validity(row.not_before, row.not_after)?;
        fields.set_subject(row, &self.issuer)?;
        fields.set_names(row)?;
        let extensions = self.extensions.len() + fields.names.len();
        let list = asn1::element_size(extensions);
        let length = self.version.len()
            + asn1::element_size(SERIAL)
            + self.algorithm.len()
            + self.issuer.len()
            + fields.validity_der.len()
            + fields.subject.len()
            + self.key.len()
            + POINT
            + asn1::element_size(list);
        asn1::push_header(der, asn1::SEQUENCE, length);
        der.extend_from_slice(&self.version);
        asn1::push_header(der, asn1::INTEGER, SERIAL);
        der.extend_from_slice(serial);
        der.extend_from_slice(&self.algorithm);
        der.extend_from_slice(&self.issuer);
        der.extend_from_slice(&fields.validity_der);
        der.extend_from_slice(&fields.subject);
        der.extend_from_slice(&self.key);
        der.extend_from_slice(point);
        asn1::push_header(der, asn1::explicit(3), list);
        asn1::push_header(der, asn1::SEQUENCE, extensions);
        der.extend_from_slice(&self.extensions);
        der.extend_from_slice(&fields.names);
        Ok(())
    }
}

impl Fields {
    fn set_validity(&mut self, not_before: i64, not_after: i64) -> Result<(), Error> {
        if self.validity == Some((not_before, not_after)) {
            return Ok(());
        }
        if not_before > not_after {
            return Err(malformed("a certificate that ends before it begins"));
        }
        self.validity = None;
        let times = [time(not_before)?, time(not_after)?];
        self.validity_der.clear();
        let length = times.iter().map(|(_, text)| asn1::element_size(text.len()));
        asn1::push_header(&mut self.validity_der, asn1::SEQUENCE, length.sum());
        for (tag, text) in &times {
            asn1::push_header(&mut self.validity_der, *tag, text.len());
            self.validity_der.extend_from_slice(text.as_bytes());
        }
        self.validity = Some((not_before, not_after));
        Ok(())
    }

    fn set_subject(&mut self, row: &Row<'_>, issuer: &[u8]) -> Result<(), Error> {
        self.subject.clear();
        name::push_leaf(&mut self.subject, row.organizations, row.common_name)?;
        if self.subject == issuer {
            return Err(malformed(
                "a leaf with the name of its issuer, which would pass for self-signed",
            ));
        }
        Ok(())
    }

    /// The whole subjectAltName extension, DNS names first; empty when there are no names.
    fn set_names(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.names.clear();
        if row.dns.is_empty() && row.ip.is_empty() {
            return Ok(());
        }
        let mut length = 0;
        for name in row.dns {
            check_dns(name)?;
            length += asn1::element_size(name.len());
        }
        let mut memory = [0; 16];
        for address in row.ip {
            length += asn1::element_size(octets(&parse_ip(address)?, &mut memory).len());
        }
        let list = asn1::element_size(length);
        let names = &mut self.names;
        asn1::push_header(
            names,
            asn1::SEQUENCE,
            SUBJECT_ALT_NAME.len() + asn1::element_size(list),
        );
        names.extend_from_slice(SUBJECT_ALT_NAME);
        asn1::push_header(names, asn1::OCTET_STRING, list);
        asn1::push_header(names, asn1::SEQUENCE, length);
        for name in row.dns {
            asn1::push_header(names, asn1::implicit(2), name.len());
            names.extend_from_slice(name.as_bytes());
        }
        for address in row.ip {
            let address = octets(&parse_ip(address)?, &mut memory);
            asn1::push_header(names, asn1::implicit(7), address.len());
            names.extend_from_slice(address);
        }
        Ok(())
    }
}

/// The encoded OBJECT IDENTIFIER 2.5.29.17. The extension is not critical beside a subject. Source: RFC 5280 4.2.1.6.
const SUBJECT_ALT_NAME: &[u8] = b"\x06\x03\x55\x1d\x11";

/// The address's octets in memory of the caller's.
fn octets<'a>(address: &IpAddr, memory: &'a mut [u8; 16]) -> &'a [u8] {
    match address {
        IpAddr::V4(address) => {
            memory[..4].copy_from_slice(&address.octets());
            &memory[..4]
        }
        IpAddr::V6(address) => {
            *memory = address.octets();
            memory
        }
    }
}

/// Tag and text of a Time: UTCTime from 1950 to 2049, else GeneralizedTime. Source: RFC 5280 4.1.2.5.
fn time(seconds: i64) -> Result<(u8, String), Error> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let time = OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .filter(|time| time.year() >= 1950)
        .ok_or_else(|| malformed("a validity outside the years 1950 to 9999"))?;
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    match text.get(2..) {
        Some(short) if time.year() < 2050 => Ok((UTC_TIME, short.to_owned())),
        Some(_) => Ok((GENERALIZED_TIME, text)),
        None => Err(internal("a time without a year")),
    }
}
