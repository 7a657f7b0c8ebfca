//! Apache's `mod_log_forensic`: every header of every request, no body. Pure.
//!
//! `+id|request line|Name:value|…` when a request begins, `-id` when it is over. Control characters, `:` and
//! `|` are written as `%xx`. Source: Apache HTTP Server 2.4, `mod_log_forensic.c`.

use jiff::Timestamp;

use super::recorded::{Reading, Recorded, request_line, skipped};
use super::target::Target;

/// Bytes of one line.
const LONGEST: usize = 256 << 10;

/// Fields of one request.
const MOST: usize = 200;

/// Reads lines.
///
/// # Errors
/// The number of a line that is of no such log, from 1.
pub(super) fn read(text: &str) -> Result<Reading, usize> {
    let mut reading = Reading::default();
    for (index, text) in text.lines().enumerate().filter(|(_, it)| !it.is_empty()) {
        if text.starts_with('-') && !text.contains('|') {
            continue;
        }
        match line(text).ok_or(index + 1)? {
            Entry::Request(request) if is_own(&request) => reading.skip(skipped::OWN),
            Entry::Request(request) => reading.add(*request),
            Entry::NoRequest => reading.skip(skipped::NO_REQUEST),
        }
    }
    Ok(reading)
}

fn is_own(request: &Recorded) -> bool {
    field(request, "User-Agent").is_some_and(|it| it.starts_with("devenv"))
}

fn field<'r>(request: &'r Recorded, name: &str) -> Option<&'r str> {
    let mut all = request.headers.iter();
    all.find(|it| it.0.eq_ignore_ascii_case(name))
        .map(|it| it.1.as_str())
}

/// What one line is.
enum Entry {
    Request(Box<Recorded>),
    /// What was sent is none.
    NoRequest,
}

/// The request that begins in a line; `None`: the line is of no such log.
fn line(text: &str) -> Option<Entry> {
    let rest = text.strip_prefix('+').filter(|_| text.len() <= LONGEST)?;
    let mut parts = rest.split('|');
    let (id, asked) = (parts.next()?, parts.next()?);
    let mut headers = Vec::new();
    for part in parts {
        let (name, value) = part.split_once(':')?;
        if headers.len() >= MOST {
            return None;
        }
        let name = plain(name);
        if !name.starts_with(':') {
            headers.push((name, plain(value)));
        }
    }
    // A colon that was escaped in a path means the same there.
    let Some((method, target)) = request_line(asked) else {
        return Some(Entry::NoRequest);
    };
    let mut request = Recorded {
        session: String::new(),
        at: began(id),
        method,
        target,
        headers,
        body: None,
        status: None,
        milliseconds: None,
    };
    if let Some(host) = field(&request, "Host") {
        let named = Target::parse(&format!("http://{host}/")).ok();
        request.target.host = request.target.host.or(named.and_then(|it| it.host));
    }
    let clients = ["Host", "X-Forwarded-For", "User-Agent"];
    let clients = clients.map(|it| field(&request, it).unwrap_or_default());
    request.session = clients.join(" ");
    Some(Entry::Request(Box::new(request)))
}

/// Without `mod_unique_id` the second part of an id is the time in hexadecimal seconds.
fn began(id: &str) -> Option<Timestamp> {
    let mut parts = id.split(':');
    let (_, seconds, _) = (parts.next()?, parts.next()?, parts.next()?);
    let seconds = i64::from_str_radix(seconds, 16).ok()?;
    Timestamp::from_second(seconds).ok()
}

/// Only what the module itself escapes, which it does with small digits; `%3A` is the client's own.
fn plain(text: &str) -> String {
    text.replace("%3a", ":")
        .replace("%7c", "|")
        .replace("%09", "\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "+4f2a:69a43b58:1|GET /billing?x=%3A HTTP/1.1|Host:shop.example%3a8080|\
        User-Agent:Mozilla|Cookie:JSESSIONID=abc|Accept:*/*";

    #[test]
    fn headers_are_read() {
        let reading = read(&format!("{LINE}\n-4f2a:69a43b58:1\n")).unwrap();
        let [request] = reading.requests.as_slice() else {
            panic!("{reading:?}");
        };
        assert_eq!(request.target.line(), "/billing?x=%3A");
        assert_eq!(
            request.target.host.as_ref().unwrap().as_str(),
            "shop.example"
        );
        assert_eq!(field(request, "cookie"), Some("JSESSIONID=abc"));
        assert_eq!(request.at.unwrap().as_second(), 0x69a4_3b58);
    }

    #[test]
    fn what_is_no_request_is_counted_and_what_is_no_line_refused() {
        let with = |asked: &str| read(&LINE.replace("GET /billing?x=%3A HTTP/1.1", asked)).unwrap();
        assert_eq!(with("what").skipped[skipped::NO_REQUEST], 1);
        assert_eq!(with("POST / HTTP/1.1").skipped[skipped::NO_BODY], 1);
        let own = read(&LINE.replace("Mozilla", "devenv")).unwrap();
        assert_eq!(own.skipped[skipped::OWN], 1);
        for wrong in ["what", "+id", "+id|GET / HTTP/1.1|nothing", "-id|x"] {
            assert_eq!(read(&format!("{LINE}\n{wrong}")), Err(2), "{wrong}");
        }
        let many = format!("{LINE}{}", "|A:b".repeat(MOST));
        assert_eq!(read(&many), Err(1));
    }

    proptest::proptest! {
        /// Whatever a line is: it is read or refused.
        #[test]
        fn any_line_is_judged(text in "[+-]?(\\PC{0,9}[|:%]){0,30}\\PC{0,9}") {
            let _ = read(&text);
        }
    }
}
