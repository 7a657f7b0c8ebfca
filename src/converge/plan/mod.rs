//! What to do on the engine, as data: steps with a cause and an order. Pure.

pub mod carry;
pub mod difference;
pub mod drift;
mod fill;
pub mod images;
pub mod lifecycle;
pub mod observed;
pub mod removal;
mod room;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::model::container::Until;
use crate::model::filling::FilledFrom;
use crate::model::name::ContainerName;

pub use observed::Observed;

/// One call to the engine, or one wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Creates one of the two networks.
    CreateNetwork(Network),
    /// Creates a volume by name.
    CreateVolume(String),
    /// Fetches a container's signed image.
    Pull(ContainerName),
    /// Finds the image Id on the engine that stands for the signed digest.
    Bind(ContainerName),
    /// Gives an outdated container another name, so that its successor can have its own.
    Rename {
        container: ContainerName,
        id: String,
    },
    /// Creates from the bound image.
    Create(ContainerName),
    /// Copies what a path of an old container holds into its successor, before that starts.
    CarryOver {
        container: ContainerName,
        id: String,
        path: String,
    },
    /// Attaches to the network for absent names.
    Connect(ContainerName),
    /// Detaches from the network for absent names.
    Disconnect {
        container: ContainerName,
        id: String,
    },
    /// Starts.
    Start(ContainerName),
    /// Freezes.
    Pause {
        container: ContainerName,
        id: String,
    },
    /// Thaws.
    Unpause(ContainerName),
    /// Waits until the container has come this far.
    Wait(ContainerName, Until),
    /// Fills the empty volumes of a container that runs.
    Fill {
        container: ContainerName,
        from: FilledFrom,
    },
    /// Stops with the container's own signal and grace.
    Stop {
        container: ContainerName,
        id: String,
    },
    /// Removes the container; its named volumes stay.
    Remove {
        container: ContainerName,
        id: String,
    },
    /// Removes a volume and what is in it.
    RemoveVolume(String),
    /// Removes a network by Id.
    RemoveNetwork { name: String, id: String },
}

impl Step {
    /// Whose step it is; none for networks and volumes.
    pub fn container(&self) -> Option<&ContainerName> {
        match self {
            Self::Pull(name)
            | Self::Bind(name)
            | Self::Create(name)
            | Self::Connect(name)
            | Self::Start(name)
            | Self::Unpause(name)
            | Self::Wait(name, _) => Some(name),
            Self::Rename { container, .. }
            | Self::CarryOver { container, .. }
            | Self::Fill { container, .. }
            | Self::Pause { container, .. }
            | Self::Disconnect { container, .. }
            | Self::Stop { container, .. }
            | Self::Remove { container, .. } => Some(container),
            Self::CreateNetwork(_)
            | Self::CreateVolume(_)
            | Self::RemoveVolume(_)
            | Self::RemoveNetwork { .. } => None,
        }
    }
}

/// The networks of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// All containers join it.
    Main,
    /// Its aliases are the absent names.
    Absent,
}

/// Why a step is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It is not there.
    Missing,
    /// Its image is not on this engine.
    ImageMissing,
    /// A container is about to be created.
    Creation,
    /// Its volume holds nothing yet.
    Empty,
    /// It is in a volume without a name, which goes with its container.
    Nameless,
    /// It runs another version.
    Version { from: String, to: String },
    /// Its image is not the verified one.
    Image,
    /// Its specification changed.
    Specification,
    /// It is no longer on the instance's network.
    Detached,
    /// The secrets that it has as files are gone: somebody else started it.
    SecretsGone,
    /// It was left by an interrupted replacement.
    Leftover,
    /// Another network of the same name is in use.
    Surplus,
    /// It is half removed.
    Broken,
    /// It does not run.
    Stopped,
    /// It is frozen.
    Paused,
    /// The set of absent names changed.
    AbsentNames,
    /// It is not part of the subset.
    NotSelected,
    /// Others need it this far.
    NeededBy(ContainerName),
    /// The user asked for it.
    Asked,
}

