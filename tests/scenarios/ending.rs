//! Signals end a command at once, whatever it is doing.

use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::app;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, ran};

/// What blocks a thread for ever (a pipe that nobody writes into, in place of a file) keeps no
/// command from ending within a second, with the code that says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_command_whose_thread_is_blocked() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    for (signal, code) in [("TERM", 143), ("HUP", 143), ("INT", 130)] {
        for (file, arguments) in [
            ("config/settings.yaml", ["list"].as_slice()),
            ("config/settings.yaml", &["up", "billing"]),
            ("state/owner.json", &["down"]),
        ] {
            let workstation = Workstation::initialised(&platform.url());
            let file = workstation.home.path().join(file);
            let _ = std::fs::remove_file(&file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            let made = Command::new("mkfifo")
                .arg("-m")
                .arg("600")
                .arg(&file)
                .status();
            assert!(made.unwrap().success());
            let what = format!("{arguments:?} at {}", file.display());
            let mut command = workstation.command();
            let command = command.args(arguments).stdout(Stdio::piped());
            let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
            // Opened for writing as soon as somebody reads, who then waits for what never comes.
            let (opened, is_blocked) = mpsc::channel();
            let pipe = file.clone();
            std::thread::spawn(move || opened.send(File::options().write(true).open(pipe)));
            let _writer = is_blocked.recv_timeout(Duration::from_secs(60)).unwrap();
            std::thread::park_timeout(Duration::from_millis(300));
            assert!(child.try_wait().unwrap().is_none(), "{what} is not blocked");
            let (begun, pid) = (Instant::now(), child.id().to_string());
            let sent = Command::new("kill").args(["-s", signal, &pid]).status();
            assert!(sent.unwrap().success());
            let ended = ran(&child.wait_with_output().unwrap());
            let took = begun.elapsed();
            assert_eq!(ended.code, code, "{what}: {ended:?}");
            assert!(took < Duration::from_secs(1), "{what}: {took:?}");
            ended.says("stopped");
            // The workstation's own clean-up reads it too.
            std::fs::remove_file(&file).unwrap();
        }
    }
}
