//! Which scenarios a host runs, and how: in the program of `tests/e2e`.

use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::support::registry;

/// What every host shows in any case.
const SMOKE: [&str; 8] = [
    "pages::the_same_address_leads_to_the_page_on_every_host",
    "converging::what_was_changed_by_hand_is_mended",
    "converging::one_shots_must_exit_0_and_run_once",
    "running::exec_ends_with_the_commands_own_code",
    "running::logs_merge_output_and_files_and_outlive_the_container",
    "running::pause_resume_and_restart",
    "mirroring::where_nothing_is_shared_log_files_are_copied",
    "options::offline_runs_what_was_verified_before_and_refuses_the_rest",
];

/// Hosts take turns: what one takes is not the others' load.
static TURN: Mutex<()> = Mutex::new(());

/// How long the smoke list takes at most on one host, on a machine that does little else: longer is
/// said.
const SMOKE_NOMINAL: Duration = Duration::from_secs(120);
/// What ends it, and fails: a machine may do much else.
const SMOKE_LIMIT: Duration = Duration::from_secs(360);

/// An engine, and how programs find it.
pub(crate) struct Host {
    pub name: &'static str,
    /// For the product and for the docker client that looks from outside.
    pub environment: Vec<(&'static str, String)>,
    /// Beginnings of scenarios' names, and why they do not run here.
    pub cannot: Vec<(&'static str, &'static str)>,
}

impl Host {
    /// Runs what is wanted; fails when a scenario fails.
    #[track_caller]
    pub(crate) fn passes(&self) {
        let program = program();
        let known = names(&program);
        let wanted = self.wanted(&known);
        for name in &wanted {
            assert!(known.contains(name), "there is no scenario {name}");
        }
        assert!(!wanted.is_empty(), "no scenario is chosen");
        for (beginning, _) in &self.cannot {
            let known = known.iter().any(|name| name.starts_with(beginning));
            assert!(
                known,
                "there is no scenario {beginning} that could be left out"
            );
        }
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        // Without whoever started it, it has no engine.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(["--exact", "--test-threads", "2"])
            .args(&wanted)
            .envs(self.environment.clone())
            .env(registry::ADDRESS, registry::address());
        let limit = is_smoke().then_some(SMOKE_LIMIT);
        let (status, text) = ended(command, limit);
        let seconds = begun.elapsed().as_secs();
        let results = text.lines().filter(|line| line.starts_with("test "));
        let results: String = results.map(|line| format!("\n  {line}")).collect();
        let (name, count) = (self.name, wanted.len());
        eprintln!("{name}: {count} scenarios in {seconds} s{results}");
        for (scenario, why) in &self.cannot {
            eprintln!("  not here: {scenario} {why}");
        }
        let Some(status) = status else {
            panic!("on {name}: not done after {SMOKE_LIMIT:?}:\n{text}");
        };
        assert!(status.success(), "on {name}:\n{text}");
        if is_smoke() && begun.elapsed() > SMOKE_NOMINAL {
            eprintln!("  the smoke list took longer than {SMOKE_NOMINAL:?}");
        }
    }

    fn wanted(&self, known: &[String]) -> Vec<String> {
        let cannot = |name: &String| self.cannot.iter().any(|(it, _)| name.starts_with(it));
        if let Some(beginning) = setting("DEVENV_TEST_SCENARIOS") {
            let chosen = known.iter().filter(|name| name.starts_with(&beginning));
            return chosen.cloned().collect();
        }
        if super::all() {
            let able = known.iter().filter(|name| !cannot(name));
            return able.cloned().collect();
        }
        SMOKE.map(ToOwned::to_owned).to_vec()
    }
}

fn is_smoke() -> bool {
    !super::all() && setting("DEVENV_TEST_SCENARIOS").is_none()
}

/// How it ended and what it printed; no status where it had to be ended at the limit.
#[expect(
    clippy::disallowed_methods,
    reason = "a test waits for another program"
)]
fn ended(mut command: Command, limit: Option<Duration>) -> (Option<ExitStatus>, String) {
    let printed = tempfile::NamedTempFile::new().unwrap();
    command
        .stdin(Stdio::null())
        .stdout(printed.reopen().unwrap());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if limit.is_some_and(|limit| begun.elapsed() > limit) {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let bytes = std::fs::read(printed.path()).unwrap();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The program of `tests/e2e` as it was built beside this one.
fn program() -> PathBuf {
    let cargo = env!("CARGO");
    let output = Command::new(cargo)
        .args(["test", "--test", "e2e", "--no-run", "--message-format=json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo: {errors}");
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let built = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = message["target"]["name"] == "e2e";
        Some(message["executable"].as_str().filter(|_| is_it)?.into())
    });
    built.expect("cargo names the program of tests/e2e")
}

fn names(program: &PathBuf) -> Vec<String> {
    let output = Command::new(program).arg("--list").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let tests = text.lines().filter_map(|line| line.strip_suffix(": test"));
    tests.map(ToOwned::to_owned).collect()
}
