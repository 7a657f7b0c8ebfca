//! The definitions at one commit, read from tree blobs.

use std::collections::BTreeMap;

use crate::definitions::{CommitId, Definitions, TreeFile};
use crate::error::{Error, Kind, Result};
use crate::model::catalogue::{Catalogue, Source};
use crate::model::container::Definition;
use crate::model::name::{ContainerName, PlatformName};
use crate::model::platform::Platform;
use crate::model::yaml;

const PLATFORM: &str = "platform.yaml";

/// All definitions of one commit, checked as a whole.
#[derive(Debug, Clone)]
pub(super) struct Checkout {
    pub(super) commit: CommitId,
    /// `platform.yaml`
    pub(super) platform: Source,
    /// `containers/<name>/container.yaml`
    pub(super) containers: BTreeMap<ContainerName, Source>,
    pub(super) catalogue: Catalogue,
}

/// The folder of a container in the definitions.
pub(super) fn folder_of(container: &ContainerName) -> String {
    format!("containers/{container}")
}

/// Reads and checks everything at `commit`; it must call itself `name`.
pub(super) fn checkout(
    definitions: &Definitions,
    commit: CommitId,
    name: &PlatformName,
) -> Result<Checkout> {
    let platform = source(definitions, commit, PLATFORM)?;
    let mut containers = BTreeMap::new();
    for container in definitions.containers(commit)? {
        let path = format!("{}/container.yaml", folder_of(&container));
        containers.insert(container, source(definitions, commit, &path)?);
    }
    let catalogue = Catalogue::load(&platform, &containers)?;
    if catalogue.platform.platform != *name {
        return Err(Error::trust(format!(
            "the definitions are those of `{}`, not of `{name}`",
            catalogue.platform.platform
        )));
    }
    Ok(Checkout {
        commit,
        platform,
        containers,
        catalogue,
    })
}

/// One definition and its platform, as they were at `commit`.
pub(super) fn definition_at(
    definitions: &Definitions,
    commit: CommitId,
    container: &ContainerName,
) -> Result<(Platform, Source, Definition)> {
    let platform = source(definitions, commit, PLATFORM)?;
    let path = format!("{}/container.yaml", folder_of(container));
    let source = source(definitions, commit, &path)?;
    let at = |source: &Source| format!("{} (at {})", source.path, commit.short());
    Ok((
        Platform::parse(&at(&platform), &platform.text)?,
        Source {
            path: at(&source),
            text: source.text.clone(),
        },
        yaml::read(Kind::Definitions, &at(&source), &source.text)?,
    ))
}

fn source(definitions: &Definitions, commit: CommitId, path: &str) -> Result<Source> {
    let text = definitions.read(commit, path)?.ok_or_else(|| {
        Error::definitions(format!(
            "there is no {path} in the definitions at {}",
            commit.short()
        ))
    })?;
    Ok(Source {
        path: path.to_owned(),
        text,
    })
}

impl Checkout {
    /// A container's definition; an unknown name is refused with the nearest one.
    pub(super) fn definition(&self, container: &ContainerName) -> Result<&Definition> {
        let known = &self.catalogue.definitions;
        known.get(container).ok_or_else(|| {
            let error = Error::usage(format!("no container is called `{container}`"));
            let names = known.keys().map(ContainerName::as_str);
            match crate::model::nearest::nearest(container.as_str(), names) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }

    /// The files beside a definition; `container.yaml` is no part of an image.
    pub(super) fn files(
        &self,
        definitions: &Definitions,
        container: &ContainerName,
    ) -> Result<Vec<TreeFile>> {
        let mut files = definitions.folder(self.commit, &folder_of(container))?;
        files.retain(|file| file.path != "container.yaml");
        Ok(files)
    }
}
