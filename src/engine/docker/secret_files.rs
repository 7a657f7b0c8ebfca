//! Files whose content never touches a disk: put into a container's volumes of memory before it starts.
//!
//! An engine mounts such a volume while somebody uses it, and empties it when nobody does. So a second
//! container, which never runs, is written to by an archive whose end is held back: until it comes,
//! the volume stays mounted with what has arrived, and the container that runs takes it over.
//! Source: moby `daemon/archive.go` (`containerExtractToDir` mounts for as long as it reads) and
//! `volume/local/local.go` (mounts are counted).

use std::time::Duration;

use bollard::query_parameters::UploadToContainerOptions;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::{Docker, refusal};
use crate::engine::{Engine, Fault, FaultKind, SecretFile};
use crate::model::create_body::{CreateBody, MountBody, VOLUME};
use crate::model::identity::{self, READER};
use crate::model::secret::Secret;

/// How long files may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks whether they did.
const BETWEEN: Duration = Duration::from_millis(20);

/// Two empty blocks end a tar archive.
const END: usize = 1024;

impl Docker {
    pub(super) async fn start_filled(
        &self,
        container: &str,
        files: &[SecretFile],
    ) -> Result<(), Fault> {
        let answer = self
            .short(self.client.inspect_container(container, None))
            .await?;
        if self.transport.is_libpod() {
            // It unpacks into the folder on its disk that the volume of memory will cover.
            let text = "this engine cannot hold secrets as files in memory alone: such a container needs Docker";
            return Err(Fault::new(FaultKind::Failed, text));
        }
        let object = answer.name.clone().unwrap_or_default();
        let config = answer.config.clone().unwrap_or_default();
        let user = self
            .user(container, config.user.as_deref().unwrap_or_default())
            .await?;
        let writer = format!("{}.secrets", object.trim_start_matches('/'));
        // One that a killed command left.
        self.remove(&writer).await?;
        let mounts = super::convert::inspected(answer.clone())
            .volumes
            .into_iter();
        let mounts = mounts.filter(|(_, path)| files.iter().any(|it| it.folder() == path));
        let mut body = CreateBody {
            cmd: Some(vec!["never-run".to_owned()]),
            image: answer.image.unwrap_or_default(),
            ..CreateBody::default()
        };
        "none".clone_into(&mut body.host_config.network_mode);
        body.host_config.mounts = mounts
            .map(|(source, target)| MountBody::new(VOLUME, source, target))
            .collect();
        for label in [identity::OWNER, identity::PLATFORM, identity::INSTANCE] {
            let value = config
                .labels
                .as_ref()
                .and_then(|all| all.get(label))
                .cloned();
            body.labels.insert(label.into(), value.unwrap_or_default());
        }
        body.labels.insert(READER.into(), "secrets".to_owned());
        let writer = self.create(&writer, &body, &[]).await?;
        let started = self.fill_and_start(&writer, container, user, files).await;
        let removed = self.remove(&writer).await;
        started.and(removed)
    }

    async fn fill_and_start(
        &self,
        writer: &str,
        container: &str,
        user: u64,
        files: &[SecretFile],
    ) -> Result<(), Fault> {
        let (go_on, end) = oneshot::channel::<()>();
        let first = stream::iter([Bytes::from(entries(files, user)?)]);
        let last = stream::once(async move {
            // Sent, or dropped where something failed.
            let _ = end.await;
            Bytes::from_static(&[0; END])
        });
        let options = UploadToContainerOptions {
            path: "/".to_owned(),
            ..UploadToContainerOptions::default()
        };
        let body = bollard::body_stream(first.chain(last));
        let upload = self.client.upload_to_container(writer, Some(options), body);
        let upload = async { upload.await.map_err(refusal::fault) };
        let start = async {
            self.arrived(container, files).await?;
            self.start(container).await?;
            let _ = go_on.send(());
            Ok(())
        };
        tokio::pin!(upload, start);
        tokio::select! {
            // Before its end was sent, it can only have failed.
            uploaded = &mut upload => {
                uploaded?;
                start.await
            }
            started = &mut start => {
                started?;
                self.short_of(upload).await
            }
        }
    }

