use super::*;
use crate::issue::to_be_signed;
use crate::private_key::{Form, generate};
use crate::rng::SystemRng;
use crate::{inspect, pem};
use rand_core::{TryCryptoRng, TryRng};
use std::collections::HashSet;
use std::convert::Infallible;

/// SplitMix64: the same octets in every run, and no secret depends on it outside tests.
struct Repeatable(u64);

impl TryRng for Repeatable {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.try_next_u64()? >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(z ^ (z >> 31))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        for chunk in octets.chunks_mut(8) {
            chunk.copy_from_slice(&self.try_next_u64()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Repeatable {}

#[derive(Clone, Default)]
struct Leaf {
    common_name: &'static str,
    organizations: Vec<&'static str>,
    dns: Vec<&'static str>,
    ip: Vec<&'static str>,
    not_before: i64,
    not_after: i64,
}

fn leaf(common_name: &'static str) -> Leaf {
    Leaf {
        common_name,
        // 2026-11-24 and a year later.
        not_before: 1_795_478_400,
        not_after: 1_827_014_400,
        ..Leaf::default()
    }
}

fn pack(leaves: &[Leaf]) -> Vec<u8> {
    let mut packed = u32::try_from(leaves.len()).unwrap().to_le_bytes().to_vec();
    let mut text = Vec::new();
    for leaf in leaves {
        packed.extend_from_slice(&(leaf.not_before as f64).to_le_bytes());
        packed.extend_from_slice(&(leaf.not_after as f64).to_le_bytes());
        for list in [&leaf.organizations, &leaf.dns, &leaf.ip] {
            packed.extend_from_slice(&u16::try_from(list.len()).unwrap().to_le_bytes());
        }
        packed.extend_from_slice(&[0; 2]);
        let names = [leaf.common_name].into_iter();
        let lists = leaf.organizations.iter().chain(&leaf.dns).chain(&leaf.ip);
        for name in names.chain(lists.copied()) {
            text.extend_from_slice(name.as_bytes());
            text.push(0);
        }
    }
    packed.extend_from_slice(&text);
    packed
}

/// Certificate, key in PEM, serial and digest of a row.
type Issued = (Certificate, Vec<u8>, Vec<u8>, Vec<u8>);

fn unpack(out: &[u8], rows: usize) -> Vec<Issued> {
    let number = |at: usize| u32::from_le_bytes(out[at..at + 4].try_into().unwrap()) as usize;
    let part = |at: usize| &out[number(at)..number(at) + number(at + 4)];
    (0..rows)
        .map(|row| {
            let blocks = pem::scan(part(row * 16));
            assert_eq!(blocks.len(), 1);
            assert_eq!(blocks[0].label, "CERTIFICATE");
            let der = blocks[0].content.as_ref().unwrap();
            assert_eq!(
                part(row * 16),
                pem::encode("CERTIFICATE", der).as_slice(),
                "the PEM is what the ordinary path writes"
            );
            let serial = &out[rows * 16 + row * 16..][..16];
            let digest = &out[rows * 32 + row * 32..][..32];
            let certificate = Certificate::from_der(der).unwrap();
            (
                certificate,
                part(row * 16 + 8).to_vec(),
                serial.to_vec(),
                digest.to_vec(),
            )
        })
        .collect()
}

fn ca(key_type: KeyType, subject_key_id: bool) -> (Certificate, PrivateKey) {
    let mut rng = SystemRng::default();
    let key = generate(key_type, &mut rng).unwrap();
    let spec = Spec {
        subject: vec![(Attribute::CommonName, "k3s-client-ca@1".into())],
        not_before: 1_795_000_000,
        not_after: 4_000_000_000,
        serial: vec![1],
        ca: Some(None),
        key_usage: vec!["keyCertSign".into()],
        subject_key_id,
        ..Spec::default()
    };
    let certificate = issue::issue(&spec, key.public(), &key, None, &mut rng).unwrap();
    (certificate, key)
}

fn profile(ca: &(Certificate, PrivateKey), usages: &[&str], key_type: KeyType) -> LeafProfile {
    let pem = ca.1.to_pem(Form::Pkcs8).unwrap();
    LeafProfile {
        ca: ca.0.clone(),
        ca_key: inspect::open_key(&pem, None).unwrap(),
        key_usage: vec!["digitalSignature".into(), "keyEncipherment".into()],
        extended_key_usage: usages.iter().map(|usage| (*usage).into()).collect(),
        key_type,
    }
}

const P256: KeyType = KeyType::Ec(Curve::P256);

fn issuer(lanes: LaneChoice, check: Check) -> LeafIssuer {
    LeafIssuer::new(lanes, TableSize::Small, check)
}

/// Names and times of every kind that a profile may meet.
fn all_kinds() -> Vec<Leaf> {
    let long: &str = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl";
    let wide = "ノード一二三四五六七八九十ノード一二三四五六七八九十ノード一二三四五六七八九十ノード一二三四五六七八九十ノード一二三四五六七八";
    let many: Vec<String> = (0..300).map(|i| format!("name-{i}.example.org")).collect();
    let many: Vec<&'static str> = many
        .into_iter()
        .map(|name| -> &'static str { name.leak() })
        .collect();
    vec![
        leaf("system:kube-proxy"),
        Leaf {
            organizations: vec!["system:nodes"],
            ..leaf("system:node:edge-00001")
        },
        Leaf {
            organizations: vec!["system:masters", "b", "aa", "b", "grün", "a*"],
            dns: vec!["localhost", "localhost", "*.example.org"],
            ip: vec!["127.0.0.1", "::1", "2001:db8::7", "::ffff:192.0.2.1"],
            ..leaf("kube-apiserver")
        },
        Leaf {
            ip: vec!["192.0.2.10"],
            ..leaf("under_score & star*")
        },
        Leaf {
            dns: vec!["n"],
            ..leaf("Zürich")
        },
        Leaf {
            organizations: vec![long, wide],
            dns: many,
            ..leaf(wide)
        },
        // 2049-12-31T23:59:59Z is the last UTCTime.
        Leaf {
            not_before: 2_524_607_999,
            not_after: 2_524_608_000,
            ..leaf("x")
        },
        Leaf {
            not_before: -631_152_000,
            not_after: 253_402_300_799,
            ..leaf(long)
        },
    ]
}

/// For equal serial, key, names and dates both paths sign the same octets.
#[test]
fn both_paths_agree() {
    let leaves = all_kinds();
    for subject_key_id in [true, false] {
        let ca = ca(P256, subject_key_id);
        for usages in [&["clientAuth"][..], &["serverAuth", "clientAuth"], &[]] {
            let mut issuer = issuer(LaneChoice::Scalar, Check::All);
            let index = issuer.add_profile(profile(&ca, usages, P256)).unwrap();
            assert!(issuer.profiles[index].1.is_some());
            let batch = issuer
                .issue(index, &pack(&leaves), &mut Repeatable(1))
                .unwrap();
            let issued = unpack(batch.as_bytes(), leaves.len());
            drop(batch);
            let packed = pack(&leaves);
            let rows = Rows::unpack(&packed).unwrap();
            for (row, (made, key, serial, digest)) in rows.iter().zip(issued) {
                let (profile, _) = &issuer.profiles[index];
                let spec = profile.spec(&row, serial.as_slice().try_into().unwrap());
                let public = made.public_key.clone().unwrap();
                let tbs = to_be_signed(&spec, &public, &profile.ca_key, Some(&ca.0)).unwrap();
                assert_eq!(tbs, made.tbs);
                assert_eq!(made.serial, serial);
                assert_eq!(made.sha256.as_slice(), digest);
                ca.0.check_signature_of(&made).unwrap();
                let opened = inspect::open_key(&key, None).unwrap();
                assert_eq!(opened.public(), &public);
                assert_eq!(opened.to_pem(Form::Sec1).unwrap().as_slice(), key);
            }
        }
    }
}

#[test]
fn lanes_and_tables_give_equal_octets() {
    let ca = ca(P256, true);
    let leaves: Vec<Leaf> = (0..131).map(|i| leaf(format!("node-{i}").leak())).collect();
    let outs = [
        (LaneChoice::Fma, TableSize::Small),
        (LaneChoice::Fma, TableSize::Large),
        (LaneChoice::Simd, TableSize::Small),
        (LaneChoice::Scalar, TableSize::Small),
    ]
    .map(|(lanes, table)| {
        let mut issuer = LeafIssuer::new(lanes, table, Check::Sample);
        issuer
            .add_profile(profile(&ca, &["clientAuth"], P256))
            .unwrap();
        let mut rng = Repeatable(7);
        let first = issuer
            .issue(0, &pack(&leaves), &mut rng)
            .unwrap()
            .as_bytes()
            .to_vec();
        let second = issuer.issue(0, &pack(&leaves[..3]), &mut rng).unwrap();
        [first, second.as_bytes().to_vec()]
    });
    for out in &outs[1..] {
        assert!(outs[0] == *out);
    }
}

/// Judge: ring, which hashes the messages again.
#[test]
fn new_keys_and_signatures() {
    let ca = ca(P256, true);
    let messages: Vec<[u8; 4]> = (0..131u32).map(u32::to_be_bytes).collect();
    let digests: Vec<[u8; DIGEST]> = messages
        .iter()
        .map(|message| {
            let digest = ring::digest::digest(&ring::digest::SHA256, message);
            digest.as_ref().try_into().unwrap()
        })
        .collect();
    let PublicKey::Ec { point, .. } = ca.1.public() else {
        panic!("another key");
    };
    let [fma, simd] = [LaneChoice::Fma, LaneChoice::Simd].map(|lanes| {
        let mut issuer = issuer(lanes, Check::Sample);
        issuer.add_profile(profile(&ca, &[], P256)).unwrap();
        let signed = issuer.sign_with_new_keys(0, &digests, &mut Repeatable(5));
        signed.unwrap()
    });
    assert!(fma == simd);
    let rows = fma.as_chunks::<SIGNED>().0;
    assert_eq!(rows.len(), messages.len());
    let mut points = HashSet::new();
    for (row, message) in rows.iter().zip(&messages) {
        PublicKey::from_point(Curve::P256, &row[..POINT]).unwrap();
        assert!(points.insert(&row[..POINT]));
        let (signature, rest) = row[POINT + 1..].split_at(row[POINT].into());
        assert!(rest.iter().all(|octet| *octet == 0));
        let algorithm = &ring::signature::ECDSA_P256_SHA256_ASN1;
        ring::signature::UnparsedPublicKey::new(algorithm, point)
            .verify(message, signature)
            .unwrap();
    }

    let mut ordinary = issuer(LaneChoice::Simd, Check::Sample);
    ordinary
        .add_profile(profile(&ca, &[], KeyType::Ed25519))
        .unwrap();
    let refused = ordinary.sign_with_new_keys(0, &digests, &mut Repeatable(5));
    assert!(matches!(refused, Err(Error::Unsupported(_))));
}

#[test]
fn sizes_and_the_empty_batch() {
    let ca = ca(P256, true);
    let mut issuer = issuer(LaneChoice::Scalar, Check::Sample);
    issuer
        .add_profile(profile(&ca, &["clientAuth"], P256))
        .unwrap();
    let leaves: Vec<Leaf> = (0..300).map(|i| leaf(format!("node-{i}").leak())).collect();
    for rows in [0, 1, 2, 3, 4, 5, 127, 128, 129, 300] {
        let batch = issuer
            .issue(0, &pack(&leaves[..rows]), &mut SystemRng::default())
            .unwrap();
        let issued = unpack(batch.as_bytes(), rows);
        for ((made, key, ..), leaf) in issued.iter().zip(&leaves) {
            assert_eq!(made.subject, format!("CN={}", leaf.common_name));
            ca.0.check_signature_of(made).unwrap();
            let key = inspect::open_key(key, None).unwrap();
            assert_eq!(Some(key.public()), made.public_key.as_ref());
        }
    }
}

#[test]
fn other_keys_and_authorities() {
    let leaves = all_kinds();
    let ed25519 = ca(KeyType::Ed25519, true);
    let p256 = ca(P256, true);
    for (ca, key_type, label) in [
        (&ed25519, P256, "EC PRIVATE KEY"),
        (&ed25519, KeyType::Ec(Curve::P384), "EC PRIVATE KEY"),
        (&p256, KeyType::Ec(Curve::P521), "EC PRIVATE KEY"),
        (&p256, KeyType::Ed25519, "PRIVATE KEY"),
    ] {
        let mut issuer = issuer(LaneChoice::Auto, Check::Sample);
        issuer
            .add_profile(profile(ca, &["serverAuth"], key_type))
            .unwrap();
        let batch = issuer
            .issue(0, &pack(&leaves), &mut SystemRng::default())
            .unwrap();
        for (made, key, serial, digest) in unpack(batch.as_bytes(), leaves.len()) {
            assert_eq!(made.serial, serial);
            assert_eq!(made.sha256.as_slice(), digest);
            assert_eq!(pem::scan(&key)[0].label, label);
            let key = inspect::open_key(&key, None).unwrap();
            assert_eq!(Some(key.public()), made.public_key.as_ref());
            ca.0.check_signature_of(&made).unwrap();
        }
    }
}

#[test]
fn keys_are_wiped() {
    let ca = ca(P256, true);
    let mut issuer = issuer(LaneChoice::Scalar, Check::Sample);
    issuer
        .add_profile(profile(&ca, &["clientAuth"], P256))
        .unwrap();
    let batch = issuer
        .issue(0, &pack(&[leaf("a"), leaf("b")]), &mut Repeatable(3))
        .unwrap();
    let keys = batch.keys;
    assert!(batch.as_bytes()[keys..].starts_with(b"-----BEGIN EC PRIVATE KEY-----\n"));
    drop(batch);
    assert_eq!(issuer.out.len(), keys + 2 * 227);
    assert!(issuer.out[keys..].iter().all(|octet| *octet == 0));
}

#[test]
fn bad_rows_are_named() {
    let ca = ca(P256, true);
    let with = |change: fn(&mut Leaf)| {
        let mut leaf = leaf("node");
        change(&mut leaf);
        leaf
    };
    let cases: [(Leaf, &str); 9] = [
        (
            with(|leaf| leaf.common_name = ""),
            "row 1: a name in the subject",
        ),
        (
            with(|leaf| leaf.common_name = "k3s-client-ca@1"),
            "row 1: a leaf with the name of its issuer",
        ),
        (
            with(|leaf| leaf.organizations = vec!["o", ""]),
            "row 1: a name in the subject",
        ),
        (
            with(|leaf| {
                leaf.organizations =
                    vec!["ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"]
            }),
            "row 1: a name in the subject",
        ),
        (with(|leaf| leaf.dns = vec!["a b"]), "row 1: a DNS name"),
        (with(|leaf| leaf.dns = vec![""]), "row 1: a DNS name"),
        (
            with(|leaf| leaf.ip = vec!["10.0.0.256"]),
            "row 1: an IP address",
        ),
        (
            with(|leaf| leaf.not_after = 0),
            "row 1: a certificate that ends",
        ),
        (
            with(|leaf| leaf.not_before = -700_000_000),
            "row 1: a validity outside",
        ),
    ];
    for key_type in [P256, KeyType::Ed25519] {
        let mut issuer = issuer(LaneChoice::Scalar, Check::Sample);
        issuer
            .add_profile(profile(&ca, &["clientAuth"], key_type))
            .unwrap();
        for (row, expected) in &cases {
            let packed = pack(&[leaf("good"), row.clone()]);
            let result = issuer.issue(0, &packed, &mut Repeatable(5)).map(drop);
            match result {
                Err(Error::Malformed(text)) => assert!(text.starts_with(expected), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn badly_packed_rows() {
    let good = pack(&[leaf("a"), leaf("b")]);
    for cut in 0..good.len() {
        assert!(Rows::unpack(&good[..cut]).is_err());
    }
    assert!(Rows::unpack(&pack(&[leaf("a\0b")])).is_err());
    assert!(Rows::unpack(&pack(&vec![leaf("a"); 4097])).is_err());
    let mut latin = pack(&[leaf("ab")]);
    let last = latin.len() - 2;
    latin[last] = 0xff;
    assert!(Rows::unpack(&latin).is_err());
}

#[test]
fn a_damaged_row_is_found() {
    let ca = ca(P256, true);
    let profile = profile(&ca, &["clientAuth"], P256);
    let mut issuer = issuer(LaneChoice::Scalar, Check::All);
    issuer.add_profile(profile).unwrap();
    let packed = pack(&[leaf("a"), leaf("b"), leaf("c")]);
    let rows = Rows::unpack(&packed).unwrap();
    let (profile, fast) = &issuer.profiles[0];
    let mut engine = Engine::new(LaneChoice::Scalar, TableSize::Small).unwrap();
    let mut rng = Repeatable(9);
    draw_serials(&mut issuer.scratch.serials, 3, &mut rng);
    let mut batch = FastBatch {
        profile,
        fast: fast.as_ref().unwrap(),
        rows: &rows,
        engine: &mut engine,
        scratch: &mut issuer.scratch,
        rng: &mut rng,
    };
    let mut keys = batch.sign().unwrap();
    let span = batch.scratch.spans[1].clone();
    for at in [span.start + 40, span.end - 40] {
        batch.scratch.der[at] ^= 1;
        let Err(Error::SelfCheckFailed(text)) = batch.verify(&keys, 1) else {
            panic!("octet {at} is damaged");
        };
        assert!(text.starts_with("row 1: "), "{text}");
        assert!(batch.verify(&keys, 0).is_ok() && batch.verify(&keys, 2).is_ok());
        batch.scratch.der[at] ^= 1;
    }
    keys.swap(1, 2);
    assert!(batch.verify(&keys, 1).is_err());
}

#[test]
fn serials_keep_their_length() {
    struct Zeros(u32);
    impl TryRng for Zeros {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(0)
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(0)
        }
        /// Zeros and 0x80 at first, then 0xff.
        fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
            self.0 += 1;
            octets.fill([0, 0x80, 0xff][self.0.min(3) as usize - 1]);
            Ok(())
        }
    }
    impl TryCryptoRng for Zeros {}
    let mut serials = Vec::new();
    draw_serials(&mut serials, 2, &mut Zeros(0));
    for serial in serials {
        assert_eq!(serial[0], 0x7f);
    }
}

#[test]
fn keys_of_others_are_refused() {
    let first = ca(P256, true);
    let second = ca(P256, true);
    let mut profile = profile(&first, &["clientAuth"], P256);
    profile.ca_key = self::profile(&second, &[], P256).ca_key;
    let refused = issuer(LaneChoice::Scalar, Check::All).add_profile(profile);
    assert!(matches!(refused, Err(Error::Malformed(_))));
}

/// Whatever the machine: a batch allocates as a whole and not by the leaf, and gives all of it back, so that memory does not
/// grow with the number of batches.
#[test]
fn allocations_of_a_batch() {
    let ca = ca(P256, true);
    let mut issuer = issuer(LaneChoice::Simd, Check::Sample);
    let profile = profile(&ca, &["clientAuth"], P256);
    issuer.add_profile(profile).unwrap();
    let leaves: Vec<Leaf> = (0..256).map(|i| leaf(format!("node-{i}").leak())).collect();
    let packed = pack(&leaves);
    let mut rng = Repeatable(11);
    let mut batch =
        || allocation_counter::measure(|| drop(issuer.issue(0, &packed, &mut rng).unwrap()));
    // The first batches make the table and the memory of a batch, and a leaf of each is verified by ring.
    for _ in 0..10 {
        batch();
    }
    // 37 when written, for 256 leaves.
    for _ in 0..10 {
        let seen = batch();
        assert_eq!((seen.count_current, seen.bytes_current), (0, 0), "{seen:?}");
        assert!(seen.count_total <= 40, "{seen:?}");
    }
}
