//! Takes secrets out of requests before anything is kept: by value, wherever they stand; and all that may be one
//! by its place. Pure.

mod lines;

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::recorded::{Body, Recorded};
use super::target::Target;
use crate::model::redaction::{Redaction, Tokens};
use crate::model::secret::Secret;

/// In place of what was taken out.
pub const GONE: &str = "REDACTED";

/// Fields whose values are logins: the same value becomes the same word.
const LOGINS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "x-auth-token",
    "x-access-token",
];

/// Fields whose values are kept, as far as they hold no secret by value. Of all others the name alone.
const HARMLESS: [&str; 14] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "host",
    "if-modified-since",
    "pragma",
    "range",
    "upgrade-insecure-requests",
    "user-agent",
    "x-requested-with",
];

/// What parameters are called that hold secrets: parts of their names.
const TELLING: [&str; 21] = [
    "access",
    "apikey",
    "api_key",
    "api-key",
    "assertion",
    "auth",
    "credential",
    "csrf",
    "jwt",
    "pass",
    "pwd",
    "saml",
    "secret",
    "sess",
    "sid",
    "sig",
    "ticket",
    "token",
    "xsrf",
    "otp",
    "login",
];

/// And those that are called exactly so.
const TELLING_WHOLE: [&str; 4] = ["code", "key", "pin", "state"];

/// Takes secrets out. Values of cookies become `v1`, `v2`, …, and those of logins `a1`, …: the same value the
/// same word, so that sessions can still be told apart.
#[derive(Debug, Default)]
pub struct Scrub {
    redaction: Redaction,
    cookies: BTreeMap<(String, String), String>,
    logins: BTreeMap<String, String>,
    sessions: BTreeMap<String, String>,
}

