//! Filling the empty volumes of a container that runs.

use super::{Context, Event, Failure};
use crate::error::Error;
use crate::model::name::ContainerName;

pub(super) async fn fill<E>(
    context: &Context<'_, E>,
    container: &ContainerName,
    id: &str,
) -> Result<(), Failure> {
    let Some(filler) = &context.options.filler else {
        let text = format!("nothing fills the volumes of {container}");
        return Err(Failure::Other(Error::bug(text)));
    };
    let reporter = context.reporter;
    let told = |done, total| {
        reporter.event(Event::Filling {
            container,
            done,
            total,
        });
    };
    let filled = filler.fill(container, id, &told).await;
    filled.map_err(Failure::Other)
}
