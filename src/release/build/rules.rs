//! Whether production may build a Dockerfile, and whether it can here. Pure.

use std::collections::BTreeSet;

use super::buildkit::{BuildKit, Feature};
use super::dockerfile::{Dockerfile, Origin, SYNTAX, Volume};
use crate::error::Result;
use crate::model::container::Kind;
use crate::model::name::{ContainerName, VolumeName};
use crate::model::run_specification::RunSpecification;

impl Dockerfile {
    /// Whether production may build a container `name` of this kind from it. `is_base` says
    /// which containers are bases.
    pub fn check(
        &self,
        name: &ContainerName,
        kind: Kind,
        is_base: impl Fn(&ContainerName) -> bool,
    ) -> Result<()> {
        for stage in &self.stages {
            let Origin::Base(base) = &stage.origin else {
                continue;
            };
            if base == name {
                return Err(self.refuse(stage.line, &format!("`{name}` is built from itself"), ""));
            }
            if !is_base(base) {
                let why = format!("`{base}` is no base of the platform");
                let right = format!("a base has `kind: base` in containers/{base}/container.yaml");
                return Err(self.refuse(stage.line, &why, &right));
            }
        }
        let last = self.stages.len() - 1;
        let line = self.stages[last].line;
        match self.root(last) {
            Origin::Base(_) => Ok(()),
            Origin::Scratch | Origin::External(_) if kind == Kind::Base => Ok(()),
            origin => {
                let what = match origin {
                    Origin::External(image) => format!("the image {image}"),
                    _ => "scratch".to_owned(),
                };
                let why = format!("{} is built from {what}", article(kind));
                Err(self.refuse(line, &why, "make a base of it (`kind: base`), then `ARG BASE_<NAME>` and `FROM ${BASE_<NAME>}`"))
            }
        }
    }

    /// Refuses, with file and line, what the BuildKit that is there does not build. It is asked
    /// for only where something needs one.
    pub async fn check_builder(
        &self,
        buildkit: impl Future<Output = Result<BuildKit>>,
    ) -> Result<()> {
        let Some(first) = self.features.first() else {
            return Ok(());
        };
        let there = buildkit.await?;
        let refuse = |feature: &Feature, why: &str, right: &str| {
            let why = format!("`{}` {why}", feature.what);
            Err(self.refuse(feature.line, &why, right))
        };
        if there == BuildKit::Absent {
            let right = "install `docker buildx` here, or write it without";
            return refuse(first, "needs BuildKit, which is not on this machine", right);
        }
        let pinned = self.features.iter().any(|feature| feature.what == SYNTAX);
        let new = self.features.iter().find(|feature| feature.is_new);
        match new.filter(|_| there == BuildKit::Old && !pinned) {
            Some(new) => refuse(
                new,
                "needs the BuildKit of Docker 23 or later",
                "a later engine, or `# syntax=docker/dockerfile:1@sha256:…` as the first line",
            ),
            None => Ok(()),
        }
    }

    /// Refuses a `VOLUME` of the image itself that its definition does not name: such a volume has
    /// no name on the engine either, and its data goes with the container. A path with a variable
    /// is known only after the build; it is kept as one of the base's is.
    pub fn check_volumes(&self, folder: &str, run: &RunSpecification) -> Result<()> {
        let own = self.lineage(self.stages.len() - 1);
        let named: BTreeSet<&str> = run
            .volumes
            .values()
            .chain(&run.tmpfs)
            .map(|path| path.as_str().trim_end_matches('/'))
            .collect();
        let open = self.volumes.iter().find(|volume| {
            let path = volume.path.trim_end_matches('/');
            own.contains(&volume.stage) && !path.contains('$') && !named.contains(path)
        });
        let Some(Volume { line, path, .. }) = open else {
            return Ok(());
        };
        let why = format!("no `volumes:` names what `VOLUME {path}` holds: it would be lost");
        let name = path.rsplit('/').find(|it| !it.is_empty()).unwrap_or("data");
        let name = VolumeName::new(name).map_or("data".to_owned(), String::from);
        let right = format!("in {folder}/container.yaml: `volumes: {{ {name}: {path} }}`");
        let throw_away = format!("`tmpfs: [{path}]` if it may be lost, or remove the VOLUME");
        Err(self.refuse(*line, &why, &right).hint(throw_away))
    }
}

fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::App => "an app",
        Kind::Proxy => "the proxy",
        Kind::Service => "a service",
        Kind::Base => "a base",
    }
}
