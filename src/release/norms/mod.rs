//! The policy at work: what is found in an image before it is signed, and what comes of it.
//!
//! Facts are gathered first ([`trial`], [`scanner`], the layers), then judged by pure functions
//! ([`image`], [`crate::model::norms`]).

pub(super) mod image;
mod scanner;
mod trial;

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Desk;
use super::check::findings::Stand;
use super::check::gathered::POLICY;
use super::layout::{self, Layout, contents};
use crate::definitions::CommitId;
use crate::engine::docker::Docker;
use crate::error::{Error, Kind, PathContext, Result};
use crate::home::state::Owner;
use crate::model::container::Definition;
use crate::model::digest::Digest;
use crate::model::image_configuration::ImageConfiguration;
use crate::model::name::ContainerName;
use crate::model::norms::{Finding, Judgement, Norms, Rule, Ruling, shortened};
use crate::model::platform::Platform;
use crate::model::predicate::{PolicyVerdict, WaivedFinding};
use crate::model::run_specification::RunSpecification;
use crate::model::sbom::{About, Sbom};
use scanner::Said;
use trial::Trial;

/// The policy of one commit.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    norms: Norms,
    digest: Digest,
}

/// An image that is about to be signed.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) container: &'a ContainerName,
    /// A version, or a reference's number.
    pub(super) version: &'a str,
    pub(super) definition: &'a Definition,
    pub(super) platform: &'a Platform,
    pub(super) policy: Option<&'a Policy>,
    /// What the definitions tell.
    pub(super) findings: &'a [Finding],
    /// How many of its layers are its base's.
    pub(super) base_layers: usize,
}

/// What is signed about an image besides.
#[derive(Debug)]
pub(super) struct Inspected {
    pub(super) sbom: Sbom,
    pub(super) verdict: Option<PolicyVerdict>,
}

impl Policy {
    /// Whether it has a rule.
    pub(super) fn has(&self, rule: &Rule) -> bool {
        self.norms.level(rule).is_some()
    }

    /// What it may say about a base.
    pub(super) fn stands(&self, stand: &Stand, now: Timestamp) -> Vec<Finding> {
        let oldest = self.norms.oldest_base();
        oldest.map_or_else(Vec::new, |days| stand.findings(days, now))
    }
}

