//! `ModSecurity`'s audit log, in its native form: header fields and bodies of requests, where the proxy writes
//! parts A, B, C and F. Pure.
//!
//! Source: `ModSecurity` 2 Data Formats, "Audit Log"; `SecAuditLogParts ABCFHZ`.

use jiff::Timestamp;

use super::recorded::{Body, Reading, Recorded, request_line, skipped};
use super::target::Target;

/// Bytes of one body; a longer one is not taken.
const LONGEST: usize = 1 << 20;

/// Fields of one request.
const MOST: usize = 200;

/// The parts of one transaction that are read.
#[derive(Default)]
struct Transaction<'t> {
    id: &'t str,
    /// The letter of the part that the next lines are of.
    part: char,
    about: &'t str,
    head: Vec<&'t str>,
    body: Option<Vec<&'t str>>,
    answer: &'t str,
}

/// Reads transactions; the last one may be cut.
///
/// # Errors
/// The number of a line that is of no such log, from 1.
pub(super) fn read(text: &str) -> Result<Reading, usize> {
    let mut reading = Reading::default();
    let mut open: Option<Transaction<'_>> = None;
    for (index, line) in text.lines().enumerate() {
        let mark = boundary(line);
        match (&mut open, mark) {
            (None, None) if line.trim().is_empty() => {}
            (None, Some((id, 'A'))) => {
                open = Some(Transaction {
                    id,
                    part: 'A',
                    ..Transaction::default()
                });
            }
            (None, _) => return Err(index + 1),
            (Some(it), Some((id, part))) if id == it.id => {
                it.part = part;
                if part == 'C' {
                    it.body = Some(Vec::new());
                } else if part == 'Z' {
                    add(&mut reading, open.take());
                }
            }
            (Some(it), _) => it.take(line).ok_or(index + 1)?,
        }
    }
    add(&mut reading, open);
    Ok(reading)
}

/// `--8f3c1e5a-B--`: whose part, and which.
fn boundary(line: &str) -> Option<(&str, char)> {
    let inner = line.strip_prefix("--")?.strip_suffix("--")?;
    let (id, part) = inner.rsplit_once('-')?;
    let mut letters = part.chars();
    let letter = letters.next().filter(char::is_ascii_uppercase)?;
    let is_id = !id.is_empty() && id.bytes().all(|it| it.is_ascii_alphanumeric());
    (is_id && letters.next().is_none()).then_some((id, letter))
}

impl<'t> Transaction<'t> {
    /// `None`: there are too many lines.
    fn take(&mut self, line: &'t str) -> Option<()> {
        match self.part {
            'A' if self.about.is_empty() => self.about = line,
            'B' if self.head.len() > MOST => return None,
            'B' if !line.is_empty() => self.head.push(line),
            'C' => self.body.iter_mut().for_each(|it| it.push(line)),
            'F' if self.answer.is_empty() => self.answer = line,
            _ => {}
        }
        Some(())
    }

    /// `None`: what was sent is no request.
    fn request(&self) -> Option<Recorded> {
        let (first, fields) = self.head.split_first()?;
        let (method, mut target) = request_line(first)?;
        let field = |line: &&str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        let headers: Vec<(String, String)> = fields.iter().filter_map(field).collect();
        let named = |name: &str| {
            let found = headers.iter().find(|it| it.0.eq_ignore_ascii_case(name));
            found.map(|it| it.1.clone()).unwrap_or_default()
        };
        let host = Target::parse(&format!("http://{}/", named("Host"))).ok();
        target.host = target.host.or(host.and_then(|it| it.host));
        let (time, rest) = self.about.strip_prefix('[')?.split_once("] ")?;
        let client = rest.split(' ').nth(1).unwrap_or_default();
        // The line break at the end is the log's.
        let body = self
            .body
            .as_ref()
            .map(|it| it.join("\n").trim_end_matches('\n').to_owned());
        let body = body.filter(|it| it.len() <= LONGEST);
        Some(Recorded {
            session: format!("{client} {}", named("User-Agent")),
            at: Timestamp::strptime("%d/%b/%Y:%H:%M:%S%.f %z", time).ok(),
            method,
            target,
            body: body.map(|text| Body {
                media_type: named("Content-Type"),
                text,
            }),
            headers,
            status: self.answer.split(' ').nth(1).and_then(|it| it.parse().ok()),
            milliseconds: None,
        })
    }
}

