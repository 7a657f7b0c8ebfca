//! Short looks at a port: whether it accepts, and what it answers to one HTTP request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsConnector;

use crate::model::route::{Answer, Route};
use crate::network::tls::{self, ServerCertificate};

/// How long one probe may take, where nothing else is said.
pub const QUICK: Duration = Duration::from_secs(2);

/// How long a page may take that is right in the end: the first one of an application is often slow.
pub const SLOWEST: Duration = Duration::from_secs(16);

/// How long a route of a proxy that has just started may go on answering wrongly.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at a route.
const BETWEEN: Duration = Duration::from_millis(50);

/// How long a connection must stay open that leads somewhere.
const OPEN: Duration = Duration::from_millis(400);

/// Whether a connection is accepted.
pub async fn accepts(address: IpAddr, port: u16) -> bool {
    let connecting = TcpStream::connect((address, port));
    matches!(tokio::time::timeout(QUICK, connecting).await, Ok(Ok(_)))
}

/// Whether a connection is accepted and not closed again at once.
pub async fn stays_open(address: IpAddr, port: u16) -> bool {
    let connecting = TcpStream::connect((address, port));
    let Ok(Ok(mut stream)) = tokio::time::timeout(QUICK, connecting).await else {
        return false;
    };
    match tokio::time::timeout(OPEN, stream.read(&mut [0; 1])).await {
        Ok(read) => read.is_ok_and(|bytes| bytes > 0),
        Err(_) => true,
    }
}

/// The status that `GET path` answers, or `None` where nothing does within `limit`.
pub async fn status(
    address: IpAddr,
    port: u16,
    host: &str,
    path: &str,
    limit: Duration,
) -> Option<u16> {
    let (answer, _) = ask(address, port, host, (path, None), limit).await?;
    Some(answer.status)
}

/// Redirects that are followed.
const REDIRECTS: usize = 3;

/// What a route answers to what is asked of it, or `None` where nothing does within `limit`. Its page is
/// read only where the route says what it contains. A redirect is followed where it stays within the route, as
/// `/billing` to `/billing/`: it says nothing of the page.
pub async fn answer(
    address: IpAddr,
    port: u16,
    host: &str,
    route: &Route,
    limit: Duration,
) -> Option<Answer> {
    let end = Instant::now() + limit;
    let mut moved: Option<String> = None;
    for _ in 0..=REDIRECTS {
        let path = moved.as_deref().unwrap_or(route.asked());
        let left = end.saturating_duration_since(Instant::now());
        let (mut answer, location) =
            ask(address, port, host, (path, route.contains()), left).await?;
        let next = location.and_then(|it| route.leads(&it, host));
        answer.moved = moved;
        if next.is_none() {
            return Some(answer);
        }
        moved = next;
    }
    // It goes round in circles.
    Some(Answer {
        status: 508,
        page: String::new(),
        moved,
    })
}

/// Asks a route until its answer is right; gives what is wrong with it where it goes on being wrong. One
/// that is slow gets more time with each try, up to [`SLOWEST`]: what hangs for ever is given up after
/// some 30 s, or after `whole`. `ask` takes the limit of one try, `wrong` says what is wrong with an answer.
pub async fn until_right<A: Future<Output = Option<Answer>>>(
    whole: Duration,
    ask: impl Fn(Duration) -> A,
    wrong: impl Fn(Option<&Answer>) -> Option<String>,
) -> Option<String> {
    let begun = Instant::now();
    let (mut limit, mut last) = (QUICK, None);
    loop {
        let asked = Instant::now();
        let within = limit.min(whole.saturating_sub(begun.elapsed()));
        let answer = ask(within).await;
        let said = wrong(answer.as_ref())?;
        // What it answered says more than that it did not once more.
        last = last.filter(|_| answer.is_none()).or(Some(said));
        // One that was begun in time may not have come as far as what it has to contain.
        let is_slow = asked.elapsed() >= within;
        let is_last = limit >= SLOWEST || within < limit;
        if (is_slow && is_last) || (!is_slow && begun.elapsed() > PATIENCE.min(whole)) {
            return last;
        }
        if is_slow {
            limit *= 2;
        }
        sleep(BETWEEN).await;
    }
}

