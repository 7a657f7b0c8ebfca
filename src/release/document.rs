//! One environment's ledger in the registry: read, reserved, published.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::SignedDuration;

use super::Desk;
use super::attempt::Attempt;
use super::checkout::{Checkout, checkout};
use super::claim::{Claim, Claimed, Wish, taken};
use crate::definitions::Tag;
use crate::error::{Error, Result};
use crate::home::file;
use crate::model::image::Repository;
use crate::model::ledger::{Ledger, LedgerEntry};
use crate::model::name::EnvironmentName;
use crate::model::statement::{Statement, Subject, SubjectName};
use crate::registry::{self, Artifact, Descriptor, Fault};
use crate::verify::evidence::ledger::{sequence_of, sequence_tag};
use crate::verify::trust::bundle::{MEDIA_TYPE, sign_statement};
use crate::verify::trust::keys::SigningKey;
use crate::verify::trust::policy::{LedgerSeen, Verified};

/// The type of a ledger in the registry.
const TYPE: &str = "application/vnd.devenv.ledger.v1";

/// How long a ledger vouches for being the latest, unless it is said.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How a document is written.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// How long it vouches for being the latest.
    pub lifetime: SignedDuration,
    /// Whether to replace another's dead reservation.
    pub take_over: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            lifetime: LIFETIME,
            take_over: false,
        }
    }
}

/// One environment at this moment.
pub(super) struct Place {
    pub(super) checkout: Checkout,
    pub(super) environment: EnvironmentName,
    pub(super) ledger: Option<Verified<Ledger>>,
    pub(super) attempt: Attempt,
    /// Whether `ledger` is what an interrupted run of this attempt published.
    pub(super) finished: bool,
}

/// A signed document in the registry: the same payload, signed once a layer.
pub(super) struct Document {
    artifact_type: String,
    layers: Vec<Descriptor>,
    pub(super) bundles: Vec<Bytes>,
}

impl Document {
    /// One that nobody has signed yet.
    pub(super) fn new(artifact_type: &str) -> Self {
        Self {
            artifact_type: artifact_type.to_owned(),
            layers: Vec::new(),
            bundles: Vec::new(),
        }
    }
}

/// What the next document says.
pub(super) enum Next {
    Entry(LedgerEntry),
    Renewal,
}

