//! What a server does on its machine beside the engine: the trait, and the machine itself.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use ipnet::Ipv4Net;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;

use super::program::{self, refused, run};
use super::route::RouteRecord;
use super::ruleset::{self, Change, Ports};
use super::{iptables, proc};
use crate::error::Result;
use crate::model::ipv6;
use crate::model::route::Answer;
use crate::network::probe;
use crate::system::{Here, System as _};

/// A machine that leads its ports to containers. The real one is [`Kernel`].
pub trait Machine: Send + Sync {
    /// Where ports are led now; `None`: the table is not there, or not whole.
    fn led(&self, table: &str) -> impl Future<Output = Result<Option<Ports>>> + Send;
    /// Changes where ports lead, all at once or not at all.
    fn load(&self, table: &str, change: Change<'_>) -> impl Future<Output = Result<()>> + Send;
    /// Whether the engine's own filter lets through what is led to these addresses.
    fn let_through(
        &self,
        addresses: Ipv4Net,
        through: bool,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Whether it can lead requests by IPv6.
    fn leads_ipv6(&self) -> bool;
    /// Whether a container at an address takes connections by IPv6 as well.
    fn takes_ipv6(&self, address: Ipv4Addr, port: u16) -> impl Future<Output = bool> + Send;
    /// Established connections on a port, where a process lives; `None`: it cannot be known.
    fn connections(&self, process: u32, port: u16) -> Option<usize>;
    /// What a route answers at an address; `None`: nothing does within `limit`.
    fn ask(
        &self,
        address: Ipv4Addr,
        port: u16,
        route: &RouteRecord,
        limit: Duration,
    ) -> impl Future<Output = Option<Answer>> + Send;
    /// Ports that other tables of devenv lead, and whose they are: nothing listens there.
    fn led_by_others(
        &self,
        table: &str,
    ) -> impl Future<Output = Result<BTreeMap<u16, String>>> + Send;
    /// Why a port of this machine cannot be led elsewhere; `None`: it can. `ipv6`: by IPv6 too.
    fn taken(&self, port: u16, ipv6: bool) -> Option<String>;
    /// Bytes of memory that are available; `None`: it cannot be known.
    fn memory(&self) -> Option<u64>;
    /// Bytes of memory that the container of this process holds; `None`: it cannot be known.
    fn memory_of(&self, process: u32) -> Option<u64>;
    /// Whether an answer ends its connection, though the question asks to keep it; `None`: no answer.
    fn closes(
        &self,
        address: Ipv4Addr,
        port: u16,
        host: &str,
        path: &str,
    ) -> impl Future<Output = Option<bool>> + Send;
    /// Bytes that are free where the engine keeps its data; `None`: it cannot be known.
    fn disk(&self, folder: &Path) -> Option<u64>;
}

/// How long a connection inside of this machine may take to come about: a bridge that is new looks
/// for others with its address of IPv6 first, for some 2 s.
const CONNECTING: Duration = Duration::from_secs(10);
/// Between two tries.
const BETWEEN_CONNECTIONS: Duration = Duration::from_millis(100);

/// Holds a port of this machine for a moment.
fn bind(address: SocketAddr) -> std::io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // As servers do: connections that have just ended are in nobody's way.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

/// Whether the kernel knows IPv6.
fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}

/// What `nft` lists of a table, of one kind of addresses.
async fn listed(family: &str, table: &str) -> Result<Option<Result<String, String>>> {
    let words = ["--numeric", "list", "table", family, table];
    run("nft", &words, None).await
}

/// This machine: a Linux with `nft` or iptables, and an engine of its own.
#[derive(Debug, Clone, Copy)]
pub struct Kernel;

impl Machine for Kernel {
    async fn led(&self, table: &str) -> Result<Option<Ports>> {
        // One look for each: nft 1.0 mixes up families in one.
        let (v4, v6) = tokio::try_join!(listed("ip", table), listed("ip6", table))?;
        match v4 {
            Some(Ok(v4)) => {
                let v6 = v6.and_then(Result::ok).unwrap_or_default();
                Ok(ruleset::parse(&v4, &v6))
            }
            Some(Err(said)) if said.contains("No such file or directory") => Ok(None),
            Some(Err(said)) => Err(refused("nft", &said)),
            None => iptables::led(table).await,
        }
    }

    async fn load(&self, table: &str, change: Change<'_>) -> Result<()> {
        let ipv6 = listed("ip6", table).await?;
        let text = ruleset::text(table, change, matches!(ipv6, Some(Ok(_))));
        match run("nft", &["-f", "-"], Some(&text)).await? {
            None => return iptables::load(table, change).await,
            Some(loaded) => loaded.map_err(|said| refused("nft", &said))?,
        };
        // From before `nft` was installed.
        if !matches!(change, Change::Switch(_)) {
            iptables::load(table, Change::Remove).await?;
        }
        Ok(())
    }

    async fn let_through(&self, addresses: Ipv4Net, through: bool) -> Result<()> {
        iptables::let_through_ipv6(addresses, through).await?;
        iptables::let_through(addresses, through).await
    }

    fn leads_ipv6(&self) -> bool {
        has_ipv6() && program::is_there("nft")
    }

    async fn takes_ipv6(&self, address: Ipv4Addr, port: u16) -> bool {
        let connecting = async {
            loop {
                let asked = TcpStream::connect((ipv6::address(address), port)).await;
                match asked.map_err(|error| error.kind()) {
                    Ok(_) => return true,
                    // It listens by now, but not there.
                    Err(ErrorKind::ConnectionRefused)
                        if TcpStream::connect((address, port)).await.is_ok() =>
                    {
                        return false;
                    }
                    Err(_) => tokio::time::sleep(BETWEEN_CONNECTIONS).await,
                }
            }
        };
        let connected = tokio::time::timeout(CONNECTING, connecting).await;
        connected.unwrap_or(false)
    }

    fn connections(&self, process: u32, port: u16) -> Option<usize> {
        let read = |table: &str| std::fs::read_to_string(format!("/proc/{process}/net/{table}"));
        let count = |table: &str| Some(proc::established(&read(table).ok()?, port));
        Some(count("tcp")? + count("tcp6").unwrap_or(0))
    }

    async fn ask(
        &self,
        address: Ipv4Addr,
        port: u16,
        route: &RouteRecord,
        limit: Duration,
    ) -> Option<Answer> {
        let address = IpAddr::V4(address);
        probe::answer(address, port, route.host(), &route.route, limit).await
    }

    async fn led_by_others(&self, table: &str) -> Result<BTreeMap<u16, String>> {
        match run("nft", &["--numeric", "list", "maps", "ip"], None).await? {
            Some(listed) => Ok(ruleset::others(
                &listed.map_err(|said| refused("nft", &said))?,
                table,
            )),
            None => iptables::led_by_others(table).await,
        }
    }

    fn taken(&self, port: u16, ipv6: bool) -> Option<String> {
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let wanted = [Some(v4), ipv6.then_some(v6)].into_iter().flatten();
        let mut refused = wanted.filter_map(|address| bind(address).err());
        refused.next().map(|error| error.to_string())
    }

    fn memory(&self) -> Option<u64> {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        proc::available_memory(&text)
    }

    fn memory_of(&self, process: u32) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
        let mut files = proc::memory_files(&text).into_iter();
        files.find_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok())
    }

    async fn closes(&self, address: Ipv4Addr, port: u16, host: &str, path: &str) -> Option<bool> {
        probe::closes(IpAddr::V4(address), port, host, path).await
    }

    fn disk(&self, folder: &Path) -> Option<u64> {
        Here::free_space(folder)
    }
}
