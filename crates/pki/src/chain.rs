//! Path building as Go's crypto/x509 does it, for K3s judges its files with it. Source: Go 1.26,
//! `src/crypto/x509/verify.go` (`Verify`, `buildChains`, `isValid`, `checkChainForKeyUsage`), `cert_pool.go`
//! (`findPotentialParents`) and `x509.go` (`CheckSignatureFrom`). Key usage is ignored but for keyCertSign, path
//! lengths count every intermediate, a root's own signature, SHA-1 or not, is never looked at.

use crate::certificate::Certificate;
use crate::name_constraints::Refused;
use crate::signature::Refusal;

/// Go's `maxChainSignatureChecks`.
const MAX_SIGNATURE_CHECKS: usize = 100;
const KEY_CERT_SIGN: u16 = 1 << 5;

/// Why no chain was found: `ChainFailure` in `packages/core`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Failure {
    Expired,
    NotYetValid,
    NotACa,
    PathLength,
    IncompatibleUsage,
    NameConstraints,
    BadSignature,
    UnknownAuthority,
    Unsupported,
}

impl Failure {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::NotACa => "not-a-ca",
            Self::PathLength => "path-length",
            Self::IncompatibleUsage => "incompatible-usage",
            Self::NameConstraints => "name-constraints",
            Self::BadSignature => "bad-signature",
            Self::UnknownAuthority => "unknown-authority",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A failure with a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoChain {
    /// The stable code.
    pub failure: Failure,
    /// Which certificate, and what is wrong with it.
    pub detail: String,
}

/// A certificate of a found chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The certificate that was asked about.
    Leaf,
    /// Index into the intermediates.
    Intermediate(usize),
    /// Index into the roots.
    Root(usize),
}

/// What to search with. `usages` empty means serverAuth, as in Go; `any` switches the check off.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Request<'a> {
    pub leaf: &'a Certificate,
    pub roots: &'a [Certificate],
    pub intermediates: &'a [Certificate],
    /// Seconds since 1970.
    pub at: i64,
    pub usages: &'a [String],
}

/// Every chain that Go's `Certificate.Verify` returns, in its order: leaf first, root last.
pub fn chains(request: &Request<'_>) -> Result<Vec<Vec<Link>>, NoChain> {
    let search = Search { request };
    let everything = std::iter::once(request.leaf)
        .chain(request.roots)
        .chain(request.intermediates);
    for certificate in everything {
        if let Some(why) = &certificate.refusal {
            let what = format!("cannot be read by K3s: {why}");
            return Err(no_chain(Failure::Unsupported, certificate, &what));
        }
    }
    search.is_valid(request.leaf, Kind::Leaf, &[])?;
    let candidates = match request
        .roots
        .iter()
        .find(|root| root.der == request.leaf.der)
    {
        // Go's chain then holds the leaf alone.
        Some(_) => vec![vec![Link::Leaf]],
        None => search.build(&[Link::Leaf], &mut 0)?,
    };
    let mut first = None;
    let chains: Vec<_> = candidates
        .into_iter()
        .filter(|chain| match search.judge(chain) {
            Ok(()) => true,
            Err(reason) => {
                first.get_or_insert(reason);
                false
            }
        })
        .collect();
    match first {
        Some(reason) if chains.is_empty() => Err(reason),
        _ => Ok(chains),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Leaf,
    Intermediate,
    Root,
}

struct Search<'a> {
    request: &'a Request<'a>,
}