/// Whether the answer to `GET path` ends the connection, though it is asked to be kept; `None` where
/// nothing answers in time.
pub async fn closes(address: IpAddr, port: u16, host: &str, path: &str) -> Option<bool> {
    tokio::time::timeout(QUICK, says_close(address, port, host, path))
        .await
        .ok()?
}

/// How much of an answer is looked at for what a page contains.
const PAGE: usize = 64 << 10;

/// More than the head of any answer.
const HEAD: usize = 64 << 10;

async fn says_close(address: IpAddr, port: u16, host: &str, path: &str) -> Option<bool> {
    let mut stream = TcpStream::connect((address, port)).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: devenv\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let text = rest_of_head(&mut stream).await?.to_ascii_lowercase();
    let (status, rest) = text.split_once("\r\n")?;
    let ends = rest
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("connection:"))
        .any(|value| value.split(',').any(|it| it.trim() == "close"));
    Some(ends || status.starts_with("http/1.0"))
}

/// The certificate that a port shows for this name; `None` where it speaks no TLS.
pub async fn certificate(address: IpAddr, port: u16, name: &str) -> Option<ServerCertificate> {
    let show = async {
        let configuration = tls::client(tls::verifier::anyone()).ok()?;
        let connector = TlsConnector::from(Arc::new(configuration.with_no_client_auth()));
        let name = ServerName::try_from(name.to_owned()).ok()?;
        let stream = TcpStream::connect((address, port)).await.ok()?;
        let stream = connector.connect(name, stream).await.ok()?;
        let shown = stream.get_ref().1.peer_certificates()?.first()?;
        ServerCertificate::parse(shown)
    };
    tokio::time::timeout(QUICK, show).await.ok()?
}

