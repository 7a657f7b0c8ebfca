//! What comes piece by piece from the engine, for readers that wait.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

/// A reader on the other end of a channel; an error on the way is one here.
#[derive(Debug)]
pub struct Pieces {
    receiver: mpsc::Receiver<Result<Bytes, String>>,
    piece: Bytes,
}

impl Pieces {
    /// Reads what arrives, until the sender goes. It blocks.
    pub fn new(receiver: mpsc::Receiver<Result<Bytes, String>>) -> Self {
        Self {
            receiver,
            piece: Bytes::new(),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
