//! Why a server's certificate is not accepted, told apart by what can be done about it.

use rustls::{CertificateError as Wrong, Error};

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
}

/// `a.example` of webpki's `DnsName("a.example")`, `10.0.0.1` of its `IpAddress(10.0.0.1)`.
fn name(presented: &str) -> String {
    let inside = presented.split_once('(').map_or(presented, |(_, it)| it);
    inside
        .trim_end_matches(')')
        .trim_matches('"')
        .escape_default()
        .to_string()
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
}
