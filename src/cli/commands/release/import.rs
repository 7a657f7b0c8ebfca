//! `devenv release import`

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::signing::Signing;
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::{ContainerName, Version};
use crate::release::version::{Order, Source};
use crate::release::{Desk, Workshop};

/// Take over the image of bought software as one version of one container
///
/// The container has a `container.yaml` and no Dockerfile. The image stays as it is, byte for byte; it
/// is judged by the same policy, signed and recorded as one that was built, and its statement says what
/// it was imported from.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct Arguments {
    /// Name of the container
    #[arg(add = complete::definitions())]
    name: ContainerName,
    /// Version of the image
    #[arg(long)]
    version: Version,
    /// A file with one image, as `docker save` writes it, or an OCI image layout in a tar file
    #[arg(long, value_name = "FILE", group = "source")]
    archive: Option<PathBuf>,
    /// An image in a registry: REPOSITORY@sha256:…
    #[arg(long, value_name = "REF", group = "source")]
    image: Option<Pinned>,
    /// Take over a release that another operator left unfinished (asks first)
    #[arg(long)]
    take_over: bool,
    #[command(flatten)]
    signing: Signing,
}

/// An image by its digest; a tag beside it means nothing.
#[derive(Debug, Clone)]
struct Pinned(Repository, Digest);

impl FromStr for Pinned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, digest) = text
            .split_once('@')
            .ok_or("it needs a digest: REPOSITORY@sha256:…")?;
        let tag = name.rfind(':').filter(|at| !name[*at..].contains('/'));
        let name = tag.map_or(name, |at| &name[..at]);
        Ok(Self(name.parse()?, digest.parse()?))
    }
}

pub(super) async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let mut desk = Desk::production(session, &open)?;
    let key = arguments.signing.open(ui, session)?;
    let (docker, _) = session.engine()?;
    let workshop = Workshop {
        docker: &docker,
        key: &key,
    };
    let source = match (arguments.archive, arguments.image) {
        (Some(path), _) => Source::Archive(path),
        (None, Some(Pinned(repository, digest))) => Source::Image(repository, digest),
        (None, None) => return Err(crate::error::Error::bug("neither an archive nor an image")),
    };
    let order = Order {
        container: arguments.name,
        version: arguments.version,
        source,
        take_over: arguments.take_over,
    };
    let released = desk.build(&workshop, &order).await?;
    super::outcome::show_released(ui, &order, &released);
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_its_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for name in ["r.example:5000/a/b", "r.example:5000/a/b:1.2"] {
            let Pinned(repository, _) = format!("{name}@{digest}").parse().unwrap();
            assert_eq!(repository.as_str(), "r.example:5000/a/b");
        }
        assert!("r.example/a:1".parse::<Pinned>().is_err());
        assert!("r.example/a@sha256:1".parse::<Pinned>().is_err());
    }
}