impl<'a> Search<'a> {
    fn certificate(&self, link: Link) -> &'a Certificate {
        match link {
            Link::Leaf => self.request.leaf,
            Link::Intermediate(index) => &self.request.intermediates[index],
            Link::Root(index) => &self.request.roots[index],
        }
    }

    /// Go's `buildChains`.
    fn build(&self, chain: &[Link], checks: &mut usize) -> Result<Vec<Vec<Link>>, NoChain> {
        let child = self.certificate(chain[chain.len() - 1]);
        let mut found = Vec::new();
        let mut hint: Option<NoChain> = None;
        let mut last: Option<NoChain> = None;
        let roots = parents(child, self.request.roots)
            .into_iter()
            .map(Link::Root);
        let others = parents(child, self.request.intermediates)
            .into_iter()
            .map(Link::Intermediate);
        for link in roots.chain(others) {
            *checks += 1;
            if *checks > MAX_SIGNATURE_CHECKS {
                last = Some(no_chain(
                    Failure::Unsupported,
                    child,
                    "has too many possible issuers to try them all",
                ));
                break;
            }
            let parent = self.certificate(link);
            if parent.public_key.is_none() || self.is_in(parent, chain) {
                continue;
            }
            if let Err(reason) = check_signature(child, parent) {
                hint.get_or_insert(reason);
                continue;
            }
            let kind = match link {
                Link::Root(_) => Kind::Root,
                _ => Kind::Intermediate,
            };
            if let Err(reason) = self.is_valid(parent, kind, chain) {
                hint.get_or_insert(reason.clone());
                last = Some(reason);
                continue;
            }
            last = None;
            let longer = [chain, &[link]].concat();
            if kind == Kind::Root {
                found.push(longer);
            } else {
                match self.build(&longer, checks) {
                    Ok(chains) => found.extend(chains),
                    Err(reason) => last = Some(reason),
                }
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        // Go's UnknownAuthorityError carries its hint in the text only; here the hint is the answer.
        Err(last.or(hint).unwrap_or_else(|| {
            no_chain(
                Failure::UnknownAuthority,
                child,
                "is issued by nothing among the given certificates",
            )
        }))
    }

    /// Go's `isValid`.
    fn is_valid(
        &self,
        certificate: &Certificate,
        kind: Kind,
        chain: &[Link],
    ) -> Result<(), NoChain> {
        if let Some(oid) = &certificate.unhandled_critical {
            let what = format!("has the critical extension {oid}, which K3s does not handle");
            return Err(no_chain(Failure::Unsupported, certificate, &what));
        }
        if self.request.at < certificate.not_before {
            return Err(no_chain(
                Failure::NotYetValid,
                certificate,
                "is not valid yet",
            ));
        }
        if self.request.at > certificate.not_after {
            return Err(no_chain(Failure::Expired, certificate, "has expired"));
        }
        let constraints = certificate.basic_constraints;
        if kind == Kind::Intermediate && !constraints.is_some_and(|found| found.ca) {
            return Err(no_chain(Failure::NotACa, certificate, "is not a CA"));
        }
        if let Some(limit) = constraints.and_then(|found| found.path_length) {
            let below = chain.len().saturating_sub(1);
            if u32::try_from(below).is_ok_and(|below| below > limit) {
                let what = format!("allows {limit} intermediates below it, the chain has {below}");
                return Err(no_chain(Failure::PathLength, certificate, &what));
            }
        }
        Ok(())
    }

    /// Go's `alreadyInChain`: equal subject, key and alternative names.
    fn is_in(&self, candidate: &Certificate, chain: &[Link]) -> bool {
        for link in chain {
            let other = self.certificate(*link);
            if candidate.subject_der != other.subject_der || candidate.spki != other.spki {
                continue;
            }
            match (&candidate.alt_names_der, &other.alt_names_der) {
                (None, None) => return true,
                (Some(ours), Some(theirs)) if ours == theirs => return true,
                (Some(_), Some(_)) => {}
                _ => return false,
            }
        }
        false
    }

    /// What Go checks of a whole chain: policies, extended key usage, name constraints.
    fn judge(&self, chain: &[Link]) -> Result<(), NoChain> {
        let certificates: Vec<_> = chain.iter().map(|link| self.certificate(*link)).collect();
        // The root's policies are not looked at (RFC 9618), and a chain of one has none.
        let below_root = &certificates[..certificates.len() - 1];
        if let Some(strict) = below_root.iter().find(|one| one.policy_constraints) {
            let what = "has policy constraints, which are not judged here";
            return Err(no_chain(Failure::Unsupported, strict, what));
        }
        self.check_usages(&certificates)?;
        for (index, certificate) in certificates.iter().enumerate() {
            let Some(constraints) = &certificate.name_constraints else {
                continue;
            };
            for below in &certificates[..index] {
                let Some(names) = &below.alt_names else {
                    continue;
                };
                match constraints.check(names, below.other_alt_names) {
                    Ok(()) => {}
                    Err(Refused::Name(name)) => {
                        let what =
                            format!("does not allow the name {name} in certificates below it");
                        return Err(no_chain(Failure::NameConstraints, certificate, &what));
                    }
                    Err(Refused::Unjudged) => {
                        let what = "has name constraints of a kind that is not judged here";
                        return Err(no_chain(Failure::Unsupported, certificate, what));
                    }
                }
            }
        }
        Ok(())
    }

    /// Go's `checkChainForKeyUsage`: from the root down, every certificate crosses out the usages it lacks.
    fn check_usages(&self, chain: &[&Certificate]) -> Result<(), NoChain> {
        let default = ["serverAuth".to_owned()];
        let asked = match self.request.usages {
            [] => default.as_slice(),
            usages => usages,
        };
        if asked
            .iter()
            .any(|usage| usage == "any" || usage == "anyExtendedKeyUsage")
        {
            return Ok(());
        }
        let mut left: Vec<&String> = asked.iter().collect();
        for certificate in chain.iter().rev() {
            let Some(usages) = &certificate.extended_key_usage else {
                continue;
            };
            if usages.is_empty() || usages.iter().any(|usage| usage == "anyExtendedKeyUsage") {
                continue;
            }
            left.retain(|usage| usages.contains(usage));
            if left.is_empty() {
                let what = format!("has an extended key usage without {}", asked.join(" or "));
                return Err(no_chain(Failure::IncompatibleUsage, certificate, &what));
            }
        }
        Ok(())
    }
}

/// Go's `findPotentialParents`: by the issuer's name, matching key identifiers first. A certificate that is in the
/// pool twice counts once (`addCertFunc`).
fn parents(child: &Certificate, pool: &[Certificate]) -> Vec<usize> {
    let mut ranked = [Vec::new(), Vec::new(), Vec::new()];
    for (index, candidate) in pool.iter().enumerate() {
        if candidate.subject_der != child.issuer_der
            || pool[..index]
                .iter()
                .any(|earlier| earlier.der == candidate.der)
        {
            continue;
        }
        let subject = candidate.subject_key_id.as_deref().unwrap_or_default();
        let authority = child.authority_key_id.as_deref().unwrap_or_default();
        let rank = if subject == authority {
            0
        } else if subject.is_empty() || authority.is_empty() {
            1
        } else {
            2
        };
        ranked[rank].push(index);
    }
    ranked.concat()
}

/// Go's `CheckSignatureFrom`.
fn check_signature(child: &Certificate, parent: &Certificate) -> Result<(), NoChain> {
    let not_a_ca = match parent.basic_constraints {
        Some(constraints) => !constraints.ca,
        None => parent.version == 3,
    };
    if not_a_ca {
        return Err(no_chain(Failure::NotACa, parent, "is not a CA"));
    }
    if parent
        .key_usage
        .is_some_and(|usage| usage != 0 && usage & KEY_CERT_SIGN == 0)
    {
        return Err(no_chain(
            Failure::NotACa,
            parent,
            "has a key usage without keyCertSign",
        ));
    }
    if child.algorithm.is_some_and(|algorithm| algorithm.is_sha1()) {
        return Err(no_chain(
            Failure::Unsupported,
            child,
            "is signed with SHA-1, which K3s refuses",
        ));
    }
    parent
        .check_signature_of(child)
        .map_err(|refusal| match refusal {
            Refusal::Wrong => no_chain(
                Failure::BadSignature,
                child,
                "names an issuer whose key did not make its signature",
            ),
            Refusal::Unknown => no_chain(
                Failure::Unsupported,
                child,
                "is signed with an algorithm or key size that K3s refuses",
            ),
        })
}

fn no_chain(failure: Failure, certificate: &Certificate, what: &str) -> NoChain {
    NoChain {
        failure,
        detail: format!("{} {what}", certificate.subject),
    }
}
