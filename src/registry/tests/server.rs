//! A small HTTP/1.1 server whose answers a closure gives.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Length,
    /// Without a length: the end of the connection ends the body.
    Close,
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// Nothing is ever answered.
    Never,
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            end: End::Length,
        }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn without_length(mut self) -> Self {
        self.end = End::Close;
        self
    }

    pub(super) fn cut(mut self, after: usize) -> Self {
        self.end = End::Cut(after);
        self
    }

    pub(super) fn never() -> Self {
        let mut answer = Self::new(200, "");
        answer.end = End::Never;
        answer
    }
}

type Script = dyn Fn(&Asked) -> Answer + Send + Sync;

/// The server; it ends with the test's runtime.
pub(super) struct Server {
    pub(super) host: String,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(super) async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (script, requests): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&log));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, log) = (Arc::clone(&script), Arc::clone(&requests));
                tokio::spawn(async move { serve(stream, &*script, &log).await });
            }
        });
        Self { host, log }
    }

    /// What was asked so far, without the first look at a local host.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let log = self.log.lock().unwrap();
        log.iter()
            .filter(|asked| asked.path != "/v2/")
            .cloned()
            .collect()
    }

    pub(super) fn count(&self, method: &str, path: &str) -> usize {
        let asked = self.asked();
        asked.iter().filter(|asked| asked.is(method, path)).count()
    }
}

async fn serve(stream: TcpStream, script: &Script, log: &Mutex<Vec<Asked>>) -> Option<()> {
    // Else each answer waits for a delayed acknowledgement.
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::new(stream);
    loop {
        let asked = receive(&mut stream).await?;
        log.lock().unwrap().push(asked.clone());
        let answer = if asked.path == "/v2/" {
            Answer::new(200, "{}")
        } else {
            script(&asked)
        };
        if answer.end == End::Never {
            std::future::pending::<()>().await;
        }
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
        for (name, value) in &answer.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let closes = answer.end == End::Close || asked.header("connection") == Some("close");
        if closes {
            head.push_str("Connection: close\r\n");
        }
        match answer.end {
            End::Close => {}
            _ => head.extend(["Content-Length: ", &answer.body.len().to_string(), "\r\n"]),
        }
        stream.write_all((head + "\r\n").as_bytes()).await.ok()?;
        let body = match answer.end {
            _ if asked.method == "HEAD" => &[],
            End::Cut(after) => &answer.body[..after],
            _ => &answer.body[..],
        };
        stream.write_all(body).await.ok()?;
        stream.flush().await.ok()?;
        if closes || matches!(answer.end, End::Cut(_)) {
            return None;
        }
    }
}

async fn receive(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    let mut asked = Asked {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        ..Asked::default()
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        asked
            .headers
            .push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = asked
        .header("content-length")
        .map_or(0, |text| text.parse().unwrap());
    asked.body = vec![0; length];
    stream.read_exact(&mut asked.body).await.ok()?;
    Some(asked)
}
