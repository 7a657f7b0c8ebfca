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

use super::call::{Call, Scope};
use super::challenge::Challenge;
use super::credentials::CredentialStore;
use super::exchange::{Wire, read};
use super::fault::{Fault, body_text};
use super::host::{authority, may_follow};
use super::patience::busy;
use crate::model::credentials::Credentials;
use crate::model::insecure_registries::InsecureRegistries;
use crate::model::secret::Secret;
use crate::model::visible::without_login;

/// Stored logins, what has been learned of hosts, and the tokens that are still good.
#[derive(Debug)]
pub(super) struct Auth {
    pub(super) store: CredentialStore,
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

impl Auth {
    pub(super) fn new(store: CredentialStore) -> Self {
        Self {
            store,
            challenges: Mutex::default(),
            tokens: Mutex::default(),
        }
    }

    /// Remembers how `host` wants to be asked.
    pub(super) fn learn(&self, host: &str, challenge: Challenge) {
        let known = self.challenges.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        known.insert(host.to_owned(), challenge);
    }

    /// The header for a call; none while its registry has not asked for one, or when it wants a
    /// password and none is stored. `rejected` has just been refused, with the challenge to ask for
    /// the scope `asked`, which may be named otherwise than the call's.
    pub(super) async fn authorization(
        &self,
        wire: &Wire,
        call: &Call,
        rejected: Option<&Authorization>,
        asked: Option<&str>,
    ) -> Result<Option<Authorization>, Fault> {
        let (host, scope) = (&call.host.name, &call.scope);
        let challenge = {
            let known = self.challenges.lock();
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
                    host: host.clone(),
                    text: "it wants a password, and an identity token is stored".to_owned(),
                }),
            },
            Some(bearer @ Challenge::Bearer { .. }) => {
                let slot = {
                    let tokens = self.tokens.lock();
                    let mut tokens = tokens.unwrap_or_else(PoisonError::into_inner);
                    Arc::clone(tokens.entry((host.clone(), scope.clone())).or_default())
                };
                // Held while the token is fetched: parallel requests wait for the one fetch.
                let mut token = slot.lock().await;
                if let Some(good) = token.as_ref()
                    && good.until > Instant::now()
                    && Some(&good.value) != rejected
                {
                    return Ok(Some(good.value.clone()));
                }
                let scope = asked.unwrap_or(scope.as_str());
                let fresh = self.token(wire, call, scope, &bearer).await?;
                *token = Some(fresh.clone());
                Ok(Some(fresh.value))
            }
        }
    }

    /// Fetches a token; without a stored login, an anonymous one.
    async fn token(
        &self,
        wire: &Wire,
        call: &Call,
        scope: &str,
        challenge: &Challenge,
    ) -> Result<Token, Fault> {
        let host = call.host.name.as_str();
        let credentials = self.store.get(host).await?;
        let request = token_request(
            call,
            scope,
            challenge,
            credentials.as_ref(),
            &wire.transport.insecure,
        )?;
        let what = format!("a token from {}", authority(request.url()));
        let asked = Instant::now();
        let response = wire.exchange(request).await?;
        let status = response.status();
        if let Some(busy) = busy(&response) {
            return Err(busy);
        }
        let body = read(response, LIMIT, wire.patience, &what).await?;
        if !status.is_success() {
            let text = body_text(&body);
            return Err(match status.as_u16() {
                400 | 401 if credentials.is_some() => Fault::Unauthorized {
                    host: host.into(),
                    stored: true,
                    text,
                },
                401 => Fault::Unauthorized {
                    host: host.into(),
                    stored: false,
                    text,
                },
                403 => Fault::Forbidden {
                    host: host.into(),
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
    call: &Call,
    scope: &str,
    challenge: &Challenge,
    credentials: Option<&Credentials>,
    insecure: &InsecureRegistries,
) -> Result<Request, Fault> {
    let refuse = |text: String| Fault::Answer {
        what: call.host.name.clone(),
        text,
    };
    let Challenge::Bearer { realm, service, .. } = challenge else {
        return Err(refuse("no token server".to_owned()));
    };
    let url: Url = realm
        .parse()
        .map_err(|_| refuse(format!("its token server is `{}`", without_login(realm))))?;
    if !may_follow(&call.home, &url, insecure) {
        return Err(refuse(format!(
            "its token server {} is not behind https",
            without_login(realm)
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
