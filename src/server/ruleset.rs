//! The kernel's table that leads published ports to the proxy that serves, as text for `nft`. Pure.
//!
//! NAT is decided on the first packet of a connection: those that there are stay where they are, new
//! ones go where the map says, and the client's address survives. The hooks come before Docker's own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use crate::model::ipv6;
use crate::model::name::InstanceName;

/// Where requests to a port are led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    /// To this address.
    pub address: Ipv4Addr,
    /// To this port of it.
    pub port: u16,
    /// Whether those by IPv6 are led too, to the address that belongs to this one.
    pub ipv6: bool,
}

/// Where each port of this machine leads.
pub type Ports = BTreeMap<u16, Lead>;

/// A change of where ports lead.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Makes the tables, or makes them anew, with these ports.
    Install(&'a Ports),
    /// Leads the ports elsewhere, in tables that are there.
    Switch(&'a Ports),
    /// Removes the tables.
    Remove,
}

/// One of the two kinds of addresses, in the words of `nft`.
#[derive(Debug, Clone, Copy)]
struct Family {
    name: &'static str,
    address: &'static str,
    /// Addresses that no port is led from.
    loopback: &'static str,
}

const V4: Family = Family {
    name: "ip",
    address: "ipv4_addr",
    loopback: "127.0.0.0/8",
};

const V6: Family = Family {
    name: "ip6",
    address: "ipv6_addr",
    loopback: "::1",
};

/// A change as text for `nft`, all of it one transaction; `ipv6`: whether there is a table for IPv6.
pub fn text(table: &str, change: Change<'_>, ipv6: bool) -> String {
    let (v4, ports) = match change {
        Change::Install(ports) => (V4.install(table, ports), Some(ports)),
        Change::Switch(ports) => (V4.switch(table, ports), Some(ports)),
        Change::Remove => (V4.remove(table), None),
    };
    // Not every kernel has such tables: only where one is needed.
    let v6 = match ports.filter(|ports| ports.values().any(|it| it.ipv6)) {
        Some(ports) => V6.install(table, ports),
        None if ipv6 => V6.remove(table),
        None => String::new(),
    };
    v4 + &v6
}

/// What the names of all tables of devenv begin with.
pub(super) const PREFIX: &str = "devenv_";

/// The table's name: one for each server of a machine.
pub fn table(server: &InstanceName) -> String {
    format!("{PREFIX}{server}")
}

impl Family {
    /// Makes the table, or makes it anew, with these ports.
    fn install(self, table: &str, ports: &Ports) -> String {
        let Self {
            name,
            address,
            loopback,
        } = self;
        let dnat = format!("dnat {name} addr . port to tcp dport map @to");
        format!(
            "add table {name} {table}\n\
             delete table {name} {table}\n\
             table {name} {table} {{\n\
             \tmap to {{\n\t\ttype inet_service : {address} . inet_service\n\t}}\n\
             \tchain from_outside {{\n\
             \t\ttype nat hook prerouting priority -110\n\
             \t\tfib daddr type local {dnat}\n\
             \t}}\n\
             \tchain from_here {{\n\
             \t\ttype nat hook output priority -110\n\
             \t\t{name} daddr != {loopback} fib daddr type local {dnat}\n\
             \t}}\n\
             }}\n{}",
            self.elements(table, ports)
        )
    }

    fn remove(self, table: &str) -> String {
        let name = self.name;
        format!("add table {name} {table}\ndelete table {name} {table}\n")
    }

    /// Leads the ports elsewhere, all at once, in a table that is there.
    fn switch(self, table: &str, ports: &Ports) -> String {
        let elements = self.elements(table, ports);
        format!("flush map {} {table} to\n{elements}", self.name)
    }

    /// Whether both hooks do nothing but lead packets by the map, and all packets that they should.
    fn leads(self, listed: &str) -> bool {
        let rules = |hook: &str| {
            let (_, chain) = listed.split_once(hook)?;
            let (chain, _) = chain.split_once('}')?;
            Some(chain.lines().skip(1).map(str::trim))
        };
        let Self { name, loopback, .. } = self;
        let leads = format!("fib daddr type local dnat {name} to tcp dport map @to");
        let hooks = [
            ("hook prerouting", leads.clone()),
            ("hook output", format!("{name} daddr != {loopback} {leads}")),
        ];
        hooks.iter().all(|(hook, wanted)| {
            let rules = rules(hook).into_iter().flatten();
            let rules: Vec<&str> = rules.filter(|it| !it.is_empty()).collect();
            matches!(rules[..], [rule] if said_alike(rule) == *wanted)
        })
    }

    fn elements(self, table: &str, ports: &Ports) -> String {
        let mut text = String::new();
        for (port, lead) in ports {
            let address = match self.name {
                "ip" => IpAddr::V4(lead.address),
                _ if lead.ipv6 => IpAddr::V6(ipv6::address(lead.address)),
                _ => continue,
            };
            // Writing to memory cannot fail.
            let _ = writeln!(
                text,
                "add element {} {table} to {{ {port} : {address} . {} }}",
                self.name, lead.port
            );
        }
        text
    }
}

/// A rule as every `nft` lists it: with numbers for names or not, and with the kind of the map's values or not.
fn said_alike(rule: &str) -> String {
    let rule = rule.replace("fib daddr type 2 ", "fib daddr type local ");
    rule.replace(" addr . port to ", " to ")
}

/// The ports in what `nft` lists of the table of IPv4, and which of them that of IPv6 has too; empty where
/// there is none. What is only led by IPv6, or elsewhere, makes it differ from whatever is wanted. `None`:
/// somebody changed the rules by hand.
pub fn parse(v4: &str, v6: &str) -> Option<Ports> {
    let is_whole = V4.leads(v4) && (v6.is_empty() || V6.leads(v6));
    is_whole.then(|| ports(v4, v6))
}

/// The ports that other tables of devenv lead, and the table of each, in what `nft` lists of all maps.
pub fn others(listed: &str, own: &str) -> BTreeMap<u16, String> {
    let tables = listed.split("table ip ").filter_map(|it| {
        let (name, rest) = it.split_once(char::is_whitespace)?;
        (name.starts_with(PREFIX) && name != own).then_some((name, rest))
    });
    let ports =
        tables.flat_map(|(name, rest)| elements(rest).map(|(port, ..)| (port, name.to_owned())));
    ports.collect()
}

fn ports(v4: &str, v6: &str) -> Ports {
    let mut ports: Ports = elements(v4)
        .filter_map(|(port, address, inside)| {
            let lead = Lead {
                address: address.parse().ok()?,
                port: inside,
                ipv6: false,
            };
            Some((port, lead))
        })
        .collect();
    for (port, address, inside) in elements(v6) {
        let Some(lead) = ports.get_mut(&port) else {
            return Ports::new();
        };
        let same = address.parse() == Ok(ipv6::address(lead.address)) && inside == lead.port;
        if !same {
            return Ports::new();
        }
        lead.ipv6 = true;
    }
    ports
}

/// Port, address and port there of each element of a map.
fn elements(listed: &str) -> impl Iterator<Item = (u16, &str, u16)> {
    let inside = listed
        .split_once("elements = {")
        .and_then(|(_, rest)| rest.split_once('}'));
    let one = |text| {
        let (port, rest) = str::split_once(text, ':')?;
        let (address, inside) = rest.split_once(" . ")?;
        Some((
            port.trim().parse().ok()?,
            address.trim(),
            inside.trim().parse().ok()?,
        ))
    };
    let all = inside.map_or("", |(elements, _)| elements);
    all.split(',').filter_map(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(port: u16, ipv6: bool) -> Lead {
        Lead {
            address: [10, 213, 1, 250].into(),
            port,
            ipv6,
        }
    }

    fn ports() -> Ports {
        Ports::from([(80, lead(80, true)), (8443, lead(443, false))])
    }

    #[test]
    fn the_table_is_made_and_its_map_replaced_in_one_go_each() {
        insta::assert_snapshot!(text("devenv_server", Change::Install(&ports()), false), @r"
        add table ip devenv_server
        delete table ip devenv_server
        table ip devenv_server {
        	map to {
        		type inet_service : ipv4_addr . inet_service
        	}
        	chain from_outside {
        		type nat hook prerouting priority -110
        		fib daddr type local dnat ip addr . port to tcp dport map @to
        	}
        	chain from_here {
        		type nat hook output priority -110
        		ip daddr != 127.0.0.0/8 fib daddr type local dnat ip addr . port to tcp dport map @to
        	}
        }
        add element ip devenv_server to { 80 : 10.213.1.250 . 80 }
        add element ip devenv_server to { 8443 : 10.213.1.250 . 443 }
        add table ip6 devenv_server
        delete table ip6 devenv_server
        table ip6 devenv_server {
        	map to {
        		type inet_service : ipv6_addr . inet_service
        	}
        	chain from_outside {
        		type nat hook prerouting priority -110
        		fib daddr type local dnat ip6 addr . port to tcp dport map @to
        	}
        	chain from_here {
        		type nat hook output priority -110
        		ip6 daddr != ::1 fib daddr type local dnat ip6 addr . port to tcp dport map @to
        	}
        }
        add element ip6 devenv_server to { 80 : fd64:6576:656e:7600::ad5:1fa . 80 }
        ");
        let only = Ports::from([(8443, lead(443, false))]);
        insta::assert_snapshot!(text("devenv_server", Change::Switch(&only), false), @r"
        flush map ip devenv_server to
        add element ip devenv_server to { 8443 : 10.213.1.250 . 443 }
        ");
        insta::assert_snapshot!(text("devenv_server", Change::Switch(&only), true), @r"
        flush map ip devenv_server to
        add element ip devenv_server to { 8443 : 10.213.1.250 . 443 }
        add table ip6 devenv_server
        delete table ip6 devenv_server
        ");
        let removed = text("devenv_server", Change::Remove, true);
        assert_eq!(removed.matches("delete table").count(), 2, "{removed}");
        let removed = text("devenv_server", Change::Remove, false);
        assert!(!removed.contains("ip6"), "{removed}");
    }

    /// What `nft` 1.0 lists of a table with these elements.
    fn listed(family: &str, elements: &str) -> String {
        let rule = format!("fib daddr type 2 dnat {family} to tcp dport map @to");
        let loopback = if family == "ip" { "127.0.0.0/8" } else { "::1" };
        format!(
            "table {family} devenv_server {{\n\tmap to {{\n\t\ttype inet_service : ipv4_addr . inet_service\n\
             \t\telements = {{ {elements} }}\n\t}}\n\n\
             \tchain from_outside {{\n\t\ttype nat hook prerouting priority -110; policy accept;\n\
             \t\t{rule}\n\t}}\n\n\
             \tchain from_here {{\n\t\ttype nat hook output priority -110; policy accept;\n\
             \t\t{family} daddr != {loopback} {rule}\n\t}}\n}}\n"
        )
    }

    const BOTH: &str = "80 : 10.213.1.250 . 80,\n\t\t\t     8443 : 10.213.1.250 . 443";

    #[test]
    fn what_nft_lists_is_read() {
        let first = listed("ip", BOTH);
        let second = listed("ip6", "80 : fd64:6576:656e:7600::ad5:1fa . 80");
        assert_eq!(parse(&first, &second), Some(ports()));
        let only = parse(&first, "").unwrap();
        assert!(
            only.len() == 2 && only.values().all(|it| !it.ipv6),
            "{only:?}"
        );
        for elsewhere in [
            ("::ad5:1fa", "::ad5:2fa"),
            ("80 :", "81 :"),
            (". 80", ". 8080"),
        ] {
            let second = second.replace(elsewhere.0, elsewhere.1);
            assert_ne!(parse(&first, &second), Some(ports()), "{second}");
        }
    }

    #[test]
    fn rules_that_somebody_changed_do_not_lead() {
        let whole = listed("ip", BOTH);
        let rule = "fib daddr type 2 dnat ip to tcp dport map @to";
        let here = format!("\t\tip daddr != 127.0.0.0/8 {rule}\n");
        for (was, is) in [
            (here.as_str(), ""),
            (here.as_str(), "\t\taccept\n"),
            (&here, &format!("\t\taccept\n{here}")),
            (
                &here,
                &here.replace("ip daddr", "ip saddr 10.0.0.0/8 ip daddr"),
            ),
            (
                "policy accept;\n\t\tfib",
                "policy accept;\n\t\tip saddr 10.0.0.1 fib",
            ),
            (
                "policy accept;\n\t\tfib",
                "policy accept;\n\t\ttcp sport 1 fib",
            ),
            ("hook prerouting", "hook postrouting"),
        ] {
            let changed = whole.replace(was, is);
            assert_ne!(changed, whole);
            assert_eq!(parse(&changed, ""), None, "{changed}");
            assert_eq!(parse(&whole, &changed), None, "{changed}");
        }
        let words = whole.replace("type 2 dnat ip to", "type local dnat ip addr . port to");
        assert_ne!(words, whole);
        assert_eq!(parse(&words, ""), parse(&whole, ""));
    }

    #[test]
    fn ports_of_other_servers_are_known() {
        let other = listed("ip", "80 : 10.213.1.250 . 80").replace("devenv_server", "devenv_b");
        let all = format!("table ip nat {{\n}}\n{}{other}", listed("ip", BOTH));
        let of = |own| others(&all, own).into_iter().collect::<Vec<_>>();
        assert_eq!(of("devenv_server"), [(80, "devenv_b".to_owned())]);
        assert_eq!(of("devenv_b").len(), 2);
    }
}
