//! Carries bollard's requests over one pooled client, pinned to an API version both sides know.
//!
//! The version costs no request of its own in the common case: every answer of an engine names its
//! version (`Api-Version`), and an unversioned request is served at exactly that version. So a first
//! `GET` goes out unversioned and settles the version for all that follow; only a first `POST`, or an
//! engine newer than bollard, costs one short request more.
//! Source: Docker Engine API, "Versioning"; moby `api/server/middleware/version.go`.

mod dial;
mod first_answer;
pub(super) mod lost;
mod patience;
pub(super) mod refused;
mod ssh;
mod tls;
mod version;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::BollardRequest;
use bollard::errors::Error as BollardError;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use self::dial::{CONNECT_LIMIT, Dialler, KEEPALIVE, KEEPALIVE_PAUSE};
use self::lost::Broken;
use self::patience::Waiting;
use self::refused::{Asked, refused};
use crate::engine::connect::endpoint::Endpoint;
use crate::error::Error;
use crate::model::visible::visible;
use crate::system::{Here, System as _};

pub use self::patience::Patience;
pub use self::version::ApiVersion;

/// How long an engine that has answered before may be away: a restart takes seconds, with containers
/// that do not end at once up to ten more.
const RESTART: Duration = Duration::from_secs(15);
/// Between two attempts meanwhile; the first follows at once, for a connection that was only stale.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Put into a request's extensions: told when the engine has accepted it.
#[derive(Clone, Default)]
pub(super) struct Accepted(pub(super) Arc<tokio::sync::Notify>);

type Answer = Result<Response<Incoming>, BollardError>;
type Send = Box<dyn Fn(BollardRequest) -> BoxFuture<'static, Answer> + std::marker::Send + Sync>;
type Locate = Box<dyn Fn(&str) -> Option<Uri> + std::marker::Send + Sync>;

/// The pooled client, and the version once it is known.
pub(super) struct Transport {
    send: Send,
    locate: Locate,
    name: String,
    /// `None` inside: the engine does not say, so requests stay unversioned.
    version: OnceLock<Option<ApiVersion>>,
    /// Product and version of the engine, from its first answer.
    server: OnceLock<String>,
    /// Whether it was there when it was last asked: then a lost connection may be a restart.
    lives: AtomicBool,
    waiting: Waiting,
}

impl Transport {
    /// A transport to `endpoint`; connects with the first request.
    pub(super) fn new(endpoint: &Endpoint, patience: Patience) -> Result<Self, Error> {
        let (send, locate) = match endpoint {
            Endpoint::Unix(path) if !Here::PIPES => local(path),
            Endpoint::Pipe(path) if Here::PIPES => local(Path::new(path)),
            Endpoint::Tcp { host, port } => tcp(host, *port),
            Endpoint::Tls {
                host,
                port,
                material,
            } => dialled(tls::dialler(host, *port, material)?),
            Endpoint::Ssh { .. } => dialled(ssh::dialler(endpoint)?),
            Endpoint::Unix(path) => {
                return Err(Error::engine(format!(
                    "unix://{}: unix sockets are not supported on this system",
                    path.display()
                )));
            }
            Endpoint::Pipe(path) => {
                let text = format!("the named pipe {path} exists on Windows only");
                return Err(Error::engine(text));
            }
        };
        Ok(Self {
            send,
            locate,
            name: endpoint.to_string(),
            version: OnceLock::new(),
            server: OnceLock::new(),
            lives: AtomicBool::new(false),
            waiting: Waiting::new(patience),
        })
    }

    /// The version in use, once a request was answered.
    pub(super) fn version(&self) -> Option<ApiVersion> {
        self.version.get().copied().flatten()
    }

    /// The engine's version (`20.10.24`) as its first answer said; asking for it would make engines
    /// run two programs.
    pub(super) fn engine(&self) -> Option<&str> {
        product_version(self.server.get()?)
    }

    /// Whether it is libpod that speaks Docker's API, as its first answer said.
    pub(super) fn is_libpod(&self) -> bool {
        let server = self.server.get();
        server.is_some_and(|it| it.starts_with("Libpod/"))
    }

    /// Sends a request of bollard's, rewritten to this endpoint and version.
    pub(super) async fn carry(self: Arc<Self>, mut request: BollardRequest) -> Answer {
        mend_login(&mut request);
        let accepted = request.extensions_mut().remove::<Accepted>();
        let answer = match self.version.get() {
            Some(version) => self.send(request, *version).await?,
            None if request.method() == Method::GET => self.first(request).await?,
            None => {
                let ping = self.first(get("/_ping")?).await?;
                match self.version.get() {
                    Some(version) => self.send(request, *version).await?,
                    // Nobody has seen the request itself yet.
                    None => ping,
                }
            }
        };
        if answer.extensions().get::<Asked>().is_some() {
            return Err(refused(answer, &self.name).await);
        }
        if let Some(Accepted(notify)) = accepted
            && answer.status().is_success()
        {
            notify.notify_one();
        }
        Ok(answer)
    }

