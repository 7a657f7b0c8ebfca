//! Turns bollard's errors into faults, by status and by the engine's words.

use std::io;

use bollard::errors::Error as BollardError;

use super::transport::lost::Lost;
use super::transport::refused::Refused;
use crate::engine::{Fault, FaultKind};
use crate::model::visible::visible;

/// The fault that a request's error stands for.
pub(super) fn fault(error: BollardError) -> Fault {
    match error {
        BollardError::DockerResponseServerError {
            status_code,
            message,
        } => Fault::new(by_status(status_code, &message), visible(&message)),
        BollardError::DockerStreamError { error } => said(&error),
        BollardError::RequestTimeoutError => {
            Fault::new(FaultKind::Hung, "the engine did not answer in time")
        }
        BollardError::IOError { err } => broken(&err),
        BollardError::HyperResponseError { err } => Fault::new(
            FaultKind::Unreachable,
            visible(&format!("lost the connection to the engine: {err}")),
        ),
        other => {
            let kind = match &other {
                BollardError::HyperLegacyError { .. } | BollardError::SocketNotFoundError(_) => {
                    FaultKind::Unreachable
                }
                _ => FaultKind::Failed,
            };
            Fault::new(kind, visible(&other.to_string()))
        }
    }
}

/// What an answer with an error's status means; `about` is told where the words alone do not explain.
fn answered(refused: &Refused) -> Fault {
    let (status, text) = (refused.status, &refused.text);
    if text.contains("HTTP request to an HTTPS server") {
        return wants_tls();
    }
    let kind = by_text(text).unwrap_or_else(|| by_status(status, text));
    let mut fault = Fault::new(kind, visible(text));
    let explains = matches!(
        kind,
        FaultKind::NotFound
            | FaultKind::Conflict
            | FaultKind::PortTaken
            | FaultKind::NoSpace
            | FaultKind::NoAddresses
    );
    if !explains || fault.message.is_empty() {
        fault.about = Some(visible(&refused.about).into());
    }
    fault.hint = match kind {
        FaultKind::Denied => Some(REFUSED.into()),
        FaultKind::Failed => Some(FAILED.into()),
        _ => None,
    };
    fault
}

/// Unlike a socket that this user may not open.
const REFUSED: &str =
    "a plugin of the engine, or a proxy before it, decides who may do this: ask who runs it";
const FAILED: &str = "the engine does not do what is asked of it: its own log says more, and \
     `devenv doctor` whether it is too old or misses something";

/// What an engine behind TLS answers to plain HTTP.
fn wants_tls() -> Fault {
    let mut fault = Fault::new(
        FaultKind::Handshake,
        "the engine wants TLS at this address, and was asked without",
    );
    fault.hint = Some(
        "DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH for the folder of ca.pem, cert.pem and key.pem"
            .into(),
    );
    fault
}

/// The fault behind an error that a stream carried after it had begun well. What it says of
/// connections is about a registry or a file server, never about the engine.
pub(super) fn said(text: &str) -> Fault {
    let lower = text.to_lowercase();
    let is_lost = LOST.iter().any(|words| lower.contains(words));
    let lost = is_lost.then_some(FaultKind::NotFound);
    let kind = by_text(text).or(lost).unwrap_or(FaultKind::Failed);
    Fault::new(kind, visible(text))
}

/// A builder's words where an image or a layer went while it used it.
const LOST: [&str; 4] = [
    "unable to find image",
    "no such image",
    "unknown parent image",
    "layer does not exist",
];

const PLAIN: &str = "the engine has a list of its own of registries without TLS: `insecure-registries` in its \
     daemon.json, which it reads when it starts; `insecure_registries` of devenv's settings does not \
     change it";
const UNTRUSTED: &str = "the engine trusts authorities by itself: theirs goes to /etc/docker/certs.d/HOST/ca.crt \
     on its host; `extra_ca` of devenv's settings does not change it";

/// As [`fault`], of a request that speaks to a registry: "not found" may hide a refused login.
pub(super) fn registry_fault(error: BollardError) -> Fault {
    let mut fault = fault(error);
    let text = fault.message.to_lowercase();
    if text.contains("http response to https client") {
        fault.hint = Some(PLAIN.into());
    } else if text.contains("x509:") {
        fault.hint = Some(UNTRUSTED.into());
    }
    let about_login = ["denied", "unauthorized", "authentication", "forbidden"]
        .iter()
        .any(|word| text.contains(word));
    match fault.kind {
        FaultKind::NotFound | FaultKind::Denied if about_login => fault.kind = FaultKind::Failed,
        FaultKind::Failed if !about_login && text.contains("manifest unknown") => {
            fault.kind = FaultKind::NotFound;
        }
        _ => {}
    }
    fault
}

