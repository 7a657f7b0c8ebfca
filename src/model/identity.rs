//! How an instance's objects are named and labelled on an engine.

use std::collections::BTreeMap;

use super::name::{ContainerName, InstanceName, PlatformName, VolumeName};

/// Random, made once per `DEVENV_HOME`.
pub const OWNER: &str = "devenv.owner";
/// The platform's name.
pub const PLATFORM: &str = "devenv.platform";
/// The instance's name.
pub const INSTANCE: &str = "devenv.instance";
/// The container's name.
pub const CONTAINER: &str = "devenv.container";
/// The reference's number when it was created; information only.
pub const REFERENCE: &str = "devenv.reference";
/// `reference`, `pinned` or `local`.
pub const SOURCE: &str = "devenv.source";
/// Hash of the create body.
pub const SPEC: &str = "devenv.spec";
/// The version that runs; information only, part of the spec.
pub const VERSION: &str = "devenv.version";
/// The signed digest that runs.
pub const DIGEST: &str = "devenv.digest";
/// Which of the user's own changes a container was made with: `environment,memory`.
pub const OVERRIDES: &str = "devenv.overrides";
/// Which secrets a container has as files, and where: JSON, without any value.
pub const SECRET_FILES: &str = "devenv.secret-files";
/// On a container that never runs: a volume or an image is read through it, and it goes at once.
pub const READER: &str = "devenv.reader";

/// One instance of one platform of one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whose objects.
    pub owner: String,
    /// Which platform.
    pub platform: PlatformName,
    /// Which copy.
    pub instance: InstanceName,
}

impl Identity {
    /// Name of the network that all containers join.
    pub fn network(&self) -> String {
        self.beside(&[])
    }

    /// Name of the network whose aliases are the absent names. It sorts behind [`Self::network`]:
    /// the engine publishes ports on the first network by name.
    pub fn absent_network(&self) -> String {
        self.beside(&["-absent"])
    }

    fn beside(&self, more: &[&str]) -> String {
        let network = [
            "devenv-",
            self.platform.as_str(),
            "-",
            self.instance.as_str(),
        ];
        let mut name = network.concat();
        name.extend(more.iter().copied());
        name
    }

    /// A container's name on the engine.
    pub fn object(&self, container: &ContainerName) -> String {
        self.beside(&["-", container.as_str()])
    }

    /// A volume's name on the engine. The dot keeps `a-b` + `c` apart from `a` + `b-c`.
    pub fn volume(&self, container: &ContainerName, volume: &VolumeName) -> String {
        self.beside(&["-", container.as_str(), ".", volume.as_str()])
    }

    /// The labels that every object carries.
    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (OWNER.to_owned(), self.owner.clone()),
            (PLATFORM.to_owned(), self.platform.to_string()),
            (INSTANCE.to_owned(), self.instance.to_string()),
        ])
    }

    /// Whether an object with these labels belongs to this instance, whoever owns it.
    pub fn covers(&self, labels: &BTreeMap<String, String>) -> bool {
        labels
            .get(PLATFORM)
            .is_some_and(|it| it == self.platform.as_str())
            && labels
                .get(INSTANCE)
                .is_some_and(|it| it == self.instance.as_str())
    }

    /// Whether an object with these labels was made by this owner.
    pub fn owns(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(OWNER) == Some(&self.owner)
    }
}
