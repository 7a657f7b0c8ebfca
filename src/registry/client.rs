//! One request to a registry: address, login, redirects, retries, and what its answer means.

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, Request, Response, StatusCode, Url};

use super::Registry;
use super::auth::Authorization;
use super::call::{Call, Scope};
use super::challenge::Challenge;
use super::exchange::{Payload, read};
use super::fault::{Fault, Lost, body_text};
use super::host::{Host, authority, may_follow, same_server};
use super::patience::{Repeats, busy};
use crate::model::image::Repository;

/// The largest error page that is read, in bytes.
const ERROR_LIMIT: u64 = 16 << 10;
const REDIRECTS: usize = 5;

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
        let asked = mirror.as_ref().unwrap_or(repository);
        let host = Host {
            name: asked.host().to_owned(),
            mirror_of: (asked != repository).then(|| repository.host().to_owned()),
        };
        let home = self.schemes.base(&host.name)?;
        let mut url = home.clone();
        url.set_path(&format!("/v2/{}/{below}", asked.path()));
        let call = Call {
            method,
            url,
            headers: HeaderMap::new(),
            body: Payload::None,
            scope: Scope::new(asked.path(), actions),
            host,
            home,
            what: String::new(),
        };
        Ok(call.about(repository.to_string()))
    }

    /// That the server of a repository said nothing in time.
    pub fn timed_out(&self, repository: &Repository, text: String) -> Fault {
        let asked = self.mirrors.of(repository);
        Fault::Unreachable {
            host: Host {
                mirror_of: (asked != *repository).then(|| repository.host().to_owned()),
                name: asked.host().to_owned(),
            },
            lost: Lost::TimedOut,
            text,
        }
    }

    /// Sends and reads the whole answer of at most `limit` bytes.
    pub(super) async fn fetch(
        &self,
        call: &Call,
        limit: u64,
    ) -> Result<(Url, HeaderMap, Bytes), Fault> {
        let mut repeats = Repeats::default();
        loop {
            let response = self.send(call).await?;
            let (url, headers) = (response.url().clone(), response.headers().clone());
            match read(response, limit, self.wire.patience, &call.what).await {
                Ok(bytes) => return Ok((url, headers, bytes)),
                Err(fault) => {
                    let fault = call.told(fault);
                    repeats.pause(fault, &self.patience, &self.told).await?;
                }
            }
        }
    }

    /// Sends; the answer has a status of success. Repeats what is safe to repeat, and waits for a
    /// registry that has too much to do.
    pub(super) async fn send(&self, call: &Call) -> Result<Response, Fault> {
        let mut repeats = Repeats::default();
        loop {
            let call = self.schemes.choose(&self.wire, call).await?;
            let answer = self.send_once(&call).await;
            if self.schemes.learn(&self.wire, &call, &answer).await? {
                continue;
            }
            let fault = match answer {
                Ok(response) => return Ok(response),
                Err(fault) => call.told(fault),
            };
            // A file is long: sent again only where the server did not want it yet.
            let is_busy = matches!(
                fault,
                Fault::Unreachable {
                    lost: Lost::Busy(_),
                    ..
                }
            );
            if matches!(call.body, Payload::File { .. }) && !is_busy {
                return Err(fault);
            }
            repeats.pause(fault, &self.patience, &self.told).await?;
        }
    }

    async fn send_once(&self, call: &Call) -> Result<Response, Fault> {
        let before = self
            .auth
            .authorization(&self.wire, call, None, None)
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
        self.auth.learn(&call.host.name, challenge);
        let now = self
            .auth
            .authorization(&self.wire, call, before.as_ref(), asked.as_deref())
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
            let response = self.wire.transmit(request, &call.body).await?;
            let question = call.method == Method::GET || call.method == Method::HEAD;
            if !matches!(response.status().as_u16(), 301..=303 | 307 | 308) || !question {
                return Ok(response);
            }
            url = self.target(&response, &url, &call.what)?;
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
        if let Some(busy) = busy(&response) {
            return Err(busy);
        }
        let own = same_server(response.url(), &call.home);
        let narrow = challenge_of(&response).is_some_and(|challenge| {
            matches!(challenge, Challenge::Bearer { error: Some(error), .. } if error == "insufficient_scope")
        });
        let page = read(response, ERROR_LIMIT, self.wire.patience, &call.what).await;
        let text = page.map(|page| body_text(&page)).unwrap_or_default();
        let (host, what) = (call.host.clone(), call.what.clone());
        // A token was sent, but perhaps an anonymous one.
        let stored = stored && self.auth.store.get(&call.host.name).await?.is_some();
        Err(match status.as_u16() {
            404 => Fault::NotFound { what, text },
            401 if own && stored && narrow => Fault::Forbidden { host, what, text },
            401 if own => Fault::Unauthorized { host, stored, text },
            403 if own => Fault::Forbidden { host, what, text },
            status => Fault::Server { what, status, text },
        })
    }

    /// Where `response` to `from` leads; a server's mistaken belief about its own scheme is mended.
    pub(super) fn target(&self, response: &Response, from: &Url, what: &str) -> Result<Url, Fault> {
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
        if may_follow(from, &url, &self.wire.transport.insecure) {
            Ok(url)
        } else {
            Err(refuse(&format!(
                "it leads to {} without https",
                authority(&url)
            )))
        }
    }
}

fn challenge_of(response: &Response) -> Option<Challenge> {
    let values = response.headers().get_all(WWW_AUTHENTICATE).into_iter();
    Challenge::choose(values.filter_map(|value| value.to_str().ok()))
}
