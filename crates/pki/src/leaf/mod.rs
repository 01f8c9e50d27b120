//! Leaves in batches. P-256 keys under a P-256 CA take the batch engine and a template; every other combination takes
//! the ordinary path, row by row, with the same result.

mod rows;
mod template;
#[cfg(test)]
mod tests;

use crate::asn1;
use crate::base64::{lines_size, wipe, write_lines};
use crate::certificate::Certificate;
use crate::error::{Error, internal, unsupported};
use crate::issue::{self, Spec, Style};
use crate::name::Attribute;
use crate::pem;
use crate::private_key::{KeyType, PrivateKey};
use crate::public_key::{Curve, PublicKey};
use pki_p256::{Engine, KeyPair, LaneChoice, P256Error, Random, Secret, TableSize};
use rand_core::CryptoRng;
use rows::{Row, Rows};
use std::ops::Range;
use template::{Fields, POINT, SERIAL, Template};

/// A kind of leaf and the CA that signs it.
pub struct LeafProfile {
    /// The CA's certificate.
    pub ca: Certificate,
    /// Its key.
    pub ca_key: PrivateKey,
    /// RFC 5280 names.
    pub key_usage: Vec<String>,
    /// Names or dotted OIDs.
    pub extended_key_usage: Vec<String>,
    /// The type of each leaf's key.
    pub key_type: KeyType,
}

/// How many of the batch engine's rows ring verifies: certificate parsed again and compared with the row and
/// with the ordinary path's, signature verified, public key computed again. Points and scalar relations are checked in every row by the engine itself;
/// the ordinary path verifies every row. ring in WebAssembly takes 1.6 ms a row, the engine 10 us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// One row of each of an issuer's first 8 batches, while the host still replaces code by faster code,
    /// then one in 8,192 on average. The randomness decides which.
    Sample,
    /// Every row.
    All,
}

/// Batches of an issuer with a verified row each.
const FIRST: u32 = 8;
/// Rows to a verified one afterwards: 0.2 us a row.
const SAMPLE: u32 = 8192;

/// Issues leaves batch by batch. Holds the engine's table and the memory of a batch.
pub struct LeafIssuer {
    lanes: LaneChoice,
    table: TableSize,
    check: Check,
    engine: Option<Engine>,
    profiles: Vec<(LeafProfile, Option<Fast>)>,
    /// Batches issued, as far as [`FIRST`].
    batches: u32,
    /// Rows until the next one that is verified, after the first batches.
    until_check: u32,
    scratch: Scratch,
    out: Vec<u8>,
}

/// What the batch path needs of a profile.
struct Fast {
    template: Template,
    secret: Secret,
}

#[derive(Default)]
struct Scratch {
    fields: Fields,
    serials: Vec<[u8; SERIAL]>,
    der: Vec<u8>,
    /// One a row: where its TBSCertificate lies in `der`, later the whole certificate.
    spans: Vec<Range<usize>>,
}

/// A batch's result; the keys in it are overwritten when it is dropped. Little endian:
///
/// | octets | |
/// | --- | --- |
/// | 16 a row | offset and length of the certificate's PEM, offset and length of the key's PEM, u32 each |
/// | 16 a row | serial |
/// | 32 a row | SHA-256 of the certificate's DER |
/// | | the certificates' PEM |
/// | | the keys' PEM: SEC1, PKCS#1 or PKCS#8 as `PrivateKey::usual_form` has it |
///
/// Offsets count from the beginning. `readLeaves` of `packages/core/src/bulk-leaves.ts` reads the same layout.
pub struct IssuedBatch<'a> {
    out: &'a mut Vec<u8>,
    keys: usize,
}

impl IssuedBatch<'_> {
    /// The packed result.
    pub fn as_bytes(&self) -> &[u8] {
        self.out
    }
}

impl Drop for IssuedBatch<'_> {
    fn drop(&mut self) {
        wipe(&mut self.out[self.keys..]);
    }
}

const ENTRY: usize = 16;
const DIGEST: usize = 32;
/// Octets of a row of [`LeafIssuer::sign_with_new_keys`].
const SIGNED: usize = POINT + 1 + 72;

impl LeafIssuer {
    /// An issuer without profiles. The table is computed at the first batch that needs it. Errors: `Unsupported` where
    /// fused multiply-adds are forced on a CPU that has none.
    pub fn new(lanes: LaneChoice, table: TableSize, check: Check) -> Self {
        Self {
            lanes,
            table,
            check,
            engine: None,
            profiles: Vec::new(),
            batches: 0,
            until_check: 0,
            scratch: Scratch::default(),
            out: Vec::new(),
        }
    }

