//! The proxy's image: its own build, and on top of it one layer with the reference.

use std::sync::Arc;

use super::Desk;
use super::checkout::{Checkout, folder_of};
use super::image::{Naming, Recipe};
use super::norms::{Candidate, Inspected, Policy};
use super::publish::Staged;
use crate::definitions::TreeFile;
use crate::engine::docker::{BuildOptions, Docker};
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::ContainerName;
use crate::model::norms::Finding;
use crate::model::reference::{PATH, Reference};
use crate::registry::Content;
use crate::release::build::context::Context;
use crate::release::build::template;
use crate::verify::evidence::layer;

/// What a proxy's image is made of, besides the reference.
#[derive(Clone, Copy)]
pub(super) struct ProxyParts<'a> {
    pub(super) checkout: &'a Checkout,
    pub(super) proxy: &'a ContainerName,
    /// The files beside its definition, templates not rendered.
    pub(super) files: &'a [TreeFile],
    pub(super) repository: &'a Repository,
    pub(super) policy: Option<&'a Policy>,
    /// What the files tell about the policy's rules.
    pub(super) findings: &'a [Finding],
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
    ) -> Result<(Digest, Staged, Inspected)> {
        let checkout = parts.checkout;
        let recipe = self.proxy_recipe(docker, parts, reference).await?;
        let version = reference.number.to_string();
        let naming = Naming {
            version: &version,
            commit: checkout.commit,
        };
        let own = self.build_image(docker, &recipe, &naming, no_cache).await?;
        let text = reference.to_yaml()?;
        let id = embed(docker, &own, &text).await?;
        let layout = Arc::new(self.exported(docker, &id).await?);
        let candidate = Candidate {
            container: parts.proxy,
            version: &version,
            definition: checkout.definition(parts.proxy)?,
            platform: &checkout.catalogue.platform,
            policy: parts.policy,
            findings: parts.findings,
            base_layers: self.base_layers(&recipe).await?,
        };
        let inspected = self
            .inspect(docker, &candidate, &layout, async || Ok(id))
            .await?;
        let staged = self.stage(docker, &id, parts.repository, token).await?;
        self.check_embedded(&staged, text.as_bytes()).await?;
        Ok((id, staged, inspected))
    }

    /// What the proxy's own image is built from; refuses what cannot be built.
    pub(super) async fn proxy_recipe(
        &self,
        docker: &Docker,
        parts: &ProxyParts<'_>,
        reference: &Reference,
    ) -> Result<Recipe> {
        let (proxy, checkout) = (parts.proxy, parts.checkout);
        let files = template::render(&folder_of(proxy), parts.files, reference)?;
        self.recipe(docker, checkout, proxy, files, Vec::new())
            .await
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
        .map_err(|fault| {
            Error::from(fault).within("the reference was not added to the proxy's image")
        })
}
