//! What a machine has to lead its ports with, and what is worth knowing of it.

use super::iptables;
use super::program::run;
use crate::error::Result;

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
        let other = Ground {
            other: Some("iptables-legacy"),
            ..fine
        };
        assert!(other.remarks()[0].long.contains("`iptables-legacy`"));
    }
}
