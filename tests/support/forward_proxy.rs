//! A company's forward proxy: `CONNECT` for TLS, whole addresses in `GET` for plain HTTP. It alone
//! knows where the hosts of a network are that this machine cannot look up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where a host of the network behind the proxy really is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A server on this machine, for `CONNECT`.
    Server(String),
    /// A folder whose files are given, for `GET`.
    Folder(PathBuf),
}

/// The proxy, for as long as the runtime lives.
pub struct ForwardProxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ForwardProxy {
    /// Listens; `places` by `host` or `host:port`.
    pub async fn start(places: BTreeMap<String, Place>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap().to_string(),
            asked: Arc::default(),
        };
        let (asked, places) = (Arc::clone(&proxy.asked), Arc::new(places));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&places), Arc::clone(&asked)));
            }
        });
        proxy
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first lines of the requests so far, and forgets them.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

async fn serve(
    mut client: TcpStream,
    places: Arc<BTreeMap<String, Place>>,
    asked: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let first = head.lines().next()?.to_owned();
    asked.lock().unwrap().push(first.clone());
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    if method == "CONNECT" {
        let Some(Place::Server(address)) = places.get(target) else {
            return refuse(&mut client).await;
        };
        let mut server = TcpStream::connect(address).await.ok()?;
        let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
        client.write_all(answer).await.ok()?;
        return tokio::io::copy_bidirectional(&mut client, &mut server)
            .await
            .ok()
            .map(drop);
    }
    let (host, path) = target.strip_prefix("http://")?.split_once('/')?;
    let path = path.split('?').next()?;
    let Some(Place::Folder(folder)) = places.get(host) else {
        return refuse(&mut client).await;
    };
    let Ok(body) = std::fs::read(folder.join(path)) else {
        return refuse(&mut client).await;
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).await.ok()?;
    client.write_all(&body).await.ok()
}

async fn refuse(client: &mut TcpStream) -> Option<()> {
    let answer = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    client.write_all(answer).await.ok()
}
