//! What commands that died left behind: on the engine, and in devenv's own folders.

use std::collections::BTreeSet;
use std::path::PathBuf;

use futures_util::future::try_join3;

use crate::doctor::clean::{Leftover, Survey, instance, leftovers};
use crate::doctor::finding::Observation;
use crate::doctor::mending::{Mending, is_idle};
use crate::doctor::world::World;
use crate::engine::Engine as _;
use crate::error::Result;
use crate::home::lock;
use crate::home::paths::Paths;
use crate::home::state::{self, Owner};
use crate::instance::forward;
use crate::model::identity;
use crate::model::name::PlatformName;

/// What was found.
#[derive(Debug, Default)]
struct Found {
    objects: Vec<Leftover>,
    locks: Vec<Mending>,
    /// Forwarders of instances that run nothing.
    idle: Vec<Mending>,
    /// Operations of production's that were not finished.
    releases: Vec<String>,
    /// Work trees that no proposal remembers.
    worktrees: Vec<PathBuf>,
}

/// Looks everywhere.
pub(in crate::doctor) async fn look(world: &World<'_>) -> Vec<Observation> {
    let mut found = match own_folders(world) {
        Ok(found) => found,
        Err(error) => return vec![Observation::error(&error)],
    };
    let mut not_asked = None;
    match on_engine(world).await {
        Ok(objects) => found.objects = objects,
        Err(skipped) => not_asked = Some(skipped),
    }
    let mut seen = judge(found);
    if not_asked.is_none() && seen.is_empty() {
        seen.push(Observation::ok("none"));
    }
    seen.extend(not_asked);
    seen
}

async fn on_engine(world: &World<'_>) -> Result<Vec<Leftover>, Observation> {
    let docker = world.docker()?;
    let paths = &world.session.home.paths;
    // A home that never made anything has no owner yet, and needs none for this question.
    if !paths.owner().is_file() {
        return Ok(Vec::new());
    }
    let error = |error| Observation::error(&error);
    let owner = Owner::load(paths).map_err(error)?.id;
    let label = format!("{}={owner}", identity::OWNER);
    let lists = try_join3(
        docker.containers(),
        docker.networks(&label),
        docker.volumes(&label),
    );
    let silent = |_| Observation::skipped("the engine does not tell what is on it");
    let (containers, networks, volumes) = lists.await.map_err(silent)?;
    let mut recorded = BTreeSet::new();
    for platform in world.session.home.platforms().map_err(error)? {
        for instance in state::instances(paths, &platform).map_err(error)? {
            recorded.insert((platform.to_string(), instance.to_string()));
        }
    }
    // `down` leaves the networks of an instance for its next `up`.
    let networks = networks.into_iter().filter(|network| {
        let of = |name: &str| network.labels.get(name).cloned().unwrap_or_default();
        !recorded.contains(&(of(identity::PLATFORM), of(identity::INSTANCE)))
    });
    let survey = Survey {
        owner,
        containers,
        networks: networks.collect(),
        volumes,
        recorded,
        ..Survey::default()
    };
    let mut all = forgotten(&survey);
    for leftover in leftovers(&survey) {
        if !all.contains(&leftover) {
            all.push(leftover);
        }
    }
    Ok(all)
}

/// Containers and networks of instances that nothing remembers.
fn forgotten(survey: &Survey) -> Vec<Leftover> {
    let mut gone = BTreeSet::new();
    let mut all = Vec::new();
    for container in &survey.containers {
        let labels = &container.labels;
        let instance = instance(labels);
        let is_ours = labels.get(identity::OWNER) == Some(&survey.owner);
        if is_ours && !survey.recorded.contains(&instance) {
            all.push(Leftover::Container {
                id: container.id.clone(),
                object: container.object.clone(),
                instance: instance.clone(),
                why: "no instance remembers it",
            });
            gone.insert(instance);
        }
    }
    for network in &survey.networks {
        let instance = instance(&network.labels);
        if gone.contains(&instance) {
            all.push(Leftover::Network {
                id: network.id.clone(),
                name: network.name.clone(),
                instance,
            });
        }
    }
    all
}

fn own_folders(world: &World<'_>) -> Result<Found> {
    let mut found = Found::default();
    let paths = &world.session.home.paths;
    for platform in world.session.home.platforms()? {
        for instance in lock::dead(paths, &platform)? {
            found.locks.push(Mending::Lock {
                path: paths.lock(&platform, &instance),
                platform: platform.clone(),
                instance,
            });
        }
        found.idle.extend(idle(paths, &platform)?);
        found.releases.extend(unfinished(world, &platform));
        let trees = paths.worktrees(&platform);
        let without_record = |tree: &PathBuf| {
            let name = tree.file_name().unwrap_or_default().to_string_lossy();
            let record = paths.proposals(&platform).join(format!("{name}.json"));
            tree.is_dir() && !record.is_file()
        };
        found
            .worktrees
            .extend(entries(&trees).into_iter().filter(without_record));
    }
    Ok(found)
}

