//! How long it takes: `cargo test --release --test scenarios measured -- --ignored --nocapture`.

use std::process::Command;
use std::time::Instant;

use super::*;

/// A command line of a shell, and how long it took.
fn timed(line: &str) -> Duration {
    let begun = Instant::now();
    let ran = Command::new("sh").args(["-c", line]).status().unwrap();
    assert!(ran.success(), "{line}");
    begun.elapsed()
}

/// One gigabyte, half of which packs well, is saved and restored in at most 1.5 times what `tar` and
/// `zstd` take for the same bytes, as they come.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it writes several gigabytes, and measures"]
async fn a_gigabyte_takes_as_long_as_tar_and_zstd() {
    let platform = platform().await;
    let workstation = running(&platform);
    let object = workstation.object("db");
    let file = workstation.home.path().join("bulk");
    let random = noise(500_000_000);
    let rows = (0..).map(|it: u64| format!("{it}|customer {}|{}.50|paid\n", it % 997, it % 13_331));
    let text: String = rows.take(15_000_000).collect();
    for (name, bytes) in [
        ("random", &random[..]),
        ("rows", &text.as_bytes()[..500_000_000]),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let to = format!("{object}:/srv/db/{name}");
        docker(&["cp", file.to_str().unwrap(), &to]);
    }
    let volume = volumes(&workstation).into_iter().next().unwrap();
    let format = ["volume", "inspect", "--format", "{{.Mountpoint}}", &volume];
    let folder = docker(&format);
    let home = workstation.home.path().display();
    let pack = timed(&format!("tar -C {folder} -c . | zstd -q -o {home}/it.zst"));
    let unpack = timed(&format!(
        "mkdir {home}/out && zstd -qdc {home}/it.zst | tar -C {home}/out -x && sync -f {home}/out"
    ));
    let begun = Instant::now();
    workstation.run(&["snapshot", "save", "big"]).ok();
    let saved = begun.elapsed();
    let begun = Instant::now();
    workstation
        .run(&["snapshot", "restore", "big", "--yes"])
        .ok();
    let restored = begun.elapsed();
    eprintln!("tar | zstd {pack:?}, save {saved:?}; zstd | tar {unpack:?}, restore {restored:?}");
    assert!(saved < pack.mul_f64(1.5), "{saved:?} against {pack:?}");
    assert!(
        restored < unpack.mul_f64(1.5),
        "{restored:?} against {unpack:?}"
    );
}
