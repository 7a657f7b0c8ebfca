//! A request that somebody made, as sources tell it, and what a source as a whole gave.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::target::Target;

/// Bytes that a source may have.
pub const LARGEST: u64 = 256 << 20;

/// Requests that are taken from one source.
pub const MOST: usize = 200_000;

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Who made it, as far as the source tells clients apart: requests of one session stay in order.
    pub session: String,
    /// When, where the source says.
    pub at: Option<Timestamp>,
    /// In capitals.
    pub method: String,
    /// What was asked.
    pub target: Target,
    /// Fields of the request in their order.
    pub headers: Vec<(String, String)>,
    /// What was sent, where the source has it.
    pub body: Option<Body>,
    /// What it was answered with.
    pub status: Option<u16>,
    /// How long that took.
    pub milliseconds: Option<f64>,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Its media type.
    pub media_type: String,
    /// Its text.
    pub text: String,
}

/// What a source gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// The requests, in the order of the source.
    pub requests: Vec<Recorded>,
    /// How many entries were left out, by the reason.
    pub skipped: BTreeMap<&'static str, usize>,
}

/// Why entries are left out.
pub mod skipped {
    /// What no client of HTTP sends: a port scan, an end before a request.
    pub const NO_REQUEST: &str = "no HTTP request";
    /// A method whose body the source does not have.
    pub const NO_BODY: &str = "a method with a body that the source does not have";
    /// devenv's own requests, and those that a container makes to itself.
    pub const OWN: &str = "health checks and requests of devenv";
    /// Another site's.
    pub const ELSEWHERE: &str = "other sites (`--site HOST` takes one more)";
    /// A line of another kind among an instance's.
    pub const OTHER: &str = "lines that are no access log";
    /// Beyond the limit.
    pub const TOO_MANY: &str = "too many requests";
}

impl Reading {
    /// Counts one that is left out.
    pub fn skip(&mut self, why: &'static str) {
        *self.skipped.entry(why).or_default() += 1;
    }

    /// Adds a request; one without its body is left out, as is what is too much.
    pub fn add(&mut self, request: Recorded) {
        let is_complete = request.body.is_some() || !has_body(&request.method);
        if !is_complete {
            self.skip(skipped::NO_BODY);
        } else if self.requests.len() >= MOST {
            self.skip(skipped::TOO_MANY);
        } else {
            self.requests.push(request);
        }
    }
}

/// Whether requests of this method change something. Source: RFC 9110, 9.2.1.
pub fn is_safe(method: &str) -> bool {
    ["GET", "HEAD", "OPTIONS", "TRACE"].contains(&method)
}

fn has_body(method: &str) -> bool {
    ["POST", "PUT", "PATCH"].contains(&method)
}

/// Method and target of a request line: `GET /billing HTTP/1.1`.
pub fn request_line(line: &str) -> Option<(String, Target)> {
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_method =
        (1..=16).contains(&method.len()) && method.bytes().all(|it| it.is_ascii_uppercase());
    if !is_method || !version.starts_with("HTTP/") || words.next().is_some() {
        return None;
    }
    Some((method.to_owned(), Target::parse(target).ok()?))
}
