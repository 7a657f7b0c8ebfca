//! A forge's REST interface: one host, JSON both ways, no redirects, bounded in size and time. The
//! token is in a header, and in nothing that is shown.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::place::OWN_WORD;
use crate::error::{Error, Result};
use crate::model::secret::Secret;
use crate::model::visible::{printable, visible};
use crate::network::tls::{Doubt, tls_error};

/// The largest answer that is read, in bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// How long an answer may take, its body included.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a forge's own words is shown.
const MOST_WORDS: usize = 500;

/// A token and where it is from.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token itself.
    pub secret: Secret,
    /// The user that it was stored with, where it was.
    pub user: Option<String>,
    /// For people: `GITLAB_TOKEN`, `git's credential helper`.
    pub origin: String,
}

/// How a forge wants its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorization {
    /// `Bearer …`
    Bearer,
    /// `token …`
    Token,
}

/// An answer that is no failure of the network.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body; null where it is empty.
    pub body: Value,
}

/// One host's REST interface.
#[derive(Debug)]
pub struct Api {
    client: Client,
    root: Url,
    token: Token,
}

impl Api {
    /// `client` must not follow redirects. Fails with [`crate::error::Kind::Git`] where the token
    /// would travel unencrypted to another machine.
    pub fn new(client: Client, root: Url, token: Token) -> Result<Self> {
        if !may_carry(&root) {
            return Err(Error::git(format!(
                "the forge on {} speaks plain HTTP: no token is sent there",
                root.host_str().unwrap_or_default()
            )));
        }
        Ok(Self {
            client,
            root,
            token,
        })
    }

    /// Whether the token is one at all: only 401 and 403 say that it is not. `path` is a question
    /// that every token may ask.
    pub async fn accepts(&self, authorization: Authorization, path: &[&str]) -> Result<bool> {
        let answer = self
            .send(authorization, Method::GET, path, &[], None)
            .await?;
        match answer.status().as_u16() {
            200..=299 => Ok(true),
            401 | 403 => Ok(false),
            _ => Err(self.refused(answer.status(), &Value::Null)),
        }
    }

    /// Asks once. `path` is below the root, each part escaped whole. Statuses up to 299, 404, 409
    /// and 422 are given back; others are errors that say what the forge said.
    pub async fn ask(
        &self,
        authorization: Authorization,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply> {
        let answer = self.send(authorization, method, path, query, body).await?;
        self.read(answer).await
    }

    async fn send(
        &self,
        authorization: Authorization,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Response> {
        let mut url = self.root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self
            .client
            .request(method, url)
            .timeout(PATIENCE)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, self.header(authorization)?);
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.map_err(|error| self.lost(&error))
    }

    fn header(&self, authorization: Authorization) -> Result<HeaderValue> {
        let token = self.token.secret.expose();
        let text = match authorization {
            Authorization::Bearer => format!("Bearer {token}"),
            Authorization::Token => format!("token {token}"),
        };
        let mut header = HeaderValue::from_str(&text).map_err(|_| {
            Error::usage(format!(
                "the token of {} has characters that no token has",
                self.token.origin
            ))
        })?;
        header.set_sensitive(true);
        Ok(header)
    }

    async fn read(&self, mut answer: Response) -> Result<Reply> {
        let status = answer.status();
        if status.is_redirection() {
            return Err(self.redirected(&answer));
        }
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| self.lost(&error))? {
            if bytes.len() + piece.len() > MOST_BYTES {
                return Err(Error::git(format!(
                    "{} answered with more than {MOST_BYTES} bytes",
                    self.host()
                )));
            }
            bytes.extend_from_slice(&piece);
        }
        let body = serde_json::from_slice(&bytes);
        let expected = matches!(status.as_u16(), 200..=299 | 404 | 409 | 422);
        if !expected {
            return Err(self.refused(status, &body.unwrap_or(Value::Null)));
        }
        match body {
            Ok(body) => Ok(Reply { status, body }),
            Err(_) if bytes.is_empty() || !status.is_success() => Ok(Reply {
                status,
                body: Value::Null,
            }),
            Err(error) => Err(Error::git(format!(
                "{} answered with something other than JSON: is it this kind of forge?",
                self.host()
            ))
            .because(error)),
        }
    }

