//! One request on the wire and its answer's body: time limits, size limits, uploads.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, HeaderValue};
use reqwest::{Method, Request, Response};
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use super::fault::{Fault, Lost};
use super::host::authority;
use super::transport::{Transport, fault_of};

/// What is sent.
#[derive(Clone)]
pub(super) enum Payload {
    None,
    Bytes(Bytes),
    File {
        path: PathBuf,
        size: u64,
        progress: Progress,
    },
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::File { path, .. } => path.fmt(f),
        }
    }
}

/// A registry may think longer over an upload than over a question.
const UPLOAD_PATIENCE: u32 = 4;

/// Called with the bytes transferred so far.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// The wire: what sends one request and waits for its answer.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) transport: Transport,
    /// For an answer to begin, and as in [`Pieces::new`].
    pub(super) patience: Duration,
}

impl Wire {
    /// Sends once, without login or redirects; the body may be sent again by another call.
    pub(super) async fn transmit(
        &self,
        mut request: Request,
        body: &Payload,
    ) -> Result<Response, Fault> {
        match body {
            Payload::None => {
                if request.method() == Method::POST {
                    let zero = HeaderValue::from_static("0");
                    request.headers_mut().insert(CONTENT_LENGTH, zero);
                }
                self.exchange(request).await
            }
            Payload::Bytes(bytes) => {
                *request.body_mut() = Some(bytes.clone().into());
                self.exchange_with(request, &AtomicU64::new(0), UPLOAD_PATIENCE)
                    .await
            }
            Payload::File {
                path,
                size,
                progress,
            } => {
                let sent = Arc::new(AtomicU64::new(0));
                request
                    .headers_mut()
                    .insert(CONTENT_LENGTH, HeaderValue::from(*size));
                *request.body_mut() = Some(stream(path, *size, &sent, progress).await?);
                self.exchange_with(request, &sent, UPLOAD_PATIENCE).await
            }
        }
    }

    /// Sends exactly this request, once.
    pub(super) async fn exchange(&self, request: Request) -> Result<Response, Fault> {
        self.exchange_with(request, &AtomicU64::new(0), 1).await
    }

    /// As [`Self::exchange`]; the limit counts from the last byte that `sent` reports.
    async fn exchange_with(
        &self,
        request: Request,
        sent: &AtomicU64,
        patience: u32,
    ) -> Result<Response, Fault> {
        let host = authority(request.url());
        let client = self.transport.client(request.url()).await?;
        let mut answer = std::pin::pin!(client.execute(request));
        let mut before = 0;
        loop {
            let limit = self.patience * patience;
            if let Ok(answer) = tokio::time::timeout(limit, &mut answer).await {
                return answer.map_err(|error| fault_of(&host, &error));
            }
            let now = sent.load(Ordering::Relaxed);
            if now == before {
                return Err(Fault::Unreachable {
                    host: host.as_str().into(),
                    lost: Lost::TimedOut,
                    text: String::new(),
                });
            }
            before = now;
        }
    }
}

/// Reads a body of at most `limit` bytes; `patience` as in [`Pieces::new`].
pub(super) async fn read(
    response: Response,
    limit: u64,
    patience: Duration,
    what: &str,
) -> Result<Bytes, Fault> {
    let mut body = BytesMut::new();
    let mut pieces = Pieces::new(response, limit, patience, what)?;
    while let Some(piece) = pieces.next().await? {
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// What a body must bring on average, in bytes a second: a tenth of a modem's line.
const LEAST_RATE: u64 = 512;

/// The pieces of a body, never more than a limit in all.
pub(super) struct Pieces<'a> {
    response: Response,
    left: u64,
    limit: u64,
    patience: Duration,
    began: Instant,
    what: &'a str,
}

impl<'a> Pieces<'a> {
    /// `patience` is for each piece, and for how far the whole may fall behind [`LEAST_RATE`].
    pub(super) fn new(
        response: Response,
        limit: u64,
        patience: Duration,
        what: &'a str,
    ) -> Result<Self, Fault> {
        let pieces = Self {
            response,
            left: limit,
            limit,
            patience,
            began: Instant::now(),
            what,
        };
        match pieces.response.content_length() {
            Some(length) if length > limit => Err(pieces.too_large()),
            _ => Ok(pieces),
        }
    }

    fn too_large(&self) -> Fault {
        Fault::TooLarge {
            what: self.what.to_owned(),
            limit: self.limit,
        }
    }

    /// Until when the next piece must be there.
    fn deadline(&self) -> Instant {
        let received = self.limit - self.left;
        let owed = Duration::from_millis(received.saturating_mul(1000) / LEAST_RATE);
        let whole = self.began + self.patience + owed;
        whole.min(Instant::now() + self.patience)
    }

    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let host = authority(self.response.url());
        let deadline = self.deadline();
        let piece = match tokio::time::timeout_at(deadline, self.response.chunk()).await {
            Ok(piece) => piece.map_err(|error| fault_of(&host, &error))?,
            Err(_) => {
                return Err(Fault::Unreachable {
                    host: host.as_str().into(),
                    lost: Lost::TimedOut,
                    text: format!(
                        "in the middle of an answer, after {} bytes",
                        self.limit - self.left
                    ),
                });
            }
        };
        if let Some(piece) = &piece {
            self.left = self
                .left
                .checked_sub(piece.len() as u64)
                .ok_or_else(|| self.too_large())?;
        }
        Ok(piece)
    }
}

/// The body of an upload, read piece by piece.
async fn stream(
    path: &PathBuf,
    size: u64,
    sent: &Arc<AtomicU64>,
    progress: &Progress,
) -> Result<reqwest::Body, Fault> {
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| Fault::File {
            action: "read",
            path: path.clone(),
            error,
        })?;
    let state = (file.take(size), Arc::clone(sent), Arc::clone(progress));
    let pieces = futures_util::stream::try_unfold(state, async |(mut file, sent, progress)| {
        let mut piece = BytesMut::with_capacity(64 << 10);
        if file.read_buf(&mut piece).await? == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let total = sent.fetch_add(piece.len() as u64, Ordering::Relaxed) + piece.len() as u64;
        progress(total);
        Ok(Some((piece.freeze(), (file, sent, progress))))
    });
    Ok(reqwest::Body::wrap_stream(pieces))
}
