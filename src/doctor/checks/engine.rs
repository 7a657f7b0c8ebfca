//! The engine: whether it answers, which rule chose it, and what it can do.

use crate::doctor::finding::Observation;
use crate::doctor::world::World;
use crate::engine::docker::{ApiVersion, EngineInfo};
use crate::error::{Error, Result};

/// Whether it answers.
pub(in crate::doctor) async fn reach(world: &World<'_>) -> Vec<Observation> {
    let chosen = world.engine.as_ref().map(|(_, choice)| {
        let (endpoint, rule) = (&choice.endpoint, &choice.chosen_by);
        format!("{endpoint}, chosen by {rule}")
    });
    match (chosen, world.info().await) {
        (Err(error), _) => vec![Observation::error(error)],
        (Ok(chosen), facts) => judge_reach(&chosen, facts.map(|it| &it.info)),
    }
}

fn judge_reach(chosen: &str, info: Result<&EngineInfo, &Error>) -> Vec<Observation> {
    let info = match info {
        Ok(info) => info,
        Err(error) => {
            let mut seen = Observation::error(error);
            seen.seen = format!("{} ({chosen})", seen.seen);
            if seen.advice.is_empty() {
                seen = seen.advise(
                    "start the engine, or name another with `--host`, DOCKER_HOST or `docker context use`",
                );
            }
            return vec![seen];
        }
    };
    let mut seen = vec![Observation::ok(format!(
        "{} on {} at {chosen}",
        info.version, info.operating_system
    ))];
    if info.os != "linux" {
        let text = format!("it runs {} containers", info.os);
        seen.push(Observation::fail(text).advise("switch it to Linux containers"));
    }
    // Most are about the kernel of a whole machine, and true for years.
    seen.extend(
        info.warnings
            .iter()
            .map(|it| Observation::ok(format!("it says of itself: {it}"))),
    );
    seen
}

/// What it can do.
pub(in crate::doctor) async fn version(world: &World<'_>) -> Vec<Observation> {
    match world.engine_facts().await {
        Ok(facts) => judge_version(&facts.info),
        Err(skipped) => vec![skipped],
    }
}

/// Docker 20.10: older ones know no `host-gateway` and get no fixes.
const RECENT: ApiVersion = ApiVersion {
    major: 1,
    minor: 41,
};

fn judge_version(info: &EngineInfo) -> Vec<Observation> {
    let (oldest, newest) = &info.api_range;
    let range = format!("the engine offers {oldest} to {newest}");
    let api = match info.api {
        None => Observation::warn(format!("the engine does not say its API version; {range}")),
        Some(api) if api < RECENT => Observation::warn(format!("API {api}; {range}"))
            .advise(format!("upgrade to Docker 20.10 (API {RECENT}) or newer")),
        Some(api) => Observation::ok(format!("API {api}; {range}")),
    };
    let store = if info.containerd_store {
        "containerd"
    } else {
        "classic"
    };
    let text = format!("{store} image store on {}", info.storage_driver);
    let store = if info.storage_driver == "vfs" {
        Observation::warn(format!("{text}, which copies every layer whole"))
            .advise("let the engine use overlay2 (or fuse-overlayfs)")
    } else {
        Observation::ok(text)
    };
    vec![api, store]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;
    use crate::error::Kind;

    fn info() -> EngineInfo {
        EngineInfo {
            version: "20.10.24".to_owned(),
            api: Some(RECENT),
            api_range: ("1.12".to_owned(), "1.41".to_owned()),
            os: "linux".to_owned(),
            storage_driver: "overlay2".to_owned(),
            operating_system: "Debian".to_owned(),
            ..EngineInfo::default()
        }
    }

    fn verdicts(seen: &[Observation]) -> Vec<Verdict> {
        seen.iter().map(|it| it.verdict).collect()
    }

    #[test]
    fn reachable_or_not() {
        let seen = judge_reach("unix:///x, chosen by --host", Ok(&info()));
        assert_eq!(verdicts(&seen), [Verdict::Ok]);
        assert_eq!(
            seen[0].seen,
            "20.10.24 on Debian at unix:///x, chosen by --host"
        );
        let windows = EngineInfo {
            os: "windows".to_owned(),
            ..info()
        };
        let seen = judge_reach("x", Ok(&windows));
        assert_eq!(verdicts(&seen), [Verdict::Ok, Verdict::Fail]);
        let gone = Error::engine("cannot reach it");
        let seen = judge_reach("unix:///x", Err(&gone));
        assert_eq!(verdicts(&seen), [Verdict::Fail]);
        assert_eq!(seen[0].seen, "cannot reach it (unix:///x)");
        assert_eq!(seen[0].kind, Some(Kind::Engine));
        assert!(!seen[0].advice.is_empty());
    }

    #[test]
    fn versions_and_stores() {
        assert_eq!(
            verdicts(&judge_version(&info())),
            [Verdict::Ok, Verdict::Ok]
        );
        let old = EngineInfo {
            api: Some(ApiVersion {
                major: 1,
                minor: 25,
            }),
            storage_driver: "vfs".to_owned(),
            ..info()
        };
        let seen = judge_version(&old);
        assert_eq!(verdicts(&seen), [Verdict::Warn, Verdict::Warn]);
        let silent = EngineInfo {
            api: None,
            containerd_store: true,
            ..info()
        };
        let seen = judge_version(&silent);
        assert_eq!(verdicts(&seen), [Verdict::Warn, Verdict::Ok]);
        assert!(seen[1].seen.starts_with("containerd"));
    }
}