async fn ask(
    address: IpAddr,
    port: u16,
    host: &str,
    (path, contains): (&str, Option<&str>),
    limit: Duration,
) -> Option<(Answer, Option<String>)> {
    let end = Instant::now() + limit;
    let beginning = async {
        let mut stream = TcpStream::connect((address, port)).await.ok()?;
        // To HTTP/1.0 no page is sent in chunks.
        let version = if contains.is_some() { "1.0" } else { "1.1" };
        let request = format!(
            "GET {path} HTTP/{version}\r\nHost: {host}\r\nUser-Agent: devenv\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.ok()?;
        let text = std::str::from_utf8(&line).ok()?;
        let status = text.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        Some((stream, status))
    };
    let (mut stream, status) = timeout_at(end, beginning).await.ok()??;
    let (mut page, mut location) = (String::new(), None);
    if matches!(status, 301..=303 | 307 | 308) {
        let head = timeout_at(end, rest_of_head(&mut stream)).await.ok()??;
        location = field(&head, "location");
    } else if let Some(wanted) = contains {
        let mut bytes = Vec::new();
        // What has come in time is judged, however the rest ends.
        while !page.contains(wanted) && bytes.len() < PAGE {
            match timeout_at(end, stream.read_buf(&mut bytes)).await {
                Ok(Ok(count)) if count > 0 => page = after_head(&bytes),
                _ => break,
            }
        }
    }
    let moved = None;
    let answer = Answer {
        status,
        page,
        moved,
    };
    Some((answer, location))
}

/// The head of an answer, from where it is read to.
async fn rest_of_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|it| it == b"\r\n\r\n") && head.len() < HEAD {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            break;
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// The value of a field in a head.
fn field(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().skip(1).take_while(|line| !line.is_empty());
    lines.find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

/// What follows the head of an answer, as far as it is there.
fn after_head(bytes: &[u8]) -> String {
    let head = bytes.windows(4).position(|it| it == b"\r\n\r\n");
    let page = head.map_or(&[][..], |at| &bytes[at + 4..]);
    String::from_utf8_lossy(page).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::model::yaml;

    /// What a route is found to answer by a server that says this and then nothing more.
    async fn asked(route: &str, says: &'static [u8]) -> Option<String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1000]).await.unwrap() > 0);
            stream.write_all(says).await.unwrap();
            std::future::pending::<()>().await;
        });
        let route: Route = yaml::read(Kind::Usage, "route", route.as_bytes()).unwrap();
        let answer = answer(at.ip(), at.port(), "localhost", &route, QUICK).await;
        serving.abort();
        route.wrong(answer.as_ref())
    }

    #[tokio::test]
    async fn a_page_is_what_follows_the_head_and_need_not_end() {
        let route = "{ path: /a, probe: { contains: OK } }";
        let other = b"HTTP/1.1 200 OK\r\nX-Is: OK\r\n\r\nno";
        let (wrong, right) = tokio::join!(
            asked(route, other),
            asked(route, b"HTTP/1.1 200 Yes\r\n\r\n<h1>OK</h1> and more")
        );
        assert_eq!(wrong.unwrap(), "200 with a page without \"OK\"");
        assert_eq!(right, None);
        let plain = asked("{ path: /a }", b"HTTP/1.1 503 Away\r\n").await;
        assert_eq!(plain.unwrap(), "503");
    }

    /// A redirect within the route leads to the page that is judged; one elsewhere is an answer.
    #[tokio::test]
    async fn a_redirect_is_no_page() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = vec![0; 1000];
                let count = stream.read(&mut bytes).await.unwrap();
                let request = String::from_utf8_lossy(&bytes[..count]).into_owned();
                let says = match request.split(' ').nth(1).unwrap() {
                    "/a" => "302 Found\r\nX-A: b\r\nLocation: /a/\r\n\r\n",
                    "/b" => "302 Found\r\nLocation: /login\r\n\r\n",
                    "/c" | "/c/x" => "302 Found\r\nLocation: /c/x\r\n\r\n",
                    _ => "500 Broken\r\n\r\n",
                };
                let says = format!("HTTP/1.1 {says}");
                stream.write_all(says.as_bytes()).await.unwrap();
            }
        });
        for (path, wrong) in [
            ("/a", Some("500 at /a/")),
            ("/b", None),
            ("/c", Some("508 at /c/x")),
        ] {
            let text = format!("{{ path: {path} }}");
            let route: Route = yaml::read(Kind::Usage, "route", text.as_bytes()).unwrap();
            let answer = answer(at.ip(), at.port(), "localhost", &route, QUICK).await;
            assert_eq!(route.wrong(answer.as_ref()).as_deref(), wrong, "{path}");
        }
    }

    /// After how many seconds a route counts as right (`Ok`) or is given up, which answers after `after`
    /// with a status.
    async fn decided(after: u64, status: u16, whole: u64) -> Result<u64, u64> {
        let [after, whole] = [after, whole].map(Duration::from_secs);
        let begun = Instant::now();
        let ask = async |limit: Duration| {
            sleep(after.min(limit)).await;
            let page = String::new();
            let moved = None;
            (after < limit).then_some(Answer {
                status,
                page,
                moved,
            })
        };
        let route: Route = yaml::read(Kind::Usage, "route", b"{ path: /a }").unwrap();
        let wrong = until_right(whole, ask, |answer| route.wrong(answer)).await;
        let took = begun.elapsed().as_secs();
        wrong.map_or(Ok(took), |_| Err(took))
    }

    /// What a page has to contain may come later than its status.
    #[tokio::test(start_paused = true)]
    async fn a_page_that_comes_in_parts_is_waited_for() {
        let route: Route = yaml::read(
            Kind::Usage,
            "route",
            b"{ path: /a, probe: { contains: OK } }",
        )
        .unwrap();
        let ask = async |limit: Duration| {
            sleep(limit.min(Duration::from_secs(5))).await;
            let page = if limit > Duration::from_secs(5) {
                "OK"
            } else {
                ""
            };
            let (status, page) = (200, page.to_owned());
            let moved = None;
            Some(Answer {
                status,
                page,
                moved,
            })
        };
        let whole = Duration::from_secs(120);
        assert_eq!(until_right(whole, ask, |it| route.wrong(it)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_page_is_right_and_one_that_never_comes_is_given_up() {
        assert_eq!(decided(0, 200, 120).await, Ok(0));
        assert_eq!(decided(5, 200, 120).await, Ok(11));
        assert_eq!(decided(15, 200, 120).await, Ok(29));
        assert_eq!(decided(0, 500, 120).await, Err(10));
        assert_eq!(decided(5, 500, 120).await, Err(11));
        assert_eq!(decided(60, 200, 120).await, Err(30));
        assert_eq!(decided(60, 200, 5).await, Err(5));
        assert_eq!(decided(0, 500, 5).await, Err(5));
    }
}
