//! Encrypted PKCS#8 keys, opened. Source: RFC 8018 (PBES2), RFC 7914 (scrypt), RFC 5958 section 3.

use crate::asn1;
use crate::error::{Error, malformed, unsupported};
use pkcs5::EncryptionScheme;
use pkcs5::der::Decode;
use pkcs5::pbes2::Kdf;
use zeroize::Zeroizing;

/// About a minute in WebAssembly; OpenSSL's default is 2048, careful people use 10^6.
const MAX_ITERATIONS: u32 = 20_000_000;
/// scrypt needs 128 * N * r octets; OpenSSL's own limit is 32 MiB by default.
const MAX_SCRYPT_OCTETS: u64 = 512 << 20;
/// The same, times p: about half a minute in WebAssembly.
const MAX_SCRYPT_WORK: u64 = 4 << 30;

/// The DER PrivateKeyInfo inside a DER EncryptedPrivateKeyInfo. Errors: `WrongPassphrase`, `Malformed`, `Unsupported`.
pub(crate) fn open(der: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (scheme, content) = asn1::whole_sequence(der, |reader| {
        let scheme = reader.expect(asn1::SEQUENCE)?.raw;
        let content = reader.expect(asn1::OCTET_STRING)?.value;
        Ok((scheme, content))
    })?;
    let scheme = EncryptionScheme::from_der(scheme).map_err(|_| {
        unsupported(
            "a key encrypted with something other than PBES2 of PBKDF2 or scrypt with AES or 3DES",
        )
    })?;
    let EncryptionScheme::Pbes2(parameters) = &scheme else {
        return Err(unsupported(
            "a key encrypted with PBES1: convert it with openssl pkcs8 -topk8 -v2 aes256",
        ));
    };
    match &parameters.kdf {
        Kdf::Pbkdf2(kdf) if kdf.iteration_count > MAX_ITERATIONS => {
            return Err(unsupported(
                "a key encrypted with more than 20000000 iterations",
            ));
        }
        Kdf::Scrypt(kdf) => {
            let octets = kdf
                .cost_parameter
                .saturating_mul(128 * u64::from(kdf.block_size));
            let work = octets.saturating_mul(u64::from(kdf.parallelization));
            if octets > MAX_SCRYPT_OCTETS || work > MAX_SCRYPT_WORK {
                return Err(unsupported(
                    "a key encrypted with scrypt that needs more than 512 MiB or passes over 4 GiB",
                ));
            }
        }
        _ => {}
    }
    let mut buffer = Zeroizing::new(content.to_vec());
    let length = scheme
        .decrypt_in_place(passphrase, &mut buffer)
        .map_err(|error| match error {
            pkcs5::Error::DecryptFailed => Error::WrongPassphrase,
            _ => malformed("an encrypted key with parameters that do not fit"),
        })?
        .len();
    // 1 in about 250 wrong passphrases leaves valid padding, so what comes out has to be a SEQUENCE as well.
    buffer.truncate(length);
    let mut reader = asn1::Reader::new(&buffer);
    if reader.sequence().is_err() || reader.end().is_err() {
        return Err(Error::WrongPassphrase);
    }
    Ok(buffer)
}
