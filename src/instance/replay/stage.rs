//! One instance that takes part in a replay: brought up with one reference, and removed afterwards.

use std::net::IpAddr;

use super::kept::Kept;
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::ReferenceRecord;
use crate::instance::Instance;
use crate::instance::intent::{Addition, Intent, Manner, Until};
use crate::model::name::{ConfigurationName, SnapshotName};
use crate::model::quantity::Span;
use crate::verify::choose::Versions;

/// An instance that is up.
pub(super) struct Stage {
    pub(super) session: Session,
    /// Where its proxy is reached.
    pub(super) to: (IpAddr, u16),
}

/// What all instances of a replay begin with.
pub(super) struct Beginning<'a> {
    pub(super) configuration: ConfigurationName,
    /// Their data; without it, none.
    pub(super) snapshot: Option<&'a SnapshotName>,
    /// How long one container may take to become ready.
    pub(super) timeout: Span,
}

impl Stage {
    /// Brings it up: exactly this reference, nothing of the user's own, on data of its own.
    pub(super) async fn up(
        session: Session,
        open: &OpenPlatform,
        reference: ReferenceRecord,
        names: Vec<String>,
        beginning: &Beginning<'_>,
    ) -> Result<Self> {
        let intent = Intent::Add(Box::new(Addition {
            names,
            proxy: Some(true),
            versions: Versions::Exactly(reference, None),
            unpromoted: true,
            over_newer_data: beginning.snapshot.is_some(),
            configuration: Some(beginning.configuration.clone()),
            ..Addition::default()
        }));
        let manner = Manner {
            until: Until::Ready,
            limit: beginning.timeout.duration(),
        };
        let number = reference.number;
        let instance = Instance::new(&session, open)?;
        let brought = match beginning.snapshot {
            Some(name) => Box::pin(instance.up_on(name, &intent, manner)).await,
            None => Box::pin(instance.up(&intent, manner)).await,
        };
        let brought = brought
            .map_err(|error| error.within(format!("cannot replay against reference {number}")))?;
        let port = brought.planned.ports.proxy(&brought.overlay.reference);
        let Some(to) = brought.host.address().zip(port) else {
            return Err(Error::usage("this machine does not reach the proxy's port")
                .hint("`devenv doctor` says why"));
        };
        Ok(Self { session, to })
    }
}

/// Removes the instances of a replay with their volumes, and forgets them.
pub(super) async fn discard(session: &Session, open: &OpenPlatform, kept: &Kept) -> Result<()> {
    for name in &kept.instances {
        let here = session.beside(name.clone());
        Instance::new(&here, open)?.discard().await?;
    }
    Kept::remove(session, open)
}