/// A step with its cause and the steps that come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What is done.
    pub step: Step,
    /// Why.
    pub cause: Cause,
    /// Indexes of the nodes that must be done before; always smaller than this node's own.
    pub after: Vec<usize>,
}

/// Steps in an order that respects what each comes after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub nodes: Vec<Node>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The containers that its steps are about, each as often as it has steps.
    pub fn containers(&self) -> impl Iterator<Item = &ContainerName> {
        self.nodes.iter().filter_map(|node| node.step.container())
    }

    /// Adds a step and gives its index.
    pub fn push(
        &mut self,
        step: Step,
        cause: Cause,
        after: impl IntoIterator<Item = usize>,
    ) -> usize {
        let mut after: Vec<usize> = after.into_iter().collect();
        after.sort_unstable();
        after.dedup();
        self.nodes.push(Node { step, cause, after });
        self.nodes.len() - 1
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "network",
            Self::Absent => "network for absent names",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateNetwork(network) => write!(f, "create {network}"),
            Self::CreateVolume(name) => write!(f, "create volume {name}"),
            Self::Pull(name) => write!(f, "pull {name}"),
            Self::Bind(name) => write!(f, "bind {name}"),
            Self::Rename { container, .. } => write!(f, "set aside {container}"),
            Self::Create(name) => write!(f, "create {name}"),
            Self::CarryOver {
                container, path, ..
            } => write!(f, "carry over {path} of {container}"),
            Self::Connect(name) => write!(f, "connect {name}"),
            Self::Disconnect { container, .. } => write!(f, "disconnect {container}"),
            Self::Start(name) => write!(f, "start {name}"),
            Self::Pause { container, .. } => write!(f, "pause {container}"),
            Self::Unpause(name) => write!(f, "unpause {name}"),
            Self::Wait(name, until) => write!(f, "wait for {name} {}", until.as_str()),
            Self::Fill { container, from } => match from {
                FilledFrom::Seed(file) => write!(f, "seed {container} from {file}"),
                FilledFrom::Snapshot(name) => write!(f, "restore {container} from {name}"),
            },
            Self::Stop { container, .. } => write!(f, "stop {container}"),
            Self::Remove { container, .. } => write!(f, "remove {container}"),
            Self::RemoveVolume(name) => write!(f, "remove volume {name}"),
            Self::RemoveNetwork { name, .. } => write!(f, "remove network {name}"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not there"),
            Self::ImageMissing => f.write_str("its image is not on this engine"),
            Self::Empty => f.write_str("its volume holds nothing yet"),
            Self::Nameless => f.write_str("it is in a volume without a name"),
            Self::Creation => f.write_str("it is about to be created"),
            Self::Version { from, to } => write!(f, "{from} → {to}"),
            Self::Image => f.write_str("its image is not the verified one"),
            Self::Specification => f.write_str("its specification changed"),
            Self::Detached => f.write_str("it left the instance's network"),
            Self::SecretsGone => f.write_str("its files with secrets are gone"),
            Self::Leftover => f.write_str("an interrupted replacement left it"),
            Self::Surplus => f.write_str("there is another one of this name"),
            Self::Broken => f.write_str("it is half removed"),
            Self::Stopped => f.write_str("it does not run"),
            Self::Paused => f.write_str("it is frozen"),
            Self::AbsentNames => f.write_str("the absent names changed"),
            Self::NotSelected => f.write_str("it is not part of the subset"),
            Self::NeededBy(name) => write!(f, "{name} needs it"),
            Self::Asked => f.write_str("you asked for it"),
        }
    }
}

impl fmt::Display for Plan {
    /// One line per step: number, step, cause, and the numbers of the steps before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self.nodes.iter().map(|it| it.step.to_string()).collect();
        let width = steps.iter().map(String::len).max().unwrap_or_default();
        for (index, (node, step)) in self.nodes.iter().zip(steps).enumerate() {
            write!(f, "{:>3}. {step:<width$}  {}", index + 1, node.cause)?;
            if !node.after.is_empty() {
                let after: Vec<_> = node
                    .after
                    .iter()
                    .map(|index| (index + 1).to_string())
                    .collect();
                write!(f, "  (after {})", after.join(", "))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
