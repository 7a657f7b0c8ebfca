//! `release import`: bought software's image, taken over as it is.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use ring::digest::{Context, SHA256};

use super::Desk;
use super::checkout::{Checkout, folder_of};
use super::layout::{self, Layout};
use super::norms::blocking;
use super::publish::Staged;
use crate::definitions::TreeFile;
use crate::engine::docker::Docker;
use crate::engine::{Engine as _, PullProgress};
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::lfs;
use crate::model::name::ContainerName;
use crate::model::predicate::Imported;
use crate::model::visible::visible;
use crate::registry::{Content, DOCKER_MANIFEST, MANIFEST_LIMIT, OCI_MANIFEST, Tag};
use crate::release::check::container::DOCKERFILE;

impl Desk<'_> {
    /// The image in an archive, and the digest of the very bytes that it was read from.
    pub(super) async fn archived(&self, path: &Path) -> Result<(Layout, Imported)> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let from = format!("archive {}", visible(&name));
        self.reporter.note(&format!("reading {}", path.display()));
        let (path, below) = (path.to_owned(), self.paths.scratch());
        let read = blocking(move || {
            let file = File::open(&path).at(Kind::Usage, "read", &path)?;
            unpacked(file, &path, &below)
                .map_err(|error| error.within(format!("cannot import {}", path.display())))
        });
        let (layout, digest) = read.await?;
        Ok((layout, Imported { from, digest }))
    }

    /// An image of a registry, by its digest; of several platforms the one for this machine.
    pub(super) async fn fetched(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<(Layout, Imported)> {
        let registry = self.online()?;
        let refuse = |why: &str| Error::usage(format!("{}: {why}", repository.at(digest)));
        let mut manifest = registry
            .manifest(repository, digest, MANIFEST_LIMIT)
            .await?;
        if let Content::Index(index) = manifest.content().map_err(|why| refuse(&why))? {
            let fits = |it: &crate::registry::Platform| {
                it.os == "linux" && it.architecture == architecture()
            };
            let mut children = index.manifests.iter();
            let child = children.find(|it| it.platform.as_ref().is_some_and(fits));
            let child = child
                .ok_or_else(|| refuse(&format!("it has no image for linux/{}", architecture())))?;
            manifest = registry
                .manifest(repository, &child.digest, MANIFEST_LIMIT)
                .await?;
        }
        let Content::Image(image) = manifest.content().map_err(|why| refuse(&why))? else {
            return Err(refuse("an index in an index"));
        };
        let incoming = layout::Incoming::new(&self.paths.scratch())?;
        let limits = layout::Limits::default();
        let mut left = limits.bytes;
        for layer in &image.layers {
            left = left
                .checked_sub(layer.size)
                .ok_or_else(|| refuse(&format!("it has more than {} bytes", limits.bytes)))?;
            let path = incoming.blob(&layer.digest);
            let work = self.reporter.work(repository.path());
            registry
                .blob_to_file(repository, layer, layer.size, &path, &|done| {
                    work.bytes(done, layer.size);
                })
                .await?;
        }
        let limit = crate::model::image_configuration::LARGEST;
        let configuration = registry.blob(repository, &image.config, limit).await?;
        let imported = Imported {
            from: repository.to_string(),
            digest: *digest,
        };
        let bytes = manifest.bytes.to_vec();
        let layout = incoming
            .finish(*image, bytes, configuration.to_vec())
            .and_then(checked)
            .map_err(|error| error.within(format!("cannot import {}", repository.at(digest))))?;
        Ok((layout, imported))
    }

    /// Pushes an image under a staging tag, byte for byte, and reads its manifest back.
    pub(super) async fn stage_layout(
        &self,
        layout: &Layout,
        repository: &Repository,
        token: &str,
    ) -> Result<Staged> {
        let registry = self.online()?;
        self.reporter.note(&format!("pushing to {repository}"));
        for layer in &layout.manifest.layers {
            let work = self.reporter.work(repository.path());
            let size = layer.size;
            let progress = Arc::new(move |done| work.bytes(done, size));
            registry
                .put_blob_from_file(
                    repository,
                    &layer.media_type,
                    &layout.blob(&layer.digest),
                    progress,
                )
                .await?;
        }
        let configuration = layout.configuration.clone().into();
        let media_type = &layout.manifest.config.media_type;
        registry
            .put_blob(repository, media_type, configuration)
            .await?;
        let digest = layout.digest();
        let tag = format!("staging-{token}-{}", digest.short());
        let tag = Tag::new(tag).map_err(Error::bug)?;
        let is_docker = layout.manifest.media_type.as_deref() == Some(DOCKER_MANIFEST);
        let media_type = if is_docker {
            DOCKER_MANIFEST
        } else {
            OCI_MANIFEST
        };
        let bytes = layout.bytes.clone().into();
        registry
            .put_manifest(repository, &tag, media_type, bytes)
            .await?;
        let manifest = registry
            .manifest(repository, &digest, MANIFEST_LIMIT)
            .await?;
        Ok(Staged::new(repository.clone(), manifest, tag))
    }

    /// Brings a staged image to the engine, and gives its Id there: one that stands for its digest.
    pub(super) async fn pulled(&self, docker: &Docker, staged: &Staged) -> Result<Digest> {
        let (repository, digest) = (&staged.repository, staged.manifest.digest);
        let login = self.login(repository).await?;
        let work = self.reporter.work(repository.path());
        let told = |progress: PullProgress| work.bytes(progress.current, progress.total);
        docker
            .pull(repository, &digest, None, login.as_ref(), &told)
            .await?;
        let Ok(Content::Image(image)) = staged.manifest.content() else {
            return Err(Error::bug("what was staged is no image"));
        };
        for id in [image.config.digest, digest] {
            if docker.image(&id).await?.is_some() {
                return Ok(id);
            }
        }
        let text = format!(
            "the engine does not have {} after its pull",
            repository.at(&digest)
        );
        Err(Error::engine(text))
    }
}

