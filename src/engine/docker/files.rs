//! Files of a container, whether it runs or not, through the engine's archive API.

use bollard::query_parameters::{ContainerArchiveInfoOptions, DownloadFromContainerOptions};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::{Docker, refusal};
use crate::engine::Fault;

/// What the engine tells of a file or folder without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// Bytes.
    pub size: u64,
    /// When it was last written; a folder's: when an entry came or went.
    pub modified: Option<Timestamp>,
}

impl Docker {
    /// A file or folder of a container as a tar stream, as it was at this moment.
    pub fn read_archive(
        &self,
        container: &str,
        path: &str,
    ) -> BoxStream<'static, Result<Bytes, Fault>> {
        let options = DownloadFromContainerOptions {
            path: path.to_owned(),
        };
        let pieces = self
            .client
            .download_from_container(container, Some(options));
        self.steady(pieces)
            .map(|piece| piece.map_err(refusal::fault))
            .boxed()
    }

    /// The same of something small, as a whole and at once.
    pub async fn read_small_archive(&self, container: &str, path: &str) -> Result<Vec<u8>, Fault> {
        let options = DownloadFromContainerOptions {
            path: path.to_owned(),
        };
        let pieces = self
            .client
            .download_from_container(container, Some(options));
        Ok(self.short(pieces.try_collect::<Vec<_>>()).await?.concat())
    }

    /// Size and time of a file or folder. Absent is `NotFound`.
    /// Source: Docker Engine API v1.41, `HEAD /containers/{id}/archive`.
    pub async fn file_state(&self, container: &str, path: &str) -> Result<FileState, Fault> {
        let options = ContainerArchiveInfoOptions {
            path: path.to_owned(),
        };
        let call = self
            .client
            .get_container_archive_info(container, Some(options));
        let answer = self.short(call).await?;
        Ok(FileState {
            size: answer.size.try_into().unwrap_or(0),
            modified: answer.modification_time.and_then(|it| it.parse().ok()),
        })
    }
}
