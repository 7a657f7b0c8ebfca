//! What is wanted of each kind of statement, beyond what is wanted of all.

use super::report::Checks;
use crate::model::digest::Digest;
use crate::model::ledger::Ledger;
use crate::model::name::{ContainerName, EnvironmentName, Version};
use crate::model::predicate::{BuildPredicate, Predicate, ReferencePredicate, TrustPredicate};
use crate::model::statement::Part;
use crate::model::trust_file::TrustFile;

/// A container's image, as it is about to be used.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedBuild<'a> {
    /// The container it stands for.
    pub container: &'a ContainerName,
    /// The version it stands for, where one was asked for.
    pub version: Option<&'a Version>,
    /// The digest that will be pulled or run.
    pub digest: Digest,
}

/// A proxy image that embeds a reference.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedReference<'a> {
    /// The proxy's container.
    pub proxy: &'a ContainerName,
    /// The number, where one was asked for or a ledger names it.
    pub number: Option<u64>,
    /// The digest that will be pulled or run.
    pub digest: Digest,
}

/// The ledger of one environment.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExpectedLedger<'a> {
    pub(super) environment: &'a EnvironmentName,
}

/// A trust file that may follow the pinned one.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExpectedTrust;

/// What is wanted of one kind of statement.
pub(super) trait Expected {
    type Predicate: Predicate;

    /// How messages name the object.
    fn title(&self) -> String;

    fn digest(&self) -> Option<Digest>;

    /// What it must be about; `None` leaves that to the statement.
    fn part(&self) -> Option<Part>;

    /// Of several valid statements the one with the highest rank counts.
    fn rank(&self, predicate: &Self::Predicate) -> i128 {
        predicate.time().as_nanosecond()
    }

    fn check(&self, predicate: &Self::Predicate, trust: &TrustFile, checks: &mut Checks);
}

impl Expected for ExpectedBuild<'_> {
    type Predicate = BuildPredicate;

    fn title(&self) -> String {
        let version = self.version.map(|version| format!(" {version}"));
        format!(
            "{}{} (sha256:{}…)",
            self.container,
            version.unwrap_or_default(),
            self.digest.short()
        )
    }

    fn digest(&self) -> Option<Digest> {
        Some(self.digest)
    }

    fn part(&self) -> Option<Part> {
        Some(Part::Container(self.container.clone()))
    }

    fn check(&self, found: &BuildPredicate, _: &TrustFile, checks: &mut Checks) {
        match self.version {
            Some(wanted) => checks.that(
                found.version == *wanted,
                || format!("it is version {wanted}"),
                || format!("it is version {}, not {wanted}", found.version),
            ),
            None => checks.note(format!("it is version {}", found.version)),
        }
    }
}

impl Expected for ExpectedReference<'_> {
    type Predicate = ReferencePredicate;

    fn title(&self) -> String {
        let number = self.number.map(|number| format!(" {number}"));
        format!(
            "reference{} (sha256:{}…)",
            number.unwrap_or_default(),
            self.digest.short()
        )
    }

    fn digest(&self) -> Option<Digest> {
        Some(self.digest)
    }

    fn part(&self) -> Option<Part> {
        Some(Part::Container(self.proxy.clone()))
    }

    fn check(&self, found: &ReferencePredicate, _: &TrustFile, checks: &mut Checks) {
        match self.number {
            Some(wanted) => checks.that(
                found.number == wanted,
                || format!("it is reference {wanted}"),
                || format!("it is reference {}, not {wanted}", found.number),
            ),
            None => checks.note(format!("it is reference {}", found.number)),
        }
    }
}

impl Expected for ExpectedLedger<'_> {
    type Predicate = Ledger;

    fn title(&self) -> String {
        format!("the ledger of {}", self.environment)
    }

    fn digest(&self) -> Option<Digest> {
        None
    }

    fn part(&self) -> Option<Part> {
        None
    }

    fn rank(&self, ledger: &Ledger) -> i128 {
        ledger.sequence.into()
    }

    fn check(&self, found: &Ledger, trust: &TrustFile, checks: &mut Checks) {
        checks.that(
            found.environment == *self.environment,
            || format!("it is about environment {}", self.environment),
            || {
                format!(
                    "it is the ledger of {}, not of {}",
                    found.environment, self.environment
                )
            },
        );
        if let Some(&minimum) = trust.minimum_sequences.get(self.environment) {
            checks.that(
                found.sequence >= minimum,
                || format!("its sequence {} is not below {minimum}", found.sequence),
                || {
                    format!(
                        "its sequence is {}, but the trust file demands at least {minimum}",
                        found.sequence
                    )
                },
            );
        }
        if let Some(entry) = found.current()
            && trust.revoked.digests.contains(&entry.digest)
        {
            checks.note(format!("reference {} in it is revoked", entry.number));
        }
    }
}

impl Expected for ExpectedTrust {
    type Predicate = TrustPredicate;

    fn title(&self) -> String {
        "the next trust file".to_owned()
    }

    fn digest(&self) -> Option<Digest> {
        None
    }

    fn part(&self) -> Option<Part> {
        Some(Part::Trust)
    }

    fn rank(&self, found: &TrustPredicate) -> i128 {
        found.trust.root_version.into()
    }

    fn check(&self, found: &TrustPredicate, pinned: &TrustFile, checks: &mut Checks) {
        let (next, now) = (found.trust.root_version, pinned.root_version);
        checks.that(
            next > now,
            || format!("its root version {next} follows {now}, which is pinned"),
            || format!("its root version is {next}, but {now} is pinned already: an old trust file is passed off as new"),
        );
    }
}
