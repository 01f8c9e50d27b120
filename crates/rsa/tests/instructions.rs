//! Instructions of a whole CRT signature, crypto-bigint's share included, as valgrind counts them: the same for every key of
//! a size, every message and every blinding factor, but for some tens of 33 million (-25 to +74 when written, not
//! attributed), where one multiplication modulo a prime takes 25,000. What this cannot show: how long an instruction takes,
//! which addresses it reads, and anything of the WebAssembly.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Repeatable, key};
use pki_rsa::{KeyPair, LaneChoice};

/// What the child signs: a key's file, the message's octet, the seed of the blinding factor, the lanes.
const TASK: &str = "PKI_RSA_COUNTED_SIGNATURE";

#[test]
fn signatures_take_the_same_instructions() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        // The test harness keeps what `print` writes to itself.
        writeln!(std::io::stdout(), "not run: rsa/instructions, no valgrind").unwrap();
        return;
    }
    let folder = std::env::temp_dir().join(format!("pki-rsa-instructions-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let keys: Vec<PathBuf> = (1..=3)
        .map(|seed| {
            let path = folder.join(seed.to_string());
            let key = key(2048, LaneChoice::Auto, seed);
            std::fs::write(&path, &*key.to_pkcs1_der()).unwrap();
            path
        })
        .collect();
    for lanes in ["fma", "simd"] {
        let tasks = keys
            .iter()
            .map(|key| (key, 0x55, 1))
            .chain([(&keys[0], 0x00, 1), (&keys[0], 0xff, 1)])
            .chain([(&keys[0], 0x55, 2)]);
        let counts: Vec<u64> = tasks
            .map(|(key, octet, blinding)| {
                let task = format!("{} {octet} {blinding} {lanes}", key.display());
                instructions(&task, &folder)
            })
            .collect();
        assert!(counts[0] > 1_000_000, "{lanes}: {counts:?}");
        let apart = counts.iter().map(|count| count.abs_diff(counts[0]));
        assert!(apart.max() < Some(500), "{lanes}: {counts:?}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Runs this program's other test under callgrind, which counts inside of [`counted_signature`] alone.
fn instructions(task: &str, folder: &Path) -> u64 {
    let file = folder.join("callgrind.out");
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--toggle-collect=*counted_signature*",
            &format!("--callgrind-out-file={}", file.display()),
        ])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "the_signature_that_is_counted",
            "--test-threads=1",
        ])
        .env(TASK, task)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let count = text
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    count.expect("callgrind's count").1.trim().parse().unwrap()
}

#[test]
fn the_signature_that_is_counted() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let [key, octet, blinding, lanes] = task.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{task}");
    };
    let lanes = match lanes {
        "fma" => LaneChoice::Fma,
        _ => LaneChoice::Simd,
    };
    let key = KeyPair::from_pkcs1_der(&std::fs::read(key).unwrap()).unwrap();
    let (key, message) = (key.on(lanes), [octet.parse().unwrap(); 51]);
    let signature = counted_signature(&key, &message, blinding.parse().unwrap());
    assert_eq!(signature.len(), 256);
}

#[inline(never)]
fn counted_signature(key: &KeyPair, message: &[u8], blinding: u64) -> Vec<u8> {
    let mut rng = Repeatable(blinding);
    key.sign_pkcs1_v15(message, &mut rng).unwrap()
}
