//! The proxy's image: its own build, and on top of it one layer with the reference.

use super::Desk;
use super::checkout::{Checkout, folder_of};
use super::image::Naming;
use super::publish::Staged;
use crate::build::context::Context;
use crate::build::template;
use crate::definitions::TreeFile;
use crate::engine::docker::{BuildOptions, Docker};
use crate::error::{Error, Result};
use crate::evidence::layer;
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::ContainerName;
use crate::model::reference::{PATH, Reference};
use crate::registry::Content;

/// What a proxy's image is made of, besides the reference.
#[derive(Clone, Copy)]
pub(super) struct ProxyParts<'a> {
    pub(super) checkout: &'a Checkout,
    pub(super) proxy: &'a ContainerName,
    /// The files beside its definition, templates not rendered.
    pub(super) files: &'a [TreeFile],
    pub(super) repository: &'a Repository,
}

impl Desk<'_> {
    /// The proxy's own image, and on top of it the reference as one layer; up to the staging tag.
    pub(super) async fn make_proxy(
        &self,
        docker: &Docker,
        parts: &ProxyParts<'_>,
        reference: &Reference,
        token: &str,
        no_cache: bool,
    ) -> Result<(Digest, Staged)> {
        let (proxy, checkout) = (parts.proxy, parts.checkout);
        let files = template::render(&folder_of(proxy), parts.files, reference)?;
        let recipe = self.recipe(checkout, proxy, files, Vec::new()).await?;
        let version = reference.number.to_string();
        let naming = Naming {
            version: &version,
            commit: checkout.commit,
        };
        let own = self.build_image(docker, &recipe, &naming, no_cache).await?;
        let text = reference.to_yaml()?;
        let id = embed(docker, &own, &text).await?;
        let staged = self.stage(docker, &id, parts.repository, token).await?;
        self.check_embedded(&staged, text.as_bytes()).await?;
        Ok((id, staged))
    }

    /// Reads the reference back from the registry, as a workstation will.
    async fn check_embedded(&self, staged: &Staged, text: &[u8]) -> Result<()> {
        let refuse = |why: &str| Error::trust(format!("the proxy's image: {why}"));
        let Ok(Content::Image(manifest)) = staged.manifest.content() else {
            return Err(refuse("it is not one image"));
        };
        let last = manifest.layers.last().ok_or_else(|| refuse("no layers"))?;
        let blob = self
            .online()?
            .blob(&staged.repository, last, layer::LARGEST)
            .await?;
        let found = layer::reference(&blob).map_err(|why| refuse(&why))?;
        if found != text {
            return Err(refuse("its reference is not the one that was compiled"));
        }
        Ok(())
    }
}

/// The second build: one layer with the reference, which no Dockerfile of the platform touches.
async fn embed(docker: &Docker, image: &Digest, text: &str) -> Result<Digest> {
    let file = |path: &str, content: String| TreeFile {
        path: path.to_owned(),
        executable: false,
        bytes: content.into_bytes(),
    };
    let dockerfile = format!("FROM {image}\nCOPY {PATH} /{PATH}\n");
    let files = vec![file("Dockerfile", dockerfile), file(PATH, text.to_owned())];
    let options = BuildOptions {
        dockerfile: "Dockerfile".to_owned(),
        ..BuildOptions::default()
    };
    docker
        .build(
            Context::new(files, Vec::new())?.archive(),
            &options,
            &|_| (),
        )
        .await
        .map_err(|error| error.within("the reference was not added to the proxy's image"))
}
