//! One request to a registry: address, login, redirects, retries, and what its answer means.

use std::borrow::Cow;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE,
};
use reqwest::{Method, Request, Response, StatusCode, Url};

use super::Registry;
use super::auth::{Authorization, Scope};
use super::challenge::Challenge;
use super::exchange::{Payload, read};
use super::fault::{Fault, Lost, body_text};
use super::host::{authority, is_loopback, may_follow, same_server};
use crate::model::image::Repository;

/// A request before its login is known; it can be sent more than once.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Payload,
    pub(super) scope: Scope,
    pub(super) host: String,
    /// The registry's own address: the login goes there and nowhere else.
    pub(super) home: Url,
    /// What it is about, for errors.
    pub(super) what: String,
}

impl Call {
    /// The same to the TLS port of that name.
    fn over_tls(&self) -> Self {
        let mut call = self.clone();
        for url in [&mut call.url, &mut call.home] {
            let _ = url.set_scheme("https");
        }
        call
    }

    pub(super) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.append(name, HeaderValue::from_static(value));
        self
    }
}

/// The largest error page that is read, in bytes.
const ERROR_LIMIT: u64 = 16 << 10;
const REDIRECTS: usize = 5;
/// Pauses before a request is repeated.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];
impl Registry {
    /// Begins a request below `/v2/<repository>/`; `actions` are `pull`, `pull,push`, `delete`.
    pub(super) fn call(
        &self,
        method: Method,
        repository: &Repository,
        below: &str,
        actions: &str,
    ) -> Result<Call, Fault> {
        let mirror = (actions == "pull").then(|| self.mirrors.of(repository));
        let repository = mirror.as_ref().unwrap_or(repository);
        let host = repository.host();
        let home = self.base(host)?;
        let mut url = home.clone();
        url.set_path(&format!("/v2/{}/{below}", repository.path()));
        Ok(Call {
            method,
            url,
            headers: HeaderMap::new(),
            body: Payload::None,
            scope: Scope::new(repository.path(), actions),
            host: host.to_owned(),
            home,
            what: repository.to_string(),
        })
    }

    /// `https://host/`; a host of this machine is taken to speak plain HTTP, as docker does, until
    /// its first answer says otherwise.
    fn base(&self, host: &str) -> Result<Url, Fault> {
        let address = if host == "docker.io" {
            "registry-1.docker.io"
        } else {
            host
        };
        let plain = is_loopback(host) && self.local_tls(host) != Some(true);
        let scheme = if plain { "http" } else { "https" };
        Url::parse(&format!("{scheme}://{address}/")).map_err(|error| Fault::Answer {
            what: host.to_owned(),
            text: error.to_string(),
        })
    }

    /// Whether a host of this machine speaks TLS, once it has answered.
    fn local_tls(&self, host: &str) -> Option<bool> {
        let known = self.local_tls.lock();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        known.get(host).copied()
    }

    /// Learns from the first answer to plain HTTP whether the host speaks TLS instead.
    async fn learn_scheme<T>(
        &self,
        call: &Call,
        answer: &Result<T, Fault>,
    ) -> Result<Option<bool>, Fault> {
        let tls = match answer {
            // What Go and nginx say to plain HTTP on a TLS port.
            Err(
                Fault::Server { status: 400, .. }
                | Fault::Unreachable {
                    lost: Lost::Broken, ..
                },
            ) => self.speaks_tls(call.over_tls().home).await?,
            Err(Fault::Unreachable { .. }) => return Ok(None),
            _ => false,
        };
        let known = self.local_tls.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        known.insert(call.host.clone(), tls);
        Ok(Some(tls))
    }

    async fn speaks_tls(&self, mut address: Url) -> Result<bool, Fault> {
        address.set_path("/v2/");
        match self.exchange(Request::new(Method::GET, address)).await {
            Ok(_) | Err(Fault::Certificate { .. }) => Ok(true),
            Err(fault @ Fault::Authority { .. }) => Err(fault),
            Err(_) => Ok(false),
        }
    }

    /// Sends and reads the whole answer of at most `limit` bytes.
    pub(super) async fn fetch(
        &self,
        call: &Call,
        limit: u64,
    ) -> Result<(Url, HeaderMap, Bytes), Fault> {
        let mut pauses = PAUSES.iter();
        loop {
            let response = self.send(call).await?;
            let (url, headers) = (response.url().clone(), response.headers().clone());
            match read(response, limit, self.response_timeout, &call.what).await {
                Ok(bytes) => return Ok((url, headers, bytes)),
                Err(fault) => pause(fault, pauses.next()).await?,
            }
        }
    }