    /// A `GET` that learns the engine's version from its answer.
    async fn first(&self, request: BollardRequest) -> Answer {
        let path = request.uri().to_string();
        let answer = self.send_first(request).await?;
        let theirs = answer
            .headers()
            .get("api-version")
            .and_then(|value| value.to_str().ok())
            .and_then(ApiVersion::parse);
        if let Some(theirs) = theirs
            && theirs < ApiVersion::FLOOR
        {
            return Err(BollardError::DockerResponseServerError {
                status_code: 400,
                message: format!(
                    "the engine at {} speaks API {theirs}; devenv needs {} (Docker 1.13) or newer",
                    self.name,
                    ApiVersion::FLOOR
                ),
            });
        }
        if theirs.is_none() && !answer.status().is_success() {
            // Something before the engine, or an engine that only starts: it may say so next time.
            return Ok(answer);
        }
        let version = theirs.map(|theirs| theirs.min(ApiVersion::CEILING));
        let _ = self.version.set(version);
        if version == theirs {
            return Ok(answer);
        }
        self.send(get(&path)?, version).await
    }

    async fn send(&self, mut request: BollardRequest, version: Option<ApiVersion>) -> Answer {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", hyper::http::uri::PathAndQuery::as_str);
        let asked = format!("{} {}", request.method(), request.uri().path());
        let path = match version {
            Some(version) => format!("/v{version}{path}"),
            None => path.to_owned(),
        };
        *request.uri_mut() = (self.locate)(&path).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{}` is no path of the engine", visible(&path)),
            )
        })?;
        let mut answer = self.patiently(request).await?;
        if is_refusal(answer.status()) {
            answer.extensions_mut().insert(Asked(asked));
        }
        if self.server.get().is_none() && answer.status().is_success() {
            let server = answer.headers().get(hyper::header::SERVER);
            let server = server.and_then(|it| it.to_str().ok());
            let _ = self.server.set(server.unwrap_or_default().to_owned());
        }
        Ok(answer)
    }
}

impl Transport {
    /// Sends; what asks only, and what was not sent at all, again while the engine restarts.
    async fn patiently(&self, mut request: BollardRequest) -> Answer {
        let begun = tokio::time::Instant::now();
        let mut pause = Duration::ZERO;
        loop {
            let spare = spare(&request);
            let (error, broken) = match (self.send)(request).await {
                Ok(answer) => {
                    self.lives.store(true, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => lost::name(error, &self.name),
            };
            let asks = spare.as_ref().is_some_and(|it| it.method() == Method::GET);
            let again = match broken {
                Broken::Unsent => true,
                Broken::Sent => asks,
                Broken::ForGood => false,
            };
            let in_time = begun.elapsed() + pause < RESTART;
            match spare {
                Some(spare) if again && in_time && self.lives.load(Ordering::Relaxed) => {
                    request = spare;
                }
                _ => {
                    // Who asks next waits for nobody.
                    self.lives.store(false, Ordering::Relaxed);
                    return Err(error);
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
    }
}

/// The same request once more; one that uploads has none.
fn spare(request: &BollardRequest) -> Option<BollardRequest> {
    let Either::Left(whole) = request.body() else {
        return None;
    };
    let mut spare = Request::new(Either::Left(whole.clone()));
    *spare.method_mut() = request.method().clone();
    *spare.uri_mut() = request.uri().clone();
    *spare.headers_mut() = request.headers().clone();
    Some(spare)
}

fn is_refusal(status: StatusCode) -> bool {
    let fine = status.is_success() || status.is_informational();
    !fine && status != StatusCode::NOT_MODIFIED
}

/// `20.10.24` of `Docker/20.10.24 (linux)`.
fn product_version(server: &str) -> Option<&str> {
    let (_, rest) = server.split_once('/')?;
    rest.split_whitespace().next()
}

pub(super) fn get(uri: &str) -> Result<BollardRequest, BollardError> {
    Ok(Request::builder()
        .method(Method::GET)
        .uri(uri)
        .body(bollard::body_full(Bytes::new()))?)
}

/// Engines read the login as URL-safe base64; bollard 0.21 writes the standard alphabet.
fn mend_login(request: &mut BollardRequest) {
    for name in ["x-registry-auth", "x-registry-config"] {
        if let Some(value) = request.headers_mut().get_mut(name)
            && let Ok(text) = value.to_str()
            && let Ok(mended) = text.replace('+', "-").replace('/', "_").parse()
        {
            *value = mended;
        }
    }
}

fn local(path: &Path) -> (Send, Locate) {
    let path = path.to_owned();
    dialled(Dialler::new(move || Here::connect(&path)))
}

fn tcp(host: &str, port: u16) -> (Send, Locate) {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_LIMIT));
    connector.set_nodelay(true);
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_keepalive_interval(Some(KEEPALIVE_PAUSE));
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let base = if host.contains(':') {
        format!("http://[{host}]:{port}")
    } else {
        format!("http://{host}:{port}")
    };
    (
        Box::new(move |request| client.request(request).map(|a| Ok(a?)).boxed()),
        Box::new(move |path| format!("{base}{path}").parse().ok()),
    )
}

/// The address is settled by the connections themselves.
fn dialled(dialler: Dialler) -> (Send, Locate) {
    let client = Client::builder(TokioExecutor::new()).build(dialler);
    (
        Box::new(move |request| client.request(request).map(|a| Ok(a?)).boxed()),
        Box::new(|path| format!("http://engine{path}").parse().ok()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_header_gets_the_alphabet_that_engines_read() {
        let mut request = get("/x").unwrap();
        let headers = request.headers_mut();
        headers.insert("x-registry-auth", "a+b/c=".parse().unwrap());
        mend_login(&mut request);
        assert_eq!(request.headers()["x-registry-auth"], "a-b_c=");
    }
}
