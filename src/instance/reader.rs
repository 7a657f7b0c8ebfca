//! Containers that never run, made because engines read and write volumes only through a container.

use crate::engine::docker::Docker;
use crate::engine::{Engine, Fault, FaultKind, Labels};
use crate::home::state::random_hex;
use crate::model::create_body::{CreateBody, MountBody, VOLUME};
use crate::model::identity::{self, Identity};

/// How many images are tried: what others remove meanwhile may be among them.
const TRIES: usize = 5;

/// A container that mounts one volume or folder; to be removed once that was read or written.
pub(super) struct Reader(String);

impl Reader {
    /// Makes one that has the volume at `path`, where no image has anything: an engine would copy that
    /// into a volume that is empty. `what` is said by its label.
    pub(super) async fn of(
        engine: &Docker,
        identity: &Identity,
        volume: &str,
        path: &str,
        what: &str,
    ) -> Result<Self, Fault> {
        let name = format!("read-{}", random_hex(4).unwrap_or_default());
        let mount = MountBody::new(VOLUME, volume.to_owned(), path.to_owned());
        Self::mounting(engine, identity, &name, mount, what).await
    }

    /// Makes one whose object's name ends in `name`.
    pub(super) async fn mounting(
        engine: &Docker,
        identity: &Identity,
        name: &str,
        mount: MountBody,
        what: &str,
    ) -> Result<Self, Fault> {
        let mut body = CreateBody {
            cmd: Some(vec!["never-run".to_owned()]),
            labels: labels(identity, what)
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
            ..CreateBody::default()
        };
        "none".clone_into(&mut body.host_config.network_mode);
        body.host_config.mounts = vec![mount];
        let object = format!("{}.{name}", identity.network());
        let text = "the engine has no image: a volume can be read only through a container";
        let mut gone = Fault::new(FaultKind::NotFound, text);
        for image in images(engine, identity).await?.into_iter().take(TRIES) {
            body.image = image;
            match engine.create(&object, &body, &[]).await {
                Err(fault) if fault.kind == FaultKind::NotFound => gone = fault,
                end => return end.map(Self),
            }
        }
        Err(gone)
    }

    /// Its Id.
    pub(super) fn id(&self) -> &str {
        &self.0
    }

    /// Removes it; the volume stays.
    pub(super) async fn remove(self, engine: &Docker) -> Result<(), Fault> {
        engine.remove(&self.0).await
    }
}

/// The labels of such a container.
pub(super) fn labels(identity: &Identity, what: &str) -> Labels {
    let mut labels = identity.labels();
    labels.insert(identity::READER.to_owned(), what.to_owned());
    labels
}

/// The Ids of what is there: any serves, as nothing of it is run. The platform's own come first.
async fn images(engine: &Docker, identity: &Identity) -> Result<Vec<String>, Fault> {
    let own = format!("localhost/devenv/{}/", identity.platform);
    let mut images = engine.images().await?;
    images.sort_by_key(|image| !image.tags.iter().any(|tag| tag.starts_with(&own)));
    Ok(images.iter().map(|image| image.id.to_string()).collect())
}
