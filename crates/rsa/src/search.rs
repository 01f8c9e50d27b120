//! The search for primes and for key pairs, in bounded steps.

use limb::montgomery::bit_length;
use zeroize::Zeroizing;

use crate::key::KeyPair;
use crate::lanes::Chosen;
use crate::number::{Words, bit, words_from_be, words_to_be};
use crate::primality::{Witness, fermat, lucas, miller_rabin, width};
use crate::sieve::Sieve;
use crate::{LaneChoice, Random, RsaError};

/// Highest 64 bits of sqrt(2) * 2^(k-1), rounded down. Source: FIPS 186-5, A.1.3, steps 4.4, 5.5.
const SQRT_2: u64 = 0xb504_f333_f9de_6484;

/// How far a search is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Candidates that went through a primality test.
    pub tests: u64,
    /// Probable primes found.
    pub primes: u32,
}

/// A probable prime of the right size for one half of a key. Wiped when dropped.
#[derive(Clone)]
pub struct Prime {
    pub(crate) words: Words,
    bits: u32,
}

impl Prime {
    /// Big-endian, exactly `bits / 8` bytes: to carry a prime from one worker to another.
    #[must_use]
    pub fn to_be_bytes(&self) -> Zeroizing<Vec<u8>> {
        words_to_be(&self.words, (self.bits / 8) as usize)
    }

    /// Takes back what [`Prime::to_be_bytes`] gave. Primality is not tested again.
    ///
    /// # Errors
    /// [`RsaError::InvalidKey`] for a number out of the range of FIPS 186-5, A.1.3.
    pub fn from_be_bytes(bytes: &[u8]) -> Result<Self, RsaError> {
        let bits = bytes.len() as u32 * 8;
        if !(1024..=4096).contains(&bits) || !bits.is_multiple_of(32) {
            return Err(RsaError::InvalidKey("the prime has an unsupported length"));
        }
        let words = words_from_be(bytes);
        if !in_range(&words, bits) || words[0] & 1 == 0 {
            return Err(RsaError::InvalidKey("the prime is out of range"));
        }
        Ok(Self { words, bits })
    }

    /// Length in bits: half of the key's.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.bits
    }
}

/// One half of a search: a prime for a key of a given size, in bounded steps.
pub struct PrimeSearch {
    hunt: Hunt,
    trial: Option<Trial>,
    progress: Progress,
}

impl PrimeSearch {
    /// Searches a prime for a key of `key_bits` bits: the prime has half of them.
    ///
    /// # Errors
    /// [`RsaError::UnsupportedSize`] unless a multiple of 64 in 2048..=8192;
    /// [`RsaError::NotFused`] for [`LaneChoice::Fma`] where there is none.
    pub fn new(key_bits: u32, lanes: LaneChoice) -> Result<Self, RsaError> {
        Ok(Self {
            hunt: Hunt::new(key_bits, lanes)?,
            trial: None,
            progress: Progress::default(),
        })
    }

    /// Does one batch: sieves an interval, tests two or four candidates, or one round of the
    /// final tests. At most about 40 ms of work for an 8192-bit key, 1 ms for 2048 bits.
    ///
    /// # Errors
    /// [`RsaError::Randomness`] when `rng` fails; the search may be stepped again.
    pub fn step(&mut self, rng: &mut dyn Random) -> Result<Option<Prime>, RsaError> {
        let Some(trial) = &mut self.trial else {
            if let Some(number) = self.hunt.step(rng, &mut self.progress)? {
                let rounds = rounds(self.hunt.bits);
                self.trial = Some(Trial::new(vec![number], rounds, self.hunt.lanes, rng)?);
            }
            return Ok(None);
        };
        if !trial.step() {
            return Ok(None);
        }
        let survivor = self
            .trial
            .take()
            .and_then(|mut t| t.survivors().pop().flatten());
        let bits = self.hunt.bits;
        if survivor.is_some() {
            self.progress.primes += 1;
            self.hunt.restart();
        }
        Ok(survivor.map(|words| Prime { words, bits }))
    }

    /// Counts since this search was made.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }
}

/// A search for key pairs, in bounded steps.
pub struct Search {
    hunt: Hunt,
    found: Vec<Words>,
    trial: Option<Trial>,
    progress: Progress,
}

