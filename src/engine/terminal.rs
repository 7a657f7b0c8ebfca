//! Input from this process's terminal that never keeps the process alive.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

/// Standard input as it arrives. A thread of its own reads it: tokio's would hold up the end of
/// the process until one more key is pressed.
pub fn standard_input() -> BoxStream<'static, Bytes> {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(4);
    std::thread::spawn(move || {
        use std::io::Read;
        let mut input = std::io::stdin().lock();
        let mut piece = [0; 8192];
        while let Ok(length @ 1..) = input.read(&mut piece) {
            let bytes = Bytes::copy_from_slice(&piece[..length]);
            if sender.blocking_send(bytes).is_err() {
                break;
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|bytes| (bytes, receiver))
    })
    .boxed()
}
