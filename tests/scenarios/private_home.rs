//! What devenv keeps is this user's alone, on a machine with other users.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::app;
use crate::support::synthetic::{PLATFORM, Synthetic};
use crate::support::workstation::{Workstation, finished};

/// Folders below one, itself first; what git made is behind a folder of devenv's.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() && path.extension().is_none_or(|it| it != "git") {
            found.extend(folders(&path));
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// With every umask, folders have the mode 0700 and what is trusted 0600.
#[tokio::test(flavor = "multi_thread")]
async fn folders_are_the_users_alone_whatever_the_umask() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    for umask in ["000", "022", "077"] {
        let around = Workstation::empty();
        let home = around.home.path().join("made/home");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]);
        for (name, value) in around.command().get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("DEVENV_HOME", &home);
        command.arg(around.command().get_program());
        command.args(["init", &platform.url(), "--accept-keys"]);
        finished(command, "").ok();
        for folder in folders(&around.home.path().join("made")) {
            let mode = mode(&folder);
            let name = folder.display();
            assert_eq!(mode, 0o700, "umask {umask}: {name} has {mode:o}");
        }
        let trust = home.join(format!("config/trust/{PLATFORM}.yaml"));
        assert_eq!(mode(&trust) & 0o077, 0, "umask {umask}");
    }
}

/// Refused: pinned keys, secrets and settings that another user owns or may change, or a folder
/// around them; the command that mends it is named.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_user_may_change_is_refused() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    let workstation = Workstation::initialised(&platform.url());
    workstation.write("config/settings.yaml", "concurrency: 4\n");
    workstation.run(&["trust", "show"]).ok();
    let home = workstation.home.path();
    let own = fs::metadata(home).unwrap().uid();
    let trust = format!("config/trust/{PLATFORM}.yaml");
    for (path, code) in [
        (trust.as_str(), 5),
        ("config/trust", 5),
        ("config/settings.yaml", 2),
        ("config", 2),
        ("", 2),
    ] {
        let path = home.join(path);
        let before = mode(&path);
        for open in [before | 0o020, before | 0o002] {
            fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
            let name = path.display().to_string();
            let refused = workstation.run(&["trust", "show"]).code(code);
            refused.says(&format!("chmod go-w {}", name.trim_end_matches('/')));
        }
        fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
        // Only the administrator can give files away.
        if chown(&path, Some(65534), None).is_ok() {
            let refused = workstation.run(&["trust", "show"]).code(code);
            refused.says("another user (number 65534)").says("chown");
            chown(&path, Some(own), None).unwrap();
        }
        workstation.run(&["trust", "show"]).ok();
    }
}

/// The same for what a container is given: secrets, and the user's own changes.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_container_is_given_by_somebody_else_is_refused() {
    let platform = Synthetic::released(&[("billing", &app("secrets: [DB_PASSWORD]\n"))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let secrets = format!("config/secrets/{PLATFORM}.yaml");
    let overrides = format!("config/overrides/{PLATFORM}.yaml");
    workstation.write(&secrets, "recette: { DB_PASSWORD: hunter2 }\n");
    workstation.write(&overrides, "containers: { billing: { memory: 64MiB } }\n");
    let up = || workstation.run(&["up", "billing", "--no-proxy", "--dry-run"]);
    up().ok();
    let home = workstation.home.path();
    let own = fs::metadata(home).unwrap().uid();
    for path in [&*secrets, "config/secrets", &overrides, "config/overrides"] {
        let path = home.join(path);
        let before = mode(&path);
        for open in [before | 0o020, before | 0o002] {
            fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
            let refused = up().code(2);
            assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
            refused.says(&format!("chmod go-w {}", path.display()));
        }
        fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
        if chown(&path, Some(65534), None).is_ok() {
            up().code(2).says("another user (number 65534)");
            chown(&path, Some(own), None).unwrap();
        }
        up().ok();
    }
    // Secrets may not be read by others either.
    let secrets = home.join(secrets);
    fs::set_permissions(&secrets, Permissions::from_mode(0o640)).unwrap();
    up().code(2)
        .says(&format!("chmod 600 {}", secrets.display()));
}
