//! What proposals remember of being run, for those who will read them.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::context::{Context, OpenPlatform};
use crate::error::Result;
use crate::model::name::ContainerName;
use crate::proposals::{Locals, Proposal, Ran};
use crate::ready::Ready;
use crate::state::InstanceRecord;

/// Notes how they ran; without `took` they run as they did before.
pub(super) fn note(
    context: &Context,
    open: &OpenPlatform,
    record: &InstanceRecord,
    locals: &Locals,
    ready: &BTreeMap<ContainerName, Ready>,
    took: Option<SignedDuration>,
) -> Result<()> {
    for name in &record.local {
        let (Some(ready), Some(image)) = (ready.get(name), locals.images.get(name)) else {
            continue;
        };
        let Some(proposal) = Proposal::find(context, open, name)? else {
            continue;
        };
        let (version, commit) = (&image.image.version, locals.commits.get(name).copied());
        let ran = match (took, proposal.ran) {
            (Some(took), _) => Ran {
                reference: record.reference.number,
                environment: record.environment.clone(),
                version: version.clone(),
                ready: ready.as_str().to_owned(),
                milliseconds: u64::try_from(took.as_millis()).unwrap_or_default(),
                at: context.now(),
                commit,
            },
            (None, Some(before)) if before.version == *version && before.commit != commit => {
                Ran { commit, ..before }
            }
            (None, _) => continue,
        };
        Proposal::change(context, open, name, |proposal| proposal.ran = Some(ran))?;
    }
    Ok(())
}
