//! Every kept seed of the fuzz targets once more, without the fuzzer: what crashed stays mended.

use std::path::Path;

#[allow(unreachable_pub, reason = "a crate of its own for the fuzzer")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

#[test]
fn every_kept_seed() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    for (name, target) in targets::TARGETS {
        let mut count = 0;
        for entry in std::fs::read_dir(seeds.join(name)).unwrap() {
            let file = entry.unwrap().path();
            let seed = std::fs::read(&file).unwrap();
            let outcome = std::panic::catch_unwind(|| target(&seed));
            assert!(outcome.is_ok(), "{}", file.display());
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}

/// The targets go on past the first check: the seeds are what they look like.
#[test]
fn seeds_are_read() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let read = |file: &str| std::fs::read(seeds.join(file)).unwrap();
    pki::Certificate::from_der(&read("certificate/leaf")).unwrap();
    pki::CertificateRequest::from_der(&read("request/p256")[1..]).unwrap();
    pki::PublicKey::from_spki(&read("public_key/p384")).unwrap();
    let encrypted = pki::pem::encode("ENCRYPTED PRIVATE KEY", &read("encrypted_key/scrypt"));
    pki::open_key(&encrypted, Some(b"passphrase")).unwrap();
    assert_eq!(pki::inspect(&read("pem/bundle")).len(), 2);
}
