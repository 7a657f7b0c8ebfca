//! What a server's certificate says, for people: trust is decided elsewhere.
//! Source: RFC 5280, section 4.1.

use der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use jiff::Timestamp;

use crate::model::visible::visible;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANISATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

/// The parts of a certificate that explain why it is trusted or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCertificate {
    /// Whom it is about: common name or organisation.
    pub subject: String,
    /// Who made it.
    pub issuer: String,
    /// Valid from this time on.
    pub from: Timestamp,
    /// Valid until this time.
    pub until: Timestamp,
}

impl ServerCertificate {
    /// Reads DER; `None` where it is no X.509 certificate.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let outer = inside(AnyRef::from_der(der).ok()?)?;
        let fields = inside(*outer.first()?)?;
        // The version comes first and may be absent: then it is 1.
        let has_version = fields.first()?.tag().is_context_specific();
        let mut fields = fields.into_iter().skip(usize::from(has_version));
        let (_serial, _algorithm) = (fields.next()?, fields.next()?);
        let issuer = name(fields.next()?)?;
        let validity = inside(fields.next()?)?;
        Some(Self {
            subject: name(fields.next()?)?,
            issuer,
            from: time(*validity.first()?)?,
            until: time(*validity.get(1)?)?,
        })
    }

    /// Whether it made itself.
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

/// The elements of a sequence or set.
fn inside(any: AnyRef<'_>) -> Option<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(any.value()).ok()?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        elements.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(elements)
}

/// The common name, else the organisation, else nothing.
fn name(any: AnyRef<'_>) -> Option<String> {
    let mut found = (None, None);
    for set in inside(any)? {
        for attribute in inside(set)? {
            let parts = inside(attribute)?;
            let kind: ObjectIdentifier = parts.first()?.decode_as().ok()?;
            let text = visible(&String::from_utf8_lossy(parts.get(1)?.value()));
            match kind {
                COMMON_NAME => found.0 = Some(text),
                ORGANISATION => found.1 = Some(text),
                _ => {}
            }
        }
    }
    Some(found.0.or(found.1).unwrap_or_default())
}

fn time(any: AnyRef<'_>) -> Option<Timestamp> {
    let since = match any.tag() {
        Tag::UtcTime => any.decode_as::<UtcTime>().ok()?.to_unix_duration(),
        _ => any.decode_as::<GeneralizedTime>().ok()?.to_unix_duration(),
    };
    Timestamp::from_second(i64::try_from(since.as_secs()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    /// `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj
    /// "/O=Acme/CN=registry.acme.example" -addext subjectAltName=DNS:registry.acme.example`
    const PEM: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIB1jCCAXugAwIBAgIULTzQTjcZ//2njXsB9r1WhWIizzQwCgYIKoZIzj0EAwIw\n\
        LzENMAsGA1UECgwEQWNtZTEeMBwGA1UEAwwVcmVnaXN0cnkuYWNtZS5leGFtcGxl\n\
        MB4XDTI2MTEyNTA4MjQwMFoXDTI2MTIyNTA4MjQwMFowLzENMAsGA1UECgwEQWNt\n\
        ZTEeMBwGA1UEAwwVcmVnaXN0cnkuYWNtZS5leGFtcGxlMFkwEwYHKoZIzj0CAQYI\n\
        KoZIzj0DAQcDQgAES8TtDvlBGG3nm/sYvGDplj8KN7nkYkHklKCls3vQDYu7qZXG\n\
        H8GTBndY7GcDrRTSTPnAubcpTv52/m2JtbwbOaN1MHMwHQYDVR0OBBYEFFpV1nuA\n\
        nRuoHLj1T2+Fg1BEkYlGMB8GA1UdIwQYMBaAFFpV1nuAnRuoHLj1T2+Fg1BEkYlG\n\
        MA8GA1UdEwEB/wQFMAMBAf8wIAYDVR0RBBkwF4IVcmVnaXN0cnkuYWNtZS5leGFt\n\
        cGxlMAoGCCqGSM49BAMCA0kAMEYCIQDlZLquK5ju2XwVEAWS6RuJiCW7C8ukhO0i\n\
        QjM5jRGCHAIhAKy6Rvm+dvlxpg9qF0LV6+VpmcFMHFhIuwVDznxG79jd\n\
        -----END CERTIFICATE-----";

    #[test]
    fn subject_issuer_and_validity() {
        let der = CertificateDer::from_pem_slice(PEM.as_bytes()).unwrap();
        let read = ServerCertificate::parse(&der).unwrap();
        assert_eq!(read.subject, "registry.acme.example");
        assert!(read.is_self_signed());
        assert_eq!(read.from, "2026-11-25T08:24:00Z".parse().unwrap());
        assert_eq!(read.until, "2026-12-25T08:24:00Z".parse().unwrap());
        assert_eq!(ServerCertificate::parse(&der[..100]), None);
        assert_eq!(ServerCertificate::parse(b"no"), None);
    }
}
