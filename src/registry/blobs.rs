//! Blobs: content by digest, verified while it comes; uploads in one piece.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use ring::digest::{Context, SHA256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Registry;
use super::call::Call;
use super::content::Descriptor;
use super::exchange::{Payload, Pieces, Progress};
use super::fault::Fault;
use crate::model::digest::Digest;
use crate::model::image::Repository;

impl Registry {
    /// Fetches a blob of at most `limit` bytes; other bytes or another size than the descriptor's
    /// are [`Fault::Tampered`].
    pub async fn blob(
        &self,
        repository: &Repository,
        wanted: &Descriptor,
        limit: u64,
    ) -> Result<Bytes, Fault> {
        let call = self.blob_call(repository, wanted, limit)?;
        // One byte more shows that there is more.
        let (_, _, bytes) = match self.fetch(&call, wanted.size).await {
            Err(Fault::TooLarge { what, .. }) => return Err(longer(what, wanted)),
            done => done?,
        };
        check(&call.what, wanted, bytes.len() as u64, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// Fetches a blob of at most `limit` bytes to `path` (mode 0600), which appears only once it
    /// is verified. `progress` may start over when the connection breaks.
    pub async fn blob_to_file(
        &self,
        repository: &Repository,
        wanted: &Descriptor,
        limit: u64,
        path: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Fault> {
        let call = self.blob_call(repository, wanted, limit)?;
        for _ in 0..2 {
            match self.download(&call, wanted, path, progress).await {
                Err(fault) if fault.is_transient() => {}
                done => return done,
            }
        }
        self.download(&call, wanted, path, progress).await
    }

    async fn download(
        &self,
        call: &Call,
        wanted: &Descriptor,
        path: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Fault> {
        let fault = |error: std::io::Error| file_fault("write", path, error);
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let part =
            tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(fault)?;
        let mut file = tokio::fs::File::from_std(part.reopen().map_err(fault)?);
        let response = self.send(call).await?;
        let more = |_| longer(call.what.clone(), wanted);
        let mut pieces =
            Pieces::new(response, wanted.size, self.wire.patience, &call.what).map_err(more)?;
        let (mut hash, mut size) = (Context::new(&SHA256), 0);
        loop {
            let piece = match pieces.next().await {
                Err(Fault::TooLarge { what, .. }) => return Err(longer(what, wanted)),
                piece => piece.map_err(|fault| call.told(fault))?,
            };
            let Some(piece) = piece else { break };
            hash.update(&piece);
            size += piece.len() as u64;
            file.write_all(&piece).await.map_err(fault)?;
            progress(size);
        }
        check(&call.what, wanted, size, finish(hash))?;
        file.flush().await.map_err(fault)?;
        file.sync_all().await.map_err(fault)?;
        drop(file.into_std().await);
        part.persist(path).map_err(|error| fault(error.error))?;
        Ok(())
    }

    /// Stores bytes as a blob, unless they are there; gives their descriptor.
    pub async fn put_blob(
        &self,
        repository: &Repository,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Descriptor, Fault> {
        let descriptor = Descriptor::of(media_type, &bytes);
        if !self.has_blob(repository, &descriptor.digest).await? {
            self.upload(repository, &descriptor.digest, Payload::Bytes(bytes))
                .await?;
        }
        Ok(descriptor)
    }

    /// Stores a file as a blob, unless it is there; gives its descriptor. The file is read twice.
    pub async fn put_blob_from_file(
        &self,
        repository: &Repository,
        media_type: &str,
        path: &Path,
        progress: Progress,
    ) -> Result<Descriptor, Fault> {
        let (digest, size) = hash_file(path)
            .await
            .map_err(|error| file_fault("read", path, error))?;
        if self.has_blob(repository, &digest).await? {
            progress(size);
        } else {
            let path = path.to_path_buf();
            self.upload(
                repository,
                &digest,
                Payload::File {
                    path,
                    size,
                    progress,
                },
            )
            .await?;
        }
        Ok(Descriptor::new(media_type, digest, size))
    }

    /// Whether the registry says that it has a blob.
    pub async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, Fault> {
        let call = self.call(Method::HEAD, repository, &format!("blobs/{digest}"), "pull")?;
        let call = call.about(repository.at(digest));
        match self.send(&call).await {
            Ok(_) => Ok(true),
            Err(Fault::NotFound { .. }) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    async fn upload(
        &self,
        repository: &Repository,
        digest: &Digest,
        body: Payload,
    ) -> Result<(), Fault> {
        let start = self.call(Method::POST, repository, "blobs/uploads/", "pull,push")?;
        let start = start.about(repository.at(digest));
        let answer = self.send(&start).await?;
        let mut url = self.target(&answer, &start.url, &start.what)?;
        url.query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let put = Call {
            method: Method::PUT,
            url,
            body,
            ..start
        };
        self.send(&put.header(CONTENT_TYPE, "application/octet-stream"))
            .await?;
        Ok(())
    }

    fn blob_call(
        &self,
        repository: &Repository,
        wanted: &Descriptor,
        limit: u64,
    ) -> Result<Call, Fault> {
        let what = repository.at(&wanted.digest);
        if wanted.size > limit {
            return Err(Fault::TooLarge { what, limit });
        }
        let below = format!("blobs/{}", wanted.digest);
        let call = self.call(Method::GET, repository, &below, "pull")?;
        Ok(call.about(what))
    }
}

fn longer(what: String, wanted: &Descriptor) -> Fault {
    Fault::Tampered {
        what,
        text: format!("more than the {} bytes promised", wanted.size),
    }
}

fn check(what: &str, wanted: &Descriptor, size: u64, digest: Digest) -> Result<(), Fault> {
    let text = if size != wanted.size {
        format!("{size} bytes instead of {}", wanted.size)
    } else if digest != wanted.digest {
        format!("the bytes have {digest}")
    } else {
        return Ok(());
    };
    Err(Fault::Tampered {
        what: what.to_owned(),
        text,
    })
}

fn file_fault(action: &'static str, path: &Path, error: std::io::Error) -> Fault {
    Fault::File {
        action,
        path: path.to_path_buf(),
        error,
    }
}

async fn hash_file(path: &Path) -> std::io::Result<(Digest, u64)> {
    let mut file = tokio::fs::File::open(path).await?;
    let (mut hash, mut size) = (Context::new(&SHA256), 0);
    let mut piece = BytesMut::with_capacity(1 << 20);
    while file.read_buf(&mut piece).await? > 0 {
        hash.update(&piece);
        size += piece.len() as u64;
        piece.clear();
    }
    Ok((finish(hash), size))
}

fn finish(hash: Context) -> Digest {
    let mut value = [0; 32];
    value.copy_from_slice(hash.finish().as_ref());
    Digest::from_bytes(value)
}
