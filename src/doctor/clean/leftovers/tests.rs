use std::collections::BTreeMap;

use super::{Survey, leftovers};
use crate::engine::docker::EngineImage;
use crate::model::digest::Digest;
use crate::model::identity;
use crate::model::name::PlatformName;
use crate::model::observed::{
    ContainerState, Endpoint, ObservedContainer, ObservedNetwork, ObservedVolume,
};

type Labels = BTreeMap<String, String>;

fn labels(owner: &str, instance: &str, container: &str) -> Labels {
    [
        (identity::OWNER, owner),
        (identity::PLATFORM, "acme"),
        (identity::INSTANCE, instance),
        (identity::CONTAINER, container),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn container(object: &str, labels: Labels, image: &str) -> ObservedContainer {
    ObservedContainer {
        id: format!("id-{object}"),
        object: object.to_owned(),
        labels,
        image: Some(Digest::of(image.as_bytes())),
        state: ContainerState::Running,
        health: None,
        ports: Vec::new(),
        networks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        created: 0,
        status: String::new(),
    }
}

fn image(content: &str, tags: &[&str], digests: &[&str], labels: Labels) -> EngineImage {
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    EngineImage {
        id: Digest::of(content.as_bytes()),
        tags: texts(tags),
        digests: texts(digests),
        labels,
        size: 1,
        created: 0,
    }
}

fn found(survey: &Survey) -> Vec<String> {
    let shown = |it: &super::Leftover| format!("{} {it}", it.kind());
    leftovers(survey).iter().map(shown).collect()
}

fn survey() -> Survey {
    Survey {
        owner: "me".to_owned(),
        ..Survey::default()
    }
}

#[test]
fn containers_set_aside_go_and_nobody_elses() {
    let old = "devenv-acme-default-billing-old-0123";
    let mut reader = labels("me", "default", "");
    reader.remove(identity::CONTAINER);
    reader.insert(identity::READER.to_owned(), "logs".to_owned());
    let survey = Survey {
        containers: vec![
            container(
                "devenv-acme-default-billing",
                labels("me", "default", "billing"),
                "a",
            ),
            container(old, labels("me", "default", "billing"), "a"),
            container(old, labels("you", "default", "billing"), "a"),
            container("devenv-acme-default.read-1", reader, "a"),
            container("devenv-acme-default-x-old-1", Labels::new(), "a"),
        ],
        ..survey()
    };
    let expected = [
        format!("container {old}"),
        "container devenv-acme-default.read-1".to_owned(),
    ];
    let mut all = found(&survey);
    all.sort();
    let mut wanted = expected.to_vec();
    wanted.sort();
    assert_eq!(all, wanted);
    let other = Survey {
        platform: PlatformName::new("other").ok(),
        ..survey
    };
    assert_eq!(found(&other), [""; 0]);
}

#[test]
fn networks_go_with_their_last_container() {
    let network = |id: &str, owner, instance| ObservedNetwork {
        id: id.to_owned(),
        name: id.to_owned(),
        labels: labels(owner, instance, ""),
    };
    let mut visitor = container("visitor", Labels::new(), "a");
    let endpoint = Endpoint {
        network: "visited".to_owned(),
        address: None,
        aliases: Vec::new(),
    };
    visitor.networks.insert("visited".to_owned(), endpoint);
    let old = "devenv-acme-gone-billing-old-0123";
    let survey = Survey {
        containers: vec![
            container(
                "devenv-acme-default-billing",
                labels("me", "default", "billing"),
                "a",
            ),
            container(old, labels("me", "gone", "billing"), "a"),
            visitor,
        ],
        networks: vec![
            network("used", "me", "default"),
            network("empty", "me", "gone"),
            network("visited", "me", "gone"),
            network("foreign", "you", "gone"),
        ],
        ..survey()
    };
    assert_eq!(
        found(&survey),
        [&format!("container {old}"), "network empty"]
    );
}

#[test]
fn volumes_stay_as_long_as_somebody_remembers_or_mounts_them() {
    let volume = |name: &str, owner, instance| ObservedVolume {
        name: name.to_owned(),
        labels: labels(owner, instance, ""),
    };
    let mut mounting = container("x", Labels::new(), "a");
    mounting
        .volumes
        .insert("mounted".to_owned(), "/x".to_owned());
    let survey = Survey {
        containers: vec![mounting],
        volumes: vec![
            volume("recorded", "me", "default"),
            volume("forgotten", "me", "gone"),
            volume("mounted", "me", "gone"),
            volume("foreign", "you", "gone"),
        ],
        recorded: [("acme".to_owned(), "default".to_owned())].into(),
        ..survey()
    };
    assert_eq!(found(&survey), ["volume forgotten"]);
}

#[test]
fn images_stay_as_long_as_a_reference_or_a_container_needs_them() {
    let tag = |rest: &str| format!("localhost/devenv/acme/{rest}");
    let none = Labels::new();
    let mine = labels("me", "default", "billing");
    let digest = "registry.acme.example/platform/billing@sha256:00";
    let survey = Survey {
        containers: vec![container("anybody", Labels::new(), "used")],
        images: vec![
            image("kept", &[&tag("billing:1.5")], &[digest], none.clone()),
            image("old", &[&tag("billing:1.4")], &[digest], none.clone()),
            image("used", &[&tag("billing:1.3")], &[], none.clone()),
            image(
                "shared",
                &[&tag("billing:1.2"), "mine:1"],
                &[digest],
                none.clone(),
            ),
            image(
                "unknown",
                &["localhost/devenv/other/x:1"],
                &[],
                none.clone(),
            ),
            image("foreign", &["billing:1.4"], &[], none.clone()),
            image("dangling", &[], &[], mine.clone()),
            image("pulled", &[], &[digest], mine),
            image("nobody's", &[], &[], none),
        ],
        kept: [(
            PlatformName::new("acme").unwrap(),
            [tag("billing:1.5")].into(),
        )]
        .into(),
        ..survey()
    };
    let names: Vec<Vec<String>> = leftovers(&survey)
        .into_iter()
        .map(|it| match it {
            super::Leftover::Image { names, .. } => names,
            other => panic!("{other:?}"),
        })
        .collect();
    let dangling = Digest::of(b"dangling").to_string();
    let expected = vec![
        vec![tag("billing:1.2")],
        vec![tag("billing:1.4"), digest.to_owned()],
        vec![dangling],
    ];
    assert_eq!(names, expected);
}

#[test]
fn local_images_that_no_proposal_refers_to_go_and_nobody_elses() {
    let tag = |hash: &str| format!("localhost/devenv-local/billing:{hash}");
    let (mine, theirs) = (labels("me", "", ""), labels("you", "", ""));
    let mut survey = Survey {
        images: vec![
            image("proposed", &[&tag("1")], &[], mine.clone()),
            image("old", &[&tag("2")], &[], mine.clone()),
            image("theirs", &[&tag("3")], &[], theirs),
            image("runs", &[&tag("4")], &[], mine),
        ],
        containers: vec![container("x", labels("me", "default", "billing"), "runs")],
        proposed: Some([tag("1")].into()),
        ..survey()
    };
    assert_eq!(found(&survey), [format!("image {}", tag("2"))]);
    assert_eq!(leftovers(&survey)[0].why(), "no proposal refers to it");
    // Where a proposal cannot be read, nothing is known.
    survey.proposed = None;
    assert_eq!(found(&survey), [""; 0]);
}
