//! Basic and Bearer authentication: which header goes with a request, and where tokens come from
//! (distribution's token specification; refresh tokens as in its OAuth 2 part).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;

use super::Registry;
use super::challenge::Challenge;
use super::exchange::read;
use super::fault::{Fault, body_text, visible};
use super::host::may_follow;
use crate::model::credentials::Credentials;
use crate::model::secret::Secret;

/// What has been learned of hosts, and the tokens that are still good.
#[derive(Debug, Default)]
pub(super) struct Auth {
    challenges: Mutex<HashMap<String, Challenge>>,
    tokens: Mutex<HashMap<(String, Scope), Slot>>,
}

type Slot = Arc<AsyncMutex<Option<Token>>>;

#[derive(Debug, Clone)]
struct Token {
    value: Authorization,
    until: Instant,
}

/// The value of an `Authorization` header.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Authorization(Secret);

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(…)")
    }
}

impl Authorization {
    fn basic(user: &str, password: &Secret) -> Self {
        let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
        Self(Secret::new(format!("Basic {pair}")))
    }

    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(self.0.expose()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// What a token must allow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope(String);

impl Scope {
    pub(super) fn new(path: &str, actions: &str) -> Self {
        Self(format!("repository:{path}:{actions}"))
    }
}

/// Tokens are renewed this long before they end.
const MARGIN: Duration = Duration::from_secs(10);
/// The largest answer of a token server, in bytes.
const LIMIT: u64 = 1 << 20;

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Registry {
    /// Remembers how `host` wants to be asked.
    pub(super) fn learn(&self, host: &str, challenge: Challenge) {
        let mut known = self
            .auth
            .challenges
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.insert(host.to_owned(), challenge);
    }

    /// The header for a request to the registry `host`; none while it has not asked for one, or
    /// when it wants a password and none is stored. `rejected` has just been refused, with the
    /// challenge to ask for the scope `asked`, which may be named otherwise than `scope`.
    pub(super) async fn authorization(
        &self,
        host: &str,
        base: &Url,
        scope: &Scope,
        rejected: Option<&Authorization>,
        asked: Option<&str>,
    ) -> Result<Option<Authorization>, Fault> {
        let challenge = {
            let known = self.auth.challenges.lock();
            let known = known.unwrap_or_else(PoisonError::into_inner);
            known.get(host).cloned()
        };
        match challenge {
            None => Ok(None),
            Some(Challenge::Basic) => match self.store.get(host).await? {
                None => Ok(None),
                Some(Credentials::Password { user, password }) => {
                    Ok(Some(Authorization::basic(&user, &password)))
                }
                Some(Credentials::IdentityToken(_)) => Err(Fault::Credentials {
                    host: host.to_owned(),
                    text: "it wants a password, and an identity token is stored".to_owned(),
                }),
            },
            Some(bearer @ Challenge::Bearer { .. }) => {
                let slot = {
                    let tokens = self.auth.tokens.lock();
                    let mut tokens = tokens.unwrap_or_else(PoisonError::into_inner);
                    Arc::clone(tokens.entry((host.to_owned(), scope.clone())).or_default())
                };
                // Held while the token is fetched: parallel requests wait for the one fetch.
                let mut token = slot.lock().await;
                if let Some(good) = token.as_ref()
                    && good.until > Instant::now()
                    && Some(&good.value) != rejected
                {
                    return Ok(Some(good.value.clone()));
                }
                let fresh = self
                    .token(host, base, asked.unwrap_or(&scope.0), &bearer)
                    .await?;
                *token = Some(fresh.clone());
                Ok(Some(fresh.value))
            }
        }
    }

    /// Fetches a token; without a stored login, an anonymous one.
    async fn token(
        &self,
        host: &str,
        base: &Url,
        scope: &str,
        challenge: &Challenge,
    ) -> Result<Token, Fault> {
        let credentials = self.store.get(host).await?;
        let request = token_request(host, base, scope, challenge, credentials.as_ref())?;
        let what = format!("a token from {}", super::host::authority(request.url()));
        let asked = Instant::now();
        let response = self.exchange(request).await?;
        let status = response.status();
        let body = read(response, LIMIT, self.response_timeout, &what).await?;
        if !status.is_success() {
            let text = body_text(&body);
            return Err(match status.as_u16() {
                400 | 401 if credentials.is_some() => Fault::Unauthorized {
                    host: host.to_owned(),
                    stored: true,
                    text,
                },
                401 => Fault::Unauthorized {
                    host: host.to_owned(),
                    stored: false,
                    text,
                },
                403 => Fault::Forbidden {
                    host: host.to_owned(),
                    what,
                    text,
                },
                status => Fault::Server { what, status, text },
            });
        }
        let answer = serde_json::from_slice::<TokenAnswer>(&body).ok();
        let lifetime = answer.as_ref().and_then(|answer| answer.expires_in);
        let token = answer
            .and_then(|answer| answer.token.or(answer.access_token))
            .filter(|token| !token.is_empty() && HeaderValue::from_str(token).is_ok())
            .ok_or_else(|| Fault::Answer {
                what,
                text: "there is no token in it".to_owned(),
            })?;
        // The specification's default; a day at most, so that the sum cannot overflow.
        let lifetime = Duration::from_secs(lifetime.unwrap_or(60).min(86_400));
        Ok(Token {
            value: Authorization(Secret::new(format!("Bearer {token}"))),
            until: asked + lifetime.saturating_sub(MARGIN),
        })
    }
}

/// `GET realm?service&scope` with the password, or for an identity token `POST` with the refresh
/// grant.
fn token_request(
    host: &str,
    base: &Url,
    scope: &str,
    challenge: &Challenge,
    credentials: Option<&Credentials>,
) -> Result<Request, Fault> {
    let refuse = |text: String| Fault::Answer {
        what: host.to_owned(),
        text,
    };
    let Challenge::Bearer { realm, service, .. } = challenge else {
        return Err(refuse("no token server".to_owned()));
    };
    let url: Url = realm
        .parse()
        .map_err(|_| refuse(format!("its token server is `{}`", visible(realm))))?;
    if !may_follow(base, &url) {
        return Err(refuse(format!(
            "its token server {} is not behind https",
            visible(realm)
        )));
    }
    let mut fields = vec![("scope", scope)];
    if let Some(service) = service {
        fields.push(("service", service));
    }
    if let Some(Credentials::IdentityToken(token)) = credentials {
        fields.push(("grant_type", "refresh_token"));
        fields.push(("client_id", "devenv"));
        fields.push(("refresh_token", token.expose()));
        let mut form = url.clone();
        form.set_query(None);
        form.query_pairs_mut().extend_pairs(fields);
        let mut request = Request::new(Method::POST, url);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        *request.body_mut() = Some(form.query().unwrap_or_default().to_owned().into());
        return Ok(request);
    }
    let mut request = Request::new(Method::GET, url);
    request.url_mut().query_pairs_mut().extend_pairs(fields);
    if let Some(Credentials::Password { user, password }) = credentials
        && let Some(header) = Authorization::basic(user, password).header()
    {
        let name = reqwest::header::AUTHORIZATION;
        request.headers_mut().insert(name, header);
    }
    Ok(request)
}