    async fn short_of(&self, call: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
        let late = |_| Fault::new(FaultKind::Hung, "the engine did not end an upload");
        tokio::time::timeout(self.limit, call).await.map_err(late)?
    }

    /// Returns once the container, which does not run, has all files in full.
    async fn arrived(&self, container: &str, files: &[SecretFile]) -> Result<(), Fault> {
        let begun = Instant::now();
        for file in files {
            let size = file.value.expose().len() as u64;
            loop {
                match self.file_state(container, &file.path).await {
                    Ok(state) if state.size == size => break,
                    Err(fault) if fault.kind != FaultKind::NotFound => return Err(fault),
                    _ if begun.elapsed() > PATIENCE => {
                        let text = format!("{} did not arrive in the container", file.path);
                        return Err(Fault::new(FaultKind::Failed, text));
                    }
                    _ => sleep(BETWEEN).await,
                }
            }
        }
        Ok(())
    }

    /// The number of the container's user, looked up in the image where it is a name.
    async fn user(&self, container: &str, user: &str) -> Result<u64, Fault> {
        let name = user.split(':').next().unwrap_or_default();
        if name.is_empty() {
            return Ok(0);
        }
        if let Ok(number) = name.parse() {
            return Ok(number);
        }
        let unknown = || {
            let text =
                format!("the image's /etc/passwd has no user {name}, who is to own its secrets");
            Fault::new(FaultKind::Failed, text)
        };
        let archive = match self.read_small_archive(container, "/etc/passwd").await {
            Err(fault) if fault.kind == FaultKind::NotFound => return Err(unknown()),
            archive => archive?,
        };
        number_in(&archive, name).ok_or_else(unknown)
    }
}

fn number_in(archive: &[u8], name: &str) -> Option<u64> {
    let mut archive = tar::Archive::new(archive);
    let entry = archive.entries().ok()?.next()?.ok()?;
    let text = std::io::read_to_string(entry).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(name);
        is_it.then(|| fields.nth(1)?.parse().ok())?
    })
}

/// A tar archive of the files that lacks its end.
fn entries(files: &[SecretFile], user: u64) -> Result<Vec<u8>, Fault> {
    let broken = |error: std::io::Error| Fault::new(FaultKind::Failed, format!("archive: {error}"));
    let mut builder = tar::Builder::new(Vec::new());
    for SecretFile { path, value } in files {
        let value: &Secret = value;
        let content = value.expose().as_bytes();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o400);
        header.set_uid(user);
        header.set_gid(0);
        let path = path.trim_start_matches('/');
        builder
            .append_data(&mut header, path, content)
            .map_err(broken)?;
    }
    let mut all = builder.into_inner().map_err(broken)?;
    all.truncate(all.len().saturating_sub(END));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_without_its_end_is_whole_once_the_end_comes() {
        let file = SecretFile {
            path: "/run/secrets/key".to_owned(),
            value: Secret::new("value"),
        };
        let mut all = entries(std::slice::from_ref(&file), 33).unwrap();
        assert_eq!(all.len(), 1024, "a header and a block");
        all.extend([0; END]);
        let mut archive = tar::Archive::new(&*all);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        let header = entry.header();
        assert_eq!(header.mode().unwrap(), 0o400);
        assert_eq!(header.uid().unwrap(), 33);
        assert_eq!(entry.path().unwrap().to_str(), Some("run/secrets/key"));
    }

    #[test]
    fn a_users_number_is_read_from_the_images_own_file() {
        let text = b"root:x:0:0::/root:/bin/sh\ntom:x:7:8::/:/bin/sh\ntomcat:x:33:44::/:/bin/sh\n";
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        builder
            .append_data(&mut header, "passwd", &text[..])
            .unwrap();
        let archive = builder.into_inner().unwrap();
        assert_eq!(number_in(&archive, "tomcat"), Some(33));
        assert_eq!(number_in(&archive, "nobody"), None);
    }
}
