//! Images as the engine saves them.

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::{Docker, refusal};
use crate::model::digest::Digest;

impl Docker {
    /// Sends an image as the archive that `docker save` writes, piece by piece, until nobody reads
    /// any more; an error is the last piece.
    pub async fn export_image(&self, image: &Digest, to: mpsc::Sender<Result<Bytes, String>>) {
        let name = image.to_string();
        let mut pieces = self.steady(self.client.export_image(&name));
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| refusal::fault(error).to_string());
            if to.send(piece).await.is_err() {
                return;
            }
        }
    }
}