impl Scrub {
    /// One that knows these values, and says the same word for all of them.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let nameless = secrets.into_iter().map(|it| (String::new(), it));
        Self::with(Redaction::new(nameless, Tokens::Word(GONE)))
    }

    /// One that says what this says in place of values.
    pub fn with(redaction: Redaction) -> Self {
        Self {
            redaction,
            ..Self::default()
        }
    }

    /// What it knows.
    pub fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// The text without any secret that is known.
    pub fn text(&self, text: &str) -> String {
        self.redaction.text(text)
    }

    /// The request as it may be kept.
    #[must_use]
    pub fn request(&mut self, request: Recorded) -> Recorded {
        let cookies = request.headers.iter().filter(|it| is(it, "cookie"));
        let cookies: Vec<(String, String)> = cookies.flat_map(|it| pairs(&it.1)).collect();
        let session = self.session(&request.session, &cookies);
        let headers = request.headers.iter().map(|it| self.field(it)).collect();
        Recorded {
            session,
            headers,
            target: self.target(&request.target),
            body: request.body.map(|it| self.body(&it)),
            ..request
        }
    }

    /// One client's requests are one session, and so are those with the same session cookie.
    fn session(&mut self, client: &str, cookies: &[(String, String)]) -> String {
        let is_session = |(name, _): &&(String, String)| {
            let name = name.to_ascii_lowercase();
            name.contains("sess") || name == "sid"
        };
        let key = match cookies.iter().find(is_session) {
            Some((name, value)) if !client.is_empty() => format!("{name}={value}"),
            _ => client.to_owned(),
        };
        let next = format!("s{}", self.sessions.len() + 1);
        self.sessions.entry(key).or_insert(next).clone()
    }

    fn field(&mut self, field: &(String, String)) -> (String, String) {
        let (name, value) = field;
        let low = name.to_ascii_lowercase();
        let kept = if low == "cookie" {
            let all = pairs(value).into_iter().map(|it| self.cookie(it));
            all.collect::<Vec<_>>().join("; ")
        } else if low == "referer" {
            let target = Target::parse(value).ok();
            target.map_or_else(|| GONE.to_owned(), |it| self.target(&it).line())
        } else if HARMLESS.contains(&low.as_str()) {
            self.text(value)
        } else if LOGINS.contains(&low.as_str()) {
            self.login(value)
        } else {
            GONE.to_owned()
        };
        (self.text(name), kept)
    }

    fn cookie(&mut self, (name, value): (String, String)) -> String {
        let key = (self.text(&name), self.text(&value));
        let next = format!("v{}", self.cookies.len() + 1);
        let name = key.0.clone();
        let word = self.cookies.entry(key).or_insert(next);
        format!("{name}={word}")
    }

    fn login(&mut self, value: &str) -> String {
        let next = format!("{GONE} a{}", self.logins.len() + 1);
        let word = self.logins.entry(self.text(value)).or_insert(next);
        word.clone()
    }

    fn target(&self, target: &Target) -> Target {
        let path = self.text(&without_sessions(&target.path));
        let query = target.query.as_deref().map(|it| self.parameters(it));
        let cleaned = Target {
            host: target.host.clone(),
            path,
            query,
        };
        // What is left may be a path that means another one: `/a/..`.
        match Target::parse(&cleaned.line()) {
            Ok(read) => Target {
                host: cleaned.host,
                ..read
            },
            Err(_) => cleaned,
        }
    }

    /// `a=1&password=x`: values of names that tell are gone, all others are searched.
    fn parameters(&self, text: &str) -> String {
        let one = |part: &str| match part.split_once('=') {
            Some((name, _)) if tells(name) => format!("{name}={GONE}"),
            _ => part.to_owned(),
        };
        let text = self.text(text);
        text.split('&').map(one).collect::<Vec<_>>().join("&")
    }

    fn body(&self, body: &Body) -> Body {
        let media_type = body.media_type.to_ascii_lowercase();
        let text = if media_type.starts_with("application/x-www-form-urlencoded") {
            self.parameters(&body.text)
        } else if media_type.contains("json") {
            match serde_json::from_str::<serde_json::Value>(&body.text) {
                Ok(mut value) => {
                    self.json(&mut value);
                    value.to_string()
                }
                Err(_) => GONE.to_owned(),
            }
        } else {
            // Files and the like: nobody knows what is in them.
            GONE.to_owned()
        };
        Body {
            media_type: self.text(&body.media_type),
            text,
        }
    }

    fn json(&self, value: &mut serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(all) => all.iter_mut().for_each(|it| self.json(it)),
            Value::Object(fields) => {
                let all = std::mem::take(fields).into_iter();
                *fields = all
                    .map(|(name, mut value)| {
                        if tells(&name) {
                            value = GONE.into();
                        } else {
                            self.json(&mut value);
                        }
                        (self.text(&name), value)
                    })
                    .collect();
            }
            Value::Number(_) => *value = self.redaction.json(value.take()),
            Value::Null | Value::Bool(_) => {}
        }
    }
}

fn is(field: &(String, String), name: &str) -> bool {
    field.0.eq_ignore_ascii_case(name)
}

fn tells(name: &str) -> bool {
    let name = percent_decode_str(name)
        .decode_utf8_lossy()
        .to_ascii_lowercase();
    TELLING.iter().any(|it| name.contains(it)) || TELLING_WHOLE.contains(&name.as_str())
}

/// Names and values of a `Cookie` field.
pub fn pairs(value: &str) -> Vec<(String, String)> {
    let all = value.split(';').map(str::trim).filter(|it| !it.is_empty());
    all.map(|it| {
        let (name, value) = it.split_once('=').unwrap_or(("", it));
        (name.trim().to_owned(), value.trim().to_owned())
    })
    .collect()
}

/// Servlet containers put sessions into paths: `/billing;jsessionid=…`.
fn without_sessions(path: &str) -> String {
    let segment = |it: &str| {
        let mut parts = it.split(';');
        let first = parts.next().unwrap_or_default().to_owned();
        let kept = parts.filter(|it| !tells(it.split('=').next().unwrap_or_default()));
        kept.fold(first, |whole, it| format!("{whole};{it}"))
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
