//! Images of an engine's as layouts.

use std::path::Path;

use super::unpack::{Limits, unpack};
use super::{Layout, stream::Pieces};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::model::digest::Digest;

/// An image of the engine's as a layout below a folder.
///
/// # Errors
/// An image that is not there, or cannot be read.
pub async fn exported(docker: &Docker, below: &Path, image: &Digest) -> Result<Layout> {
    let below = below.to_owned();
    let architecture = docker.machine().await?;
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    let unpacked = tokio::task::spawn_blocking(move || {
        let pieces = Pieces::new(receiver);
        unpack(pieces, &below, &architecture, Limits::default())
    });
    docker.export_image(image, sender).await;
    unpacked
        .await
        .map_err(|error| Error::bug("an image was not unpacked").because(error))?
        .map_err(|error| error.within(format!("cannot read the image {image} from the engine")))
}
