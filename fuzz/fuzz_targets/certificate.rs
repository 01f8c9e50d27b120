#![no_main]

use pki::Certificate;
use x509_parser::prelude::{FromDer, X509Certificate};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    k3s_pki_fuzz::certificate(data);
    // A second reader: it refuses other things, but what both read they read alike.
    if let (Ok(ours), Ok((_, theirs))) =
        (Certificate::from_der(data), X509Certificate::from_der(data))
    {
        assert_eq!(ours.subject_der, theirs.subject().as_raw());
        assert_eq!(ours.issuer_der, theirs.issuer().as_raw());
        assert_eq!(ours.not_before, theirs.validity().not_before.timestamp());
        assert_eq!(ours.not_after, theirs.validity().not_after.timestamp());
        let serial = theirs.raw_serial();
        assert_eq!(ours.serial, serial.strip_prefix(&[0]).unwrap_or(serial));
        let constraints = theirs.basic_constraints().ok().flatten();
        if let (Some(ours), Some(theirs)) = (ours.basic_constraints, constraints) {
            assert_eq!(ours.ca, theirs.value.ca);
        }
    }
});
