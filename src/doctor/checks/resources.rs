//! Memory, processors and disk of the engine against what the instance declares.

use std::path::Path;

use crate::converge::desired::budget::{Budget, rounded};
use crate::doctor::finding::Observation;
use crate::doctor::world::World;
use crate::engine::Endpoint;
use crate::engine::docker::EngineInfo;
use crate::model::name::ContainerName;
use crate::system::{Here, System as _};

/// Less free disk than this, in bytes, is not enough for one more image.
const LITTLE: u64 = 2 << 30;

/// Compares.
pub(in crate::doctor) async fn look(world: &World<'_>) -> Vec<Observation> {
    let info = match world.engine_facts().await {
        Ok(facts) => &facts.info,
        Err(skipped) => return vec![skipped],
    };
    let mut seen = match world.demand().await {
        Ok(demand) => {
            let names = &demand.selection.order;
            let budget = Budget::of(&demand.reference, names, &demand.overrides);
            judge(info, &budget)
        }
        Err(why) => vec![
            Observation::ok(format!(
                "{} of memory, {} processors",
                rounded(info.memory),
                info.cpus
            )),
            why,
        ],
    };
    let is_socket = world
        .engine
        .as_ref()
        .is_ok_and(|(_, choice)| matches!(choice.endpoint, Endpoint::Unix(_)));
    let is_here = is_socket && is_same(info, |name| std::fs::read_to_string(name).ok());
    let free = is_here.then(|| Here::free_space(Path::new(&info.data_folder)));
    seen.push(disk(&info.data_folder, free.flatten()));
    seen
}

/// Whether the engine is on this machine: a socket may lead into a virtual one, or out of a
/// container, but then name or kernel are another's.
fn is_same(info: &EngineInfo, read: impl Fn(&str) -> Option<String>) -> bool {
    let says = |what: &str, it: &str| {
        let own = read(&format!("/proc/sys/kernel/{what}"));
        !it.is_empty() && own.is_some_and(|own| own.trim() == it)
    };
    says("hostname", &info.name) && says("osrelease", &info.kernel)
}

fn judge(info: &EngineInfo, budget: &Budget) -> Vec<Observation> {
    let mut seen = Vec::new();
    seen.push(match budget.exceeds(info.memory) {
        Some(text) => Observation::warn(text).advise(
            "give the engine more memory, start fewer containers (`devenv down NAME`), or lower \
             `memory` in your overrides",
        ),
        None => Observation::ok(format!(
            "{} of memory, of which the instance declares {}",
            rounded(info.memory),
            rounded(budget.memory)
        )),
    });
    if !budget.unlimited.is_empty() {
        let names = budget.unlimited.iter();
        let names: Vec<&str> = names.map(ContainerName::as_str).collect();
        let text = format!("without a limit, so not in that sum: {}", names.join(", "));
        seen.push(Observation::ok(text));
    }
    let offered = u64::from(info.cpus) * 1_000_000_000;
    let largest = budget.largest_nano_cpus;
    seen.push(if info.cpus > 0 && largest > offered {
        let text = format!(
            "a container declares {} processors, the engine has {}",
            processors(largest),
            info.cpus
        );
        let seen = Observation::fail(text);
        seen.advise("the engine refuses to create it: give the engine more processors")
    } else {
        Observation::ok(format!(
            "{} processors, of which the instance declares {}",
            info.cpus,
            processors(budget.nano_cpus)
        ))
    });
    seen
}

fn processors(nano: u64) -> String {
    format!(
        "{}.{}",
        nano / 1_000_000_000,
        nano % 1_000_000_000 / 100_000_000
    )
}

fn disk(folder: &str, free: Option<u64>) -> Observation {
    match free {
        None => Observation::skipped(
            "how much of the engine's disk is free is not known: its disk is not this machine's",
        ),
        Some(free) if free < LITTLE => {
            Observation::warn(format!("only {} free in {folder}", rounded(free)))
                .advise("`devenv clean` removes images that nobody refers to")
        }
        Some(free) => Observation::ok(format!("{} free in {folder}", rounded(free))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    fn judged(memory: u64, cpus: u32, budget: &Budget) -> Vec<Verdict> {
        let info = EngineInfo {
            cpus,
            memory,
            ..EngineInfo::default()
        };
        let seen = judge(&info, budget);
        seen.iter().map(|it| it.verdict).collect()
    }

    #[test]
    fn more_than_there_is() {
        let budget = Budget {
            memory: 4 << 30,
            nano_cpus: 3_000_000_000,
            largest_nano_cpus: 1_500_000_000,
            unlimited: Vec::new(),
        };
        assert_eq!(judged(8 << 30, 2, &budget), [Verdict::Ok, Verdict::Ok]);
        assert_eq!(judged(2 << 30, 2, &budget), [Verdict::Warn, Verdict::Ok]);
        assert_eq!(judged(8 << 30, 1, &budget), [Verdict::Ok, Verdict::Fail]);
        // An engine that tells nothing is not judged.
        assert_eq!(judged(0, 0, &budget), [Verdict::Ok, Verdict::Ok]);
        assert_eq!(processors(1_550_000_000), "1.5");
    }

    #[test]
    fn a_disk_is_looked_at_only_where_it_is_the_engines() {
        let info = |name: &str, kernel: &str| EngineInfo {
            name: name.to_owned(),
            kernel: kernel.to_owned(),
            ..EngineInfo::default()
        };
        let read = |path: &str| match path {
            "/proc/sys/kernel/hostname" => Some("box\n".to_owned()),
            "/proc/sys/kernel/osrelease" => Some("6.1.0\n".to_owned()),
            _ => None,
        };
        assert!(is_same(&info("box", "6.1.0"), read));
        assert!(!is_same(&info("docker-desktop", "6.1.0"), read));
        assert!(!is_same(&info("box", "6.6.12-linuxkit"), read));
        assert!(!is_same(&info("", ""), |_| None), "not on a Mac");
    }

    #[test]
    fn a_full_disk() {
        assert_eq!(disk("/x", None).verdict, Verdict::Skipped);
        assert_eq!(disk("/x", Some(1 << 30)).verdict, Verdict::Warn);
        assert_eq!(disk("/x", Some(20 << 30)).verdict, Verdict::Ok);
        assert!(Here::free_space(Path::new("/")).is_some());
        assert!(Here::free_space(Path::new("/no/such/folder")).is_none());
    }
}