    /// The lanes in use; what was asked for until the first batch of P-256.
    pub fn lanes(&self) -> LaneChoice {
        self.engine.as_ref().map_or(self.lanes, Engine::lanes)
    }

    /// Adds a profile and returns its index. Errors: `Malformed` when the key is not the certificate's, or for usages
    /// that are unknown.
    pub fn add_profile(&mut self, profile: LeafProfile) -> Result<usize, Error> {
        // Also the judgement of the profile: the ordinary path is asked for a leaf whose key is the CA's own, which is
        // not signed.
        let stand_in = Row {
            not_before: 0,
            not_after: 0,
            common_name: "stand-in",
            organizations: &[],
            dns: &[],
            ip: &[],
        };
        let spec = profile.spec(&stand_in, &[1; SERIAL]);
        let public = profile.ca_key.public();
        let tbs = issue::to_be_signed(&spec, public, &profile.ca_key, Some(&profile.ca))?;
        let fast = match (profile.key_type, profile.ca_key.p256_scalar(), public) {
            (KeyType::Ec(Curve::P256), Some(scalar), PublicKey::Ec { point, .. }) => {
                let template = Template::cut(&tbs)?;
                let point = point.as_slice().try_into();
                let point = point.map_err(|_| internal("a point of another size"))?;
                let mut filled = Vec::new();
                let mut fields = Fields::default();
                template.fill(&mut filled, &mut fields, &stand_in, &[1; SERIAL], point)?;
                if filled != tbs {
                    return Err(internal("the template is not what it was cut from"));
                }
                let secret = Secret::new(*scalar).map_err(|_| internal("a CA key out of range"))?;
                Some(Fast { template, secret })
            }
            _ => None,
        };
        self.profiles.push((profile, fast));
        Ok(self.profiles.len() - 1)
    }

    /// Issues one leaf with a new key per row of `packed` (see the module `rows`), in order. Equal randomness gives
    /// equal octets whatever the lanes. Errors: `Malformed` for rows that no certificate can hold, `SelfCheckFailed`
    /// when a result was wrong, both naming the row, counted from 0; nothing of the batch is handed out then.
    pub fn issue(
        &mut self,
        profile: usize,
        packed: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<IssuedBatch<'_>, Error> {
        let rows = Rows::unpack(packed)?;
        let (profile, fast) = self
            .profiles
            .get(profile)
            .ok_or_else(|| internal("no such profile"))?;
        draw_serials(&mut self.scratch.serials, rows.len(), rng);
        self.out.clear();
        self.out.resize(rows.len() * (ENTRY + SERIAL + DIGEST), 0);
        match fast {
            None => ordinary(profile, &rows, &self.scratch.serials, &mut self.out, rng)?,
            Some(fast) => {
                let engine = made(&mut self.engine, self.lanes, self.table)?;
                let mut batch = FastBatch {
                    profile,
                    fast,
                    rows: &rows,
                    engine,
                    scratch: &mut self.scratch,
                    rng,
                };
                let keys = batch.sign()?;
                match self.check {
                    Check::All => (0..rows.len()).try_for_each(|row| batch.verify(&keys, row))?,
                    Check::Sample => {
                        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
                        let mut next = self.until_check;
                        if self.batches < FIRST {
                            self.batches += 1;
                            next = below(count, batch.rng);
                        }
                        while next < count {
                            batch.verify(&keys, next as usize)?;
                            next += 1 + below(2 * SAMPLE - 1, batch.rng);
                        }
                        self.until_check = next - count;
                    }
                }
                batch.write(&keys, &mut self.out);
            }
        }
        let keys = key_start(&self.out, rows.len());
        Ok(IssuedBatch {
            out: &mut self.out,
            keys,
        })
    }

