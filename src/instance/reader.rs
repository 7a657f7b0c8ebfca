//! Containers that never run, made because engines read and write volumes only through a container.

use crate::engine::docker::Docker;
use crate::engine::{Engine, Fault, FaultKind, Labels};
use crate::home::state::random_hex;
use crate::model::create_body::{CreateBody, MountBody, VOLUME};
use crate::model::identity::{self, Identity};

/// A container that mounts one volume; to be removed once that was read or written.
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
        let image = some_image(engine, identity).await?;
        let mut body = CreateBody {
            cmd: Some(vec!["never-run".to_owned()]),
            image,
            labels: labels(identity, what)
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
            ..CreateBody::default()
        };
        "none".clone_into(&mut body.host_config.network_mode);
        body.host_config.mounts = vec![MountBody::new(VOLUME, volume.to_owned(), path.to_owned())];
        let unique = random_hex(4).unwrap_or_default();
        let object = format!("{}.read-{unique}", identity.network());
        engine.create(&object, &body, &[]).await.map(Self)
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

/// Any image serves, as nothing of it is run; the platform's own come first.
pub(super) async fn some_image(engine: &Docker, identity: &Identity) -> Result<String, Fault> {
    let own = format!("localhost/devenv/{}/", identity.platform);
    let images = engine.images().await?;
    let first = images
        .iter()
        .find(|image| image.tags.iter().any(|tag| tag.starts_with(&own)))
        .or_else(|| images.first());
    first.map(|image| image.id.to_string()).ok_or_else(|| {
        let text = "the engine has no image: a volume can be read only through a container";
        Fault::new(FaultKind::NotFound, text)
    })
}
