//! Takes secrets out of requests before anything is kept: by value, wherever they stand; and all that may be one
//! by its place. Pure.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::recorded::{Body, Recorded};
use super::target::Target;
use crate::model::secret::Secret;

/// In place of what was taken out.
pub const GONE: &str = "REDACTED";

/// Shorter values are not searched: they are in every text.
pub const SHORTEST: usize = 4;

/// Shorter values are not searched in base64.
const SHORTEST_PACKED: usize = 6;

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

/// Takes secrets out. Values of cookies become `v1`, `v2`, …: the same value the same word, so that sessions
/// can still be told apart.
#[derive(Debug, Default)]
pub struct Scrub {
    /// Longest first.
    needles: Vec<String>,
    plain: Vec<Secret>,
    cookies: BTreeMap<(String, String), String>,
    sessions: BTreeMap<String, String>,
}

impl Scrub {
    /// One that knows these values.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let is_searched = |it: &Secret| it.expose().len() >= SHORTEST;
        let plain: Vec<Secret> = secrets.into_iter().filter(is_searched).collect();
        let needles: BTreeSet<String> = plain.iter().flat_map(|it| forms(it.expose())).collect();
        let mut needles: Vec<String> = needles.into_iter().collect();
        needles.sort_by_key(|it| std::cmp::Reverse(it.len()));
        Self {
            needles,
            plain,
            ..Self::default()
        }
    }

    /// The text without any secret that is known.
    pub fn text(&self, text: &str) -> String {
        let mut found = text.to_owned();
        for needle in &self.needles {
            if found.contains(needle) {
                found = found.replace(needle, GONE);
            }
        }
        // However it is escaped, and as forms write blanks.
        let is_in = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8_lossy();
            self.plain.iter().any(|it| decoded.contains(it.expose()))
        };
        if is_in(&found) || is_in(&found.replace('+', " ")) {
            return GONE.to_owned();
        }
        found
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
        } else {
            GONE.to_owned()
        };
        (self.text(name), kept)
    }

    fn cookie(&mut self, cookie: (String, String)) -> String {
        let name = self.text(&cookie.0);
        let next = format!("v{}", self.cookies.len() + 1);
        let word = self.cookies.entry(cookie).or_insert(next);
        format!("{name}={word}")
    }

    fn target(&self, target: &Target) -> Target {
        let path = without_sessions(&target.path);
        let segments: Vec<String> = path.split('/').map(|it| self.text(it)).collect();
        let query = target.query.as_deref().map(|it| self.parameters(it));
        let cleaned = Target {
            host: target.host.clone(),
            path: segments.join("/"),
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
            Some((name, _)) if tells(name) => format!("{}={GONE}", self.text(name)),
            // Plus is a space there.
            Some((name, value)) if self.text(&value.replace('+', " ")).contains(GONE) => {
                format!("{}={GONE}", self.text(name))
            }
            _ => self.text(part),
        };
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
                for (name, value) in fields.iter_mut() {
                    if tells(name) {
                        *value = GONE.into();
                    } else {
                        self.json(value);
                    }
                }
            }
            Value::Number(number)
                if self
                    .plain
                    .iter()
                    .any(|it| it.expose() == number.to_string()) =>
            {
                *value = GONE.into();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
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

/// Characters that encoders of URLs leave as they are: RFC 3986's, JavaScript's, and none.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const JAVASCRIPT: &AsciiSet = &UNRESERVED
    .remove(b'!')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// How a value may be written in a request.
fn forms(value: &str) -> Vec<String> {
    let mut found = vec![value.to_owned()];
    for set in [NON_ALPHANUMERIC, UNRESERVED, JAVASCRIPT] {
        let encoded = utf8_percent_encode(value, set).to_string();
        for encoded in [lower_escapes(&encoded), encoded] {
            found.push(encoded.replace("%20", "+"));
            found.push(encoded);
        }
    }
    let quoted = serde_json::to_string(value).unwrap_or_default();
    found.push(quoted.trim_matches('"').to_owned());
    if value.len() >= SHORTEST_PACKED {
        for alphabet in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
            let engine = GeneralPurpose::new(alphabet, NO_PAD);
            found.extend((0..3).map(|before| packed(&engine, value.as_bytes(), before)));
        }
    }
    found.retain(|it| it.len() >= SHORTEST);
    found
}

/// Hexadecimal digits of escapes in small letters, as some write them.
fn lower_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let mut lowered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.len().min(2));
        lowered.extend(["%", &digits.to_ascii_lowercase(), rest]);
    }
    lowered
}

/// The characters that a value gives in base64 whatever stands after it and so many bytes before it.
fn packed(engine: &GeneralPurpose, value: &[u8], before: usize) -> String {
    let whole = [&vec![0; before][..], value].concat();
    let text = engine.encode(&whole);
    let begin = (before * 8).div_ceil(6);
    let end = whole.len() * 8 / 6;
    text.get(begin..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
