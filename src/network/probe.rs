//! Short looks at a port: whether it accepts, and what it answers to one HTTP request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::model::route::{Answer, Route};
use crate::network::tls::{self, ServerCertificate};

/// How long one probe may take.
const LIMIT: Duration = Duration::from_secs(2);

/// How long a connection must stay open that leads somewhere.
const OPEN: Duration = Duration::from_millis(400);

/// Whether a connection is accepted.
pub async fn accepts(address: IpAddr, port: u16) -> bool {
    let connecting = TcpStream::connect((address, port));
    matches!(tokio::time::timeout(LIMIT, connecting).await, Ok(Ok(_)))
}

/// Whether a connection is accepted and not closed again at once.
pub async fn stays_open(address: IpAddr, port: u16) -> bool {
    let connecting = TcpStream::connect((address, port));
    let Ok(Ok(mut stream)) = tokio::time::timeout(LIMIT, connecting).await else {
        return false;
    };
    match tokio::time::timeout(OPEN, stream.read(&mut [0; 1])).await {
        Ok(read) => read.is_ok_and(|bytes| bytes > 0),
        Err(_) => true,
    }
}

/// The status that `GET path` answers, or `None` where nothing does in time.
pub async fn status(address: IpAddr, port: u16, host: &str, path: &str) -> Option<u16> {
    let asking = ask(address, port, host, path, false);
    let answer = tokio::time::timeout(LIMIT, asking).await.ok()?;
    Some(answer?.status)
}

/// What a route answers to what is asked of it, or `None` where nothing does in time. Its page is read only where
/// the route says what it contains.
pub async fn answer(address: IpAddr, port: u16, host: &str, route: &Route) -> Option<Answer> {
    let asking = ask(
        address,
        port,
        host,
        route.asked(),
        route.contains().is_some(),
    );
    tokio::time::timeout(LIMIT, asking).await.ok()?
}

/// Whether the answer to `GET path` ends the connection, though it is asked to be kept; `None` where
/// nothing answers in time.
pub async fn closes(address: IpAddr, port: u16, host: &str, path: &str) -> Option<bool> {
    tokio::time::timeout(LIMIT, says_close(address, port, host, path))
        .await
        .ok()?
}

/// How much of an answer is looked at for what a page contains.
const PAGE: u64 = 64 << 10;

/// More than the head of any answer.
const HEAD: usize = 64 << 10;

async fn says_close(address: IpAddr, port: u16, host: &str, path: &str) -> Option<bool> {
    let mut stream = TcpStream::connect((address, port)).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: devenv\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut head = Vec::new();
    while !head.windows(4).any(|it| it == b"\r\n\r\n") && head.len() < HEAD {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            break;
        }
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
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
    tokio::time::timeout(LIMIT, show).await.ok()?
}

async fn ask(address: IpAddr, port: u16, host: &str, path: &str, page: bool) -> Option<Answer> {
    let mut stream = TcpStream::connect((address, port)).await.ok()?;
    // To HTTP/1.0 no page is sent in chunks.
    let version = if page { "1.0" } else { "1.1" };
    let request = format!(
        "GET {path} HTTP/{version}\r\nHost: {host}\r\nUser-Agent: devenv\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.ok()?;
    let text = std::str::from_utf8(&line).ok()?;
    let status = text.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let mut rest = Vec::new();
    if page {
        stream.take(PAGE).read_to_end(&mut rest).await.ok()?;
    }
    let page = String::from_utf8_lossy(&rest).into_owned();
    Some(Answer { status, page })
}
