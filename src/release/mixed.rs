//! A signed reference with single versions of containers in place of its own: nobody released the
//! mix, but everything in it is verified. What running a version takes comes from where a reference
//! takes it: the definitions' commit that the version's signed build statement names.

use std::collections::BTreeMap;

use super::checkout::definition_at;
use crate::converge::desired::{Image, Source};
use crate::definitions::{CommitId, Definitions};
use crate::error::{Error, Result};
use crate::home::state::VersionRecord;
use crate::model::circle::cycle_from;
use crate::model::container::{Definition, Kind, Until};
use crate::model::name::{ContainerName, Version};
use crate::model::platform::Defaults;
use crate::model::reference::{Reference, ReferenceContainer};
use crate::model::route::Route;
use crate::model::run_specification::{ResolvedNeed, RunSpecification};
use crate::verify::choose::Preparation;
use crate::verify::evidence::{VerifiedImage, Wanted};

/// What runs where versions were chosen one by one.
#[derive(Debug)]
pub struct Mixed {
    /// As the signed one, but for these containers.
    pub reference: Reference,
    /// Their verified images.
    pub images: BTreeMap<ContainerName, VerifiedImage>,
    /// What the reference's proxy does not know of them.
    pub warnings: Vec<String>,
}

impl Mixed {
    /// The reference as it is.
    pub fn unmixed(verified: &Reference) -> Self {
        Self {
            reference: verified.clone(),
            images: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    /// Verifies each version and lays it over a verified reference.
    ///
    /// # Errors
    /// A version that is not signed, or does not fit the rest; a commit that the clone does not have.
    pub async fn new(
        preparation: &Preparation<'_>,
        definitions: &Definitions,
        verified: &Reference,
        versions: &BTreeMap<ContainerName, VersionRecord>,
    ) -> Result<Self> {
        let mut mixed = Self::unmixed(verified);
        // What the reference does not have at all may be needed by the others.
        let is_new = |name: &ContainerName| !verified.containers.contains_key(name);
        let (new, others): (Vec<_>, Vec<_>) = versions.iter().partition(|(name, _)| is_new(name));
        for (name, record) in new.into_iter().chain(others) {
            let laid = mixed.lay(preparation, definitions, name, record).await;
            let what = || format!("{name} {} cannot run here", record.version);
            laid.map_err(|error| error.within(what()).hint(way_out(name, verified)))?;
        }
        let pinned = |name: &ContainerName| versions.contains_key(name);
        mixed.settle_needs(pinned);
        mixed.check(pinned).map_err(|error| {
            let number = verified.number;
            let error = error.within(format!("these versions do not fit reference {number}"));
            let hints = versions.keys().map(|name| way_out(name, verified));
            hints.fold(error, Error::hint)
        })?;
        Ok(mixed)
    }

    /// Nobody waits for what a version cannot become: healthy without a check, completed as a service.
    fn settle_needs(&mut self, pinned: impl Fn(&ContainerName) -> bool) {
        let containers = self.reference.containers.iter();
        let pinned = containers.filter(|(name, _)| pinned(name));
        let reached: BTreeMap<ContainerName, Until> = pinned
            .map(|(name, it)| (name.clone(), it.run.default_until()))
            .collect();
        let all = self.reference.containers.values_mut();
        for need in all.flat_map(|it| &mut it.needs) {
            if let Some(until) = reached.get(&need.container)
                && need.until != Until::Started
            {
                need.until = *until;
            }
        }
    }

    /// What the reference relies on; no version may need what needs it.
    fn check(&self, pinned: impl Fn(&ContainerName) -> bool) -> Result<()> {
        let containers = &self.reference.containers;
        self.reference.check().map_err(Error::definitions)?;
        let needs = |name: &ContainerName| -> Vec<ContainerName> {
            let needs = containers.get(name).map_or(&[][..], |it| &it.needs);
            needs.iter().map(|it| it.container.clone()).collect()
        };
        for (name, entry) in containers.iter().filter(|(name, _)| pinned(name)) {
            let found = cycle_from(name, &needs).filter(|circle| circle.contains(name));
            if let Some(circle) = found {
                let version = entry.version.as_ref().map_or("", Version::as_str);
                let circle: Vec<&str> = circle.iter().map(ContainerName::as_str).collect();
                let circle = circle.join(" → ");
                let text = format!("the needs of {name} {version} go in a circle: {circle}");
                return Err(Error::definitions(text));
            }
        }
        Ok(())
    }

    async fn lay(
        &mut self,
        preparation: &Preparation<'_>,
        definitions: &Definitions,
        name: &ContainerName,
        record: &VersionRecord,
    ) -> Result<()> {
        let repository = match self.reference.containers.get(name) {
            Some(entry) => entry.repository.clone(),
            None => preparation.platform().repository(name.as_str())?,
        };
        let wanted = Wanted {
            container: name,
            version: &record.version,
            repository: &repository,
            digest: record.digest,
        };
        let mut image = preparation.verifier().image(&wanted).await?;
        image.image.source = Source::Pinned;
        let commit: CommitId = image.commit.parse().map_err(Error::trust)?;
        let (platform, _, definition) =
            definition_at(definitions, commit, name).map_err(|error| {
                error
                    .within("cannot read the definition that it was built from")
                    .hint("`devenv sync` fetches the definitions")
            })?;
        refuse_kind(name, definition.kind)?;
        let entry = entry(
            &definition,
            &platform.defaults,
            &image.image,
            &self.reference,
        )?;
        self.insert(name, entry);
        self.images.insert(name.clone(), image);
        Ok(())
    }

    /// The proxy is the reference's own: it goes on to show what it knows.
    fn insert(&mut self, name: &ContainerName, mut entry: ReferenceContainer) {
        let number = self.reference.number;
        let known = self.reference.containers.get(name);
        let (routes, port) = known.map_or((&[][..], None), |it| (&it.routes[..], it.run.port));
        let is_there = |route: &Route| routes.iter().any(|it| it.is_at(route));
        let unknown = entry.routes.iter().filter(|it| !is_there(it));
        let unknown: Vec<String> = unknown.map(ToString::to_string).collect();
        let version = entry.version.as_ref().map_or("", Version::as_str);
        if !unknown.is_empty() {
            let routes = unknown.join(" ");
            self.warnings.push(format!(
                "the proxy of reference {number} does not have the routes of {name} {version}: {routes}"
            ));
        }
        if let (Some(port), Some(own)) = (port, entry.run.port)
            && port != own
        {
            self.warnings.push(format!(
                "the proxy of reference {number} asks {name} on port {port}, and {version} listens on {own}"
            ));
        }
        entry.routes = routes.to_vec();
        entry.run.replicas = known.map_or_else(BTreeMap::new, |it| it.run.replicas.clone());
        self.reference.containers.insert(name.clone(), entry);
    }
}

/// How a version of a container's own is ended.
fn way_out(name: &ContainerName, verified: &Reference) -> String {
    if verified.containers.contains_key(name) {
        return format!("`devenv up {name}:reference` runs the reference's version again");
    }
    format!("`devenv down {name}` ends it: the reference does not have it")
}

fn refuse_kind(name: &ContainerName, kind: Kind) -> Result<()> {
    match kind {
        Kind::App | Kind::Service => Ok(()),
        Kind::Base => Err(Error::usage(format!(
            "`{name}` is a base: other images are built from it, it never runs itself"
        ))),
        Kind::Proxy => Err(Error::usage(format!(
            "`{name}` is the proxy: its version is the reference's number"
        ))
        .hint("`devenv up --reference N` runs the one of another reference")),
    }
}

/// What a reference would say of an image with the definition that it was built from.
///
/// # Errors
/// It needs what the reference does not have.
pub fn entry(
    definition: &Definition,
    defaults: &Defaults,
    image: &Image,
    reference: &Reference,
) -> Result<ReferenceContainer> {
    let run = RunSpecification::resolve(definition, defaults).of_image(&image.defaults);
    let mut needs = Vec::new();
    for need in &definition.needs {
        let there = reference.containers.get(&need.container).ok_or_else(|| {
            Error::definitions(format!(
                "it needs {}, which is not in reference {}",
                need.container, reference.number
            ))
        })?;
        needs.push(ResolvedNeed {
            container: need.container.clone(),
            until: need.until.unwrap_or_else(|| there.run.default_until()),
        });
    }
    let known = |other: &&ContainerName| reference.containers.contains_key(*other);
    Ok(ReferenceContainer {
        version: Some(Version::new(image.version.as_str()).map_err(Error::bug)?),
        repository: image.repository.clone(),
        digest: Some(image.digest),
        description: definition.description.clone(),
        needs,
        uses: definition.uses.iter().filter(known).cloned().collect(),
        routes: definition.routes.clone(),
        run,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reference::tests::{container, reference};
    use crate::model::testing::container as name;

    fn is_billing(name: &ContainerName) -> bool {
        name.as_str() == "billing"
    }

    #[test]
    fn nobody_waits_for_a_check_that_a_version_does_not_have() {
        let mut front = container("shop", &["billing", "stock"], &[]);
        for need in &mut front.1.needs {
            need.until = Until::Healthy;
        }
        let all = [
            front,
            container("billing", &[], &[]),
            container("stock", &[], &[]),
        ];
        let mut mixed = Mixed::unmixed(&reference(&all));
        mixed.settle_needs(is_billing);
        let needs = mixed.reference.containers[&name("shop")].needs.iter();
        let until: Vec<Until> = needs.map(|it| it.until).collect();
        assert_eq!(until, [Until::Started, Until::Healthy]);
    }

    #[test]
    fn a_circle_is_the_versions_fault() {
        let all = [
            container("billing", &["stock"], &[]),
            container("stock", &["billing"], &[]),
        ];
        let mixed = Mixed::unmixed(&reference(&all));
        let error = mixed.check(is_billing).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Definitions);
        let text = error.to_string();
        assert_eq!(
            text,
            "the needs of billing 1.0 go in a circle: billing → stock → billing"
        );
        assert!(mixed.check(|_| false).is_ok(), "not the versions' fault");
    }

    #[test]
    fn each_version_says_how_it_is_ended() {
        let verified = reference(&[container("billing", &[], &[])]);
        let of = |text| way_out(&name(text), &verified);
        assert!(of("billing").starts_with("`devenv up billing:reference`"));
        assert!(of("audit").starts_with("`devenv down audit`"));
    }
}
