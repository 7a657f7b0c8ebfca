//! Logins and keys that somebody else keeps.

use super::*;
use crate::proposing::in_terminal_with;
use crate::support::workstation::Ran;

/// A helper of git's that takes its time, as one does that asks somebody, is waited for, and the
/// request is made: the branch is not taken back.
#[test]
fn a_slow_credential_helper_is_waited_for() {
    let sending = Sending::to(Vendor::GitLab);
    let home = sending.developer.home.path();
    let (name, password) = DEVELOPER;
    let helper = home.join("helper");
    let keep = |pause: u32| {
        let text = format!(
            "#!/bin/sh\n[ \"$1\" = get ] || exit 0\nsleep {pause}\n\
             printf 'username=%s\\npassword=%s\\n' '{name}' \"{password}\"\n"
        );
        fs::write(&helper, text).unwrap();
    };
    let config = home.join("gitconfig");
    let text = format!("[credential]\n\thelper = \"!sh {}\"\n", helper.display());
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let run = |arguments: &[&str]| -> Ran {
        let mut command = sending.command(arguments);
        command.env("GIT_CONFIG_GLOBAL", config);
        finished(command, "")
    };
    // The address without a login.
    keep(0);
    let url = sending.forge().url();
    run(&["init", &url, "--move", "--yes"]).ok();
    keep(6);
    let arguments = ["propose", "billing", "-m", "Less"];
    let more = [("GIT_CONFIG_GLOBAL", config)];
    let told = in_terminal_with(&sending.developer, &arguments, &more, "false", "");
    assert!(told.contains("(ended with 0)"), "{told}");
    assert_eq!(sending.forge().requests().len(), 1);
}

/// A key that only the agent has signs a proposal, as it signs what git itself commits.
#[test]
fn a_key_in_the_agent_alone_signs_a_proposal() {
    let sending = Sending::to(Vendor::GitLab);
    let home = sending.developer.home.path();
    let key = home.join("key");
    let socket = home.join("agent");
    let mut agent = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let signed = std::panic::catch_unwind(|| {
        let script = "ssh-keygen -q -t ed25519 -N '' -f \"$1\" && \
                      for i in 1 2 3 4 5 6 7 8 9; do ssh-add -q \"$1\" && break; sleep 0.2; done && rm \"$1\"";
        let made = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&key)
            .env("SSH_AUTH_SOCK", &socket)
            .status();
        assert!(made.unwrap().success());
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        let config = home.join("gitconfig");
        let text = format!(
            "[user]\n\tsigningkey = \"key::{}\"\n[gpg]\n\tformat = ssh\n[commit]\n\tgpgsign = true\n",
            public.trim()
        );
        fs::write(&config, text).unwrap();
        let mut command = sending.command(&PROPOSE);
        command
            .env("GIT_CONFIG_GLOBAL", &config)
            .env("SSH_AUTH_SOCK", &socket);
        finished(command, "").ok();
        let source = sending.forge().requests()[0].source.clone();
        sending.forge().git(&["cat-file", "commit", &source])
    });
    agent.kill().unwrap();
    agent.wait().unwrap();
    let commit = signed.unwrap_or_else(|why| std::panic::resume_unwind(why));
    assert!(
        commit.contains("gpgsig -----BEGIN SSH SIGNATURE"),
        "{commit}"
    );
}
