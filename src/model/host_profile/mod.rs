//! How one kind of Docker host differs, from `profiles/<kind>.yaml` and the user's own beside them.

mod parts;
mod profile;
mod reading;
mod recognition;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use parts::{
    Appears, Events, Evidence, Filesystem, HealthChecks, MemoryAdvice, PublishAddress, Published,
    Share,
};
pub use profile::{HostProfile, recognise};
pub use reading::{BUILT_IN, built_in};
pub use recognition::{Condition, EndpointKind, HostFacts, Pattern};

use crate::error::{Error, Result};

impl HostProfile {
    /// Reads a profile that extends none, or one that is compiled in.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`], with file, line and the offending text.
    pub fn parse(source: &str, text: &[u8]) -> Result<Self> {
        reading::parse(source, text, &|name| built_in(name).transpose())
    }

    /// All that are compiled in and these of the user's, in the order in which they are tried: a
    /// user's own replaces the one of its name and comes before others of its precedence.
    pub fn all(own: Vec<Self>) -> Result<Vec<Self>> {
        let mut all = own;
        for name in reading::names() {
            if !all.iter().any(|it| it.name == name) {
                all.extend(built_in(name)?);
            }
        }
        all.sort_by_key(|it| it.precedence);
        Ok(all)
    }

    /// Reads the user's own profiles (file name and content), which may extend each other.
    pub fn own(files: &[(String, Vec<u8>)]) -> Result<Vec<Self>> {
        reading::own(files)
    }

    /// The one that fits every engine of which nothing else is known.
    pub fn fallback() -> Result<Self> {
        let mut all = Self::all(Vec::new())?;
        all.pop()
            .ok_or_else(|| Error::bug("no host profile is compiled in"))
    }

    /// The path, on the engine's side, of a folder of this machine; `None` where it is not shared.
    /// `home` is the user's folder, which `~` stands for.
    pub fn translate(&self, path: &str, home: &str) -> Option<String> {
        let all = self.shares.iter();
        all.filter_map(|share| share.translate(path, home))
            .max_by_key(|(length, _)| *length)
            .map(|(_, path)| path)
    }
}

/// A host as it is used now: its profile, and what user and engine add to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Which kind it is.
    pub profile: HostProfile,
    /// Why it is taken for that, in words.
    pub why: String,
    /// The address, on the engine's host, that ports are published on.
    pub publish_address: IpAddr,
    /// How they are reached from this machine.
    pub reached: Reached,
}

/// How published ports are reached from this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// At this machine's own loopback address, without anybody's help.
    Here,
    /// At an address of the engine's host, directly.
    At(IpAddr),
    /// At this machine's loopback address: a forwarder carries it to this address.
    Forwarded(IpAddr),
    /// The same, through the ssh connection to the engine's host: the address is one over there.
    Tunnelled(IpAddr),
    /// Not at all: only on the engine's host, at this address.
    Elsewhere(IpAddr),
}

impl Host {
    /// Settles where ports are published and reached. `engine` is the engine's own address where it
    /// has one, `wanted` the address that the user's settings say, `forward` whether the user
    /// wants a forwarder.
    ///
    /// # Errors
    /// A profile that publishes at the engine's address, of an engine that has none.
    pub fn new(
        profile: HostProfile,
        why: String,
        engine: Option<IpAddr>,
        wanted: Option<IpAddr>,
        forward: bool,
    ) -> Result<Self> {
        let publish_address = match (wanted, profile.published.address) {
            (Some(address), _) | (None, PublishAddress::Fixed(address)) => address,
            (None, PublishAddress::Engine) => engine.ok_or_else(|| nowhere(&profile.name))?,
        };
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let everywhere = publish_address.is_unspecified();
        let target = match profile.published.appears {
            _ if !everywhere => publish_address,
            Appears::Engine | Appears::Host => engine.ok_or_else(|| nowhere(&profile.name))?,
            Appears::Loopback | Appears::Tunnel => here,
        };
        let is_inner = target == here || target == IpAddr::V6(Ipv6Addr::LOCALHOST);
        let reached = match (profile.published.appears, forward) {
            (Appears::Tunnel, true) => Reached::Tunnelled(target),
            (Appears::Tunnel, false) => Reached::Elsewhere(target),
            (Appears::Loopback, _) if is_inner => Reached::Here,
            (Appears::Engine | Appears::Host, _) if is_inner => Reached::Elsewhere(target),
            (_, true) => Reached::Forwarded(target),
            (_, false) => Reached::At(target),
        };
        Ok(Self {
            profile,
            why,
            publish_address,
            reached,
        })
    }

    /// One of which nothing is known: this machine's own.
    pub fn unknown() -> Result<Self> {
        let why = "nothing is known of it".to_owned();
        Self::new(HostProfile::fallback()?, why, None, None, true)
    }

    /// The address of this machine that a browser goes to; `None`: it cannot get there.
    pub fn address(&self) -> Option<IpAddr> {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        match self.reached {
            Reached::Here if !self.publish_address.is_unspecified() => Some(self.publish_address),
            Reached::Here | Reached::Forwarded(_) | Reached::Tunnelled(_) => Some(here),
            Reached::At(address) => Some(address),
            Reached::Elsewhere(_) => None,
        }
    }

    /// The address of this machine where a published port takes its number; `None`: nowhere here.
    pub fn bound_here(&self) -> Option<IpAddr> {
        match self.reached {
            Reached::Here => Some(self.publish_address),
            Reached::Forwarded(_) | Reached::Tunnelled(_) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Reached::At(_) | Reached::Elsewhere(_) => None,
        }
    }

    /// Why this machine does not reach the ports, and what would change that; `None`: it does.
    pub fn unreached(&self) -> Option<(String, &'static str)> {
        let Reached::Elsewhere(at) = self.reached else {
            return None;
        };
        let text = format!(
            "ports are published at {at} of the engine's host, where this machine does not reach them"
        );
        let advice = if self.profile.published.appears == Appears::Tunnel {
            "let devenv forward them: `forward: true` in settings.yaml"
        } else {
            "name the engine by ssh (`--host ssh://…`), which carries them; or set `publish_address` \
             in settings.yaml: then whoever reaches that address reaches them too"
        };
        Some((text, advice))
    }

    /// Whom ports let in that are published on every address, and what would keep them out; `None`
    /// where they are not.
    pub fn exposed(&self) -> Option<(String, &'static str)> {
        let text = format!(
            "ports are published on {}: whoever reaches the engine's host over the network reaches them",
            self.publish_address
        );
        let advice = "`publish_address` in settings.yaml says so; without it they are not";
        self.publish_address
            .is_unspecified()
            .then_some((text, advice))
    }

    /// Whether a forwarder of devenv's own carries the ports.
    pub fn is_forwarded(&self) -> bool {
        matches!(self.reached, Reached::Forwarded(_) | Reached::Tunnelled(_))
    }
}

fn nowhere(profile: &str) -> Error {
    Error::usage(format!(
        "the host profile `{profile}` publishes at the engine's address, but this engine has none"
    ))
    .hint("`publish_address` in settings.yaml names one; `profile` there chooses another profile")
}

#[cfg(test)]
mod tests;
