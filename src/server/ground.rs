//! What a machine has to lead its ports with, and what is worth knowing of it.

use super::iptables;
use super::program::run;
use crate::error::Result;
use crate::model::ipv6;

/// What leads ports, and what else changes the kernel's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ground {
    /// Whether `nft` is there.
    pub nft: bool,
    /// The kind of iptables that the system prefers: `iptables --version` says `(legacy)`.
    pub legacy: bool,
    /// Whether Docker's rules are of another kind than the system prefers, and of which.
    pub other: Option<&'static str>,
    /// Whether firewalld runs.
    pub firewalld: bool,
    /// Whether it is reached by IPv6.
    pub ipv6: Reach,
}

/// Whether a machine is reached by IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It has no such address but its own engine's.
    Not,
    /// It is, and its routes stay when it forwards what it gets.
    Open,
    /// It is as long as it forwards nothing: its routes are told by others.
    Advertised,
}

impl Reach {
    fn look() -> Self {
        let read = |path: String| std::fs::read_to_string(path).unwrap_or_default();
        Self::of(
            &read("/proc/net/if_inet6".to_owned()),
            &read("/proc/net/ipv6_route".to_owned()),
            &|interface| {
                read(format!("/proc/sys/net/ipv6/conf/{interface}/accept_ra")).trim() == "2"
            },
        )
    }

    /// From the kernel's tables of addresses and routes, and whether an interface takes
    /// advertisements though it forwards. Pure.
    fn of(addresses: &str, routes: &str, insists: &dyn Fn(&str) -> bool) -> Self {
        // Source: the kernel's include/uapi/linux/ipv6_route.h.
        const ADVERTISED: u32 = 0x0004_0000;
        const GLOBAL: &str = "00";
        let is_outer = |line: &str| {
            let mut words = line.split_whitespace();
            let number = u128::from_str_radix(words.next()?, 16).ok()?;
            Some(words.nth(2)? == GLOBAL && !ipv6::is_ours(number.into()))
        };
        if !addresses.lines().any(|line| is_outer(line) == Some(true)) {
            return Self::Not;
        }
        let is_lost = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let flags = u32::from_str_radix(words.get(8)?, 16).ok()?;
            Some(*words.get(1)? == "00" && flags & ADVERTISED != 0 && !insists(words.get(9)?))
        };
        if routes.lines().any(|line| is_lost(line) == Some(true)) {
            return Self::Advertised;
        }
        Self::Open
    }
}

/// One thing to know: in a few words for supervision, and with what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// A few words.
    pub short: &'static str,
    /// What it means, and what to do.
    pub long: String,
}

impl Ground {
    /// Looks at this machine.
    pub async fn look() -> Result<Self> {
        let version = run("iptables", &["--version"], None).await?;
        let dockers = iptables::dockers().await?;
        Ok(Self {
            nft: run("nft", &["--version"], None).await?.is_some(),
            legacy: version.is_some_and(|it| it.is_ok_and(|text| text.contains("legacy"))),
            other: dockers.filter(|kind| *kind != "iptables"),
            firewalld: is_running("firewalld"),
            ipv6: Reach::look(),
        })
    }

    /// What should be known. Pure.
    pub fn remarks(&self) -> Vec<Remark> {
        let mut remarks = Vec::new();
        if !self.nft {
            remarks.push(Remark {
                short: "without nft, iptables leads the ports",
                long: "`nft` is not there: a chain of iptables leads this server's ports, all at once as well \
                       (on Debian: apt-get install nftables)"
                    .to_owned(),
            });
        }
        if let Some(other) = self.other {
            remarks.push(Remark {
                short: "Docker's rules are of another kind than iptables'",
                long: format!(
                    "Docker's rules are in the tables of `{other}`, and `iptables` shows others: devenv uses \
                     `{other}`; to bring them together, `update-alternatives --config iptables` and restart Docker"
                ),
            });
        } else if self.legacy && self.nft {
            remarks.push(Remark {
                short: "iptables is iptables-legacy",
                long: "`iptables` is iptables-legacy here, and `nft` leads the ports: both work side by side; \
                       `update-alternatives --set iptables /usr/sbin/iptables-nft`, then a restart of Docker, has \
                       all rules in one place"
                    .to_owned(),
            });
        }
        if self.firewalld {
            remarks.push(Remark {
                short: "firewalld runs",
                long: "firewalld runs here: `firewall-cmd --reload` removes the rules that let requests through to \
                       containers; run `devenv server apply` after it, or wait for the timer's next"
                    .to_owned(),
            });
        }
        if self.ipv6 == Reach::Advertised {
            remarks.push(Remark {
                short: "routes of IPv6 are told by others",
                long: "this machine is told its routes of IPv6 by others, and takes none from them any more once the \
                       engine forwards: set net.ipv6.conf.INTERFACE.accept_ra to 2 before `ipv6: true` in server.yaml"
                    .to_owned(),
            });
        }
        remarks
    }
}

/// Whether a process of this name runs.
fn is_running(name: &str) -> bool {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut names = all.filter_map(|it| std::fs::read_to_string(it.path().join("comm")).ok());
    names.any(|it| it.trim() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_it_should_be_is_not_remarked() {
        let fine = Ground {
            nft: true,
            legacy: false,
            other: None,
            firewalld: false,
            ipv6: Reach::Open,
        };
        assert_eq!(fine.remarks(), []);
        let short = |ground: Ground| {
            let all = ground.remarks();
            all.iter().map(|it| it.short).collect::<Vec<_>>().join("; ")
        };
        let without = Ground {
            nft: false,
            legacy: true,
            ..fine
        };
        assert_eq!(short(without), "without nft, iptables leads the ports");
        let legacy = Ground {
            legacy: true,
            firewalld: true,
            ..fine
        };
        assert_eq!(short(legacy), "iptables is iptables-legacy; firewalld runs");
        let told = Ground {
            ipv6: Reach::Advertised,
            ..fine
        };
        assert_eq!(short(told), "routes of IPv6 are told by others");
        let other = Ground {
            other: Some("iptables-legacy"),
            ..fine
        };
        assert!(other.remarks()[0].long.contains("`iptables-legacy`"));
    }

    #[test]
    fn who_is_reached_by_ipv6() {
        let lo = "00000000000000000000000000000001 01 80 10 80       lo\n";
        let own = "fd646576656e7600000000000ad50101 05 78 00 80 br-1\n";
        let link = "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n";
        let outer = "20010db8000000000000000000000002 04 40 00 80     eth0\n";
        let route = |flags: &str| {
            format!(
                "{0} 00 {0} 00 fe80000000000000000000000000000a 00000400 00000002 00000000 {flags} eth0\n",
                "0".repeat(32)
            )
        };
        let of = |addresses: &[&str], routes: &str, insists: bool| {
            Reach::of(&addresses.concat(), routes, &|name| {
                name == "eth0" && insists
            })
        };
        assert_eq!(of(&[lo, own, link], "", false), Reach::Not);
        assert_eq!(of(&[lo, outer], &route("00000003"), false), Reach::Open);
        let told = route("00450003");
        assert_eq!(of(&[lo, outer], &told, false), Reach::Advertised);
        assert_eq!(of(&[lo, outer], &told, true), Reach::Open);
        assert_eq!(of(&[lo, outer], "", false), Reach::Open);
    }
}