/// The day of a moment, by UTC.
pub fn day(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

impl Desk<'_> {
    /// The policy at a commit; `None` where there is none.
    pub(super) fn policy_at(&self, commit: CommitId) -> Result<Option<Policy>> {
        let text = self.definitions.read(commit, POLICY)?;
        text.map(|text| {
            Ok(Policy {
                norms: Norms::parse(POLICY, &text)?,
                digest: Digest::of(&text),
            })
        })
        .transpose()
    }

    /// Refuses what the definitions alone show that the policy forbids: before anything is reserved.
    pub(super) fn refuse_by_definitions(
        &self,
        container: &ContainerName,
        policy: Option<&Policy>,
        findings: &[Finding],
    ) -> Result<()> {
        let Some(policy) = policy else {
            return Ok(());
        };
        let judged = policy.norms.judge(findings.to_vec(), day(self.now()));
        refuse(container, &shortened(judged))
    }

    /// Reads what is in an image, judges it, and lists its packages. `on_engine` gives the Id that it
    /// has on the engine, for what has to be started. Fails with [`Kind::Definitions`] where the
    /// policy refuses it.
    pub(super) async fn inspect(
        &self,
        docker: &Docker,
        candidate: &Candidate<'_>,
        layout: &Arc<Layout>,
        on_engine: impl AsyncFnOnce() -> Result<Digest>,
    ) -> Result<Inspected> {
        self.reporter
            .note(&format!("reading the packages of {}", candidate.container));
        let base = candidate.base_layers;
        let shared = Arc::clone(layout);
        let contents = blocking(move || contents::read(&shared, base)).await?;
        let about = About {
            platform: &self.trust.platform,
            container: candidate.container,
            version: candidate.version,
            image: layout.manifest.config.digest,
            created: self.now(),
            distribution: contents.distribution.as_deref(),
        };
        let sbom = Sbom::new(&about, contents.packages.clone()).map_err(Error::definitions)?;
        if !contents.unread.is_empty() {
            self.reporter.warn(&format!(
                "these files list packages in a way that is not read: {}",
                contents.unread.join(", ")
            ));
        }
        let Some(policy) = candidate.policy else {
            return Ok(Inspected {
                sbom,
                verdict: None,
            });
        };
        let norms = &policy.norms;
        let configuration =
            ImageConfiguration::parse(&layout.configuration).map_err(Error::definitions)?;
        let facts = image::Facts {
            container: candidate.container,
            definition: candidate.definition,
            user: configuration.user(),
            contents: &contents,
        };
        let mut findings = candidate.findings.to_vec();
        findings.extend(image::findings(norms, &facts));
        findings.extend(
            self.scanned(norms, candidate.container, layout, &sbom)
                .await?,
        );
        let today = day(self.now());
        let mut judged = norms.judge(findings, today);
        // What runs is judged before: it is started last, and not at all where it is refused anyway.
        if !judged.iter().any(is_refused) {
            let findings = self.tried(docker, candidate, norms, on_engine).await?;
            judged.extend(norms.judge(findings, today));
        }
        let judged = shortened(judged);
        self.tell(&judged);
        refuse(candidate.container, &judged)?;
        Ok(Inspected {
            sbom,
            verdict: Some(verdict(policy, &judged)),
        })
    }

    /// Starts it once, where the policy wants that.
    async fn tried(
        &self,
        docker: &Docker,
        candidate: &Candidate<'_>,
        norms: &Norms,
        on_engine: impl AsyncFnOnce() -> Result<Digest>,
    ) -> Result<Vec<Finding>> {
        let Some(within) = norms.interface_within() else {
            return Ok(Vec::new());
        };
        let defaults = &candidate.platform.defaults;
        let trial = Trial {
            docker,
            owner: &Owner::load(self.paths)?.id,
            platform: candidate.platform,
            run: RunSpecification::resolve(candidate.definition, defaults),
            within,
        };
        if !trial.applies() {
            return Ok(Vec::new());
        }
        let container = candidate.container;
        self.reporter.note(&format!("starting {container} once"));
        let texts = trial.run(on_engine().await?).await?;
        let finding = |text| Finding {
            rule: Rule::Interface,
            container: container.clone(),
            place: None,
            text,
            is_all: true,
        };
        Ok(texts.into_iter().map(finding).collect())
    }

    async fn scanned(
        &self,
        norms: &Norms,
        container: &ContainerName,
        layout: &Layout,
        sbom: &Sbom,
    ) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        if norms.scanners.is_empty() {
            return Ok(findings);
        }
        let file = layout.path().join("sbom.spdx.json");
        std::fs::write(&file, &sbom.text).at(Kind::Usage, "write", &file)?;
        let home = &self.session.home;
        for (name, scanner) in &norms.scanners {
            let places = scanner::Places {
                layout: layout.path(),
                sbom: &file,
            };
            let allowed = &home.settings.scanners.value;
            if allowed.contains(&scanner.command) {
                self.reporter.note(&format!("running the scanner {name}"));
            }
            let said = scanner::run(scanner, allowed, places, &home.environment).await;
            let (texts, is_all) = match said {
                Said::Findings(texts) => (texts, true),
                Said::Unknown(why) => (vec![why], false),
            };
            findings.extend(texts.into_iter().map(|text| Finding {
                rule: Rule::Scanner(name.clone()),
                container: container.clone(),
                place: None,
                text,
                is_all,
            }));
        }
        Ok(findings)
    }

    /// Says what is not refused and should be known.
    fn tell(&self, judged: &[Judgement]) {
        for judgement in judged {
            match judgement.ruling {
                Ruling::Refused => {}
                Ruling::Warned | Ruling::Waived(_) => {
                    self.reporter.warn(&format!("policy: {judgement}"));
                }
            }
        }
    }

    /// An image of the engine's as a folder.
    pub(super) async fn exported(&self, docker: &Docker, image: &Digest) -> Result<Layout> {
        layout::exported(docker, &self.paths.scratch(), image).await
    }
}

/// Runs what waits for files away from what waits for the network.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::bug("work on files ended early").because(error))?
}

fn is_refused(judgement: &Judgement) -> bool {
    judgement.ruling == Ruling::Refused
}

/// Refuses where one of the findings is refused.
fn refuse(container: &ContainerName, judged: &[Judgement]) -> Result<()> {
    let refused: Vec<String> = judged
        .iter()
        .filter(|it| is_refused(it))
        .map(ToString::to_string)
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(
        Error::definitions(format!("{container} does not meet the policy"))
            .detail(refused.join("\n"))
            .hint(format!(
                "mend it, or add a waiver to {POLICY}: `devenv help policy`"
            )),
    )
}

fn verdict(policy: &Policy, judged: &[Judgement]) -> PolicyVerdict {
    let mut verdict = PolicyVerdict {
        sha256: policy.digest,
        warned: Vec::new(),
        waived: Vec::new(),
    };
    for judgement in judged {
        let Finding { rule, text, .. } = &judgement.finding;
        match &judgement.ruling {
            Ruling::Refused => {}
            Ruling::Warned => verdict.warned.push(format!("{rule}: {text}")),
            Ruling::Waived(waiver) => verdict.waived.push(WaivedFinding {
                finding: format!("{rule}: {text}"),
                until: waiver.until,
                name: waiver.name.clone(),
                reason: waiver.reason.clone(),
            }),
        }
    }
    verdict
}
