//! The same, whatever leads to the engine: TLS to an address that is not this machine's, and ssh.

use crate::support::second_engine::Kind;
use crate::support::ssh_engine::SshEngine;
use crate::support::tls_engine::TlsEngine;

#[test]
fn support_works() {
    let engine = TlsEngine::start(Kind::Own, 400).unwrap();
    let output = engine.docker(&["info", "--format", "{{.Name}}"]).output();
    assert!(output.unwrap().status.success());
    let ssh = SshEngine::start().unwrap();
    let mut docker = std::process::Command::new("docker");
    let output = docker
        .arg("version")
        .envs(ssh.environment())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?} {}", ssh.log());
}