/// Forwarders that nobody needs.
fn idle(paths: &Paths, platform: &PlatformName) -> Result<Vec<Mending>> {
    let mut idle = Vec::new();
    for instance in forward::instances(paths, platform)? {
        if is_idle(paths, platform, &instance)? {
            idle.push(Mending::IdleForwarder {
                platform: platform.clone(),
                instance,
            });
        }
    }
    Ok(idle)
}

/// Operations whose process is gone, by their own names.
fn unfinished(world: &World<'_>, platform: &PlatformName) -> Vec<String> {
    let entries = entries(&world.session.home.paths.releases(platform));
    let names = entries.iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        name.strip_suffix(".json").map(ToOwned::to_owned)
    });
    names.collect()
}

fn entries(folder: &std::path::Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    paths.sort();
    paths
}

fn judge(found: Found) -> Vec<Observation> {
    let mut seen = Vec::new();
    let fix = "`devenv doctor --fix` removes it";
    for leftover in found.objects {
        let text = format!("the {} {leftover}: {}", leftover.kind(), leftover.why());
        seen.push(match leftover {
            Leftover::Volume { .. } => Observation::warn(text)
                .advise("`devenv clean --volumes` removes it with the data in it, after asking"),
            other => Observation::warn(text)
                .advise(fix)
                .mend(Mending::Object(Box::new(other))),
        });
    }
    for lock in found.locks {
        if let Mending::Lock { instance, .. } = &lock {
            let text = format!("a lock of the instance {instance}, which nothing remembers");
            seen.push(Observation::warn(text).advise(fix).mend(lock));
        }
    }
    for idle in found.idle {
        if let Mending::IdleForwarder { instance, .. } = &idle {
            let text = format!("the forwarder of the instance {instance}, which runs nothing");
            seen.push(Observation::warn(text).advise(fix).mend(idle));
        }
    }
    for release in found.releases {
        let text = format!("the release operation `{release}` was not finished");
        seen.push(
            Observation::warn(text).advise("run the same command again: it goes on where it was"),
        );
    }
    for tree in found.worktrees {
        let text = format!("the work tree {} belongs to no proposal", tree.display());
        seen.push(
            Observation::warn(text)
                .advise("look whether something in it is yours, then remove the folder"),
        );
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::doctor::clean::Instance;
    use crate::doctor::finding::Verdict;
    use crate::model::observed::{ContainerState, ObservedContainer, ObservedNetwork};

    fn labels(owner: &str, instance: &str) -> BTreeMap<String, String> {
        let pairs = [
            (identity::OWNER, owner),
            (identity::PLATFORM, "acme"),
            (identity::INSTANCE, instance),
        ];
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn container(id: &str, owner: &str, instance: &str) -> ObservedContainer {
        ObservedContainer {
            id: id.to_owned(),
            object: format!("devenv-acme-{instance}-{id}"),
            labels: labels(owner, instance),
            image: None,
            state: ContainerState::Running,
            health: None,
            ports: Vec::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            created: 0,
            status: String::new(),
        }
    }

    #[test]
    fn only_this_owners_objects_of_forgotten_instances() {
        let network = |id: &str, instance: &str| ObservedNetwork {
            id: id.to_owned(),
            name: id.to_owned(),
            labels: labels("me", instance),
        };
        let survey = Survey {
            owner: "me".to_owned(),
            containers: vec![
                container("a", "me", "gone"),
                container("b", "me", "kept"),
                container("c", "other", "gone"),
            ],
            networks: vec![network("n", "gone"), network("m", "kept")],
            recorded: [("acme".to_owned(), "kept".to_owned())].into(),
            ..Survey::default()
        };
        let names: Vec<String> = forgotten(&survey).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["devenv-acme-gone-a", "n"]);
    }

    #[test]
    fn volumes_and_work_trees_are_never_mended() {
        let found = Found {
            objects: vec![
                Leftover::Network {
                    id: "1".to_owned(),
                    name: "n".to_owned(),
                    instance: Instance::default(),
                },
                Leftover::Volume {
                    name: "v".to_owned(),
                    instance: Instance::default(),
                },
            ],
            releases: vec!["reference".to_owned()],
            worktrees: vec![PathBuf::from("/w")],
            ..Found::default()
        };
        let seen = judge(found);
        assert!(seen.iter().all(|it| it.verdict == Verdict::Warn));
        let mended: Vec<bool> = seen.iter().map(|it| it.mending.is_some()).collect();
        assert_eq!(mended, [true, false, false, false]);
        assert!(judge(Found::default()).is_empty());
    }
}
