//! What released versions stand on, by the tags of their releases and the commits that these keep: no
//! registry is asked.

use super::findings::Stand;
use crate::definitions::{CommitId, Definitions, Tag};
use crate::error::Result;
use crate::model::catalogue::Catalogue;
use crate::model::name::{ContainerName, Version};
use crate::release::build::dockerfile::Dockerfile;

/// The base of every released version; and how many of them this clone knows nothing about.
pub fn stands(definitions: &Definitions, catalogue: &Catalogue) -> Result<(Vec<Stand>, usize)> {
    let (mut found, mut unknown) = (Vec::new(), 0);
    for (container, version) in &catalogue.platform.containers {
        let tag = Tag::Release(container.clone(), version.clone());
        let Some(commit) = definitions.reserved(&tag)?.and_then(|it| it.commit) else {
            unknown += 1;
            continue;
        };
        // A release under other rules stands on what nobody can read any more.
        if let Some((base, base_version)) = base_at(definitions, commit, container).ok().flatten() {
            let tag = Tag::Release(base.clone(), base_version.clone());
            found.push(Stand {
                container: container.clone(),
                version: version.clone(),
                base_built: definitions.reserved(&tag)?.and_then(|it| it.at),
                newest: catalogue.platform.containers.get(&base).cloned(),
                base,
                base_version,
            });
        }
    }
    Ok((found, unknown))
}

fn base_at(
    definitions: &Definitions,
    commit: CommitId,
    container: &ContainerName,
) -> Result<Option<(ContainerName, Version)>> {
    let path = format!("containers/{container}/Dockerfile");
    let Some(text) = definitions.read(commit, &path)? else {
        return Ok(None);
    };
    let dockerfile = Dockerfile::parse(&path, &text)?;
    let platform = definitions.catalogue(commit)?.platform;
    Ok(dockerfile.last_base().and_then(|base| {
        let version = platform.containers.get(base)?;
        Some((base.clone(), version.clone()))
    }))
}
