//! How fast devenv is, beside docker compose and the bare engine, in one run on the same images.
//!
//! `cargo bench` runs everything in a few minutes; `cargo bench -- SECTION… --rounds N` a part of it;
//! `--markdown FILE` also writes the README's table. Contenders take turns within a round, and each
//! ratio is the median over the rounds: what else the machine does hits all of them alike. It ends
//! with 1 if a target was missed.
#![allow(unreachable_pub, reason = "its modules are its own")]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![allow(clippy::print_stdout, reason = "a bench prints what it found")]

mod compose;
mod data;
mod measure;
mod program;
mod raw;
mod report;
mod sections;
#[cfg(target_os = "linux")]
mod server;
#[path = "../support/mod.rs"]
mod support;
#[cfg(target_os = "linux")]
mod usual;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Section {
    /// `up` with nothing to do, and `status`, at 1, 5, 15 and 30 containers
    Idle,
    /// `up` of 1, 5, 15 and 30 containers, images present
    Cold,
    /// One container of 15 gets another version
    Change,
    /// Five containers, each needs the one before to be healthy
    Chain,
    /// `status` of 30 containers through TLS
    Tls,
    /// A server of 30 containers: nothing to do, `check`, `rollback` with its registry stopped
    Server,
    /// A server's change under load, beside `docker compose up -d`
    Usual,
    /// A snapshot of 1 GB saved and restored, beside `tar | zstd`
    Data,
    /// Start-up time, memory, size
    Program,
}

#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure; everything if none is named
    sections: Vec<Section>,
    /// Rounds of the slow sections; the quick ones do several times as many
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Container counts of the sections `idle` and `cold`
    #[arg(long, value_delimiter = ',', default_value = "1,5,15,30")]
    counts: Vec<usize>,
    /// Where to write the table
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    support::workstation::PROGRAM
        .set(program::shipped())
        .unwrap();
    let worker = std::thread::spawn(move || bench(&arguments));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let watch = async {
        stopped().await;
        program::stop();
        std::future::pending::<()>().await;
    };
    runtime.spawn(watch);
    let ended = runtime.block_on(async { tokio::task::spawn_blocking(|| worker.join()).await });
    match ended {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.unwrap();
}

/// Whether all targets were reached.
fn bench(arguments: &Arguments) -> bool {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let wants = |section| arguments.sections.is_empty() || arguments.sections.contains(&section);
    let mut report = report::Report::default();
    runtime.block_on(async {
        let mut arena = sections::Arena::prepare().await;
        if wants(Section::Program) {
            arena.program(&mut report);
        }
        for count in &arguments.counts {
            if wants(Section::Cold) || wants(Section::Idle) {
                let stage = arena.stage(&sections::trivial(*count)).await;
                if wants(Section::Cold) {
                    stage.cold(arguments.rounds, &mut report).await;
                }
                if wants(Section::Idle) {
                    stage.idle(arguments.rounds * 3, &mut report).await;
                }
            }
        }
        if wants(Section::Tls) {
            let stage = arena.stage(&sections::trivial(sections::MOST)).await;
            stage.tls(arguments.rounds * 3, &mut report).await;
        }
        if wants(Section::Change) {
            arena.change(arguments.rounds, &mut report).await;
        }
        #[cfg(target_os = "linux")]
        if wants(Section::Server) {
            server::server(arguments.rounds, &mut report).await;
        }
        #[cfg(target_os = "linux")]
        if wants(Section::Usual) {
            usual::usual(arguments.rounds, &compose::find(), &mut report).await;
        }
        if wants(Section::Data) {
            data::data(arguments.rounds.min(3), &mut report).await;
        }
        if wants(Section::Chain) {
            arena.chain(arguments.rounds.min(5), &mut report).await;
        }
    });
    println!("\n{}", report.markdown());
    if let Some(path) = &arguments.markdown {
        std::fs::write(path, report.markdown()).unwrap();
    }
    report.passed()
}
