//! Whether the named containers run from their proposals: as the flags say, else asked once.

use crate::context::{Context, OpenPlatform};
use crate::error::{Error, Result};
use crate::model::container::Kind;
use crate::model::name::ContainerName;
use crate::prepare::Wish;
use crate::proposals::Proposal;
use crate::state::InstanceRecord;

/// Puts it into the wish. A proposal that changes nothing yet is not asked about.
pub(super) fn decide(
    context: &Context,
    open: &OpenPlatform,
    local: bool,
    release: bool,
    wish: &mut Wish,
) -> Result<()> {
    let named = wish
        .names
        .iter()
        .filter_map(|name| ContainerName::new(name.as_str()).ok());
    let named: Vec<ContainerName> = named.collect();
    if local {
        for name in &named {
            refuse_base(open, name)?;
        }
        wish.local.extend(named);
        return Ok(());
    }
    let record = InstanceRecord::load(&context.paths, &open.name, &context.instance)?;
    for name in named {
        let proposal = Proposal::find(context, open, &name)?;
        let begun = proposal.as_ref().map(|it| it.begun);
        if release {
            wish.released.insert(name, begun);
            continue;
        }
        let decided = record.as_ref().is_some_and(|record| {
            record.local.contains(&name)
                || begun.is_some_and(|it| record.declined.get(&name) == Some(&it))
        });
        let Some(proposal) = proposal.filter(|_| !decided) else {
            continue;
        };
        if !proposal.changes_anything(context, open)? {
            continue;
        }
        if wish.dry_run {
            let text = format!("{name} has a proposal; this plan is without it (`--local`)");
            context.ui.note(&text);
        } else if ask(context, &name)? {
            wish.local.insert(name);
        } else {
            wish.released.insert(name, begun);
        }
    }
    Ok(())
}

/// A base is built upon; it does nothing by itself.
fn refuse_base(open: &OpenPlatform, name: &ContainerName) -> Result<()> {
    if open.kind(name) != Some(Kind::Base) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "`{name}` is a base: others are built upon it, it does not run"
    ))
    .hint(format!("`devenv build {name}` builds it")))
}

fn ask(context: &Context, name: &ContainerName) -> Result<bool> {
    let question = format!("run {name} from your proposal, not as production released it?");
    context
        .ui
        .confirm(&question, "--local")
        .map_err(|error| error.hint("`--release` answers no; either is remembered"))
}
