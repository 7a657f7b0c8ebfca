//! Registries as they are: each rule of the loopback proxy in front of one that follows the
//! specification.

use super::super::{Descriptor, Fault, Listing, OCI_MANIFEST, Registry, Tag, Way};
use super::anonymous;
use super::behaviour::{Immovable, Rule, behaving};
use super::memory::Memory;
use super::referrers::bundle;
use super::server::Server;
use crate::model::image::Repository;

/// An image in a registry, and the way to it through a rule.
struct Wild {
    memory: Memory,
    registry: Registry,
    repository: Repository,
    image: Descriptor,
    _server: Server,
}

impl Wild {
    async fn new(rule: Rule) -> Self {
        Self::before(Memory::default(), rule).await
    }

    async fn before(memory: Memory, rule: Rule) -> Self {
        let image = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"x","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
        memory.put("1.0", image);
        let script = memory.clone();
        let server = Server::start(move |asked| script.answer(asked)).await;
        let address = behaving(server.host.clone(), rule).await;
        Self {
            memory,
            registry: anonymous(),
            repository: format!("{address}/acme/billing").parse().unwrap(),
            image: Descriptor::of(OCI_MANIFEST, image),
            _server: server,
        }
    }

    async fn attach(&self, text: &'static str) -> Result<(Descriptor, Way), Fault> {
        let attachment = bundle(text);
        self.registry
            .attach(&self.repository, &self.image, attachment)
            .await
    }

    /// What the ways list, each once, in their order.
    async fn found(&self) -> Result<Vec<Descriptor>, Fault> {
        let mut all: Vec<Descriptor> = Vec::new();
        for way in Way::ALL {
            let listing = self
                .registry
                .referrers(way, &self.repository, &self.image.digest);
            if let Listing::Listed(list) = listing.await? {
                all.extend(list);
            }
        }
        all.sort_by_key(|it| it.digest);
        all.dedup_by_key(|it| it.digest);
        Ok(all)
    }

    async fn finds_what_it_attaches(&self, way: Way) {
        for (count, text) in ["one", "two"].into_iter().enumerate() {
            let (_, found_by) = self.attach(text).await.unwrap();
            assert_eq!(found_by, way);
            assert_eq!(self.found().await.unwrap().len(), count + 1);
        }
    }
}

#[tokio::test]
async fn the_fallback_tag_is_the_subject() {
    let wild = Wild::new(Rule::SubjectAtFallbackTag).await;
    wild.finds_what_it_attaches(Way::OwnTags).await;
}

/// Whoever may push can put anything there.
#[tokio::test]
async fn junk_at_the_fallback_tag_is_passed_over() {
    let huge = vec![b' '; 5 << 20];
    for junk in [
        &b"[]"[..],
        b"{}",
        br#"{"schemaVersion":2,"manifests":7}"#,
        &huge,
    ] {
        let wild = Wild::new(Rule::EmptyReferrers).await;
        let tag = Tag::referrers_of(&wild.image.digest);
        wild.memory.put(tag.as_str(), junk);
        wild.finds_what_it_attaches(Way::OwnTags).await;
        assert_eq!(wild.memory.get(tag.as_str()).unwrap(), junk);
    }
}

#[tokio::test]
async fn a_promise_that_is_not_kept_is_noticed() {
    let wild = Wild::new(Rule::PromisesReferrers).await;
    wild.finds_what_it_attaches(Way::FallbackTag).await;
}

#[tokio::test]
async fn an_empty_or_refusing_referrers_api_is_passed_over() {
    let mut rules = vec![Rule::EmptyReferrers];
    rules.extend([400, 401, 403, 404, 405, 406, 501].map(Rule::RefusesReferrers));
    for rule in rules {
        let wild = Wild::new(rule).await;
        wild.finds_what_it_attaches(Way::FallbackTag).await;
    }
}