impl Search {
    /// Searches a key of `bits` bits.
    ///
    /// # Errors
    /// [`RsaError::UnsupportedSize`] unless a multiple of 64 in 2048..=8192;
    /// [`RsaError::NotFused`] for [`LaneChoice::Fma`] where there is none.
    pub fn new(bits: u32, lanes: LaneChoice) -> Result<Self, RsaError> {
        Ok(Self {
            hunt: Hunt::new(bits, lanes)?,
            found: Vec::new(),
            trial: None,
            progress: Progress::default(),
        })
    }

    /// Does one batch, as [`PrimeSearch::step`]; after a key, the next step begins a new one.
    ///
    /// # Errors
    /// [`RsaError::Randomness`] when `rng` fails; the search may be stepped again.
    pub fn step(&mut self, rng: &mut dyn Random) -> Result<Option<KeyPair>, RsaError> {
        let Some([p, q]) = self.step_primes(rng)? else {
            return Ok(None);
        };
        let key = KeyPair::from_primes(&p, &q).ok();
        if key.is_none() {
            // Too close together, or d too small: never seen, and no fault of p alone.
            self.found.push(p.words);
        }
        Ok(key)
    }

    /// Does one batch; the two primes of a key once they are found, which
    /// [`KeyPair::from_primes`] takes with a chance of 1 - 2^-99.
    ///
    /// # Errors
    /// As [`Search::step`].
    pub fn step_primes(&mut self, rng: &mut dyn Random) -> Result<Option<[Prime; 2]>, RsaError> {
        let Some(trial) = &mut self.trial else {
            if self.found.len() < 2 {
                if let Some(number) = self.hunt.step(rng, &mut self.progress)? {
                    self.found.push(number);
                    self.hunt.restart();
                }
            } else {
                // Both at once: two moduli fill a batch of any width evenly.
                let rounds = rounds(self.hunt.bits);
                let trial = Trial::new(self.found.clone(), rounds, self.hunt.lanes, rng)?;
                self.found.clear();
                self.trial = Some(trial);
            }
            return Ok(None);
        };
        if !trial.step() {
            return Ok(None);
        }
        let survivors = self
            .trial
            .take()
            .map(|mut t| t.survivors())
            .unwrap_or_default();
        self.found = survivors.into_iter().flatten().collect();
        self.progress.primes += self.found.len() as u32;
        let bits = self.hunt.bits;
        let [p, q] = self.found.as_slice() else {
            return Ok(None);
        };
        let primes = [p, q].map(|words| Prime {
            words: words.clone(),
            bits,
        });
        self.found.clear();
        Ok(Some(primes))
    }

    /// Counts since this search was made.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }
}

/// Rounds of Miller-Rabin with random bases. Source: FIPS 186-5, table B.1.
fn rounds(prime_bits: u32) -> usize {
    if prime_bits < 1536 { 5 } else { 4 }
}

/// Looks for numbers that pass Fermat's test to base 2.
struct Hunt {
    bits: u32,
    lanes: Chosen,
    sieve: Option<Sieve>,
}

impl Hunt {
    fn new(key_bits: u32, lanes: LaneChoice) -> Result<Self, RsaError> {
        if !(2048..=8192).contains(&key_bits) || !key_bits.is_multiple_of(64) {
            return Err(RsaError::UnsupportedSize(key_bits));
        }
        Ok(Self {
            bits: key_bits / 2,
            lanes: lanes.resolve()?,
            sieve: None,
        })
    }

    /// Forgets the interval: the next candidate comes from a fresh random start.
    fn restart(&mut self) {
        self.sieve = None;
    }

    /// One batch. The first number of the interval that passes is taken whatever the width of a
    /// batch, and no randomness is drawn meanwhile: so every lane choice finds the same.
    fn step(
        &mut self,
        rng: &mut dyn Random,
        progress: &mut Progress,
    ) -> Result<Option<Words>, RsaError> {
        let Some(sieve) = &mut self.sieve else {
            self.sieve = Some(Sieve::new(self.start(rng)?, self.bits));
            return Ok(None);
        };
        let batch: Vec<Words> = core::iter::from_fn(|| sieve.candidate())
            .take(width(self.lanes))
            .collect();
        if batch.is_empty() {
            self.restart();
            return Ok(None);
        }
        progress.tests += batch.len() as u64;
        let passed = fermat(self.lanes, &batch).iter().position(|p| *p);
        if let Some(i) = passed {
            sieve.rewind(batch.len() - 1 - i);
            return Ok(Some(batch[i].clone()));
        }
        Ok(None)
    }

