//! The keys of a profile.

use std::net::IpAddr;

use serde::Deserialize;

use crate::model::quantity::ByteSize;

/// Where published ports are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Where they appear.
    pub appears: Appears,
    /// Which address to publish them on.
    pub address: PublishAddress,
}

/// Where published ports appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Appears {
    /// At this machine's own loopback address.
    Loopback,
    /// At the address of the engine's host, which this machine reaches.
    Engine,
    /// On the engine's host, which is reached through ssh only.
    Tunnel,
    /// On the engine's host only, unless the user names an address that others reach.
    Host,
}

/// Which address, on the engine's host, to publish on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum PublishAddress {
    /// The one that the engine is reached at: `{engine}`.
    Engine,
    /// This one.
    Fixed(IpAddr),
}

impl TryFrom<String> for PublishAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "{engine}" {
            return Ok(Self::Engine);
        }
        match text.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => Err(format!(
                "`{text}` lets others reach what is published: only `publish_address` in settings.yaml does that"
            )),
            Ok(address) => Ok(Self::Fixed(address)),
            Err(_) => Err(format!(
                "`{text}` is neither an IP address nor `{{engine}}`"
            )),
        }
    }
}

/// A folder of this machine that containers can see, and its path on the engine's side.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Here. `~` is the user's folder; `?:\` stands for every drive of Windows.
    pub host: String,
    /// There; `?` is the drive in lower case.
    pub engine: String,
}

impl Share {
    /// The path there and how many characters of it this share decided; `None`: not below it.
    pub(super) fn translate(&self, path: &str, home: &str) -> Option<(usize, String)> {
        if let Some(folder) = self.host.strip_prefix('?') {
            let (drive, rest) = path.split_at_checked(1)?;
            if !drive.chars().all(|it| it.is_ascii_alphabetic()) {
                return None;
            }
            let rest = below(rest, folder)?;
            let engine = self.engine.replacen('?', &drive.to_ascii_lowercase(), 1);
            return Some((1 + folder.len(), joined(&engine, rest)));
        }
        let expand = |text: &str| match text.strip_prefix('~') {
            Some(rest) => format!("{}{rest}", home.trim_end_matches(['/', '\\'])),
            None => text.to_owned(),
        };
        let host = expand(&self.host);
        let rest = below(path, &host)?;
        Some((host.len(), joined(&expand(&self.engine), rest)))
    }
}

/// What is left of `path` below `folder`.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(folder.trim_end_matches(['/', '\\']))?;
    (rest.is_empty() || rest.starts_with(['/', '\\'])).then_some(rest)
}

fn joined(folder: &str, rest: &str) -> String {
    let rest = rest.replace('\\', "/");
    let rest = rest.trim_matches('/');
    match (folder.trim_end_matches('/'), rest) {
        ("", "") => "/".to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, rest) => format!("{folder}/{rest}"),
    }
}

/// What shared folders can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filesystem {
    /// A change of owner holds.
    pub chown: bool,
    /// Changes made here wake watchers in containers.
    pub inotify: bool,
    /// Files can be mapped into memory: databases need it.
    pub mmap: bool,
    /// `a` and `A` are two files.
    pub case_sensitive: bool,
}

/// How much memory the engine's machine has unless somebody gave it more.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryAdvice {
    /// By default.
    pub default: ByteSize,
    /// How it is given more.
    pub raise: String,
}

/// Whether the engine's events arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Events {
    /// They do.
    Reliable,
    /// Not always: its lists have to be read again and again.
    Poll,
}

/// Whether the engine runs health checks by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthChecks {
    /// It does.
    Reliable,
    /// Not everywhere.
    Unreliable,
}

/// Where a profile is from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Whether it was tried while devenv was written, or is from documentation.
    pub tried: bool,
    /// Addresses of what it was taken from.
    pub sources: Vec<String>,
}
