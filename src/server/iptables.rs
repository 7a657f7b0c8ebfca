//! Where the ports are led without `nft`: a chain of iptables' own table, filled in one transaction as
//! well. And what Docker's filter, which is iptables', lets through.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ipnet::Ipv4Net;

use super::program::{refused, run};
use super::ruleset::{Change, Lead, PREFIX, Ports};
use crate::error::{Error, Result};
use crate::model::ipv6;

/// Names of the program: what the system prefers, and its two kinds.
const KINDS: [&str; 3] = ["iptables", "iptables-nft", "iptables-legacy"];

/// Those of them that can have rules: to ask the old kind makes its tables, where there are none.
fn kinds() -> impl Iterator<Item = &'static str> {
    let old = std::fs::read_to_string("/proc/net/ip_tables_names");
    let old = old.is_ok_and(|names| !names.trim().is_empty());
    KINDS
        .into_iter()
        .filter(move |kind| old || *kind != "iptables-legacy")
}

/// Docker's own chain for rules of others.
const DOCKER: &str = "DOCKER-USER";

/// The first that is there.
pub(super) async fn found() -> Result<Option<&'static str>> {
    for kind in KINDS {
        if run(kind, &["--version"], None).await?.is_some() {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}

/// The kind that Docker's rules are of; `None`: Docker has none on this machine.
pub(super) async fn dockers() -> Result<Option<&'static str>> {
    for kind in kinds() {
        let listed = run(kind, &["--wait", "5", "--list-rules", DOCKER], None).await?;
        if listed.is_some_and(|it| it.is_ok()) {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}

async fn kind() -> Result<&'static str> {
    if let Some(kind) = dockers().await? {
        return Ok(kind);
    }
    found().await?.ok_or_else(|| {
        let error = Error::usage("there is neither `nft` nor `iptables`, and a server needs one");
        error.hint("on Debian: apt-get install nftables")
    })
}

async fn nat(kind: &str, words: &[&str]) -> Result<Result<String, String>> {
    let words = [&["--wait", "5", "--table", "nat"], words].concat();
    let gone = || Err(format!("{kind} is not there"));
    Ok(run(kind, &words, None).await?.unwrap_or_else(gone))
}

/// How packets get into the chain: from outside, and from this machine.
fn jumps(chain: &str) -> [Vec<&str>; 2] {
    let local = ["--match", "addrtype", "--dst-type", "LOCAL", "--jump"];
    let outside = [&["PREROUTING"], &local[..], &[chain]].concat();
    let here = ["OUTPUT", "!", "--destination", "127.0.0.0/8"];
    [outside, [&here[..], &local, &[chain]].concat()]
}

/// Where ports are led; `None`: the chain is not there, nothing gets into it, or somebody changed a rule.
pub(super) async fn led(chain: &str) -> Result<Option<Ports>> {
    let kind = kind().await?;
    let Ok(listed) = nat(kind, &["--list-rules", chain]).await? else {
        return Ok(None);
    };
    for jump in jumps(chain) {
        if nat(kind, &[&["--check"], &jump[..]].concat())
            .await?
            .is_err()
        {
            return Ok(None);
        }
    }
    Ok(parse(&listed))
}

/// The ports that other chains of devenv lead, and the chain of each.
pub(super) async fn led_by_others(own: &str) -> Result<BTreeMap<u16, String>> {
    let listed = nat(kind().await?, &["--list-rules"]).await?;
    Ok(others(&listed.unwrap_or_default(), own))
}

fn others(listed: &str, own: &str) -> BTreeMap<u16, String> {
    let rules = listed.lines().filter_map(|line| {
        let (chain, rule) = line.strip_prefix("-A ")?.split_once(' ')?;
        (chain.starts_with(PREFIX) && chain != own).then_some((chain, rule))
    });
    let ports = rules.filter_map(|(chain, rule)| Some((one(rule)?.0, chain.to_owned())));
    ports.collect()
}

/// Changes where ports lead.
pub(super) async fn load(chain: &str, change: Change<'_>) -> Result<()> {
    let (kind, ports) = match change {
        Change::Install(ports) | Change::Switch(ports) => (kind().await?, ports),
        Change::Remove => return remove(chain).await,
    };
    let restore = format!("{kind}-restore");
    let text = rules(chain, ports);
    let words = ["--noflush", "--wait", "5"];
    let loaded = run(&restore, &words, Some(&text)).await?;
    let loaded = loaded.unwrap_or_else(|| Err(format!("{restore} is not there")));
    loaded.map_err(|said| refused(&restore, &said))?;
    for jump in jumps(chain) {
        if nat(kind, &[&["--check"], &jump[..]].concat())
            .await?
            .is_err()
        {
            let added = nat(kind, &[&["--insert"], &jump[..]].concat()).await?;
            added.map_err(|said| refused(kind, &said))?;
        }
    }
    Ok(())
}

/// Removes the chain, of whichever kind it is.
async fn remove(chain: &str) -> Result<()> {
    for kind in kinds() {
        if nat(kind, &["--list-rules", chain]).await?.is_err() {
            continue;
        }
        for jump in jumps(chain) {
            // One that is not there is gone.
            let _ = nat(kind, &[&["--delete"], &jump[..]].concat()).await?;
        }
        for last in ["--flush", "--delete-chain"] {
            let done = nat(kind, &[last, chain]).await?;
            done.map_err(|said| refused(kind, &said))?;
        }
    }
    Ok(())
}

/// Has Docker's filter let through what is led to these addresses, or not any more. A Docker without
/// rules filters nothing.
pub(super) async fn let_through(addresses: Ipv4Net, through: bool) -> Result<()> {
    let to = addresses.to_string();
    for kind in kinds() {
        let rule = async |action: &str| filter(kind, action, &to).await;
        let action = match (rule("--check").await?, through) {
            (None, _) => continue,
            (Some(Ok(_)), false) => "--delete",
            (Some(Err(_)), _) if dockers().await? != Some(kind) => continue,
            (Some(Err(_)), true) => "--insert",
            (Some(Ok(_)), true) | (Some(Err(_)), false) => return Ok(()),
        };
        let Some(Err(said)) = rule(action).await? else {
            return Ok(());
        };
        return Err(refused(kind, &said));
    }
    Ok(())
}

/// The same for IPv6: only a Docker that filters that has the chain.
pub(super) async fn let_through_ipv6(addresses: Ipv4Net, through: bool) -> Result<()> {
    let (kind, to) = ("ip6tables", ipv6::network(addresses).to_string());
    let listed = run(kind, &["--wait", "5", "--list-rules", DOCKER], None).await?;
    if listed.is_none_or(|it| it.is_err()) {
        return Ok(());
    }
    let is_there = filter(kind, "--check", &to)
        .await?
        .is_some_and(|it| it.is_ok());
    let action = match (is_there, through) {
        (true, true) | (false, false) => return Ok(()),
        (false, true) => "--insert",
        (true, false) => "--delete",
    };
    match filter(kind, action, &to).await? {
        Some(Err(said)) => Err(refused(kind, &said)),
        _ => Ok(()),
    }
}

/// Adds, looks for or removes the rule that lets through what is led to these addresses.
async fn filter(kind: &str, action: &str, to: &str) -> Result<Option<Result<String, String>>> {
    let words = ["--wait", "5", action, DOCKER, "--destination", to];
    let led = [
        "--match",
        "conntrack",
        "--ctstate",
        "DNAT",
        "--jump",
        "ACCEPT",
    ];
    run(kind, &[&words[..], &led].concat(), None).await
}

/// The chain and its rules, for `iptables-restore`: what is declared in it is replaced as a whole.
fn rules(chain: &str, ports: &Ports) -> String {
    let mut text = format!("*nat\n:{chain} - [0:0]\n");
    for (port, lead) in ports {
        // Writing to memory cannot fail.
        let _ = writeln!(text, "{}", rule(chain, *port, *lead));
    }
    text.push_str("COMMIT\n");
    text
}

/// The ports in what `iptables --list-rules` prints of a chain; `None`: a rule is none of devenv's.
fn parse(listed: &str) -> Option<Ports> {
    let rules = listed.lines().filter(|line| line.starts_with("-A "));
    let ours = rules.map(|line| {
        let (chain, _) = line.strip_prefix("-A ")?.split_once(' ')?;
        let (port, lead) = one(line)?;
        let said_alike = line.trim_end().replace(" -m tcp ", " ");
        (said_alike == rule(chain, port, lead)).then_some((port, lead))
    });
    ours.collect()
}

/// The port that a rule leads, and where.
fn one(rule: &str) -> Option<(u16, Lead)> {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let after = |word: &str| {
        let at = words.iter().position(|it| *it == word)?;
        words.get(at + 1).copied()
    };
    let (address, inside) = after("--to-destination")?.split_once(':')?;
    let port = after("--dport")?.parse().ok()?;
    let lead = Lead {
        address: address.parse().ok()?,
        port: inside.parse().ok()?,
        ipv6: false,
    };
    Some((port, lead))
}

/// The rule that leads a port.
fn rule(chain: &str, port: u16, lead: Lead) -> String {
    let Lead {
        address,
        port: inside,
        ..
    } = lead;
    format!("-A {chain} -p tcp --dport {port} -j DNAT --to-destination {address}:{inside}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_filled_in_one_go_and_read_again() {
        let lead = |port| Lead {
            address: [10, 213, 1, 250].into(),
            port,
            ipv6: false,
        };
        let ports = Ports::from([(80, lead(80)), (8443, lead(443))]);
        insta::assert_snapshot!(rules("devenv_server", &ports), @r"
        *nat
        :devenv_server - [0:0]
        -A devenv_server -p tcp --dport 80 -j DNAT --to-destination 10.213.1.250:80
        -A devenv_server -p tcp --dport 8443 -j DNAT --to-destination 10.213.1.250:443
        COMMIT
        ");
        let listed = "-N devenv_server\n\
                      -A devenv_server -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.213.1.250:80\n\
                      -A devenv_server -p tcp -m tcp --dport 8443 -j DNAT --to-destination 10.213.1.250:443\n";
        assert_eq!(parse(listed), Some(ports.clone()));
        for (was, is) in [
            (
                "-p tcp -m tcp --dport 80 ",
                "-s 10.0.0.0/8 -p tcp -m tcp --dport 80 ",
            ),
            (
                "-N devenv_server\n",
                "-N devenv_server\n-A devenv_server -j RETURN\n",
            ),
        ] {
            let changed = listed.replace(was, is);
            assert_ne!(changed, listed);
            assert_eq!(parse(&changed), None, "{changed}");
        }
        let all = format!(
            "-P OUTPUT ACCEPT\n{listed}{}",
            listed.replace("_server", "_b")
        );
        let wanted = ports.keys().map(|port| (*port, "devenv_b".to_owned()));
        assert_eq!(others(&all, "devenv_server"), wanted.collect());
    }
}
