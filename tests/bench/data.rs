//! A snapshot of 1 GB, beside `tar | zstd` of the same bytes, in turns.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::measure::{Times, race};
use crate::program::run;
use crate::report::Report;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker};

/// Bytes of a file; half of them compress, as a database's do.
const FILE: usize = 16 << 20;
const FILES: usize = 64;
/// How long both may take at most, of `tar | zstd`.
const LIMIT: f64 = 1.5;

/// Saves and restores 1 GB. Every save is a first one: what is kept already is removed before.
pub async fn data(rounds: usize, report: &mut Report) {
    let db = "kind: service\ncommand: [/probe, sleep]\nvolumes: { data: /srv/db }\n";
    let platform = Synthetic::released(&[("db", db)]).await;
    let workstation = Workstation::initialised(&platform.url());
    run(workstation.command().args(["up", "db", "--no-proxy"]));
    fill(&volume(&workstation));
    let scratch = tempfile::tempdir().unwrap();
    let archive = scratch.path().join("data.tar.zst");
    let devenv = |arguments: &[&str]| run(workstation.command().arg("snapshot").args(arguments)).0;

    let [ours, theirs] = race(rounds, async |contender| {
        if contender == 0 {
            let took = devenv(&["save", "bench"]);
            devenv(&["remove", "bench", "--yes"]);
            run(workstation.command().args(["clean", "--yes"]));
            took
        } else {
            shell(
                &format!(
                    "tar --create --file - --directory \"$1\" . | zstd --force --quiet -o {}",
                    archive.display()
                ),
                &volume(&workstation),
            )
        }
    })
    .await;
    tell(
        report,
        "snapshot save of 1 GB, against `tar | zstd`",
        &ours,
        &theirs,
    );

    devenv(&["save", "bench"]);
    let [ours, theirs] = race(rounds, async |contender| {
        if contender == 0 {
            return devenv(&["restore", "bench", "--yes"]);
        }
        let into = tempfile::tempdir_in(volume(&workstation).parent().unwrap()).unwrap();
        shell(
            &format!(
                "zstd --decompress --stdout {} | tar --extract --directory \"$1\"",
                archive.display()
            ),
            into.path(),
        )
    })
    .await;
    tell(
        report,
        "snapshot restore of 1 GB, until healthy, against the same",
        &ours,
        &theirs,
    );
}

fn tell(report: &mut Report, what: &str, ours: &Times, theirs: &Times) {
    let details = format!("{ours} to {theirs}");
    report.at_most(what, ours.against(theirs).median(), LIMIT, " ×", &details);
}

/// Where the engine keeps the container's volume.
fn volume(workstation: &Workstation) -> PathBuf {
    let mounted = "{{range .Mounts}}{{if eq .Destination \"/srv/db\"}}{{.Source}}{{end}}{{end}}";
    docker(&["inspect", "--format", mounted, &workstation.object("db")]).into()
}

/// Every second kilobyte repeats; the others are the noise of a linear congruence.
fn fill(folder: &Path) {
    let mut state = 1_u64;
    for number in 0..FILES {
        let mut bytes = vec![b'-'; FILE];
        for block in bytes.chunks_mut(1024).step_by(2) {
            for eight in block.chunks_mut(8) {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                eight.copy_from_slice(&(state ^ (state >> 29)).to_le_bytes());
            }
        }
        let mut file = fs::File::create(folder.join(format!("{number:02}"))).unwrap();
        file.write_all(&bytes).unwrap();
        file.sync_all().unwrap();
    }
}

/// `$1` is the folder.
fn shell(script: &str, folder: &Path) -> Duration {
    let mut command = Command::new("bash");
    run(command
        .args(["-o", "pipefail", "-c", script, "bash"])
        .arg(folder))
    .0
}
