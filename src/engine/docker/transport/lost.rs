//! Why a connection did not come about or broke off: in words, and with what to do.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use bollard::errors::Error as BollardError;
use rustls::{AlertDescription, CertificateError, Error as Tls};

use crate::engine::FaultKind;

/// The error beneath an I/O error of this module.
#[derive(Debug)]
pub(in crate::engine::docker) struct Lost {
    pub(in crate::engine::docker) kind: FaultKind,
    pub(in crate::engine::docker) message: String,
    pub(in crate::engine::docker) hint: Option<String>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Lost {}

impl Lost {
    pub(super) fn handshake(message: String, hint: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Handshake,
            message,
            hint: Some(hint.into()),
        }
    }

    pub(super) fn unreachable(message: String) -> Self {
        Self {
            kind: FaultKind::Unreachable,
            message,
            hint: None,
        }
    }

    pub(super) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

/// What a broken exchange was, as far as repeating it is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// Nothing of the request was sent.
    Unsent,
    /// The engine may have received it.
    Sent,
    /// Repeating it brings the same.
    ForGood,
}

/// Makes "client error (Connect)" say where and why.
pub(super) fn name(error: BollardError, engine: &str) -> (BollardError, Broken) {
    let BollardError::HyperLegacyError { err } = error else {
        return (error, Broken::ForGood);
    };
    let mut root: &(dyn StdError + 'static) = &err;
    let mut kind = io::ErrorKind::ConnectionAborted;
    let mut garbled = false;
    let lost = loop {
        if let Some(lost) = ours(root) {
            break Some(Lost {
                kind: lost.kind,
                message: lost.message.clone(),
                hint: lost.hint.clone(),
            });
        }
        if let Some(tls) = tls_error(root) {
            break Some(tls_lost(tls, engine));
        }
        garbled |= root
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse);
        if let Some(cause) = root.downcast_ref::<io::Error>() {
            kind = cause.kind();
        }
        let Some(next) = root.source() else {
            break garbled.then(|| no_http(engine));
        };
        root = next;
    };
    let unsent = if err.is_connect() {
        Broken::Unsent
    } else {
        Broken::Sent
    };
    if let Some(lost) = lost {
        let broken = match lost.kind {
            FaultKind::Unreachable => unsent,
            _ => Broken::ForGood,
        };
        let err = lost.into_io();
        return (BollardError::IOError { err }, broken);
    }
    let text = if err.is_connect() {
        format!("cannot reach the engine at {engine}: {root}")
    } else {
        format!("lost the connection to the engine at {engine}: {root}")
    };
    let broken = match kind {
        io::ErrorKind::PermissionDenied => Broken::ForGood,
        _ => unsent,
    };
    let err = io::Error::new(kind, text);
    (BollardError::IOError { err }, broken)
}

fn ours<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a Lost> {
    cause.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

/// The TLS error that `cause` is or wraps: what an I/O error wraps is not among its sources.
fn tls_error<'a>(mut cause: &'a (dyn StdError + 'static)) -> Option<&'a Tls> {
    while let Some(io) = cause.downcast_ref::<io::Error>() {
        cause = io.get_ref()?;
    }
    cause.downcast_ref()
}

fn no_http(engine: &str) -> Lost {
    Lost::handshake(
        format!("what answers at {engine} does not speak HTTP"),
        "if it wants TLS: DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH for the folder of ca.pem, cert.pem and key.pem",
    )
}

/// What a failed TLS conversation means.
pub(super) fn tls_lost(error: &Tls, engine: &str) -> Lost {
    let (what, hint) = match error {
        Tls::InvalidCertificate(error) => certificate(error),
        Tls::InvalidMessage(_) => (
            "it does not speak TLS".to_owned(),
            "an engine without TLS takes no DOCKER_TLS_VERIFY and no DOCKER_TLS; is the port right? (2375 without TLS, 2376 with)",
        ),
        Tls::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure,
        ) => (
            "it wants a certificate of the client, and got none".to_owned(),
            "cert.pem and key.pem belong beside ca.pem, in the folder that DOCKER_CERT_PATH names (`~/.docker` without it)",
        ),
        Tls::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError),
        ) => (
            format!("it refuses the client's certificate ({alert:?}), or wants one and got none"),
            "cert.pem and key.pem belong in the folder that DOCKER_CERT_PATH names (`~/.docker` without it), signed by the authority that the engine was started with, and not ended: take them from its machine again",
        ),
        Tls::AlertReceived(AlertDescription::ProtocolVersion) | Tls::PeerIncompatible(_) => (
            format!("it speaks no TLS that is safe today ({error})"),
            "TLS 1.2 is the oldest that is spoken; a newer engine speaks it",
        ),
        other => (
            format!("TLS failed: {other}"),
            "`docker version` shows what the docker client sees with the same certificates",
        ),
    };
    let message = format!("cannot talk to the engine at {engine}: {what}");
    Lost::handshake(message, hint)
}

fn certificate(error: &CertificateError) -> (String, &'static str) {
    use CertificateError as Wrong;
    match error {
        // Authorities of small machines may all have one name: another one's signature is only wrong.
        Wrong::UnknownIssuer | Wrong::BadSignature => (
            format!("its certificate is signed by another authority than ca.pem ({error})"),
            "the certificates belong to another engine, or it was made anew: take ca.pem, cert.pem and key.pem from its machine again",
        ),
        Wrong::Expired | Wrong::ExpiredContext { .. } => (
            format!("its certificate has ended ({error})"),
            "have new ones made by what made the engine's machine, and look at this machine's clock",
        ),
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => (
            format!("its certificate is not valid yet ({error})"),
            "a clock is wrong: this machine's, or the engine's when it made the certificate",
        ),
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => (
            format!("its certificate is for another name ({error})"),
            "use the name or address that the certificate is for, or have one made for this address",
        ),
        other => (
            format!("its certificate is not acceptable ({other})"),
            "certificates that old tools made (SHA-1, version 1) are refused: have new ones made",
        ),
    }
}
