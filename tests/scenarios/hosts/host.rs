//! Which scenarios a host runs, and how: this test program is started once more, with their names.

use std::path::Path;
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
        let program = std::env::current_exe().unwrap();
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
        let text = self.run(&program, &wanted).unwrap_or_else(|text| {
            let name = self.name;
            let failed: Vec<String> = failed(&text);
            assert!(is_smoke() && !failed.is_empty(), "on {name}:\n{text}");
            // Engines of others have faults that come and go; which one it was is told.
            let again = self.run(&program, &failed);
            let again = again.unwrap_or_else(|again| panic!("on {name}:\n{text}\n{again}"));
            eprintln!("{name}: {failed:?} passed at the second try only; the first one:\n{text}");
            again
        });
        let seconds = begun.elapsed().as_secs();
        let results = text.lines().filter(|line| line.starts_with("test "));
        let results: String = results.map(|line| format!("\n  {line}")).collect();
        let (name, count) = (self.name, wanted.len());
        eprintln!("{name}: {count} scenarios in {seconds} s{results}");
        for (scenario, why) in &self.cannot {
            eprintln!("  not here: {scenario} {why}");
        }
        if is_smoke() && begun.elapsed() > SMOKE_NOMINAL {
            eprintln!("  the smoke list took longer than {SMOKE_NOMINAL:?}");
        }
    }

    /// What these scenarios printed here; as an error where one failed.
    fn run(&self, program: &Path, scenarios: &[String]) -> Result<String, String> {
        // Without whoever started it, it has no engine.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(["--exact", "--test-threads", "2"])
            .args(scenarios)
            .envs(self.environment.clone())
            .env(registry::ADDRESS, registry::address());
        match ended(command, is_smoke().then_some(SMOKE_LIMIT)) {
            (Some(status), text) if status.success() => Ok(text),
            (Some(_), text) => Err(text),
            (None, text) => panic!("on {}: not done after {SMOKE_LIMIT:?}:\n{text}", self.name),
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

/// The names of the scenarios that failed.
fn failed(text: &str) -> Vec<String> {
    let results = text.lines().filter_map(|line| line.strip_prefix("test "));
    let failed = results.filter_map(|line| line.strip_suffix(" ... FAILED"));
    failed.map(ToOwned::to_owned).collect()
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

/// All scenarios but those that start a host.
fn names(program: &Path) -> Vec<String> {
    let output = Command::new(program).arg("--list").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let tests = text.lines().filter_map(|line| line.strip_suffix(": test"));
    let scenarios = tests.filter(|name| !name.starts_with("hosts::"));
    scenarios.map(ToOwned::to_owned).collect()
}
