//! Which profile an engine's own description fits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What recognition goes by: an engine's description, how it is reached, and from where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostFacts {
    /// `OperatingSystem` of `/info`.
    pub operating_system: String,
    /// `Name` of `/info`.
    pub name: String,
    /// `KernelVersion` of `/info`.
    pub kernel: String,
    /// `Labels` of `/info`.
    pub labels: Vec<String>,
    /// `SecurityOptions` of `/info`.
    pub security_options: Vec<String>,
    /// Names of the `Components` of `/version`, and `Platform.Name`.
    pub components: Vec<String>,
    /// How it is reached.
    pub endpoint: EndpointKind,
    /// Whether that is at this machine itself, as far as its address says.
    pub loopback: bool,
    /// The system that devenv runs on, in Rust's words: `linux`, `macos`, `windows`.
    pub client: String,
}

/// How an engine is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointKind {
    /// A unix socket.
    #[default]
    Unix,
    /// A named pipe.
    Pipe,
    /// TCP, with certificates or without.
    Tcp,
    /// ssh.
    Ssh,
}

/// A text in which `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Whether it fits the whole text.
    pub fn fits(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
            return false;
        };
        let parts: Vec<&str> = parts.collect();
        let Some((last, middle)) = parts.split_last() else {
            return rest.is_empty();
        };
        for part in middle {
            let Some((_, after)) = rest.split_once(part) else {
                return false;
            };
            rest = after;
        }
        rest.ends_with(last)
    }
}

/// What must hold, all of it. An empty one always holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// `OperatingSystem` of `/info`.
    pub operating_system: Option<Pattern>,
    /// `Name` of `/info`: the host's.
    pub name: Option<Pattern>,
    /// `KernelVersion` of `/info`.
    pub kernel: Option<Pattern>,
    /// One of the `Labels` of `/info`.
    pub label: Option<Pattern>,
    /// One of the `SecurityOptions` of `/info`.
    pub security_option: Option<Pattern>,
    /// The name of one of the `Components` of `/version`, or `Platform.Name`.
    pub component: Option<Pattern>,
    /// How it is reached.
    pub endpoint: Option<Vec<EndpointKind>>,
    /// Whether its address is this machine's own.
    pub loopback: Option<bool>,
    /// The system that devenv runs on.
    pub client: Option<Vec<String>>,
}

impl Condition {
    /// Whether all of it holds.
    pub fn holds(&self, facts: &HostFacts) -> bool {
        let one = |pattern: &Option<Pattern>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.fits(text))
        };
        let any = |pattern: &Option<Pattern>, texts: &[String]| {
            let fits = |pattern: &Pattern| texts.iter().any(|text| pattern.fits(text));
            pattern.as_ref().is_none_or(fits)
        };
        one(&self.operating_system, &facts.operating_system)
            && one(&self.name, &facts.name)
            && one(&self.kernel, &facts.kernel)
            && any(&self.label, &facts.labels)
            && any(&self.security_option, &facts.security_options)
            && any(&self.component, &facts.components)
            && self
                .endpoint
                .as_ref()
                .is_none_or(|kinds| kinds.contains(&facts.endpoint))
            && self.loopback.is_none_or(|wanted| wanted == facts.loopback)
            && self
                .client
                .as_ref()
                .is_none_or(|systems| systems.contains(&facts.client))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("operating system", &self.operating_system),
            ("name", &self.name),
            ("kernel", &self.kernel),
            ("label", &self.label),
            ("security option", &self.security_option),
            ("component", &self.component),
        ];
        let mut said: Vec<String> = texts
            .iter()
            .filter_map(|(what, pattern)| Some(format!("{what} `{}`", pattern.as_ref()?.0)))
            .collect();
        if let Some(kinds) = &self.endpoint {
            let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
            said.push(format!("reached by {}", kinds.join(" or ")));
        }
        said.extend(self.loopback.map(|here| {
            let place = if here { "this machine" } else { "another" };
            format!("its address is {place}'s")
        }));
        if let Some(systems) = &self.client {
            said.push(format!("seen from {}", systems.join(" or ")));
        }
        if said.is_empty() {
            return f.write_str("nothing else fits");
        }
        f.write_str(&said.join(", "))
    }
}

impl fmt::Display for EndpointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unix => "a unix socket",
            Self::Pipe => "a named pipe",
            Self::Tcp => "tcp",
            Self::Ssh => "ssh",
        })
    }
}
