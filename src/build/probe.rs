//! Whether an image has what a health check by path is asked with.

use futures_util::StreamExt;

use crate::engine::docker::Docker;
use crate::engine::{Engine, FaultKind};
use crate::error::{Error, Result};
use crate::model::create_body::CreateBody;
use crate::model::digest::Digest;

/// Where programs are.
const FOLDERS: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/sbin"];
/// Any of these can ask.
const CLIENTS: [&str; 3] = ["curl", "wget", "bash"];

/// Checks that `image` has a shell and curl, wget or bash. `object` is the name for the container
/// that is looked into.
pub async fn check_health_client(docker: &Docker, image: &Digest, object: &str) -> Result<()> {
    inside(docker, image, object, async |container| {
        look(docker, container).await
    })
    .await
}

/// Looks into an image without running anything of it: a container is created, and removed.
pub(super) async fn inside<T>(
    docker: &Docker,
    image: &Digest,
    object: &str,
    look: impl AsyncFnOnce(&str) -> Result<T>,
) -> Result<T> {
    let body = CreateBody {
        image: image.to_string(),
        // Never started; but an image without a command cannot become a container.
        cmd: Some(vec!["true".to_owned()]),
        ..CreateBody::default()
    };
    // One that an interrupted run left behind.
    docker.remove(object).await?;
    let container = docker.create(object, &body, &[]).await?;
    let found = look(&container).await;
    docker.remove(&container).await?;
    found
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
