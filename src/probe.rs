//! Short looks at a port: whether it accepts, and what it answers to one HTTP request.

use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
    tokio::time::timeout(LIMIT, ask(address, port, host, path))
        .await
        .ok()?
}

async fn ask(address: IpAddr, port: u16, host: &str, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect((address, port)).await.ok()?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: devenv\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.ok()?;
    let text = std::str::from_utf8(&line).ok()?;
    text.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
}
