//! `server remove` ends what waits for its turn.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use devenv::home::lock::Lock;

use super::room::FILE;

#[test]
fn what_waits_while_the_server_is_removed_brings_nothing_up() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config/server.yaml");
    std::fs::create_dir_all(home.path().join("config")).unwrap();
    std::fs::write(&path, FILE).unwrap();
    let lock = Lock::brief(&home.path().join("state/server/journal.lock")).unwrap();
    let mut waiting = Command::new(env!("CARGO_BIN_EXE_devenv"))
        .args(["server", "apply"])
        .env("DEVENV_HOME", home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(
        line.contains("waiting for another devenv command"),
        "{line}"
    );
    std::fs::remove_file(&path).unwrap();
    drop(lock);
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("this machine is no server"), "{rest}");
    assert_eq!(waiting.wait().unwrap().code(), Some(2));
}
