//! The kernel's table that leads published ports to the proxy that serves, as text for `nft`. Pure.
//!
//! NAT is decided on the first packet of a connection: those that there are stay where they are, new
//! ones go where the map says, and the client's address survives. The hooks come before Docker's own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::model::name::InstanceName;

/// Where each port of this machine leads.
pub type Ports = BTreeMap<u16, (Ipv4Addr, u16)>;

/// A change of where ports lead.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Makes the table, or makes it anew, with these ports.
    Install(&'a Ports),
    /// Leads the ports elsewhere, in a table that is there.
    Switch(&'a Ports),
    /// Removes the table.
    Remove,
}

/// A change as text for `nft`.
pub fn text(table: &str, change: Change<'_>) -> String {
    match change {
        Change::Install(ports) => install(table, ports),
        Change::Switch(ports) => switch(table, ports),
        Change::Remove => format!("add table ip {table}\ndelete table ip {table}\n"),
    }
}

/// The table's name: one for each server of a machine.
pub fn table(server: &InstanceName) -> String {
    format!("devenv_{server}")
}

/// Makes the table, or makes it anew, with these ports.
fn install(table: &str, ports: &Ports) -> String {
    let dnat = "dnat ip addr . port to tcp dport map @to";
    format!(
        "add table ip {table}\n\
         delete table ip {table}\n\
         table ip {table} {{\n\
         \tmap to {{\n\t\ttype inet_service : ipv4_addr . inet_service\n\t}}\n\
         \tchain from_outside {{\n\
         \t\ttype nat hook prerouting priority -110\n\
         \t\tfib daddr type local {dnat}\n\
         \t}}\n\
         \tchain from_here {{\n\
         \t\ttype nat hook output priority -110\n\
         \t\tip daddr != 127.0.0.0/8 fib daddr type local {dnat}\n\
         \t}}\n\
         }}\n{}",
        elements(table, ports)
    )
}

/// Leads the ports elsewhere, all at once, in a table that is there.
fn switch(table: &str, ports: &Ports) -> String {
    format!("flush map ip {table} to\n{}", elements(table, ports))
}

fn elements(table: &str, ports: &Ports) -> String {
    let mut text = String::new();
    for (port, (address, inside)) in ports {
        // Writing to memory cannot fail.
        let _ = writeln!(
            text,
            "add element ip {table} to {{ {port} : {address} . {inside} }}"
        );
    }
    text
}

/// The ports in what `nft list map` prints.
pub fn parse(listed: &str) -> Ports {
    let inside = listed
        .split_once("elements = {")
        .and_then(|(_, rest)| rest.split_once('}'));
    let one = |text: &str| {
        let (port, rest) = text.split_once(':')?;
        let (address, inside) = rest.split_once(" . ")?;
        Some((
            port.trim().parse().ok()?,
            (address.trim().parse().ok()?, inside.trim().parse().ok()?),
        ))
    };
    let all = inside.map_or("", |(elements, _)| elements);
    all.split(',').filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Ports {
        Ports::from([
            (80, ([10, 213, 1, 250].into(), 80)),
            (8443, ([10, 213, 1, 250].into(), 443)),
        ])
    }

    #[test]
    fn the_table_is_made_and_its_map_replaced_in_one_go_each() {
        insta::assert_snapshot!(install("devenv_server", &ports()), @r"
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
        ");
        insta::assert_snapshot!(switch("devenv_server", &ports()), @r"
        flush map ip devenv_server to
        add element ip devenv_server to { 80 : 10.213.1.250 . 80 }
        add element ip devenv_server to { 8443 : 10.213.1.250 . 443 }
        ");
    }

    #[test]
    fn what_nft_lists_is_read() {
        let listed = "table ip devenv_server {\n\tmap to {\n\t\ttype inet_service : ipv4_addr . inet_service\n\
                      \t\telements = { 80 : 10.213.1.250 . 80,\n\t\t\t     8443 : 10.213.1.250 . 443 }\n\t}\n}\n";
        assert_eq!(parse(listed), ports());
        assert_eq!(parse("table ip x {\n\tmap to {\n\t}\n}\n"), Ports::new());
    }
}
