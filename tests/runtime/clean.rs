//! What `clean` finds and removes on the real engine, with other people's things beside it.

use crate::support::real_engine::{RealEngine, tar};
use devenv::doctor::clean::{Leftover, Survey, leftovers, remove};
use devenv::engine::docker::{BuildOptions, archive};
use devenv::engine::{Engine, Labels, NetworkKind};
use devenv::model::create_body::CreateBody;
use devenv::model::digest::Digest;
use devenv::model::identity::{self, Identity};
use devenv::model::name::{InstanceName, PlatformName};

/// An image of its own, labelled, so that it goes with the test.
async fn image(engine: &RealEngine, word: &str, tag: Option<String>) -> Digest {
    let base = engine.docker.image(&engine.image).await.unwrap().unwrap();
    let dockerfile = format!(
        "FROM {}\nLABEL word={word}\nCOPY file /{word}\n",
        base.tags[0]
    );
    let context = tar(&[
        ("Dockerfile", 0o644, dockerfile.as_bytes()),
        ("file", 0o644, &vec![b'x'; 100_000]),
    ]);
    let options = BuildOptions {
        dockerfile: "Dockerfile".to_owned(),
        tag,
        labels: [(identity::OWNER.to_owned(), engine.owner.clone())].into(),
        ..BuildOptions::default()
    };
    let built = engine.docker.build(archive(context), &options, &|_| {});
    built.await.unwrap()
}

async fn container(engine: &RealEngine, object: &str, image: Digest, labels: Labels) {
    let mut body = CreateBody {
        cmd: Some(vec!["/probe".to_owned(), "sleep".to_owned()]),
        image: image.to_string(),
        labels: labels
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect(),
        ..CreateBody::default()
    };
    "none".clone_into(&mut body.host_config.network_mode);
    let id = engine.docker.create(object, &body, &[]).await.unwrap();
    engine.docker.start(&id).await.unwrap();
}

async fn survey(engine: &RealEngine, platform: &PlatformName, kept: &str) -> Survey {
    let docker = &engine.docker;
    Survey {
        owner: engine.owner.clone(),
        platform: Some(platform.clone()),
        containers: docker.containers().await.unwrap(),
        networks: docker.networks(&engine.label()).await.unwrap(),
        volumes: docker.volumes(&engine.label()).await.unwrap(),
        images: docker.images().await.unwrap(),
        proposed: None,
        recorded: [(platform.to_string(), "kept".to_owned())].into(),
        kept: [(platform.clone(), [kept.to_owned()].into())].into(),
    }
}

fn names(leftovers: &[Leftover]) -> Vec<String> {
    let shown = leftovers.iter().map(|it| format!("{} {it}", it.kind()));
    shown.collect()
}

#[tokio::test]
async fn leftovers_go_and_everything_else_stays() {
    let Some(engine) = RealEngine::get().await else {
        return;
    };
    let docker = &engine.docker;
    let platform = engine.owner.replace("devenv-test-", "c");
    let platform = PlatformName::new(platform).unwrap();
    let own = |instance: &str| Identity {
        owner: engine.owner.clone(),
        platform: platform.clone(),
        instance: InstanceName::new(instance).unwrap(),
    };
    let (kept, gone) = (own("kept"), own("gone"));
    let tag = |version: &str| format!("localhost/devenv/{platform}/billing:{version}");
    for version in ["1", "2", "3"] {
        image(&engine, &format!("v{version}"), Some(tag(version))).await;
    }
    let foreign_tag = format!("localhost/{}/foreign:1", engine.owner);
    let foreign = image(&engine, "foreign", Some(foreign_tag.clone())).await;
    let used = docker.images().await.unwrap();
    let used = used
        .iter()
        .find(|it| it.tags.contains(&tag("2")))
        .unwrap()
        .id;
    let mut labels = kept.labels();
    labels.insert(identity::CONTAINER.to_owned(), "billing".to_owned());
    let object = format!("{}-billing", kept.network());
    container(&engine, &object, used, labels.clone()).await;
    let aside = format!("{object}-old-0123456789ab");
    container(&engine, &aside, foreign, labels).await;
    for identity in [&kept, &gone] {
        let labels = identity.labels();
        docker
            .create_network(&identity.network(), &labels, NetworkKind::Internal)
            .await
            .unwrap();
        let volume = format!("{}-billing.logs", identity.network());
        docker.create_volume(&volume, &labels).await.unwrap();
    }

    let found = leftovers(&survey(&engine, &platform, &tag("1")).await);
    let expected = [
        format!("container {aside}"),
        format!("network {}", gone.network()),
        format!("volume {}-billing.logs", gone.network()),
        format!("image {}", tag("3")),
    ];
    assert_eq!(names(&found), expected);
    let removed = remove(docker, found).await.unwrap();
    assert_eq!(names(&removed.done), expected);
    let after = survey(&engine, &platform, &tag("1")).await;
    assert_eq!(names(&leftovers(&after)), [""; 0]);
    let tags: Vec<&String> = after.images.iter().flat_map(|it| &it.tags).collect();
    for stays in [tag("1"), tag("2"), foreign_tag] {
        assert!(tags.contains(&&stays), "{stays}");
    }
    assert!(!tags.contains(&&tag("3")));
    assert!(after.containers.iter().any(|it| it.object == object));
    assert_eq!((after.networks.len(), after.volumes.len()), (1, 1));
}

#[tokio::test]
async fn what_is_used_by_now_stays() {
    let Some(engine) = RealEngine::get().await else {
        return;
    };
    let tag = format!("localhost/{}/used:1", engine.owner);
    let used = image(&engine, "used", Some(tag)).await;
    let labels = [(identity::OWNER.to_owned(), engine.owner.clone())].into();
    container(&engine, &format!("{}-x", engine.owner), used, labels).await;
    let leftover = Leftover::Image {
        names: vec![used.to_string()],
        size: 1,
        why: "for the test",
    };
    let removed = remove(&engine.docker, vec![leftover]).await.unwrap();
    assert_eq!((removed.done.len(), removed.used.len()), (0, 1));
}
