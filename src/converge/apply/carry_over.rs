//! What a container kept in a volume without a name, copied to its successor.

use super::{Context, Failure};
use crate::converge::plan::carry;
use crate::engine::Engine;
use crate::error::Error;
use crate::model::name::ContainerName;

/// Copies into an empty volume only: two states of one database, mixed, are none.
pub(super) async fn carry_over<E: Engine>(
    context: &Context<'_, E>,
    name: &ContainerName,
    old: &str,
    new: &str,
    path: &str,
) -> Result<(), Failure> {
    let (engine, observed) = (context.engine, context.observed);
    let volume = context.desired.volume(name, path);
    let volume = volume.filter(|it| observed.volumes.contains(*it));
    let object = context.identity.object(name);
    let copied = async {
        if let Some(volume) = volume
            && !carry::goes_on(observed, name, &object, old)
            && engine.has_entries(new, path).await?
        {
            let text = format!("the volume {volume} holds something already");
            let hint = format!(
                "where nobody needs that, `docker volume rm {volume}` removes it: then {name} gets what it has now"
            );
            return Err(Failure::Other(Error::engine(text).hint(hint)));
        }
        engine.carry(old, new, path).await.map_err(Failure::from)
    };
    match copied.await {
        Err(Failure::Other(error)) => Err(Failure::Other(
            error.within(format!("cannot carry over {path} of {name}")),
        )),
        other => other,
    }
}
