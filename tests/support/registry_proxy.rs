//! Somebody between a workstation and the registry, who answers some questions himself.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::registry::address;
use super::registry_behaviour::{self, Rule};

/// The registry with a rule laid over it; gives `127.0.0.1:PORT`.
pub async fn behaving(rule: Rule) -> String {
    registry_behaviour::behaving(address(), rule).await
}

/// His answer to a request: head and body, or none where the registry is to answer.
pub type Answer = fn(&str) -> Option<(&'static str, Vec<u8>)>;

/// The same of a closure.
pub trait Answers:
    Fn(&str) -> Option<(&'static str, Vec<u8>)> + Clone + Send + Sync + 'static
{
}

impl<F: Fn(&str) -> Option<(&'static str, Vec<u8>)> + Clone + Send + Sync + 'static> Answers for F {}

/// Listens for as long as the runtime lives; gives `127.0.0.1:PORT`.
pub async fn start(answer: impl Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, answer.clone()));
        }
    });
    here
}

/// One request a connection, so that each is seen.
async fn serve(mut client: TcpStream, answer: impl Answers) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?;
    if let Some((status, body)) = answer(path) {
        let text = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        client.write_all(text.as_bytes()).await.ok()?;
        return client.write_all(&body).await.ok();
    }
    let mut registry = TcpStream::connect(address()).await.ok()?;
    let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    registry.write_all(head.as_bytes()).await.ok()?;
    tokio::io::copy_bidirectional(&mut client, &mut registry)
        .await
        .ok()
        .map(drop)
}