/// What has a Dockerfile is built.
pub(super) fn refuse_built(
    checkout: &Checkout,
    container: &ContainerName,
    files: &[TreeFile],
) -> Result<()> {
    checkout.definition(container)?;
    if files.iter().all(|file| file.path != DOCKERFILE) {
        return Ok(());
    }
    let text = format!(
        "{container} is built: there is a {}/{DOCKERFILE}",
        folder_of(container)
    );
    Err(Error::usage(text).hint(format!("devenv release build {container}")))
}

fn unpacked(mut file: impl Read, path: &Path, below: &Path) -> Result<(Layout, Digest)> {
    let mut begin = Vec::new();
    (&mut file)
        .take(BEGIN)
        .read_to_end(&mut begin)
        .at(Kind::Usage, "read", path)?;
    if lfs::is_pointer(&begin) {
        return Err(lfs::refusal(Kind::Usage, &path.display().to_string())
            .hint("fetch the content where it lies: `git lfs pull`"));
    }
    let mut archive = Hashed {
        inner: io::Cursor::new(begin).chain(file),
        hash: Context::new(&SHA256),
    };
    let limits = layout::Limits::default();
    let layout = layout::unpack(&mut archive, below, architecture(), limits).and_then(checked)?;
    // An archive may end before its file does.
    io::copy(&mut archive, &mut io::sink()).at(Kind::Usage, "read", path)?;
    let mut value = [0; 32];
    value.copy_from_slice(archive.hash.finish().as_ref());
    Ok((layout, Digest::from_bytes(value)))
}

/// So much shows whether a file only stands for another.
const BEGIN: u64 = 4096;

/// What was read is hashed.
struct Hashed<R> {
    inner: R,
    hash: Context,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

fn checked(layout: Layout) -> Result<Layout> {
    layout::check(&layout, architecture())?;
    Ok(layout)
}

/// This machine's processor, in images' words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let layer = b"layer";
        let configuration = format!(
            r#"{{"architecture":"{}","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            architecture(),
            Digest::of(layer)
        );
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in [
            ("layer.tar", &layer[..]),
            ("c.json", configuration.as_bytes()),
            ("manifest.json", br#"[{"Config":"c.json"}]"#),
        ] {
            let mut head = tar::Header::new_gnu();
            head.set_size(content.len() as u64);
            archive.append_data(&mut head, path, content).unwrap();
        }
        archive.into_inner().unwrap()
    }

    /// The file is another one when it is read again: what is signed is what was read.
    #[test]
    fn the_digest_is_of_the_bytes_that_were_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = archive();
        // More than a buffer behind the archive's end.
        bytes.extend(vec![0; 1 << 20]);
        bytes.extend(b"end");
        let (layout, digest) = unpacked(&bytes[..], Path::new("x.tar"), folder.path()).unwrap();
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(layout.manifest.layers[0].digest, Digest::of(b"layer"));
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
        let error = unpacked(&pointer[..], Path::new("x.tar"), folder.path()).unwrap_err();
        assert!(error.to_string().contains("git-LFS pointer"), "{error}");
    }
}
