//! The rows of a batch of leaves as TypeScript packs them: `packRows` of `packages/core/src/bulk-rows.ts` has the same layout.
//!
//! Little endian. `count` u32, then `count` times
//!
//! | octets | |
//! | --- | --- |
//! | 8 | notBefore, seconds since 1970, f64 |
//! | 8 | notAfter, f64 |
//! | 2 | number of organizations, u16 |
//! | 2 | number of DNS names, u16 |
//! | 2 | number of IP addresses, u16 |
//! | 2 | 0 |
//!
//! then for every row, in UTF-8, each followed by an octet 0: the common name, the organizations, the DNS names, the
//! addresses as text. A name that holds an octet 0 gives more fields than the counts say and is refused.

use crate::error::{Error, malformed};

/// Rows of one call. 4,096 rows of P-256 take some 50 ms, and a call cannot be interrupted.
const MOST: usize = 4096;
const HEAD: usize = 24;

/// What differs from leaf to leaf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// Seconds since 1970.
    pub(super) not_before: i64,
    /// Seconds since 1970.
    pub(super) not_after: i64,
    pub(super) common_name: &'a str,
    pub(super) organizations: &'a [&'a str],
    pub(super) dns: &'a [&'a str],
    pub(super) ip: &'a [&'a str],
}

/// Unpacked rows.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    heads: &'a [[u8; HEAD]],
    fields: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    /// Errors: `Malformed`.
    pub(super) fn unpack(packed: &'a [u8]) -> Result<Self, Error> {
        let broken = || malformed("rows that are not packed as they should be");
        let (count, rest) = packed.split_first_chunk::<4>().ok_or_else(broken)?;
        let count = usize::try_from(u32::from_le_bytes(*count)).map_err(|_| broken())?;
        if count > MOST {
            return Err(malformed(format!(
                "a batch of more than {MOST} rows: split it"
            )));
        }
        let (heads, text) = rest.split_at_checked(HEAD * count).ok_or_else(broken)?;
        let heads = heads.as_chunks::<HEAD>().0;
        let text =
            std::str::from_utf8(text).map_err(|_| malformed("a name that is not Unicode text"))?;
        let mut fields = Vec::with_capacity(4 * count + 1);
        let mut start = 0;
        // The fields are short: a search by `split` takes longer to begin than to end.
        for (at, octet) in text.bytes().enumerate() {
            if octet == 0 {
                fields.push(&text[start..at]);
                start = at + 1;
            }
        }
        if start != text.len() {
            return Err(broken());
        }
        let due: usize = heads
            .iter()
            .map(|head| 1 + counts(head).iter().sum::<usize>())
            .sum();
        if fields.len() != due {
            return Err(malformed("a name with a zero character in it"));
        }
        Ok(Self { heads, fields })
    }

    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        let mut fields = self.fields.as_slice();
        let mut take = move |count: usize| {
            // `unpack` compared the sum of the counts with the number of fields.
            let (taken, rest) = fields.split_at(count.min(fields.len()));
            fields = rest;
            taken
        };
        self.heads.iter().map(move |head| {
            let [organizations, dns, ip] = counts(head);
            Row {
                not_before: seconds(head, 0),
                not_after: seconds(head, 8),
                common_name: take(1).first().copied().unwrap_or_default(),
                organizations: take(organizations),
                dns: take(dns),
                ip: take(ip),
            }
        })
    }
}

fn counts(head: &[u8; HEAD]) -> [usize; 3] {
    [16, 18, 20].map(|at| usize::from(u16::from_le_bytes([head[at], head[at + 1]])))
}

/// Whole seconds, fractions cut off. A float beyond i64 saturates, and no such time is accepted.
#[allow(clippy::cast_possible_truncation)]
fn seconds(head: &[u8; HEAD], at: usize) -> i64 {
    let mut octets = [0; 8];
    octets.copy_from_slice(&head[at..at + 8]);
    f64::from_le_bytes(octets).floor() as i64
}
