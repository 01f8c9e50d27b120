//! Name constraints of DNS names and IP addresses. Sources: RFC 5280 4.2.1.10; Go 1.26,
//! `src/crypto/x509/constraints.go` and `parseNameConstraintsExtension`.

use crate::asn1::{self, Reader};
use crate::certificate::{AltNames, DNS, EMAIL, IP, URI};
use crate::error::{Error, malformed};
use std::net::IpAddr;

/// What a CA allows in the names of certificates below it.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameConstraints {
    permitted: Subtrees,
    excluded: Subtrees,
}

#[derive(Debug, Clone, Default)]
struct Subtrees {
    dns: Vec<String>,
    /// Address and mask, of 4 or 16 octets each.
    networks: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether there are constraints of emails or URIs, which are not judged here.
    others: bool,
}

/// Why names are refused.
pub(crate) enum Refused {
    /// The name.
    Name(String),
    /// A kind of name that is not judged here.
    Unjudged,
}

impl NameConstraints {
    /// Reads the extension's value; also whether all constraints are of kinds that Go handles. Errors: `Malformed`.
    pub(crate) fn read(mut value: Reader<'_>) -> Result<(Self, bool), Error> {
        let mut reader = value.sequence()?;
        value.end()?;
        let permitted = reader.optional(asn1::explicit(0))?;
        let excluded = reader.optional(asn1::explicit(1))?;
        reader.end()?;
        let content =
            |found: Option<asn1::Element<'_>>| found.is_some_and(|it| !it.value.is_empty());
        if !content(permitted) && !content(excluded) {
            return Err(damaged());
        }
        let mut handled = true;
        let mut read = |found: Option<asn1::Element<'_>>| {
            found.map_or(Ok(Subtrees::default()), |element| {
                Subtrees::read(Reader::new(element.value), &mut handled)
            })
        };
        let constraints = Self {
            permitted: read(permitted)?,
            excluded: read(excluded)?,
        };
        Ok((constraints, handled))
    }

    /// Judges the names of a certificate below; `others` says whether it has emails or URIs.
    pub(crate) fn check(&self, names: &AltNames, others: bool) -> Result<(), Refused> {
        for text in &names.ip {
            let refused = || Refused::Name(text.clone());
            let octets = match text.parse().map_err(|_| refused())? {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            let permitted = self.permitted.networks.is_empty() || self.permitted.holds(&octets);
            if !permitted || self.excluded.holds(&octets) {
                return Err(refused());
            }
        }
        for name in &names.dns {
            let permitted = self.permitted.dns.is_empty() || self.permitted.covers(name);
            let excluded = self.excluded.covers(name) || self.excluded.covers_wildcard(name);
            if !is_domain(name) || !permitted || excluded {
                return Err(Refused::Name(name.clone()));
            }
        }
        if others && (self.permitted.others || self.excluded.others) {
            return Err(Refused::Unjudged);
        }
        Ok(())
    }
}

impl Subtrees {
    fn read(mut bases: Reader<'_>, handled: &mut bool) -> Result<Self, Error> {
        let mut subtrees = Self::default();
        while !bases.is_empty() {
            let base = bases.sequence()?.element()?;
            match base.tag {
                DNS => {
                    let domain = ia5(base.value)?;
                    is_constraint(domain).then_some(()).ok_or_else(damaged)?;
                    subtrees.dns.push(domain.to_ascii_lowercase());
                }
                EMAIL => {
                    // A mailbox's local part is not looked into; Go does.
                    let text = ia5(base.value)?;
                    let (local, domain) = text.rsplit_once('@').unwrap_or(("a", text));
                    let fits = !local.is_empty() && is_constraint(domain);
                    fits.then_some(()).ok_or_else(damaged)?;
                    subtrees.others = true;
                }
                URI => {
                    let domain = ia5(base.value)?;
                    let fits = domain.parse::<IpAddr>().is_err() && is_constraint(domain);
                    fits.then_some(()).ok_or_else(damaged)?;
                    subtrees.others = true;
                }
                IP => {
                    let (address, mask) = network(base.value).ok_or_else(damaged)?;
                    subtrees.networks.push((address.to_vec(), mask.to_vec()));
                }
                _ => *handled = false,
            }
        }
        Ok(subtrees)
    }

    fn holds(&self, address: &[u8]) -> bool {
        self.networks.iter().any(|(network, mask)| {
            network.len() == address.len()
                && address
                    .iter()
                    .zip(network.iter().zip(mask))
                    .all(|(octet, (base, mask))| octet & mask == base & mask)
        })
    }

    /// Go's dnsHasSuffix: whole labels; a leading period wants one more label at least; empty covers everything.
    fn covers(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.dns.iter().any(|constraint| {
            name.strip_suffix(constraint.as_str())
                .is_some_and(|before| {
                    constraint.is_empty()
                        || constraint.starts_with('.')
                        || before.is_empty()
                        || before.ends_with('.')
                })
        })
    }

    /// An excluded name is excluded by a wildcard that would cover it.
    fn covers_wildcard(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let parent = |name: &str| name.split_once('.').map(|(_, parent)| parent.to_owned());
        let Some(wildcard) = name.starts_with('*').then(|| parent(&name)).flatten() else {
            return false;
        };
        self.dns.iter().any(|constraint| {
            parent(constraint).is_some_and(|parent| !parent.is_empty() && parent == wildcard)
        })
    }
}

fn damaged() -> Error {
    malformed("a certificate with damaged name constraints")
}

pub(crate) fn ia5(value: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(value)
        .ok()
        .filter(|text| text.is_ascii())
        .ok_or_else(|| malformed("a certificate with a name that is not plain ASCII"))
}

/// Go's domainNameValid for a constraint, which may begin with a period.
fn is_constraint(text: &str) -> bool {
    text.is_empty() || is_domain(text.strip_prefix('.').unwrap_or(text)) && text != "."
}

/// Go's domainNameValid for a name.
fn is_domain(text: &str) -> bool {
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|octet| (33..=126).contains(&octet));
    text.is_empty() || text.split('.').all(is_label)
}

/// Address and mask; the mask has leading ones only.
fn network(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    if octets.len() != 8 && octets.len() != 32 {
        return None;
    }
    let (address, mask) = octets.split_at(octets.len() / 2);
    let mut ended = false;
    let leading = mask.iter().all(|octet| {
        let fits = if ended {
            *octet == 0
        } else {
            octet.leading_ones() == octet.count_ones()
        };
        ended |= *octet != 0xff;
        fits
    });
    leading.then_some((address, mask))
}