    /// What an answer holds. Fails where it says no, and where it is of another shape.
    pub fn taken<T: DeserializeOwned>(&self, reply: Reply) -> Result<T> {
        if !reply.status.is_success() {
            return Err(self.refused(reply.status, &reply.body));
        }
        let strange = |error| {
            Error::git(format!(
                "{} does not answer as this kind of forge does",
                self.host()
            ))
            .because(error)
        };
        serde_json::from_value(reply.body).map_err(strange)
    }

    /// The error of an answer that says no.
    fn refused(&self, status: StatusCode, body: &Value) -> Error {
        let host = self.host();
        let origin = &self.token.origin;
        let error = match status.as_u16() {
            401 => Error::git(format!("{host} does not accept the token of {origin}"))
                .hint("is it expired, or without the right to use the API?"),
            403 => Error::git(format!(
                "{host} does not allow this with the token of {origin}"
            ))
            .hint("it needs the right to write to the project and to its requests"),
            404 => Error::git(format!(
                "{host} does not know the project, or does not show it"
            )),
            429 => Error::git(format!("{host} was asked too often")).hint("try again later"),
            _ => Error::git(format!("{host} answered {}", status.as_u16())),
        };
        match words(body) {
            Some(words) => error.detail(words),
            None => error,
        }
    }

    fn redirected(&self, answer: &Response) -> Error {
        let to = answer.headers().get(LOCATION);
        let to = to.and_then(|it| answer.url().join(it.to_str().ok()?).ok());
        let to = to.and_then(|it| it.host_str().map(ToOwned::to_owned));
        Error::git(format!(
            "{} sends its API's callers on to {}, which devenv does not follow with a token",
            self.host(),
            to.as_deref().unwrap_or("another address")
        ))
    }

    fn lost(&self, error: &reqwest::Error) -> Error {
        if let Some(certificate @ rustls::Error::InvalidCertificate(_)) = tls_error(error) {
            return self.doubted(certificate);
        }
        let why = if error.is_timeout() {
            "gave no answer in time"
        } else {
            "cannot be reached"
        };
        let mut cause: &dyn std::error::Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        Error::git(format!("the forge's API on {} {why}", self.host()))
            .because(Error::git(visible(&cause.to_string())))
            .hint("check the network, the VPN and the proxy")
            .hint(OWN_WORD)
    }

    fn doubted(&self, certificate: &rustls::Error) -> Error {
        let (host, doubt) = (self.host(), Doubt::of(certificate));
        Error::git(format!("the certificate of the forge on {host} {doubt}"))
            .because(Error::git(visible(&certificate.to_string())))
            .hint(doubt.hint(host))
            .hint(OWN_WORD)
    }

    fn host(&self) -> &str {
        self.root.host_str().unwrap_or_default()
    }
}

/// Whether a token may travel there: encrypted, or within this machine.
fn may_carry(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    url.scheme() == "https"
        || host == "localhost"
        || address.is_ok_and(|address| address.is_loopback())
}

/// What a forge says of a refusal: `message` (GitLab, GitHub, Gitea), `error`, `errors`.
fn words(body: &Value) -> Option<String> {
    let found = ["message", "error", "error_description", "errors"]
        .iter()
        .filter_map(|key| body.get(key))
        .map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned)
        })
        .collect::<Vec<_>>();
    (!found.is_empty()).then(|| {
        let words: String = found.join("\n").chars().take(MOST_WORDS).collect();
        printable(&words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_refusal_are_bounded_and_harmless() {
        let body = serde_json::json!({ "message": ["Another open merge request \u{1b}[31m"] });
        let text = words(&body).unwrap();
        assert!(text.contains("Another open merge request"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let body = serde_json::json!({ "error": "x".repeat(100_000) });
        assert_eq!(words(&body).unwrap().len(), MOST_WORDS);
        assert_eq!(words(&Value::Null), None);
    }

    #[test]
    fn a_token_does_not_travel_unencrypted() {
        let token = Token {
            secret: Secret::new("glpat-x"),
            user: None,
            origin: "GITLAB_TOKEN".to_owned(),
        };
        let new = |url: &str| may_carry(&Url::parse(url).unwrap());
        assert!(!new("http://git.acme.example/"));
        assert!(!new("http://127.0.0.1.evil.example/"));
        assert!(new("http://127.0.0.1:3000/"));
        assert!(new("http://[::1]:3000/"));
        assert!(!format!("{token:?}").contains("glpat"));
    }
}
