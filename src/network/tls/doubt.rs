//! Why a server's certificate is not accepted, told apart by what can be done about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use rustls::{CertificateError as Wrong, Error};

use crate::model::visible::visible;

/// Why it is doubted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// Nobody that is trusted here made it.
    Issuer,
    /// It is for other names than the one asked for: these, where that is known.
    Name(Vec<String>),
    /// Its time is over, by this machine's clock.
    Ended,
    /// Its time has not begun, by this machine's clock.
    NotYet,
    /// Anything else.
    Other,
}

impl Doubt {
    /// What a failed TLS conversation was about.
    pub fn of(error: &Error) -> Self {
        let Error::InvalidCertificate(wrong) = error else {
            return Self::Other;
        };
        match wrong {
            // An authority's own certificate as a server's is `Other`; a namesake's signature is bad.
            Wrong::UnknownIssuer | Wrong::BadSignature | Wrong::Other(_) => Self::Issuer,
            Wrong::NotValidForNameContext { presented, .. } => {
                Self::Name(presented.iter().map(|it| name(it)).collect())
            }
            Wrong::NotValidForName => Self::Name(Vec::new()),
            Wrong::Expired | Wrong::ExpiredContext { .. } => Self::Ended,
            Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => Self::NotYet,
            _ => Self::Other,
        }
    }

    /// What makes the certificate of `host` a good one.
    pub fn hint(&self, host: &str) -> String {
        match self {
            Self::Issuer | Self::Other => {
                "if the company has its own certificate authority, name its \
                 PEM file as `extra_ca` in the settings"
                    .to_owned()
            }
            Self::Name(_) => format!(
                "reach it by a name that its certificate is for, or have one made for {host}: no \
                 certificate authority helps"
            ),
            Self::Ended => format!(
                "whoever runs {host} renews it, unless this machine's clock is wrong: `devenv \
                 doctor` compares clocks"
            ),
            Self::NotYet => {
                "is this machine's clock right? `devenv doctor` compares clocks".to_owned()
            }
        }
    }
}

/// What is wrong with the certificate, to follow whose it is.
impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(names) if names.is_empty() => f.write_str("is for another name"),
            Self::Name(names) => write!(f, "is for other names: {}", names.join(", ")),
            Self::Ended => f.write_str("has ended"),
            Self::NotYet => f.write_str("is not valid yet"),
            Self::Issuer | Self::Other => f.write_str("is not trusted"),
        }
    }
}

/// The TLS error that `error` comes from: what an I/O error wraps is not among its sources.
pub fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(mut cause) = next {
        while let Some(inner) = cause.downcast_ref().and_then(io::Error::get_ref) {
            cause = inner;
        }
        if let Some(tls) = cause.downcast_ref() {
            return Some(tls);
        }
        next = cause.source();
    }
    None
}

/// `a.example` of webpki's `DnsName("a.example")`, `10.0.0.1` of its `IpAddress(10.0.0.1)`.
fn name(presented: &str) -> String {
    let inside = presented.split_once('(').map_or(presented, |(_, it)| it);
    visible(inside.trim_end_matches(')').trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn what_can_be_done_differs() {
        let of = |wrong| Doubt::of(&Error::InvalidCertificate(wrong));
        assert_eq!(of(Wrong::UnknownIssuer), Doubt::Issuer);
        assert_eq!(of(Wrong::Expired), Doubt::Ended);
        assert_eq!(of(Wrong::NotValidYet), Doubt::NotYet);
        assert_eq!(of(Wrong::Revoked), Doubt::Other);
        let presented = [r#"DnsName("*.acme.example")"#, "IpAddress(10.0.0.1)"];
        let other = Wrong::NotValidForNameContext {
            expected: ServerName::try_from("x.example").unwrap(),
            presented: presented.map(str::to_owned).into(),
        };
        let names = ["*.acme.example", "10.0.0.1"].map(str::to_owned);
        assert_eq!(of(other), Doubt::Name(names.into()));
        assert_eq!(Doubt::of(&Error::HandshakeNotComplete), Doubt::Other);
    }

    #[test]
    fn only_an_unknown_issuer_is_a_matter_of_authorities() {
        let names = vec!["a.example".to_owned()];
        for (doubt, words, hint) in [
            (Doubt::Issuer, "is not trusted", "extra_ca"),
            (
                Doubt::Name(names),
                "is for other names: a.example",
                "by a name",
            ),
            (Doubt::Ended, "has ended", "compares clocks"),
            (Doubt::NotYet, "is not valid yet", "compares clocks"),
        ] {
            assert_eq!(doubt.to_string(), words);
            let given = doubt.hint("b.example");
            assert!(given.contains(hint), "{given}");
            assert_eq!(given.contains("extra_ca"), doubt == Doubt::Issuer);
        }
    }

    #[test]
    fn a_tls_error_is_found_however_it_is_wrapped() {
        let inner = io::Error::other(Error::HandshakeNotComplete);
        let outer = io::Error::other(inner);
        assert_eq!(tls_error(&outer), Some(&Error::HandshakeNotComplete));
        assert_eq!(tls_error(&io::Error::other("no")), None);
    }
}
