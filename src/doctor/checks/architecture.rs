//! Whether the instance's images are for the engine's processor.

use crate::doctor::finding::Observation;
use crate::doctor::world::{Demand, World};
use crate::engine::Engine as _;
use crate::verify::choose::Preparation;
use crate::verify::evidence::Wanted;

/// A container and what its image is for, as far as it is known.
type Built = (String, Option<Vec<String>>);

/// Compares.
pub(in crate::doctor) async fn look(world: &World<'_>) -> Vec<Observation> {
    let engine = match world.engine_facts().await {
        Ok(facts) => facts.info.architecture.as_str(),
        Err(skipped) => return vec![skipped],
    };
    match world.demand().await {
        Ok(demand) => judge(engine, &built(world, demand).await),
        Err(why) => vec![Observation::ok(format!("the engine runs {engine}")), why],
    }
}

/// By the verified manifests in the cache, else by the images that the engine has.
async fn built(world: &World<'_>, demand: &Demand) -> Vec<Built> {
    let (Ok(open), Ok(docker)) = (world.open(), world.docker()) else {
        return Vec::new();
    };
    let preparation = Preparation::new(world.session, open, None);
    let verifier = preparation.verifier();
    let mut all = Vec::new();
    for name in &demand.selection.order {
        let entry = &demand.reference.containers[name];
        let (Some(version), Some(digest)) = (&entry.version, entry.digest) else {
            continue;
        };
        let wanted = Wanted {
            container: name,
            version,
            repository: &entry.repository,
            digest,
        };
        let mut found = None;
        if let Ok(verified) = verifier.image(&wanted).await {
            let image = verified.image;
            if !image.architectures.is_empty() {
                found = Some(image.architectures);
            }
            for id in image.accepted {
                if found.is_none()
                    && let Ok(Some(image)) = docker.image(&id).await
                {
                    found = Some(vec![image.architecture]);
                }
            }
        }
        all.push((name.to_string(), found));
    }
    all
}

fn judge(engine: &str, images: &[Built]) -> Vec<Observation> {
    let mut seen = Vec::new();
    let (mut fitting, mut unknown) = (0, Vec::new());
    for (name, built) in images {
        match built {
            None => unknown.push(name.as_str()),
            Some(built) if built.iter().any(|it| it == engine) => fitting += 1,
            Some(built) => seen.push(
                Observation::warn(format!(
                    "{name} is built for {}, the engine runs {engine}",
                    built.join(", ")
                ))
                .advise("ask production for an image of this architecture, or use another engine"),
            ),
        }
    }
    if fitting > 0 || images.is_empty() {
        let text = format!("the engine runs {engine}, and so do {fitting} of the images");
        seen.insert(0, Observation::ok(text));
    }
    if !unknown.is_empty() {
        let text = format!("not known before they are pulled: {}", unknown.join(", "));
        seen.push(Observation::skipped(text));
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn another_processor_is_named() {
        let image = |name: &str, built: &[&str]| {
            let built = built.iter().map(|it| (*it).to_owned()).collect();
            (name.to_owned(), Some(built))
        };
        let both = image("both", &["amd64", "arm64"]);
        let foreign = image("foreign", &["amd64"]);
        let unknown = ("unknown".to_owned(), None);
        let seen = judge("arm64", &[both.clone(), foreign, unknown]);
        let verdicts: Vec<_> = seen.iter().map(|it| it.verdict).collect();
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Warn, Verdict::Skipped]);
        assert!(seen[1].seen.starts_with("foreign is built for amd64"));
        assert_eq!(judge("arm64", &[both])[0].verdict, Verdict::Ok);
    }
}
