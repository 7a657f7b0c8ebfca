//! What a server does on its machine beside the engine: the trait, and the machine itself.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use ipnet::Ipv4Net;

use super::program::{refused, run};
use super::route::RouteRecord;
use super::ruleset::{self, Change, Ports};
use super::{iptables, proc};
use crate::error::Result;
use crate::model::route::Answer;
use crate::network::probe;
use crate::system::{Here, System as _};

/// A machine that leads its ports to containers. The real one is [`Kernel`].
pub trait Machine: Send + Sync {
    /// Where ports are led now; `None`: the table is not there.
    fn led(&self, table: &str) -> impl Future<Output = Result<Option<Ports>>> + Send;
    /// Changes where ports lead, all at once or not at all.
    fn load(&self, table: &str, change: Change<'_>) -> impl Future<Output = Result<()>> + Send;
    /// Whether the engine's own filter lets through what is led to these addresses.
    fn let_through(
        &self,
        addresses: Ipv4Net,
        through: bool,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Established connections on a port, where a process lives; `None`: it cannot be known.
    fn connections(&self, process: u32, port: u16) -> Option<usize>;
    /// What a route answers at an address; `None`: nothing does.
    fn ask(
        &self,
        address: Ipv4Addr,
        port: u16,
        route: &RouteRecord,
    ) -> impl Future<Output = Option<Answer>> + Send;
    /// Why a port of this machine cannot be led elsewhere; `None`: it can.
    fn taken(&self, port: u16) -> Option<String>;
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

/// This machine: a Linux with `nft` or iptables, and an engine of its own.
#[derive(Debug, Clone, Copy)]
pub struct Kernel;

impl Machine for Kernel {
    async fn led(&self, table: &str) -> Result<Option<Ports>> {
        let words = ["--numeric", "list", "map", "ip", table, "to"];
        match run("nft", &words, None).await? {
            Some(Ok(text)) => Ok(Some(ruleset::parse(&text))),
            Some(Err(said)) if said.contains("No such file or directory") => Ok(None),
            Some(Err(said)) => Err(refused("nft", &said)),
            None => iptables::led(table).await,
        }
    }

    async fn load(&self, table: &str, change: Change<'_>) -> Result<()> {
        let text = ruleset::text(table, change);
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
        iptables::let_through(addresses, through).await
    }

    fn connections(&self, process: u32, port: u16) -> Option<usize> {
        let read = |table: &str| std::fs::read_to_string(format!("/proc/{process}/net/{table}"));
        let count = |table: &str| Some(proc::established(&read(table).ok()?, port));
        Some(count("tcp")? + count("tcp6").unwrap_or(0))
    }

    async fn ask(&self, address: Ipv4Addr, port: u16, route: &RouteRecord) -> Option<Answer> {
        probe::answer(IpAddr::V4(address), port, route.host(), &route.route).await
    }

    fn taken(&self, port: u16) -> Option<String> {
        let bound = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
        bound.err().map(|error| error.to_string())
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
