//! What a forge's API is asked in a query, and what it answers.

use std::io::Write;
use std::net::TcpStream;

use serde_json::Value;

/// What the API answers.
pub struct Answer {
    pub status: &'static str,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn new(status: &'static str, body: &str) -> Self {
        Self {
            status,
            head: String::new(),
            body: body.to_owned(),
        }
    }

    pub fn json(status: &'static str, body: &Value) -> Self {
        Self::new(status, &body.to_string())
    }
}

/// The value of a query's parameter, decoded.
pub fn parameter(target: &str, name: &str) -> Option<String> {
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (decoded(key) == name).then(|| decoded(value))
    })
}

/// `%2F` and its like undone.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        let code = code.and_then(|it| u8::from_str_radix(it, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Writes an answer and ends the connection.
pub fn respond(stream: &mut TcpStream, status: &str, head: &str, body: &[u8]) -> Option<()> {
    let length = body.len();
    let text =
        format!("HTTP/1.1 {status}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).ok()?;
    stream.write_all(body).ok()
}