    /// Sends; the answer has a status of success. Repeats what is safe to repeat.
    pub(super) async fn send(&self, call: &Call) -> Result<Response, Fault> {
        let mut call = Cow::Borrowed(call);
        let mut pauses = PAUSES.iter();
        loop {
            let plain = call.home.scheme() == "http";
            if plain && self.local_tls(&call.host) == Some(true) {
                call = Cow::Owned(call.over_tls());
            }
            let answer = self.send_once(&call).await;
            if plain
                && self.local_tls(&call.host).is_none()
                && self.learn_scheme(&call, &answer).await? == Some(true)
            {
                continue;
            }
            match answer {
                Err(fault) if !matches!(call.body, Payload::File { .. }) => {
                    pause(fault, pauses.next()).await?;
                }
                done => return done,
            }
        }
    }

    async fn send_once(&self, call: &Call) -> Result<Response, Fault> {
        let before = self
            .authorization(&call.host, &call.home, &call.scope, None, None)
            .await?;
        let response = self.follow(call, before.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !same_server(response.url(), &call.home)
        {
            return self.judge(call, before.is_some(), response).await;
        }
        let Some(challenge) = challenge_of(&response) else {
            return self.judge(call, before.is_some(), response).await;
        };
        let asked = challenge.scope().map(str::to_owned);
        self.learn(&call.host, challenge);
        let now = self
            .authorization(
                &call.host,
                &call.home,
                &call.scope,
                before.as_ref(),
                asked.as_deref(),
            )
            .await?;
        if now == before {
            return self.judge(call, before.is_some(), response).await;
        }
        let response = self.follow(call, now.as_ref()).await?;
        self.judge(call, now.is_some(), response).await
    }

    /// Follows redirects of questions; the login stays with the registry's own host.
    async fn follow(&self, call: &Call, login: Option<&Authorization>) -> Result<Response, Fault> {
        let mut url = call.url.clone();
        for _ in 0..REDIRECTS {
            let mut request = Request::new(call.method.clone(), url.clone());
            request.headers_mut().clone_from(&call.headers);
            if same_server(&url, &call.home)
                && let Some(header) = login.and_then(Authorization::header)
            {
                request.headers_mut().insert(AUTHORIZATION, header);
            }
            let response = self.transmit(request, &call.body).await?;
            let question = call.method == Method::GET || call.method == Method::HEAD;
            if !matches!(response.status().as_u16(), 301..=303 | 307 | 308) || !question {
                return Ok(response);
            }
            url = target(&response, &url, &call.what)?;
        }
        Err(Fault::Answer {
            what: call.what.clone(),
            text: "too many redirects".to_owned(),
        })
    }

    /// Tells the failures apart.
    async fn judge(
        &self,
        call: &Call,
        stored: bool,
        response: Response,
    ) -> Result<Response, Fault> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let own = same_server(response.url(), &call.home);
        let narrow = challenge_of(&response).is_some_and(|challenge| {
            matches!(challenge, Challenge::Bearer { error: Some(error), .. } if error == "insufficient_scope")
        });
        let page = read(response, ERROR_LIMIT, self.response_timeout, &call.what).await;
        let text = page.map(|page| body_text(&page)).unwrap_or_default();
        let (host, what) = (call.host.clone(), call.what.clone());
        // A token was sent, but perhaps an anonymous one.
        let stored = stored && self.store.get(&call.host).await?.is_some();
        Err(match status.as_u16() {
            404 => Fault::NotFound { what, text },
            401 if own && stored && narrow => Fault::Forbidden { host, what, text },
            401 if own => Fault::Unauthorized { host, stored, text },
            403 if own => Fault::Forbidden { host, what, text },
            status => Fault::Server { what, status, text },
        })
    }
}

fn challenge_of(response: &Response) -> Option<Challenge> {
    let values = response.headers().get_all(WWW_AUTHENTICATE).into_iter();
    Challenge::choose(values.filter_map(|value| value.to_str().ok()))
}

/// Where `response` to `from` leads; a server's mistaken belief about its own scheme is mended.
pub(super) fn target(response: &Response, from: &Url, what: &str) -> Result<Url, Fault> {
    let refuse = |text: &str| Fault::Answer {
        what: what.to_owned(),
        text: text.to_owned(),
    };
    let location = response.headers().get(LOCATION);
    let mut url = location
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .ok_or_else(|| refuse("it leads nowhere"))?;
    if same_server(&url, from) {
        let _ = url.set_scheme(from.scheme());
    }
    if may_follow(from, &url) {
        Ok(url)
    } else {
        Err(refuse(&format!(
            "it leads to {} without https",
            authority(&url)
        )))
    }
}

/// Waits before another attempt, or gives the fault back.
async fn pause(fault: Fault, pause: Option<&Duration>) -> Result<(), Fault> {
    match pause {
        Some(pause) if fault.is_transient() => {
            tokio::time::sleep(*pause).await;
            Ok(())
        }
        _ => Err(fault),
    }
}