    /// What a batch asks of the engine and no more, to be measured: a new key for each SHA-256 digest, and the digest's
    /// signature by the profile's CA. [`SIGNED`] octets each, in order: the public key, uncompressed; the signature's
    /// length; the signature in DER, zeros behind it. The private keys are overwritten. Errors: `Unsupported` for a
    /// profile that the engine does not serve, `SelfCheckFailed`.
    pub fn sign_with_new_keys(
        &mut self,
        profile: usize,
        digests: &[[u8; DIGEST]],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, Error> {
        let (_, fast) = self
            .profiles
            .get(profile)
            .ok_or_else(|| internal("no such profile"))?;
        let Some(Fast { secret, .. }) = fast else {
            return Err(unsupported("a profile that is not P-256 under P-256"));
        };
        let engine = made(&mut self.engine, self.lanes, self.table)?;
        let mut random = Source(rng);
        let keys = engine.generate_keys(digests.len(), &mut random);
        let keys = keys.map_err(engine_error)?;
        let signatures = engine.sign(secret, digests, &mut random);
        let signatures = signatures.map_err(engine_error)?;
        let mut out = vec![0; SIGNED * digests.len()];
        let rows = out.as_chunks_mut::<SIGNED>().0;
        for ((row, key), signature) in rows.iter_mut().zip(&keys).zip(&signatures) {
            let signature = signature.to_der();
            let signature = signature.as_bytes();
            row[..POINT].copy_from_slice(&key.public);
            row[POINT] = length_octet(signature.len());
            row[POINT + 1..][..signature.len()].copy_from_slice(signature);
        }
        Ok(out)
    }
}

/// The engine, its table computed when there is none yet.
fn made(
    engine: &mut Option<Engine>,
    lanes: LaneChoice,
    table: TableSize,
) -> Result<&mut Engine, Error> {
    Ok(match engine {
        Some(engine) => engine,
        none => none.insert(Engine::new(lanes, table).map_err(engine_error)?),
    })
}

impl LeafProfile {
    fn spec(&self, row: &Row<'_>, serial: &[u8; SERIAL]) -> Spec {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let organizations = row.organizations.iter();
        let subject = organizations
            .map(|name| (Attribute::Organization, (*name).to_owned()))
            .chain([(Attribute::CommonName, row.common_name.to_owned())])
            .collect();
        Spec {
            subject,
            not_before: row.not_before,
            not_after: row.not_after,
            serial: serial.to_vec(),
            ca: None,
            key_usage: self.key_usage.clone(),
            extended_key_usage: self.extended_key_usage.clone(),
            dns: owned(row.dns),
            ip: owned(row.ip),
            subject_key_id: false,
            authority_key_id: true,
            style: Style::K3s,
        }
    }
}

/// A batch on its way through the engine.
struct FastBatch<'a> {
    profile: &'a LeafProfile,
    fast: &'a Fast,
    rows: &'a Rows<'a>,
    engine: &'a mut Engine,
    scratch: &'a mut Scratch,
    rng: &'a mut dyn CryptoRng,
}

/// Octets kept free for the header of a certificate before its TBSCertificate.
const HEADER: usize = 6;