impl Desk<'_> {
    /// Reads an environment's ledger, newest first, and takes up an interrupted attempt.
    pub(super) async fn place(&mut self, environment: &EnvironmentName) -> Result<Place> {
        let what = format!("environment-{environment}");
        let attempt = Attempt::begin(self.paths, &self.trust.platform, &what, &what)?;
        self.fetch().await?;
        let head = self.definitions.head_id()?;
        let checkout = checkout(&self.definitions, head, &self.trust.platform)?;
        let known = &checkout.catalogue.platform.environments;
        if !known.contains(environment) {
            let names: Vec<_> = known.iter().map(EnvironmentName::as_str).collect();
            let text = format!("`{environment}` is no environment of the platform");
            return Err(Error::usage(text).hint(format!("it is one of: {}", names.join(", "))));
        }
        let ledger = self.ledger(&checkout, environment).await?;
        let sequence = ledger.as_ref().map(|it| it.predicate.sequence);
        let finished = match sequence {
            Some(sequence) if attempt.resumed && attempt.number() == Some(sequence) => {
                let tag = Tag::Sequence(environment.clone(), sequence);
                self.is_reserved_by(&tag, head, attempt.token()).await?
            }
            _ => false,
        };
        Ok(Place {
            checkout,
            environment: environment.clone(),
            ledger,
            attempt,
            finished,
        })
    }

    /// The verified ledger, from the registry itself; `None` before the first promotion.
    pub(super) async fn ledger(
        &self,
        checkout: &Checkout,
        environment: &EnvironmentName,
    ) -> Result<Option<Verified<Ledger>>> {
        let repository = checkout.catalogue.platform.environments_repository()?;
        let path = self.paths.ledger_seen(&self.trust.platform, environment);
        let seen: Option<LedgerSeen> = file::load(&path)?;
        let tags = match self.online()?.tags(&repository).await {
            Err(Fault::NotFound { .. }) => Vec::new(),
            other => other?,
        };
        if !tags
            .iter()
            .any(|tag| sequence_of(environment, tag).is_some())
        {
            return match seen {
                None => Ok(None),
                Some(seen) => Err(Error::trust(format!(
                    "{repository} has no ledger of {environment}, but this machine has seen its sequence {}",
                    seen.sequence
                ))),
            };
        }
        let look = self
            .verifier()
            .ledger(&repository, environment, seen.as_ref())
            .await?;
        if let Some(why) = look.unreachable {
            let text = format!("the ledger of {environment} cannot be read");
            return Err(Error::registry(text).because(why));
        }
        file::save(&path, &LedgerSeen::of(&look.ledger, self.trust))?;
        Ok(Some(look.ledger))
    }

    /// The next sequence, reserved. Who comes second is refused: the first one's document is part
    /// of the history that the next has to extend.
    pub(super) async fn sequence(
        &mut self,
        place: &mut Place,
        next: &Next,
        manner: &Manner,
    ) -> Result<(Claim, u64)> {
        let environment = place.environment.clone();
        let published = place.ledger.as_ref().map_or(0, |it| it.predicate.sequence);
        let prefix = format!("{environment}/");
        let tags = self.definitions.remote_tags(&prefix).await?;
        let reserved = tags
            .iter()
            .filter_map(|tag| super::published::number(tag.name.strip_prefix(&prefix)?))
            .max();
        let sequence = reserved.unwrap_or(0).max(published + 1);
        place.attempt.save(Some(sequence))?;
        let tag = Tag::Sequence(environment, sequence);
        self.reporter.note(&format!("reserving {tag}"));
        let action = match next {
            Next::Entry(entry) => format!("reference {}", entry.number),
            Next::Renewal => "renewal".to_owned(),
        };
        let wish = Wish {
            tag: tag.clone(),
            commit: place.checkout.commit,
            inputs: BTreeMap::from([("ledger".to_owned(), action)]),
            take_over: manner.take_over,
        };
        match self.claim(&wish, place.attempt.token()).await? {
            Claimed::Ours(claim) => Ok((claim, sequence)),
            Claimed::Taken(holder) => {
                place.attempt.finish()?;
                Err(taken(&tag, &holder))
            }
        }
    }

    /// Signs the document and publishes it under its sequence and as the environment's newest.
    /// Gives how many more signatures it needs.
    pub(super) async fn publish_ledger(
        &mut self,
        key: &SigningKey,
        place: &Place,
        ledger: &Ledger,
        claim: &Claim,
    ) -> Result<usize> {
        let current = ledger
            .current()
            .ok_or_else(|| Error::bug("an empty ledger"))?;
        let platform = &place.checkout.catalogue.platform;
        let statement = Statement {
            subject: Subject {
                name: SubjectName::container(&self.trust.platform, &platform.proxy),
                digest: current.digest,
            },
            predicate: ledger.clone(),
        };
        let bundle = sign_statement(&statement, key)?;
        let missing = self.missing(&bundle)?;
        let repository = platform.environments_repository()?;
        self.still_ours(claim).await?;
        self.reporter.note(&format!(
            "publishing sequence {} of {}",
            ledger.sequence, place.environment
        ));
        let name = sequence_tag(&place.environment, ledger.sequence);
        let tag = registry::Tag::new(name).map_err(Error::bug)?;
        self.refuse_second(&repository, &tag).await?;
        let plain = registry::Tag::new(place.environment.as_str()).map_err(Error::bug)?;
        self.add_signature(
            &repository,
            &Document::new(TYPE),
            bundle,
            &tag,
            Some(&plain),
        )
        .await?;
        // Verified as everybody else will; from now on nothing older is taken here.
        if missing == 0 {
            self.ledger(&place.checkout, &place.environment).await?;
        }
        Ok(missing)
    }

    /// A second signed document with one sequence would be an equivocation for everybody.
    pub(super) async fn refuse_second(
        &self,
        repository: &Repository,
        tag: &registry::Tag,
    ) -> Result<()> {
        let found = self.document(repository, tag).await?;
        if found.is_none_or(|found| self.policy().pending(&found.bundles).is_empty()) {
            return Ok(());
        }
        let text = format!(
            "{} was published meanwhile",
            repository.tagged(tag.as_str())
        );
        Err(Error::usage(text).hint("run the same command again"))
    }

    /// The document that a tag names; `None` where there is no such tag.
    pub(super) async fn document(
        &self,
        repository: &Repository,
        tag: &registry::Tag,
    ) -> Result<Option<Document>> {
        let Some(digest) = self.online()?.resolve(repository, tag).await? else {
            return Ok(None);
        };
        let source = self.verifier().source;
        let tags = self.online()?.tags(repository).await?;
        let first = self.image_manifest(repository, &digest).await?;
        let mut document = Document::new(&first.artifact_type.unwrap_or_default());
        document.layers = first.layers;
        let mut manifests = vec![digest];
        // Anybody who may push can add what is no document.
        for added in source.additions(repository, tag, &tags).await? {
            if let Ok(more) = self.image_manifest(repository, &added).await {
                document.layers.extend(more.layers);
                manifests.push(added);
            }
        }
        let mut known = BTreeSet::new();
        document
            .layers
            .retain(|layer| layer.media_type == MEDIA_TYPE && known.insert(layer.digest));
        document.bundles = source.documents(repository, &manifests).await?;
        Ok(Some(document))
    }

    /// Stores a document with one more signature under its tag, and lets `pointer` name it. Where
    /// tags cannot move, it becomes an addition to what the tag names.
    pub(super) async fn add_signature(
        &self,
        repository: &Repository,
        document: &Document,
        bundle: Vec<u8>,
        tag: &registry::Tag,
        pointer: Option<&registry::Tag>,
    ) -> Result<()> {
        let registry = self.online()?;
        let layer = registry
            .put_blob(repository, MEDIA_TYPE, bundle.into())
            .await?;
        let artifact = Artifact {
            artifact_type: document.artifact_type.clone(),
            layers: document.layers.iter().cloned().chain([layer]).collect(),
            subject: None,
            annotations: BTreeMap::new(),
        };
        match registry
            .put_artifact(repository, Some(tag), &artifact)
            .await
        {
            Err(Fault::Immovable { .. }) => {
                let addition = tag.addition(&artifact.digest());
                registry
                    .put_artifact(repository, Some(&addition), &artifact)
                    .await?;
            }
            stored => drop(stored?),
        }
        if let Some(pointer) = pointer {
            let pointed = registry
                .put_artifact(repository, Some(pointer), &artifact)
                .await;
            self.pointed(repository, pointer, pointed.map(drop))?;
        }
        Ok(())
    }

    /// A pointer that cannot move is no failure: readers take the highest sequence that verifies.
    fn pointed(
        &self,
        repository: &Repository,
        pointer: &registry::Tag,
        pointed: std::result::Result<(), Fault>,
    ) -> Result<()> {
        match pointed {
            Err(Fault::Immovable { .. }) => {
                self.reporter.note(&format!(
                    "{} stays behind: this registry lets no tag move, and readers take the highest \
                     sequence",
                    repository.tagged(pointer.as_str())
                ));
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Lets the plain tag name the newest document: an interrupted run may not have come so far.
    pub(super) async fn point(&self, place: &Place) -> Result<()> {
        let Some(ledger) = place.ledger.as_ref().map(|it| &it.predicate) else {
            return Ok(());
        };
        let repository = place
            .checkout
            .catalogue
            .platform
            .environments_repository()?;
        let name = sequence_tag(&place.environment, ledger.sequence);
        let newest = registry::Tag::new(name).map_err(Error::bug)?;
        let plain = registry::Tag::new(place.environment.as_str()).map_err(Error::bug)?;
        let document = self
            .online()?
            .manifest(&repository, &newest, registry::MANIFEST_LIMIT)
            .await?;
        if self.online()?.resolve(&repository, &plain).await? != Some(document.digest) {
            let pointed = self
                .online()?
                .put_manifest(&repository, &plain, &document.media_type, document.bytes)
                .await;
            self.pointed(&repository, &plain, pointed.map(drop))?;
        }
        Ok(())
    }
}
