//! One HTTP request and its whole answer, to an address that is known: nothing is followed, unpacked or kept.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Bytes of a body; what follows is not read.
pub const LARGEST: usize = 8 << 20;

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who is asked.
    pub to: (IpAddr, u16),
    /// `GET`, `POST`.
    pub method: &'a str,
    /// The `Host` field.
    pub host: &'a str,
    /// The path with its query, from `/`.
    pub line: &'a str,
    /// Other fields.
    pub headers: &'a [(String, String)],
    /// The body; where it is empty, none.
    pub body: &'a str,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// Fields in their order.
    pub headers: Vec<(String, String)>,
    /// The body, or its beginning.
    pub body: Bytes,
    /// Whether the body is all of it.
    pub is_whole: bool,
    /// From the request to the last byte.
    pub took: Duration,
}

/// Sends a request and reads the answer.
///
/// # Errors
/// Nobody who answers within the limit; a field that cannot be sent.
pub async fn exchange(asked: Asked<'_>, limit: Duration) -> io::Result<Answered> {
    let late = || {
        let text = format!("nothing answered within {limit:?}");
        io::Error::new(io::ErrorKind::TimedOut, text)
    };
    let made = tokio::time::timeout(limit, one(asked));
    made.await.map_err(|_| late())?
}

async fn one(asked: Asked<'_>) -> io::Result<Answered> {
    let unfit = |error: hyper::http::Error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let method = Method::from_bytes(asked.method.as_bytes());
    let method = method.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut request = Request::builder()
        .method(method)
        .uri(asked.line)
        .header("Host", asked.host)
        .header("Connection", "close");
    for (name, value) in asked.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::new(Bytes::from(asked.body.to_owned())))
        .map_err(unfit)?;
    let begun = Instant::now();
    let stream = TcpStream::connect(asked.to).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let answering = async {
        let answer = sender.send_request(request).await?;
        let (head, mut body) = answer.into_parts();
        let (mut bytes, mut is_whole) = (Vec::new(), true);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            let room = LARGEST - bytes.len();
            bytes.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                is_whole = false;
                break;
            }
        }
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let fields = head.headers.iter();
        Ok::<_, hyper::Error>(Answered {
            status: head.status.as_u16(),
            headers: fields
                .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
                .collect(),
            body: bytes.into(),
            is_whole,
            took: begun.elapsed(),
        })
    };
    // The connection moves only while it is polled; it ends after the answer.
    let mut connection = Box::pin(connection);
    let mut answering = Box::pin(answering);
    tokio::select! {
        answer = &mut answering => answer.map_err(io::Error::other),
        ended = &mut connection => {
            ended.map_err(io::Error::other)?;
            answering.await.map_err(io::Error::other)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What it was sent, and what came of this answer.
    async fn answered(answer: &'static [u8]) -> (String, io::Result<Answered>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let count = stream.read(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&request[..count]).into_owned()
        });
        let headers = [("X-One".to_owned(), "1".to_owned())];
        let asked = Asked {
            to: (Ipv4Addr::LOCALHOST.into(), port),
            method: "GET",
            host: "shop.example",
            line: "/a?b=1",
            headers: &headers,
            body: "",
        };
        let answered = exchange(asked, Duration::from_secs(5)).await;
        (server.await.unwrap(), answered)
    }

    #[tokio::test]
    async fn a_request_and_its_answer() {
        let chunked = b"HTTP/1.1 404 Not Found\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
            Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let (sent, answer) = answered(chunked).await;
        assert!(sent.starts_with("GET /a?b=1 HTTP/1.1\r\n"), "{sent}");
        let sent = sent.to_lowercase();
        assert!(sent.contains("host: shop.example\r\nconnection: close\r\nx-one: 1"));
        let answer = answer.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (404, &b"abcde"[..]));
        assert!(answer.is_whole);
        assert_eq!(answer.headers[1].1, "b=2");
        let (_, answer) = answered(b"HTTP/1.0 200 OK\r\n\r\nto the end").await;
        assert_eq!(&answer.unwrap().body[..], b"to the end");
    }

    #[tokio::test]
    async fn what_is_cut_or_no_http_is_an_error() {
        for text in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"[..],
            b"what\r\n\r\n",
            b"",
        ] {
            assert!(answered(text).await.1.is_err());
        }
    }
}