impl FastBatch<'_> {
    /// Makes keys and certificates; the latter are left in the scratch memory.
    fn sign(&mut self) -> Result<Vec<KeyPair>, Error> {
        let Scratch {
            fields,
            serials,
            der,
            spans,
        } = &mut *self.scratch;
        let mut random = Source(self.rng);
        let keys = self
            .engine
            .generate_keys(self.rows.len(), &mut random)
            .map_err(engine_error)?;
        let Fast { template, secret } = self.fast;
        der.clear();
        spans.clear();
        // A signature's BIT STRING has at most 75 octets.
        let tail = template.algorithm().len() + 75;
        for (index, ((row, serial), key)) in self.rows.iter().zip(&*serials).zip(&keys).enumerate()
        {
            der.resize(der.len() + HEADER, 0);
            let start = der.len();
            template
                .fill(der, fields, &row, serial, &key.public)
                .map_err(|error| of_row(index, error))?;
            spans.push(start..der.len());
            der.resize(der.len() + tail, 0);
        }
        let tbs: Vec<&[u8]> = spans.iter().map(|span| &der[span.clone()]).collect();
        let digests = self.engine.sha256_many(&tbs);
        let signatures = self
            .engine
            .sign(secret, &digests, &mut random)
            .map_err(engine_error)?;
        let mut header = Vec::with_capacity(HEADER);
        for (span, signature) in spans.iter_mut().zip(&signatures) {
            let signature = signature.to_der();
            let signature = signature.as_bytes();
            let mut end = span.end;
            let bits = [asn1::BIT_STRING, length_octet(1 + signature.len()), 0];
            for part in [template.algorithm(), &bits, signature] {
                der[end..end + part.len()].copy_from_slice(part);
                end += part.len();
            }
            header.clear();
            asn1::push_header(&mut header, asn1::SEQUENCE, end - span.start);
            let start = span.start - header.len();
            der[start..span.start].copy_from_slice(&header);
            *span = start..end;
        }
        Ok(keys)
    }

    /// Verifies a row with ring. Errors: `SelfCheckFailed`.
    fn verify(&self, keys: &[KeyPair], index: usize) -> Result<(), Error> {
        let failed = || Error::SelfCheckFailed(format!("row {index}: a new key is not a pair"));
        let key = &keys[index];
        let public = PublicKey::from_point(Curve::P256, &key.public).map_err(|_| failed())?;
        if !crate::private_key::p256_pair(key.secret.as_bytes(), &key.public) {
            return Err(failed());
        }
        let Some(row) = self.rows.iter().nth(index) else {
            return Err(internal("no such row"));
        };
        let LeafProfile { ca, ca_key, .. } = self.profile;
        let spec = self.profile.spec(&row, &self.scratch.serials[index]);
        let der = &self.scratch.der[self.scratch.spans[index].clone()];
        let made = issue::check(der, &spec, &public, ca_key, Some(ca))
            .map_err(|error| of_row(index, error))?;
        if made.tbs != issue::to_be_signed(&spec, &public, ca_key, Some(ca))? {
            return Err(Error::SelfCheckFailed(format!(
                "row {index}: a new certificate is not what the ordinary path makes"
            )));
        }
        Ok(())
    }

    fn write(&self, keys: &[KeyPair], out: &mut Vec<u8>) {
        let Scratch {
            serials,
            der,
            spans,
            ..
        } = &*self.scratch;
        let certificates: Vec<&[u8]> = spans.iter().map(|span| &der[span.clone()]).collect();
        let mut at = out.len();
        let sizes = certificates.iter().map(|der| CERTIFICATE.size(der.len()));
        // All at once: a buffer that grew under the keys would leave a copy of them behind.
        let end = at + sizes.sum::<usize>() + keys.len() * EC_PRIVATE_KEY.size(SEC1);
        if out.capacity() < end {
            // Room for longer signatures and names of the next batches, which would move it again.
            out.reserve_exact(end - at + (end >> 4));
        }
        out.resize(end, 0);
        write_serials(out, serials);
        for (index, digest) in self.engine.sha256_many(&certificates).iter().enumerate() {
            write_digest(out, serials.len(), index, digest);
        }
        for (index, der) in certificates.iter().enumerate() {
            let size = CERTIFICATE.write(&mut out[at..], der);
            write_entry(out, index, 0, at, size);
            at += size;
        }
        let mut sec1 = SEC1_TEMPLATE;
        for (index, key) in keys.iter().enumerate() {
            sec1[SEC1_SCALAR].copy_from_slice(key.secret.as_bytes());
            sec1[SEC1 - POINT..].copy_from_slice(&key.public);
            let size = EC_PRIVATE_KEY.write(&mut out[at..], &sec1);
            write_entry(out, index, 1, at, size);
            at += size;
        }
        wipe(&mut sec1);
    }
}

/// The first and the last line of a PEM block.
struct Block {
    begin: &'static [u8],
    end: &'static [u8],
}

const CERTIFICATE: Block = Block {
    begin: b"-----BEGIN CERTIFICATE-----\n",
    end: b"-----END CERTIFICATE-----\n",
};

const EC_PRIVATE_KEY: Block = Block {
    begin: b"-----BEGIN EC PRIVATE KEY-----\n",
    end: b"-----END EC PRIVATE KEY-----\n",
};

impl Block {
    /// Length of the block of so many octets of DER.
    fn size(&self, der: usize) -> usize {
        self.begin.len() + lines_size(der) + self.end.len()
    }

    /// Writes the block at the beginning of `text` and returns its length.
    fn write(&self, text: &mut [u8], der: &[u8]) -> usize {
        let size = self.size(der.len());
        let (begin, rest) = text[..size].split_at_mut(self.begin.len());
        let (lines, end) = rest.split_at_mut(lines_size(der.len()));
        begin.copy_from_slice(self.begin);
        write_lines(lines, der);
        end.copy_from_slice(self.end);
        size
    }
}

/// Octets of a SEC1 key of P-256 that names its curve and holds its public key.
const SEC1: usize = 121;
const SEC1_SCALAR: Range<usize> = 7..39;
/// Source: RFC 5915 section 3; the same fields as `PrivateKey::to_der` writes.
const SEC1_TEMPLATE: [u8; SEC1] = {
    let mut der = [0; SEC1];
    let start = b"\x30\x77\x02\x01\x01\x04\x20";
    let middle = b"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\xa1\x44\x03\x42\x00";
    let (before, rest) = der.split_at_mut(SEC1_SCALAR.start);
    before.copy_from_slice(start);
    let (_, after) = rest.split_at_mut(SEC1_SCALAR.end - SEC1_SCALAR.start);
    after.split_at_mut(middle.len()).0.copy_from_slice(middle);
    der
};