fn add(reading: &mut Reading, transaction: Option<Transaction<'_>>) {
    let Some(transaction) = transaction else {
        return;
    };
    let is_own = |it: &Recorded| {
        it.session
            .split(' ')
            .nth(1)
            .is_some_and(|it| it.starts_with("devenv"))
    };
    match transaction.request() {
        Some(request) if is_own(&request) => reading.skip(skipped::OWN),
        Some(request) => reading.add(request),
        None => reading.skip(skipped::NO_REQUEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "--8f3c1e5a-A--
[01/Mar/2026:13:55:36.250000 +0100] aaMxaH8AAQEAAB 10.0.0.7 51234 172.18.0.2 80
--8f3c1e5a-B--
POST /billing?x=1 HTTP/1.1
Host: shop.example:8080
Content-Type: application/x-www-form-urlencoded
User-Agent: Mozilla

--8f3c1e5a-C--
a=1
--ffffffff-Z--
b=2

--8f3c1e5a-F--
HTTP/1.1 302 Found
Location: /

--8f3c1e5a-H--
Stopwatch: 1 2 3

--8f3c1e5a-Z--

";

    #[test]
    fn bodies_are_read() {
        let reading = read(&format!("{LOG}{LOG}")).unwrap();
        assert_eq!(reading.requests.len(), 2, "{reading:?}");
        let request = &reading.requests[0];
        assert_eq!(
            (request.method.as_str(), request.status),
            ("POST", Some(302))
        );
        assert_eq!(
            request.target.host.as_ref().unwrap().as_str(),
            "shop.example"
        );
        assert_eq!(request.at.unwrap().to_string(), "2026-03-01T12:55:36.25Z");
        // What looks like another transaction's end is the client's own text.
        assert_eq!(
            request.body.as_ref().unwrap().text,
            "a=1\n--ffffffff-Z--\nb=2"
        );
        assert_eq!(request.session, "10.0.0.7 Mozilla");
    }

    #[test]
    fn what_is_cut_is_taken_and_what_is_no_log_refused() {
        let (cut, _) = LOG.split_once("--8f3c1e5a-F--").unwrap();
        assert_eq!(read(cut).unwrap().requests[0].status, None);
        let (bare, _) = LOG.split_once("--8f3c1e5a-C--").unwrap();
        assert_eq!(read(bare).unwrap().skipped[skipped::NO_BODY], 1);
        let garbage = LOG.replace("POST /billing?x=1 HTTP/1.1", "what");
        assert_eq!(read(&garbage).unwrap().skipped[skipped::NO_REQUEST], 1);
        let own = LOG.replace("Mozilla", "devenv");
        assert_eq!(read(&own).unwrap().skipped[skipped::OWN], 1);
        for (wrong, line) in [("what", 1), ("--8f3c1e5a-B--", 1), ("\n\n--x-A-", 3)] {
            assert_eq!(read(wrong), Err(line), "{wrong}");
        }
        let many = LOG.replace("User-Agent", &"A: b\n".repeat(MOST + 1));
        assert!(read(&many).is_err());
    }

    proptest::proptest! {
        /// Whatever a log holds: it is read or refused.
        #[test]
        fn any_log_is_judged(lines in proptest::collection::vec("(--a-[ABCFZ]--|\\PC{0,20})", 0..30)) {
            let _ = read(&lines.join("\n"));
        }
    }
}