    #[inline(never)]
    /// A uniform odd number with the range and the interval's room of FIPS 186-5, A.1.3.
    fn start(&self, rng: &mut dyn Random) -> Result<Words, RsaError> {
        let mut bytes = Zeroizing::new(vec![0u8; (self.bits / 8) as usize]);
        loop {
            rng.fill(&mut bytes)?;
            // The range's numbers all have the top bit; 59 % of those that have it are in it.
            bytes[0] |= 0x80;
            let mut words = words_from_be(&bytes);
            words[0] |= 1;
            if in_range(&words, self.bits) && has_room(&words, self.bits) {
                return Ok(words);
            }
        }
    }
}

/// Whether the number has `bits` bits and is at least sqrt(2) * 2^(bits-1). The sliver of 2^-63 of
/// the range where the highest 64 bits are equal is left out.
fn in_range(words: &[u64], bits: u32) -> bool {
    let top = crate::number::shift_right(words, bits - 64);
    top[0] > SQRT_2 && top[1..].iter().all(|w| *w == 0)
}

/// Whether the interval's last number still has `bits` bits: some bit among the highest 64 is 0.
fn has_room(words: &[u64], bits: u32) -> bool {
    (bits - 64..bits).any(|i| !bit(words, i))
}

/// The final tests of one or two numbers: Miller-Rabin with random bases, then Lucas.
struct Trial {
    lanes: Chosen,
    numbers: Vec<Words>,
    passed: Vec<bool>,
    /// Which number, and the base.
    rounds: Vec<(usize, Words)>,
    next: usize,
}

impl Trial {
    /// Draws all bases: `rounds` for each number.
    fn new(
        numbers: Vec<Words>,
        rounds: usize,
        lanes: Chosen,
        rng: &mut dyn Random,
    ) -> Result<Self, RsaError> {
        Ok(Self {
            lanes,
            passed: vec![true; numbers.len()],
            rounds: draw_bases(&numbers, rounds, rng)?,
            numbers,
            next: 0,
        })
    }

    /// One batch of tests; whether all are done.
    fn step(&mut self) -> bool {
        let width = width(self.lanes);
        if self.next < self.rounds.len() {
            let batch = &self.rounds[self.next..self.rounds.len().min(self.next + width)];
            let witnesses: Vec<_> = batch
                .iter()
                .map(|(i, base)| Witness {
                    number: &self.numbers[*i],
                    base,
                })
                .collect();
            for ((i, _), passed) in batch.iter().zip(miller_rabin(self.lanes, &witnesses)) {
                self.passed[*i] &= passed;
            }
            self.next += batch.len();
            // Another round would not bring a composite number back.
            return self.passed.iter().all(|p| !p);
        }
        let numbers: Vec<_> = self.numbers.iter().collect();
        let results = lucas(self.lanes, &numbers);
        for (passed, lucas) in self.passed.iter_mut().zip(results) {
            *passed &= lucas;
        }
        true
    }

    /// The numbers that passed everything, in their places.
    fn survivors(&mut self) -> Vec<Option<Words>> {
        let numbers = core::mem::take(&mut self.numbers);
        numbers
            .into_iter()
            .zip(&self.passed)
            .map(|(n, passed)| passed.then_some(n))
            .collect()
    }
}

/// Uniform numbers below each number, `rounds` for each, number after number in every round.
///
/// 0 and +-1 have a chance of 2^-1020 and are not excluded. All are drawn at once, and one that is
/// too large is drawn again by itself: asking Node for a few bytes takes as long as for some thousand.
fn draw_bases(
    numbers: &[Words],
    rounds: usize,
    rng: &mut dyn Random,
) -> Result<Vec<(usize, Words)>, RsaError> {
    let length = numbers.first().map_or(0, |n| bit_length(n) / 8) as usize;
    let mut bytes = Zeroizing::new(vec![0u8; rounds * numbers.len() * length]);
    rng.fill(&mut bytes)?;
    let mut bases = Vec::with_capacity(rounds * numbers.len());
    for (at, bytes) in bytes.chunks_exact_mut(length).enumerate() {
        let i = at % numbers.len();
        let base = loop {
            let words = words_from_be(bytes);
            if words.iter().rev().lt(numbers[i].iter().rev()) {
                break words;
            }
            rng.fill(bytes)?;
        };
        bases.push((i, base));
    }
    Ok(bases)
}
