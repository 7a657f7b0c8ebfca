//! The IPv6 addresses of a server's containers: each belongs to an IPv4 address, so that nothing more
//! has to be remembered. They are local ones (RFC 4193), which no machine is reached by from outside.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// `fd64:6576:656e:7600::/96`; the last four bytes are those of IPv4.
const PREFIX: [u16; 6] = [0xfd64, 0x6576, 0x656e, 0x7600, 0, 0];

/// The address that belongs to one of IPv4.
pub fn address(of: Ipv4Addr) -> Ipv6Addr {
    let mut bytes = [0; 16];
    let prefix = PREFIX.iter().flat_map(|part| part.to_be_bytes());
    for (byte, value) in bytes.iter_mut().zip(prefix.chain(of.octets())) {
        *byte = value;
    }
    bytes.into()
}

/// The network that belongs to one of IPv4.
pub fn network(of: Ipv4Net) -> Ipv6Net {
    Ipv6Net::new_assert(address(of.network()), 96 + of.prefix_len())
}

/// Whether an address is one of these.
pub fn is_ours(it: Ipv6Addr) -> bool {
    it.segments()[..6] == PREFIX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_belongs_to_one_of_ipv4() {
        let it = address([10, 213, 1, 250].into());
        assert_eq!(it.to_string(), "fd64:6576:656e:7600::ad5:1fa");
        let net = network("10.213.1.0/24".parse().unwrap());
        assert_eq!(net.to_string(), "fd64:6576:656e:7600::ad5:100/120");
        assert!(net.contains(&it) && is_ours(it));
        assert!(!is_ours(Ipv6Addr::LOCALHOST));
    }
}
