//! Whether an image has what a health check by path is asked with.

use futures_util::StreamExt;

use crate::engine::docker::Docker;
use crate::engine::{Engine, FaultKind};
use crate::error::{Error, Result};
use crate::home::state;
use crate::model::create_body::CreateBody;
use crate::model::digest::Digest;
use crate::model::identity;
use crate::model::name::PlatformName;

/// Where programs are.
const FOLDERS: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/sbin"];
/// Any of these can ask.
const CLIENTS: [&str; 3] = ["curl", "wget", "bash"];

/// An engine where images are looked into, and for whom: what an interrupted look leaves behind is
/// labelled, for `clean` to find.
#[derive(Debug, Clone, Copy)]
pub struct Looker<'a> {
    /// The engine.
    pub docker: &'a Docker,
    /// The owner's Id.
    pub owner: &'a str,
    /// For which platform.
    pub platform: &'a PlatformName,
}

impl Looker<'_> {
    /// Checks that `image` has a shell and curl, wget or bash.
    pub async fn check_health_client(&self, image: &Digest) -> Result<()> {
        self.inside(image, async |container| look(self.docker, container).await)
            .await
    }

    /// Looks into an image without running anything of it: a container is created, and removed.
    pub(super) async fn inside<T>(
        &self,
        image: &Digest,
        look: impl AsyncFnOnce(&str) -> Result<T>,
    ) -> Result<T> {
        let object = format!("devenv-look-{}", state::random_hex(8)?);
        let container = self.docker.create(&object, &self.body(image), &[]).await?;
        let found = look(&container).await;
        self.docker.remove(&container).await?;
        found
    }

    fn body(&self, image: &Digest) -> CreateBody {
        let labels = [
            (identity::OWNER, self.owner),
            (identity::PLATFORM, self.platform.as_str()),
            (identity::READER, "image"),
        ];
        CreateBody {
            image: image.to_string(),
            // Never started; but an image without a command cannot become a container.
            cmd: Some(vec!["true".to_owned()]),
            labels: labels
                .map(|(name, value)| (name.into(), value.to_owned()))
                .into(),
            ..CreateBody::default()
        }
    }
}

async fn look(docker: &Docker, container: &str) -> Result<()> {
    let missing = if !has_any(docker, container, &["sh"]).await? {
        "a shell"
    } else if !has_any(docker, container, &CLIENTS).await? {
        "curl, wget or bash"
    } else {
        return Ok(());
    };
    Err(Error::definitions(format!(
        "the health check by `path` needs {missing} in the image"
    ))
    .hint("install one of them in the Dockerfile, or give `health.command` instead of `path`"))
}

async fn has_any(docker: &Docker, container: &str, programs: &[&str]) -> Result<bool> {
    for folder in FOLDERS {
        for program in programs {
            let mut archive = docker.read_archive(container, &format!("{folder}/{program}"));
            match archive.next().await {
                Some(Ok(_)) => return Ok(true),
                Some(Err(fault)) if fault.kind != FaultKind::NotFound => return Err(fault.into()),
                _ => {}
            }
        }
    }
    Ok(false)
}
