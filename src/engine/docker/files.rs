//! Files of a container, whether it runs or not, through the engine's archive API.

use bollard::query_parameters::{
    ContainerArchiveInfoOptions, DownloadFromContainerOptions, UploadToContainerOptions,
};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
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

    /// Copies a folder from one container into another, owners, modes and all. There is no limit but
    /// for silence: it may be large.
    pub(super) async fn copy_folder(&self, from: &str, to: &str, path: &str) -> Result<(), Fault> {
        // Into the folder itself: Podman puts what is written beside a volume below it.
        let path = path.trim_end_matches('/');
        let content = format!("{path}/.");
        let pieces = self.read_archive(from, &content);
        let pieces = pieces.map_err(|fault| std::io::Error::other(fault.to_string()));
        self.write_archive(to, path, pieces).await
    }

    /// Unpacks a tar stream into a folder of a container, owners, modes and all. There is no limit but
    /// for silence: it may be large. Done when the engine has unpacked the last of it.
    pub async fn write_archive(
        &self,
        container: &str,
        folder: &str,
        pieces: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), Fault> {
        let options = UploadToContainerOptions {
            path: folder.to_owned(),
            ..UploadToContainerOptions::default()
        };
        let body = bollard::body_try_stream(pieces);
        let upload = self
            .client
            .upload_to_container(container, Some(options), body);
        upload.await.map_err(refusal::fault)
    }

    /// Whether a folder has anything in it: read as far as that tells.
    pub(super) async fn folder_has_entries(&self, id: &str, folder: &str) -> Result<bool, Fault> {
        let mut pieces = self.read_archive(id, folder.trim_end_matches('/'));
        let mut read = Vec::new();
        while let Some(piece) = pieces.next().await {
            read.extend_from_slice(&piece?);
            if let Some(more) = has_more_than_its_folder(&read) {
                return Ok(more);
            }
        }
        Ok(false)
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

/// Whether anything follows the first entry of an archive; `None` where it goes on, unread.
fn has_more_than_its_folder(archive: &[u8]) -> Option<bool> {
    let mut archive = tar::Archive::new(archive);
    let mut entries = archive.entries().ok()?;
    entries.next()?.ok()?;
    match entries.next() {
        Some(entry) => entry.is_ok().then_some(true),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_folder_is_told_from_one_that_holds_something() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        archive.append_data(&mut header, "data/", &[][..]).unwrap();
        let begun = archive.get_ref().clone();
        assert_eq!(has_more_than_its_folder(&begun[..100]), None);
        assert_eq!(has_more_than_its_folder(&begun), None);
        let ended = archive.into_inner().unwrap();
        assert_eq!(has_more_than_its_folder(&ended), None);
        let mut archive = tar::Builder::new(begun);
        header.set_entry_type(tar::EntryType::Regular);
        let text = b"text".as_slice();
        header.set_size(4);
        archive.append_data(&mut header, "data/file", text).unwrap();
        let both = archive.into_inner().unwrap();
        assert_eq!(has_more_than_its_folder(&both), Some(true));
    }
}