/// The ordinary path. `out` holds the zeroed head.
fn ordinary(
    profile: &LeafProfile,
    rows: &Rows<'_>,
    serials: &[[u8; SERIAL]],
    out: &mut Vec<u8>,
    rng: &mut dyn CryptoRng,
) -> Result<(), Error> {
    let mut keys = Vec::with_capacity(rows.len());
    write_serials(out, serials);
    for (index, (row, serial)) in rows.iter().zip(serials).enumerate() {
        let key = crate::private_key::generate(profile.key_type, rng)
            .map_err(|error| of_row(index, error))?;
        let spec = profile.spec(&row, serial);
        let LeafProfile { ca, ca_key, .. } = profile;
        let made = issue::issue(&spec, key.public(), ca_key, Some(ca), rng)
            .map_err(|error| of_row(index, error))?;
        write_digest(out, rows.len(), index, &made.sha256);
        push_part(out, index, 0, &pem::encode("CERTIFICATE", &made.der));
        keys.push(key.to_pem(key.usual_form())?);
    }
    out.reserve_exact(keys.iter().map(|key| key.len()).sum());
    for (index, key) in keys.iter().enumerate() {
        push_part(out, index, 1, key);
    }
    Ok(())
}

/// Names the row in an error; the batch engine does so itself.
fn of_row(index: usize, error: Error) -> Error {
    match error {
        Error::Malformed(text) => Error::Malformed(format!("row {index}: {text}")),
        Error::SelfCheckFailed(text) => Error::SelfCheckFailed(format!("row {index}: {text}")),
        other => other,
    }
}

fn engine_error(error: P256Error) -> Error {
    match error {
        P256Error::PointCheck { .. } | P256Error::SignatureCheck { .. } => {
            Error::SelfCheckFailed(error.to_string())
        }
        P256Error::NotFused => Error::Unsupported(error.to_string()),
        P256Error::Randomness | P256Error::ScalarRange { .. } => internal(error.to_string()),
    }
}

/// Serials of 127 random bits but for those below 2^120, which are drawn again. RFC 5280 4.1.2.2 wants them positive.
fn draw_serials(serials: &mut Vec<[u8; SERIAL]>, count: usize, rng: &mut dyn CryptoRng) {
    serials.clear();
    serials.resize(count, [0; SERIAL]);
    rng.fill_bytes(serials.as_flattened_mut());
    for serial in serials {
        while serial[0] & 0x7f == 0 {
            rng.fill_bytes(&mut serial[..1]);
        }
        serial[0] &= 0x7f;
    }
}

/// A number below `bound`, each nearly as likely (2^32 values onto at most 2^14); 0 for a bound of 0.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the product of two 32-bit numbers has 32 bits above its lowest 32"
)]
fn below(bound: u32, rng: &mut dyn CryptoRng) -> u32 {
    ((u64::from(rng.next_u32()) * u64::from(bound)) >> 32) as u32
}

/// Lengths here are below 128.
fn length_octet(length: usize) -> u8 {
    debug_assert!(length < 0x80);
    length.to_le_bytes()[0]
}

/// Randomness for the engine.
struct Source<'a>(&'a mut dyn CryptoRng);

impl Random for Source<'_> {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), P256Error> {
        self.0.fill_bytes(out);
        Ok(())
    }
}

/// Part 0 of a row is its certificate, part 1 its key.
fn push_part(out: &mut Vec<u8>, row: usize, part: usize, text: &[u8]) {
    let start = out.len();
    out.extend_from_slice(text);
    write_entry(out, row, part, start, text.len());
}

fn write_serials(out: &mut [u8], serials: &[[u8; SERIAL]]) {
    let start = serials.len() * ENTRY;
    let serials = serials.as_flattened();
    out[start..start + serials.len()].copy_from_slice(serials);
}

fn write_digest(out: &mut [u8], count: usize, row: usize, digest: &[u8; DIGEST]) {
    let start = count * (ENTRY + SERIAL) + row * DIGEST;
    out[start..start + DIGEST].copy_from_slice(digest);
}

/// Notes offset and length of a part.
fn write_entry(out: &mut [u8], row: usize, part: usize, start: usize, length: usize) {
    let at = row * ENTRY + part * 8;
    for (place, number) in [start, length].into_iter().enumerate() {
        // A batch's result is far below 4 GiB.
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        out[at + 4 * place..][..4].copy_from_slice(&number.to_le_bytes());
    }
}

/// Where the first key begins.
fn key_start(out: &[u8], rows: usize) -> usize {
    match out.get(8..12) {
        Some(&[a, b, c, d]) if rows > 0 => u32::from_le_bytes([a, b, c, d]) as usize,
        _ => out.len(),
    }
}
