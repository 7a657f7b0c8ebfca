//! A machine in memory: its kernel's tables, its memory, its routes' answers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use devenv::error::Result;
use devenv::model::route::Answer;
use devenv::server::machine::Machine;
use devenv::server::route::RouteRecord;
use devenv::server::ruleset::{Change, Ports};
use tokio::sync::Notify;

use crate::support::fake_engine::Strike;

/// A kernel in memory, whose `load` hangs where it is told to.
#[derive(Default)]
pub struct FakeMachine {
    pub led: Mutex<Option<Ports>>,
    pub loads: Mutex<usize>,
    pub hang: Option<(usize, Strike, Arc<Notify>)>,
    /// Routes that fail.
    pub broken: Mutex<bool>,
    /// What is available, where that is known.
    pub memory: Mutex<Option<u64>>,
    /// What each container holds.
    pub held: Option<u64>,
}

impl Machine for FakeMachine {
    async fn led(&self, _: &str) -> Result<Option<Ports>> {
        Ok(self.led.lock().unwrap().clone())
    }

    async fn load(&self, _: &str, change: Change<'_>) -> Result<()> {
        let count = {
            let mut loads = self.loads.lock().unwrap();
            *loads += 1;
            *loads
        };
        let hangs = self.hang.as_ref().filter(|(at, ..)| *at == count);
        if !matches!(hangs, Some((_, Strike::Before, _))) {
            *self.led.lock().unwrap() = match change {
                Change::Install(ports) | Change::Switch(ports) => Some(ports.clone()),
                Change::Remove => None,
            };
        }
        if let Some((_, _, reached)) = hangs {
            reached.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn let_through(&self, _: ipnet::Ipv4Net, _: bool) -> Result<()> {
        Ok(())
    }

    fn leads_ipv6(&self) -> bool {
        true
    }

    async fn takes_ipv6(&self, _: Ipv4Addr, _: u16) -> bool {
        true
    }

    fn connections(&self, _: u32, _: u16) -> Option<usize> {
        Some(0)
    }

    async fn ask(&self, _: Ipv4Addr, _: u16, _: &RouteRecord, _: Duration) -> Option<Answer> {
        let page = String::new();
        let (status, moved) = (200, None);
        (!*self.broken.lock().unwrap()).then_some(Answer {
            status,
            page,
            moved,
        })
    }

    async fn led_by_others(&self, _: &str) -> Result<BTreeMap<u16, String>> {
        Ok(BTreeMap::new())
    }

    fn taken(&self, _: u16, _: bool) -> Option<String> {
        None
    }

    fn memory(&self) -> Option<u64> {
        *self.memory.lock().unwrap()
    }

    fn memory_of(&self, _: u32) -> Option<u64> {
        self.held
    }

    async fn closes(&self, _: Ipv4Addr, _: u16, _: &str, _: &str) -> Option<bool> {
        Some(true)
    }

    fn disk(&self, _: &Path) -> Option<u64> {
        None
    }
}
