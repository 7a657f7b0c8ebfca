//! Where the named containers come from: a proposal as the flags say, else asked once; the version
//! that is said with the name, else the reference's.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::instance::intent::{Manner, RunFrom};
use crate::instance::pin::REFERENCE;
use crate::model::container::Kind;
use crate::model::name::{ContainerName, Version};
use crate::proposals::Proposal;

/// What the flags say of the named containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// `--local`
    Local,
    /// `--release`
    Release,
    /// Neither: it is asked where it was not asked before.
    Ask,
}

impl Flag {
    pub(super) fn of(local: bool, release: bool) -> Self {
        match (local, release) {
            (true, _) => Self::Local,
            (false, true) => Self::Release,
            (false, false) => Self::Ask,
        }
    }
}

/// Where the named containers come from, as far as that changes; the versions are taken off the names.
/// A proposal that changes nothing yet is not asked about, and a plan asks nothing.
pub(super) fn decide(
    session: &Session,
    open: &OpenPlatform,
    names: &mut [String],
    flag: Flag,
    manner: Manner,
) -> Result<BTreeMap<ContainerName, RunFrom>> {
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let mut sources = BTreeMap::new();
    for word in names {
        let version = said_version(open, word, flag)?;
        let Ok(name) = ContainerName::new(word.as_str()) else {
            continue;
        };
        let from = match (version, flag) {
            (Some(Said::Version(version)), _) => Some(RunFrom::Version(version)),
            (Some(Said::Reference), _) | (None, Flag::Release) => Some(RunFrom::Release {
                declined: Proposal::find(session, open, &name)?.map(|it| it.begun),
            }),
            (None, Flag::Local) => {
                refuse_base(open, &name)?;
                Some(RunFrom::Proposal)
            }
            (None, Flag::Ask) => asked(session, open, record.as_ref(), &name, manner)?,
        };
        sources.extend(from.map(|from| (name, from)));
    }
    Ok(sources)
}

/// What follows a name.
enum Said {
    Version(Version),
    Reference,
}

/// Takes `:VERSION` or `:reference` off a name.
fn said_version(open: &OpenPlatform, word: &mut String, flag: Flag) -> Result<Option<Said>> {
    let Some((name, version)) = word.split_once(':') else {
        return Ok(None);
    };
    if open.platform.bundles.contains_key(name) {
        let text = format!("`{name}` is a bundle: each of its containers has a version of its own");
        return Err(Error::usage(text));
    }
    let name = ContainerName::new(name).map_err(Error::usage)?;
    let version = Version::new(version).map_err(Error::usage)?;
    let flag = match flag {
        Flag::Local => Some("--local"),
        Flag::Release => Some("--release"),
        Flag::Ask => None,
    };
    if let Some(flag) = flag {
        let text = format!("`{word}` and `{flag}` both say where {name} comes from");
        return Err(Error::usage(text).hint("leave one of them out"));
    }
    if name == open.platform.proxy {
        let text = format!("{name} is the proxy: its version is the reference's number");
        return Err(Error::usage(text).hint("`devenv up --reference N` runs another reference"));
    }
    *word = name.to_string();
    Ok(Some(match version.as_str() {
        REFERENCE => Said::Reference,
        _ => Said::Version(version),
    }))
}

/// The answer, where there is a proposal that was not decided about yet.
fn asked(
    session: &Session,
    open: &OpenPlatform,
    record: Option<&InstanceRecord>,
    name: &ContainerName,
    manner: Manner,
) -> Result<Option<RunFrom>> {
    let Some(proposal) = Proposal::find(session, open, name)? else {
        return Ok(None);
    };
    let begun = proposal.begun;
    let decided = record.is_some_and(|record| {
        record.local.contains(name)
            || record.versions.contains_key(name)
            || record.declined.get(name) == Some(&begun)
    });
    if decided || !proposal.changes_anything(session, open)? {
        return Ok(None);
    }
    if manner.is_plan() {
        let text =
            format!("{name} has a proposal, which this plan does not use; `--local` uses it");
        session.reporter.note(&text);
        return Ok(None);
    }
    let question = format!("run {name} from your proposal instead of production's release?");
    let answer = session.reporter.confirm(&question, "--local");
    let answer =
        answer.map_err(|error| error.hint("`--release` answers no; the answer is remembered"))?;
    Ok(Some(if answer {
        RunFrom::Proposal
    } else {
        RunFrom::Release {
            declined: Some(begun),
        }
    }))
}

/// A base is built upon; it does nothing by itself.
fn refuse_base(open: &OpenPlatform, name: &ContainerName) -> Result<()> {
    if open.kind(name) != Some(Kind::Base) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "`{name}` is a base: other images are built from it, it never runs itself"
    ))
    .hint(format!("`devenv build {name}` builds it")))
}
