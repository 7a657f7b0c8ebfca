//! Timed runs of programs; what still runs is ended when the bench is.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

static RUNNING: AtomicU32 = AtomicU32::new(0);
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Builds devenv as it is shipped, and gives where it is. The bench itself is built without the
/// optimisation of the whole program, which takes minutes.
pub fn shipped() -> PathBuf {
    println!("building devenv as it is shipped");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "--message-format=json-render-diagnostics",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(built.status.success(), "cargo could not build devenv");
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let mut programs = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(message["executable"].as_str()?.into())
    });
    programs.next().expect("cargo names the program")
}

/// Ends the program that runs now; the next one panics instead of starting, which cleans up.
pub fn stop() {
    STOPPED.store(true, Ordering::SeqCst);
    let running = RUNNING.load(Ordering::SeqCst);
    if running != 0 {
        let _ = Command::new("kill").arg(running.to_string()).status();
    }
}

/// Panics once the bench was asked to stop.
pub fn check() {
    assert!(!STOPPED.load(Ordering::SeqCst), "stopped");
}

/// Runs to a successful end.
pub fn run(command: &mut Command) -> (Duration, Output) {
    check();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let begin = Instant::now();
    let child = command.spawn().unwrap();
    RUNNING.store(child.id(), Ordering::SeqCst);
    let output = child.wait_with_output().unwrap();
    let took = begin.elapsed();
    RUNNING.store(0, Ordering::SeqCst);
    check();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (took, output)
}

/// The time alone.
pub fn time(command: &mut Command) -> Duration {
    run(command).0
}

/// Runs to the end and gives the most memory it had at once, in MiB; Linux only.
pub fn peak(command: &mut Command) -> Option<f64> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = child.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    // The kernel forgets it with the process, and keeps the highest until then.
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
        peak = kib.map(|kib: f64| kib / 1024.0).or(peak);
        #[expect(clippy::disallowed_methods, reason = "a look once in a while")]
        std::thread::sleep(Duration::from_micros(500));
    }
    peak
}