#[tokio::test]
async fn what_a_cache_hides_of_the_api_is_found_by_its_tag() {
    let memory = Memory::with_referrers();
    let wild = Wild::before(memory, Rule::SubjectAtFallbackTag).await;
    assert_eq!(wild.attach("one").await.unwrap().1, Way::Api);
    let hiding = Wild::before(wild.memory.clone(), Rule::EmptyReferrers).await;
    assert_eq!(hiding.found().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_missing_tag_that_is_refused_is_missing() {
    for rule in [
        Rule::HidesMissingTags(401),
        Rule::HidesMissingTags(403),
        Rule::ChallengesMissingTags,
    ] {
        let wild = Wild::new(rule).await;
        let missing = Tag::new("2.0").unwrap();
        let resolved = wild.registry.resolve(&wild.repository, &missing).await;
        assert_eq!(resolved.unwrap(), None, "{rule:?}");
        let fetched = wild.registry.manifest(&wild.repository, &missing, 1000);
        let fault = fetched.await.unwrap_err();
        assert!(matches!(fault, Fault::NotFound { .. }), "{fault}");
        wild.finds_what_it_attaches(Way::FallbackTag).await;
    }
}

#[tokio::test]
async fn a_refused_repository_is_told_as_such() {
    let all = [401, 403].map(Rule::RefusesRepository);
    for rule in all.into_iter().chain([Rule::RefusesOne("billing")]) {
        let wild = Wild::new(rule).await;
        let tag = Tag::new("1.0").unwrap();
        let faults = [
            wild.registry.resolve(&wild.repository, &tag).await.err(),
            wild.found().await.err(),
            wild.attach("one").await.err(),
        ];
        for fault in faults {
            let fault = fault.unwrap();
            let told = matches!(fault, Fault::Unauthorized { .. } | Fault::Forbidden { .. });
            assert!(told, "{fault}");
        }
    }
}

#[tokio::test]
async fn tags_that_never_move() {
    for kind in [Immovable::Ecr, Immovable::Harbor, Immovable::Artifactory] {
        let wild = Wild::new(Rule::ImmovableTags(kind)).await;
        // The first one makes the index, which cannot be changed afterwards.
        assert_eq!(wild.attach("one").await.unwrap().1, Way::FallbackTag);
        assert_eq!(wild.attach("two").await.unwrap().1, Way::OwnTags);
        assert_eq!(wild.attach("two").await.unwrap().1, Way::OwnTags);
        assert_eq!(wild.found().await.unwrap().len(), 2);
        let tag = Tag::new("1.0").unwrap();
        let image = wild.memory.get("1.0").unwrap();
        let put = async |bytes: Vec<u8>| {
            let bytes = bytes.into();
            let put = wild
                .registry
                .put_manifest(&wild.repository, &tag, OCI_MANIFEST, bytes);
            put.await
        };
        put(image).await.unwrap();
        let fault = put(b"other".to_vec()).await.unwrap_err();
        assert!(matches!(fault, Fault::Immovable { .. }), "{fault}");
        assert!(fault.to_string().contains("lets no tag move"), "{fault}");
    }
}

#[tokio::test]
async fn a_squatter_of_a_signatures_tag_is_passed_over() {
    let wild = Wild::new(Rule::EmptyReferrers).await;
    let (one, _) = wild.attach("one").await.unwrap();
    let tag = Tag::of_referrer(&wild.image.digest, &one.digest);
    let squatted = Tag::of_referrer(&wild.image.digest, &wild.image.digest);
    wild.memory.put(squatted.as_str(), b"anything");
    let by_tags = async || {
        let found = wild
            .registry
            .referrers(Way::OwnTags, &wild.repository, &wild.image.digest);
        found.await.unwrap()
    };
    let Listing::Listed(list) = by_tags().await else {
        panic!("nothing")
    };
    assert_eq!(list.len(), 1, "the honest one alone");
    wild.memory.put(tag.as_str(), b"anything");
    assert!(matches!(by_tags().await, Listing::Nothing(_)));
}
