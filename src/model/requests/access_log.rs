//! Apache's access log, `combined` or `vhost_combined`. It has no bodies and few headers. Pure.
//!
//! Source: Apache HTTP Server 2.4, `mod_log_config`; Debian's `apache2.conf` for `vhost_combined`.

use jiff::Timestamp;

use super::recorded::{Reading, Recorded, request_line, skipped};
use super::target::Target;
use crate::model::text::HostName;

/// Bytes of one line.
const LONGEST: usize = 64 << 10;

/// What one line is.
#[derive(Debug, PartialEq)]
pub enum Entry {
    /// A request.
    Request(Box<Recorded>),
    /// A line of the log, but what was sent is no request.
    NoRequest,
    /// A request of devenv, or one of the machine to itself.
    Own,
}

/// Reads lines; empty ones are none.
///
/// # Errors
/// The number of a line that is of no access log, from 1.
pub fn read(text: &str) -> Result<Reading, usize> {
    let mut reading = Reading::default();
    for (index, text) in text.lines().enumerate().filter(|(_, it)| !it.is_empty()) {
        take(&mut reading, line(text).ok_or(index + 1)?);
    }
    Ok(reading)
}

/// Adds what a line is to what was read.
pub fn take(reading: &mut Reading, entry: Entry) {
    match entry {
        Entry::Request(request) => reading.add(*request),
        Entry::NoRequest => reading.skip(skipped::NO_REQUEST),
        Entry::Own => reading.skip(skipped::OWN),
    }
}

/// One line; `None`: it is of no access log.
pub fn line(text: &str) -> Option<Entry> {
    if text.len() > LONGEST {
        return None;
    }
    let (left, rest) = text.split_once(" [")?;
    let (time, rest) = rest.split_once("] ")?;
    let at = Timestamp::strptime("%d/%b/%Y:%H:%M:%S %z", time).ok()?;
    let words: Vec<&str> = left.split(' ').collect();
    let (site, client, user) = match words.as_slice() {
        [client, _, user] => (None, *client, *user),
        [site, client, _, user] => (Some(*site), *client, *user),
        _ => return None,
    };
    let (request, rest) = quoted(rest)?;
    let mut words = rest.split_whitespace();
    let status: u16 = words.next()?.parse().ok()?;
    let size = words.next()?;
    if size != "-" && size.parse::<u64>().is_err() {
        return None;
    }
    let mut fields = Vec::new();
    let after = rest.find('"').map_or("", |at| &rest[at..]);
    let (referer, after) = quoted(after).unwrap_or_default();
    let (agent, _) = quoted(after).unwrap_or_default();
    for (name, value) in [("Referer", referer), ("User-Agent", agent)] {
        if !value.is_empty() && value != "-" {
            fields.push((name.to_owned(), value));
        }
    }
    let agent = fields.last().map_or("", |(_, value)| value);
    let is_loopback = client == "::1" || client.starts_with("127.");
    if is_loopback || agent.starts_with("devenv") {
        return Some(Entry::Own);
    }
    let Some((method, target)) = request_line(&request) else {
        return Some(Entry::NoRequest);
    };
    Some(Entry::Request(Box::new(Recorded {
        session: format!("{client} {user} {agent}"),
        at: Some(at),
        method,
        target: at_site(target, site),
        headers: fields,
        body: None,
        status: Some(status),
        milliseconds: None,
    })))
}

/// `vhost_combined` begins with the name and the port of the virtual host.
fn at_site(mut target: Target, site: Option<&str>) -> Target {
    let name = site.map(|it| it.split(':').next().unwrap_or_default());
    let name = name.filter(|it| *it != "localhost");
    if target.host.is_none() {
        target.host = name.and_then(|it| HostName::new(it).ok());
    }
    target
}

/// A text in quotes as Apache escapes it, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let rest = text.trim_start().strip_prefix('"')?;
    let mut found = Vec::new();
    let mut bytes = rest.bytes().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let text = String::from_utf8_lossy(&found).into_owned();
                return Some((text, &rest[index + 1..]));
            }
            b'\\' => match bytes.next()?.1 {
                b'n' => found.push(b'\n'),
                b't' => found.push(b'\t'),
                b'r' => found.push(b'\r'),
                b'x' => {
                    let digit = |it: u8| char::from(it).to_digit(16);
                    let (high, low) = (digit(bytes.next()?.1)?, digit(bytes.next()?.1)?);
                    found.push(u8::try_from(high * 16 + low).ok()?);
                }
                other => found.push(other),
            },
            other => found.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "10.0.0.7 - anna [01/Mar/2026:13:55:36 +0100] \"GET /billing?a=1 HTTP/1.1\" 200 23 \
        \"http://www.acme.example/\" \"Mozilla \\\"x\\\" \\xc3\\xa9\"";

    fn request(text: &str) -> Recorded {
        match line(text) {
            Some(Entry::Request(request)) => *request,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn combined_lines_are_read() {
        let found = request(LINE);
        assert_eq!(found.method, "GET");
        assert_eq!(found.target.line(), "/billing?a=1");
        assert_eq!(found.status, Some(200));
        assert_eq!(found.at.unwrap().to_string(), "2026-03-01T12:55:36Z");
        assert_eq!(found.headers[1].1, "Mozilla \"x\" é");
        let other = request(&format!("shop.example:443 {LINE}"));
        assert_eq!(other.target.host.unwrap().as_str(), "shop.example");
        // The common format, and what follows of other formats.
        let (common, _) = LINE.split_once(" \"http").unwrap();
        assert_eq!(request(common).headers, []);
        request(&format!("{LINE} 1234"));
        request(&LINE.replace(" 200 23 ", " 304 - "));
    }

    #[test]
    fn what_is_no_request_is_counted_and_what_is_no_line_refused() {
        for sent in [
            "-",
            "\\x16\\x03\\x01",
            "GET /x",
            "get / HTTP/1.1",
            "OPTIONS * HTTP/1.1",
        ] {
            let text = LINE.replace("GET /billing?a=1 HTTP/1.1", sent);
            assert_eq!(line(&text), Some(Entry::NoRequest), "{sent}");
        }
        assert_eq!(
            line(&LINE.replace("10.0.0.7", "127.0.0.1")),
            Some(Entry::Own)
        );
        assert_eq!(line(&LINE.replace("Mozilla", "devenv")), Some(Entry::Own));
        let post = LINE.replace("GET", "POST");
        let reading = read(&format!("{LINE}\n\n{post}\n")).unwrap();
        assert_eq!(reading.requests.len(), 1);
        assert_eq!(reading.skipped[skipped::NO_BODY], 1);
        assert_eq!(read(&format!("{LINE}\nwhat\n")), Err(2));
        assert_eq!(line(&LINE.replace("Mar", "Foo")), None);
        assert_eq!(line(&format!("{LINE}{}", "x".repeat(LONGEST))), None);
    }

    proptest::proptest! {
        /// Whatever a line is: it is read or not, and nothing panics.
        #[test]
        fn any_line_is_judged(text in "\\PC{0,200}", cut in 0..160_usize) {
            let _ = line(&text);
            let mixed: String = LINE.chars().take(cut).chain(text.chars()).collect();
            let _ = line(&mixed);
        }
    }
}
