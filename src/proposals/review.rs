//! `devenv check`: what is wrong with the definitions in a clone, and what merging them would change.

use jiff::Timestamp;

use super::merge::{Merge, Sides, conflict};
use crate::definitions::{CommitId, Definitions, Upon};
use crate::error::{Error, Kind, Result};
use crate::model::catalogue::Catalogue;
use crate::model::name::{ContainerName, PlatformName};
use crate::model::norms::{Finding, Judgement, Norms, Ruling};
use crate::release::check::{check, stands};
use crate::release::norms::day;

/// Branches that changes are merged into where nothing names one: the server's own choice first.
const TARGETS: [&str; 2] = ["main", "master"];

/// What a check of a clone found: faults, what the policy says, and what a merge would change.
#[derive(Debug)]
pub struct Review {
    /// The platform, where its file can be read.
    pub platform: Option<PlatformName>,
    /// Every fault, by file and line.
    pub faults: Vec<Error>,
    /// What the policy says.
    pub policy: Vec<Judgement>,
    /// Waivers of the policy that let nothing pass, and why.
    pub idle_waivers: Vec<String>,
    /// What a merge would change; `None` where that could not be looked at.
    pub merge: Option<Merge>,
    /// What was not looked at, and why.
    pub not_looked_at: Vec<String>,
}

/// Looks at `head` as of `now`, and at what merging it into `target` (else the branch that changes go
/// to) would change. Fails with [`Kind::Usage`] where there is no such branch.
pub fn review(
    definitions: &Definitions,
    head: CommitId,
    target: Option<&str>,
    now: Timestamp,
) -> Result<Review> {
    let examined = check(definitions, head)?;
    let platform = examined.catalogue.as_ref().map(|it| &it.platform);
    let forge = platform.and_then(|it| it.forge.as_ref());
    let wanted = forge.and_then(|it| it.target_branch.as_deref());
    let into = match target {
        Some(name) => {
            let unknown = || Error::usage(format!("this clone knows no branch or commit `{name}`"));
            let commit = definitions.named(name).ok_or_else(unknown)?;
            Some((name.to_owned(), commit))
        }
        None => usual_target(definitions, wanted)?,
    };
    let mut review = Review {
        platform: platform.map(|it| it.platform.clone()),
        faults: examined.faults,
        policy: Vec::new(),
        idle_waivers: Vec::new(),
        merge: None,
        not_looked_at: Vec::new(),
    };
    if let (Some(norms), Some(catalogue)) = (&examined.norms, &examined.catalogue) {
        review.judge(definitions, norms, catalogue, examined.findings, now)?;
    }
    match into {
        Some((name, before)) => review.look_at_merge(definitions, head, &name, before)?,
        None => review.skip(
            "this clone has no branch of the server's that it could go to (`--against` names one)",
        ),
    }
    Ok(review)
}

fn usual_target(
    definitions: &Definitions,
    wanted: Option<&str>,
) -> Result<Option<(String, CommitId)>> {
    let named = wanted.map(ToOwned::to_owned).into_iter();
    let usual = TARGETS.map(ToOwned::to_owned);
    for name in named.chain(definitions.servers_branch()).chain(usual) {
        if let Some(commit) = definitions.branch_commit(&name)? {
            return Ok(Some((name, commit)));
        }
    }
    Ok(None)
}

impl Review {
    /// Whether something is wrong.
    pub fn is_refused(&self) -> bool {
        let refused = |it: &Judgement| it.ruling == Ruling::Refused;
        !self.faults.is_empty() || self.policy.iter().any(refused)
    }

    fn judge(
        &mut self,
        definitions: &Definitions,
        norms: &Norms,
        catalogue: &Catalogue,
        mut findings: Vec<Finding>,
        now: Timestamp,
    ) -> Result<()> {
        if let Some(days) = norms.oldest_base() {
            let (stands, unknown) = stands(definitions, catalogue)?;
            findings.extend(stands.iter().flat_map(|it| it.findings(days, now)));
            if unknown > 0 {
                let text = format!(
                    "the bases of {unknown} released versions: this clone does not have their tags"
                );
                self.not_looked_at.push(text);
            }
        }
        let known = |name: &ContainerName| catalogue.definitions.contains_key(name);
        self.idle_waivers = norms.idle(day(now), known);
        self.policy = norms.judge(findings, day(now));
        let open: Vec<String> = norms
            .rules()
            .filter(|(rule, _)| rule.needs_image())
            .map(|(rule, _)| rule.to_string())
            .collect();
        if !open.is_empty() {
            let text = format!(
                "{}: `release build` judges these, once there is an image",
                open.join(", ")
            );
            self.not_looked_at.push(text);
        }
        Ok(())
    }

    fn look_at_merge(
        &mut self,
        definitions: &Definitions,
        head: CommitId,
        target: &str,
        before: CommitId,
    ) -> Result<()> {
        let after = match definitions.merged(before, head)? {
            None => {
                self.skip("this clone does not have the history that it shares with the branch");
                return Ok(());
            }
            Some(Upon::Conflicts(files)) => {
                self.faults.push(conflict(target, &files));
                return Ok(());
            }
            Some(Upon::Fits(after)) => after,
        };
        if self.faults.is_empty() && after != head {
            // Two sides that are sound can clash.
            let merged = check(definitions, after)?.faults.into_iter();
            self.faults.extend(merged.map(|fault| {
                let text = format!("merged into {target}: {fault}");
                fault.within(text)
            }));
        }
        if !self.faults.is_empty() {
            self.skip("there are faults");
            return Ok(());
        }
        let sides = Sides {
            target,
            before,
            after,
        };
        match Merge::between(definitions, &sides) {
            Ok(merge) => self.merge = Some(merge),
            Err(error) if error.kind() == Kind::Definitions => {
                self.skip(&format!("{target} itself has faults: {error}"));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn skip(&mut self, why: &str) {
        let text = format!("what a merge would change for production: {why}");
        self.not_looked_at.push(text);
    }
}
