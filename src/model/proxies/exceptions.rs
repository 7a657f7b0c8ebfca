//! Who is reached without a proxy.

use std::net::IpAddr;

use super::address::host_and_port;

/// Whether a `NO_PROXY` names this host: `*`, a name with all below it, an address, a network in
/// CIDR notation, each with a port or without.
pub fn covers(except: &str, host: &str, port: Option<u16>) -> bool {
    let entries = except.split([',', ' ']).map(str::trim);
    entries.filter(|it| !it.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Some((network, bits)), Ok(address)) = (entry.split_once('/'), host.parse()) {
            return is_within(network, bits, address).unwrap_or(false);
        }
        let (name, wanted) = host_and_port(entry);
        let fits = wanted.is_none_or(|it| it.parse().ok() == port && port.is_some());
        fits && names(name, host)
    })
}

fn names(entry: &str, host: &str) -> bool {
    let entry = entry.trim_start_matches("*.").trim_start_matches('.');
    let (entry, host) = (entry.to_ascii_lowercase(), host.to_ascii_lowercase());
    let is_address = host.parse::<IpAddr>().is_ok();
    host == entry || (!is_address && host.ends_with(&format!(".{entry}")))
}

fn is_within(network: &str, bits: &str, address: IpAddr) -> Option<bool> {
    let bits: u32 = bits.parse().ok()?;
    Some(match (network.parse().ok()?, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32_u32.checked_sub(bits)?;
            let cut = |it: std::net::Ipv4Addr| u64::from(it.to_bits()) >> shift;
            cut(network) == cut(address)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128_u32.checked_sub(bits)?;
            let cut = |it: std::net::Ipv6Addr| it.to_bits().checked_shr(shift).unwrap_or(0);
            cut(network) == cut(address)
        }
        _ => false,
    })
}
