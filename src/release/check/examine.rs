//! Judging what was read. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::container::Folder;
use super::findings;
use super::gathered::Gathered;
use crate::error::{Error, Kind as ErrorKind};
use crate::model::catalogue::{Catalogue, Source};
use crate::model::container::Kind;
use crate::model::digest::Digest;
use crate::model::image_configuration::ImageDefaults;
use crate::model::name::{ContainerName, Version};
use crate::model::nearest::nearest;
use crate::model::norms::{Finding, Norms};
use crate::model::trust_file::TrustFile;
use crate::model::yaml::{self, Step};
use crate::release::build::context::Context;
use crate::release::build::template;
use crate::release::compile::{Part, Parts, compile};

/// All faults of a definitions tree, each with its place, and what could not be looked at.
#[derive(Debug)]
pub struct Examined {
    /// What can be read; `None` without a platform.
    pub catalogue: Option<Catalogue>,
    /// Every fault, by file and line.
    pub faults: Vec<Error>,
    /// The policy, where there is one that can be read.
    pub norms: Option<Norms>,
    /// What the policy may have rules about.
    pub findings: Vec<Finding>,
    /// Containers without a Dockerfile: their images are imported.
    pub imported: Vec<ContainerName>,
}

/// Finds every fault.
pub fn examine(mut gathered: Gathered) -> Examined {
    let mut faults = std::mem::take(&mut gathered.faults);
    let gathered = &gathered;
    let mut imported = Vec::new();
    let mut found_in_folders = Vec::new();
    let mut catalogue = None;
    if let Some(platform) = &gathered.platform {
        let examined = Catalogue::examine(platform, &gathered.containers);
        let sound = examined.faults.is_empty();
        faults.extend(examined.faults);
        if let Some(found) = &examined.catalogue {
            for (name, definition) in &found.definitions {
                let Some(files) = gathered.folders.get(name) else {
                    continue;
                };
                let folder = Folder {
                    catalogue: found,
                    name,
                    definition,
                    files,
                };
                faults.extend(Context::new(files.clone(), Vec::new()).err());
                if let Some(source) = gathered.containers.get(name) {
                    found_in_folders.extend(findings::of_folder(&folder, &source.text));
                }
                match folder.dockerfile() {
                    Ok(Some(_)) => {}
                    Ok(None) => imported.push(name.clone()),
                    Err(found) => faults.extend(found),
                }
            }
            faults.extend(workstation_fault(found, platform, gathered));
            // Templates see the whole platform: a part of it proves nothing.
            if sound {
                faults.extend(template_fault(found, platform, gathered));
            }
        }
        catalogue = examined.catalogue;
    }
    if let Some(trust) = &gathered.trust {
        faults.extend(TrustFile::parse(&trust.path, &trust.text).err());
    }
    let mut norms = None;
    if let Some(policy) = &gathered.policy {
        let (read, found) = Norms::examine(&policy.path, &policy.text);
        norms = read;
        faults.extend(found);
    }
    faults.sort_by_key(|fault| {
        let place = fault.place();
        place.map(|it| (it.file.clone(), it.line, it.column))
    });
    Examined {
        catalogue,
        faults,
        norms,
        findings: found_in_folders,
        imported,
    }
}

/// What workstations run with by default is an environment's, their own, or in some container's folder.
fn workstation_fault(
    catalogue: &Catalogue,
    platform: &Source,
    gathered: &Gathered,
) -> Option<Error> {
    let wanted = catalogue.platform.workstation.configuration.as_str();
    let begin = format!("configuration/{wanted}/");
    let mut files = gathered.folders.values().flatten();
    let known = catalogue.configurations();
    if known.contains(&wanted) || files.any(|file| file.path.starts_with(&begin)) {
        return None;
    }
    let near = nearest(wanted, known.iter().copied());
    let near = near.map_or(String::new(), |it| format!("; did you mean `{it}`?"));
    let message = format!("no container has a configuration called `{wanted}`{near}");
    let place = [Step::Value("workstation"), Step::Value("configuration")];
    let text = String::from_utf8_lossy(&platform.text);
    let (kind, path) = (ErrorKind::Definitions, &platform.path);
    Some(yaml::at(kind, path, &text, &place, &message))
}

/// Renders the proxy's templates with a reference in which every container is released.
fn template_fault(catalogue: &Catalogue, platform: &Source, gathered: &Gathered) -> Option<Error> {
    let proxy = &catalogue.platform.proxy;
    let files = gathered.folders.get(proxy)?;
    let parts = Parts {
        platform: &catalogue.platform,
        platform_source: platform,
        containers: &gathered.containers,
        proxy: catalogue.definitions.get(proxy)?,
        released: as_if_released(catalogue, gathered),
    };
    let commit = gathered.commit.to_string();
    let rendered = compile(&parts, 1, Timestamp::UNIX_EPOCH, commit).and_then(|compiled| {
        template::render(&format!("containers/{proxy}"), files, &compiled.reference)
    });
    rendered.err()
}

fn as_if_released(catalogue: &Catalogue, gathered: &Gathered) -> BTreeMap<ContainerName, Part> {
    let platform = &catalogue.platform;
    let runs = catalogue
        .definitions
        .iter()
        .filter(|(_, definition)| !matches!(definition.kind, Kind::Base | Kind::Proxy));
    runs.filter_map(|(name, definition)| {
        let part = Part {
            version: platform
                .containers
                .get(name)
                .cloned()
                .or_else(|| Version::new("0").ok())?,
            repository: platform.repository(name.as_str()).ok()?,
            digest: Digest::of(name.as_str().as_bytes()),
            definition: definition.clone(),
            defaults: platform.defaults.clone(),
            source: gathered.containers.get(name)?.clone(),
            image: ImageDefaults::default(),
        };
        Some((name.clone(), part))
    })
    .collect()
}
