//! Registries that are spoken to although nothing proves who they are, as docker's
//! `insecure-registries` (dockerd reference, "Insecure registries").

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::proxies::host_and_port;
use super::visible::without_login;

/// `host[:port]` exactly as an image's name has it, or a network (`10.1.0.0/16`) of those that are
/// named by their address; unlike docker, names are not looked up for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InsecureRegistries {
    hosts: Vec<String>,
    networks: Vec<IpNet>,
}

impl InsecureRegistries {
    /// The error says which entry is neither, and what is right.
    pub fn new(entries: Vec<String>) -> Result<Self, String> {
        let mut all = Self::default();
        for entry in entries {
            if let Ok(network) = entry.parse() {
                all.networks.push(network);
                continue;
            }
            let is_part = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
            let (host, port) = host_and_port(&entry);
            let port_is_fine = port.is_none_or(|port| port.parse::<u16>().is_ok());
            if host.is_empty() || !port_is_fine || !entry.chars().all(is_part) {
                return Err(format!(
                    "`{}` is neither host[:port] nor a network such as 10.1.0.0/16",
                    without_login(&entry)
                ));
            }
            all.hosts.push(entry);
        }
        Ok(all)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.networks.is_empty()
    }

    /// Whether `authority` (`host[:port]`) is one of them.
    pub fn contains(&self, authority: &str) -> bool {
        let is_named = |host: &String| host.eq_ignore_ascii_case(authority);
        let address = host_and_port(authority).0.parse::<IpAddr>();
        self.hosts.iter().any(is_named)
            || address.is_ok_and(|it| self.networks.iter().any(|network| network.contains(&it)))
    }
}

impl fmt::Display for InsecureRegistries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        let all: Vec<_> = self.hosts.iter().cloned().chain(networks).collect();
        f.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: &[&str]) -> Result<InsecureRegistries, String> {
        InsecureRegistries::new(entries.iter().map(|it| (*it).to_owned()).collect())
    }

    #[test]
    fn hosts_by_name_and_port_networks_by_address() {
        let insecure = of(&["registry.lan:5000", "old.lan", "10.1.0.0/16", "fd00::/8"]).unwrap();
        for yes in [
            "registry.lan:5000",
            "Registry.LAN:5000",
            "old.lan",
            "10.1.2.3:5000",
            "10.1.2.3",
            "[fd00::1]:5000",
        ] {
            assert!(insecure.contains(yes), "{yes}");
        }
        for no in [
            "registry.lan",
            "registry.lan:5001",
            "old.lan:80",
            "10.2.0.1:5000",
            "x.registry.lan:5000",
        ] {
            assert!(!insecure.contains(no), "{no}");
        }
    }

    #[test]
    fn what_docker_would_not_take_is_refused() {
        for bad in ["http://r.lan", "r.lan/acme", "", "r.lan:x", "10.0.0.0/33"] {
            let error = of(&[bad]).unwrap_err();
            assert!(
                error.contains("is neither host[:port] nor a network"),
                "{error}"
            );
        }
    }
}