fn broken(error: &io::Error) -> Fault {
    if let Some(lost) = error.get_ref().and_then(|it| it.downcast_ref::<Lost>()) {
        let mut fault = Fault::new(lost.kind, visible(&lost.message));
        fault.hint = lost.hint.as_deref().map(Into::into);
        return fault;
    }
    if let Some(refused) = error.get_ref().and_then(|it| it.downcast_ref::<Refused>()) {
        return answered(refused);
    }
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => FaultKind::Denied,
        io::ErrorKind::InvalidInput => FaultKind::Failed,
        _ => FaultKind::Unreachable,
    };
    Fault::new(kind, visible(&error.to_string()))
}

fn by_text(message: &str) -> Option<FaultKind> {
    let text = message.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if any(&[
        "port is already allocated",
        "address already in use",
        "ports are not available",
        "cannot expose privileged port",
        "cannot expose port",
    ]) || (any(&["bind: permission denied", "bind host port", "bind for "])
        && text.contains("permission denied"))
    {
        Some(FaultKind::PortTaken)
    } else if any(&["no space left on device", "disk quota exceeded"]) {
        Some(FaultKind::NoSpace)
    } else if any(&["toomanyrequests", "too many requests", "http 429 response"]) {
        Some(FaultKind::Busy)
    } else if any(&["non-overlapping ipv4 address pool", "fully subnetted"]) {
        Some(FaultKind::NoAddresses)
    } else if any(&[
        "active endpoints",
        "already exists in network",
        "is not paused",
        "is already paused",
        "is ambiguous",
        "is not running",
        "container state improper",
    ]) || (text.contains("name") && text.contains("already in use"))
    {
        Some(FaultKind::Conflict)
    } else if text.contains("is not connected to") {
        Some(FaultKind::NotFound)
    } else {
        None
    }
}

