//! Connections that hyper does not make itself: given by a function, pooled by its client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use crate::system::{Connecting, Duplex};

/// How long a TCP connection may take to be made.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A connection that is silent for so long is asked, each time again, whether its other end is still
/// there: a network that went away says nothing.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(30);
pub(super) const KEEPALIVE_PAUSE: Duration = Duration::from_secs(10);

/// Makes connections to one engine, whatever address it is asked for.
#[derive(Clone)]
pub(super) struct Dialler(Arc<dyn Fn() -> Connecting + Send + Sync>);

impl Dialler {
    pub(super) fn new(dial: impl Fn() -> Connecting + Send + Sync + 'static) -> Self {
        Self(Arc::new(dial))
    }
}

impl Service<Uri> for Dialler {
    type Response = Dialled;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Dialled>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let made = (self.0)();
        Box::pin(async move { Ok(Dialled(TokioIo::new(made.await?))) })
    }
}

/// One of its connections.
pub(super) struct Dialled(TokioIo<Box<dyn Duplex>>);

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Dialled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Dialled {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
