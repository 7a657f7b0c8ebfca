//! What a change makes of how its container runs, and what is risky in that.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::definitions::{CommitId, Definitions};
use crate::error::{Error, Result};
use crate::model::catalogue::Catalogue;
use crate::model::container::{Definition, Until};
use crate::model::difference::{Difference, differences};
use crate::model::name::ContainerName;
use crate::model::reference::ReferenceContainer;
use crate::model::risk::{Risk, Side, risks};
use crate::model::run_specification::{ResolvedNeed, RunSpecification};
use crate::release::build::dockerfile::Dockerfile;

/// The difference between two sides, for one container.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Effect {
    /// Field by field.
    pub run: Vec<Difference>,
    /// What an operator should look at twice.
    pub risks: Vec<Risk>,
}

impl Effect {
    /// Compares; `None` is a container that is not there.
    pub(super) fn of(before: Option<&Side>, after: Option<&Side>) -> Result<Self> {
        Ok(Self {
            run: differences(&value(before)?, &value(after)?),
            risks: risks(before, after),
        })
    }

    /// Compares a container as two commits define it.
    pub(super) fn between(
        definitions: &Definitions,
        before: CommitId,
        after: CommitId,
        name: &ContainerName,
    ) -> Result<Self> {
        let before = proposed(definitions, before, name)?;
        let after = proposed(definitions, after, name)?;
        Self::of(before.as_ref(), after.as_ref())
    }
}

fn value(side: Option<&Side>) -> Result<serde_json::Value> {
    let Some(side) = side else {
        return Ok(serde_json::json!({}));
    };
    let mut value = serde_json::to_value(side)
        .map_err(|error| Error::bug("cannot compare run specifications").because(error))?;
    // An empty list says no more than none.
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, it| !it.as_array().is_some_and(Vec::is_empty));
    }
    Ok(value)
}

/// How production runs it.
pub(super) fn runs(entry: &ReferenceContainer, bases: BTreeMap<ContainerName, String>) -> Side {
    Side {
        run: entry.run.clone(),
        needs: entry.needs.clone(),
        uses: entry.uses.clone(),
        routes: entry.routes.clone(),
        bases,
    }
}

/// How a commit would have it run; `None` where it does not define it.
pub(super) fn proposed(
    definitions: &Definitions,
    commit: CommitId,
    name: &ContainerName,
) -> Result<Option<Side>> {
    proposed_in(&definitions.catalogue(commit)?, definitions, commit, name)
}

/// The same, where the commit's catalogue was read already.
pub(super) fn proposed_in(
    catalogue: &Catalogue,
    definitions: &Definitions,
    commit: CommitId,
    name: &ContainerName,
) -> Result<Option<Side>> {
    let Some(definition) = catalogue.definitions.get(name) else {
        return Ok(None);
    };
    Ok(Some(Side {
        run: RunSpecification::resolve(definition, &catalogue.platform.defaults),
        needs: needs(catalogue, definition),
        uses: definition.uses.clone(),
        routes: definition.routes.clone(),
        bases: bases_in(catalogue, definitions, commit, name)?,
    }))
}

fn needs(catalogue: &Catalogue, definition: &Definition) -> Vec<ResolvedNeed> {
    let until = |name: &ContainerName| {
        let other = catalogue.definitions.get(name);
        other.map_or(Until::Started, |other| {
            RunSpecification::resolve(other, &catalogue.platform.defaults).default_until()
        })
    };
    let needs = definition.needs.iter();
    needs
        .map(|need| ResolvedNeed {
            container: need.container.clone(),
            until: need.until.unwrap_or_else(|| until(&need.container)),
        })
        .collect()
}

/// What a container is built from at a commit, with the released versions of that.
pub(super) fn bases(
    definitions: &Definitions,
    commit: CommitId,
    name: &ContainerName,
) -> Result<BTreeMap<ContainerName, String>> {
    bases_in(&definitions.catalogue(commit)?, definitions, commit, name)
}

fn bases_in(
    catalogue: &Catalogue,
    definitions: &Definitions,
    commit: CommitId,
    name: &ContainerName,
) -> Result<BTreeMap<ContainerName, String>> {
    let path = format!("containers/{name}/Dockerfile");
    let Some(text) = definitions.read(commit, &path)? else {
        return Ok(BTreeMap::new());
    };
    let versions = &catalogue.platform.containers;
    let dockerfile = Dockerfile::parse(&path, &text)?;
    let bases = dockerfile.bases().into_iter().map(|base| {
        let version = versions.get(base);
        let version = version.map_or("(not released)", |it| it.as_str());
        (base.clone(), version.to_owned())
    });
    Ok(bases.collect())
}