fn by_status(status: u16, message: &str) -> FaultKind {
    match status {
        401 | 403 => FaultKind::Denied,
        404 => FaultKind::NotFound,
        409 => FaultKind::Conflict,
        // Podman answers some conflicts and absences with 500.
        500 if ["no such ", "image not known"]
            .iter()
            .any(|it| message.contains(it)) =>
        {
            FaultKind::NotFound
        }
        500 => FaultKind::Internal,
        502..=504 => FaultKind::Unreachable,
        _ => FaultKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, text: &str) -> BollardError {
        let refused = Refused {
            status,
            text: text.to_owned(),
            about: format!("the engine at unix:///x answered {status} to GET /y"),
        };
        BollardError::IOError {
            err: io::Error::other(refused),
        }
    }

    fn kind(status: u16, text: &str) -> FaultKind {
        fault(refused(status, text)).kind
    }

    #[test]
    fn what_words_alone_do_not_explain_is_told_with_whom_and_what() {
        let about = "the engine at unix:///x answered 500 to GET /y";
        let said = |status, text| fault(refused(status, text)).to_string();
        assert_eq!(said(500, "runtime\n"), format!("{about}: runtime"));
        assert_eq!(said(500, ""), about);
        assert_eq!(said(404, "No such container: x"), "No such container: x");
        assert_eq!(said(404, ""), about.replace("500", "404"));
        for status in [400, 403, 500, 502] {
            let error = crate::error::Error::from(fault(refused(status, "x")));
            assert_eq!(error.hints().len(), 1, "{status}: {error:?}");
            assert!(!error.hints()[0].contains("group"), "{error:?}");
        }
    }

    #[expect(clippy::too_many_lines, reason = "one table")]
    #[test]
    fn answers_are_told_apart() {
        use FaultKind::{
            Busy, Conflict, Denied, Failed, Internal, NoAddresses, NoSpace, NotFound, PortTaken,
            Unreachable,
        };
        for (status, message, wanted) in [
            (404, "No such container: x", NotFound),
            (
                409,
                "Conflict. The container name \"/x\" is already in use by container",
                Conflict,
            ),
            (500, "container name \"x\" is already in use", Conflict),
            (
                403,
                "error while removing network: network x has active endpoints",
                Conflict,
            ),
            (
                403,
                "endpoint with name x already exists in network y",
                Conflict,
            ),
            (403, "authorization denied by plugin x", Denied),
            (
                500,
                "driver failed programming external connectivity on endpoint x: Bind for 127.0.0.1:80 failed: port is already allocated",
                PortTaken,
            ),
            (
                500,
                "Error starting userland proxy: listen tcp4 127.0.0.1:80: bind: address already in use",
                PortTaken,
            ),
            (
                500,
                "Ports are not available: exposing port TCP 127.0.0.1:80: listen tcp: bind: An attempt was made",
                PortTaken,
            ),
            (
                500,
                "listen tcp4 127.0.0.1:80: bind: permission denied",
                PortTaken,
            ),
            (
                500,
                "mkdir /var/lib/docker/x: no space left on device",
                NoSpace,
            ),
            (
                404,
                "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
                NoAddresses,
            ),
            (
                500,
                "all predefined address pools have been fully subnetted",
                NoAddresses,
            ),
            (500, "toomanyrequests: slow down", Busy),
            (
                500,
                "error parsing HTTP 429 response body: unexpected end of JSON input: \"\"",
                Busy,
            ),
            (
                500,
                "failed to resolve reference \"r/x\": unexpected status from HEAD request to https://r/v2/x: 429 Too Many Requests",
                Busy,
            ),
            (500, "Container abc is not paused", Conflict),
            (500, "container abc is not connected to network x", NotFound),
            (500, "something else", Internal),
            (400, "something else", Failed),
            (500, "no such container", NotFound),
            (
                500,
                "failed to convert ImageData to ImageInspect 'sha256:x': reading image \"x\": locating image with ID \"x\": image not known",
                NotFound,
            ),
            (503, "", Unreachable),
        ] {
            assert_eq!(kind(status, message), wanted, "{status} {message}");
        }
    }

    #[test]
    fn a_bind_that_is_a_mount_is_no_port() {
        let message = "invalid mount config for type \"bind\": stat /home/me: permission denied";
        assert_eq!(kind(400, message), FaultKind::Failed);
        let message = "failed to bind host port 127.0.0.1:80/tcp: permission denied";
        assert_eq!(kind(500, message), FaultKind::PortTaken);
    }

    #[test]
    fn a_registrys_trouble_is_not_the_engines() {
        let stream = |text: &str| said(text).kind;
        assert_eq!(
            stream("Get \"https://r/v2/\": dial tcp 127.0.0.1:1: connect: connection refused"),
            FaultKind::Failed
        );
        assert_eq!(
            stream("write /x: no space left on device"),
            FaultKind::NoSpace
        );
        let registry = |message: &str| registry_fault(refused(404, message)).kind;
        assert_eq!(
            registry("pull access denied for x, repository does not exist or may require login"),
            FaultKind::Failed
        );
        assert_eq!(
            registry("manifest for x not found: manifest unknown"),
            FaultKind::NotFound
        );
        for (words, hint) in [
            (
                "Get \"https://r:5000/v2/\": http: server gave HTTP response to HTTPS client",
                "`insecure-registries`",
            ),
            (
                "Get \"https://r/v2/\": x509: certificate signed by unknown authority",
                "certs.d",
            ),
        ] {
            let fault = registry_fault(refused(500, words));
            assert!(fault.hint.unwrap().contains(hint), "{words}");
        }
        let words = "toomanyrequests: You have reached your pull rate limit.";
        assert_eq!(registry(words), FaultKind::Busy);
        assert_eq!(stream(words), FaultKind::Busy);
    }

    #[test]
    fn a_builder_that_lost_what_it_had_is_told_apart() {
        for words in [
            "unable to find image \"sha256:5541ec6004e10b41\"",
            "failed to get destination image \"sha256:5541\": No such image: sha256:5541",
            "unknown parent image ID sha256:5541",
            "failed to export image: failed to create image: failed to get layer sha256:5541: layer does not exist",
        ] {
            assert_eq!(said(words).kind, FaultKind::NotFound, "{words}");
        }
        let words = "The command '/bin/sh -c make' returned a non-zero code: 2";
        assert_eq!(said(words).kind, FaultKind::Failed);
    }
}
