//! What has systemd run `server apply`: when the machine starts, and every minute. Pure.

use std::path::Path;

/// The names of the units.
pub const NAMES: [&str; 2] = ["devenv-server.service", "devenv-server.timer"];

/// Variables by which what `server init` found is found again: systemd gives a service of the system no
/// `HOME`, and there are the logins to registries.
pub const VARIABLES: [&str; 3] = ["DEVENV_HOME", "DOCKER_CONFIG", "HOME"];

/// Where systemd looks for units of the system.
const FOLDER: &str = "/etc/systemd/system";

/// Whether units in this folder are those of a systemd that runs; `running` is whether one does.
pub fn are_known(folder: &Path, running: bool) -> bool {
    running && folder == Path::new(FOLDER)
}

/// The text of each unit. `environment` are those of [`VARIABLES`] that are set.
pub fn texts(program: &Path, environment: &[(&str, &Path)]) -> [(&'static str, String); 2] {
    let environment = environment.iter();
    let environment: String = environment
        .map(|(name, value)| format!("Environment=\"{name}={}\"\n", quoted(value)))
        .collect();
    let service = format!(
        "\
[Unit]
Description=Run what production's signed reference says
Documentation=man:devenv-server(1) man:devenv-server(7)
After=docker.service network-online.target
Wants=docker.service network-online.target

[Service]
Type=oneshot
ExecStart=\"{}\" server apply
{environment}TimeoutStartSec=30min

[Install]
WantedBy=multi-user.target docker.service
",
        program.display()
    );
    let timer = "\
[Unit]
Description=Look at the environment's ledger every minute
Documentation=man:devenv-server(1) man:devenv-server(7)

[Timer]
OnActiveSec=1min
OnUnitInactiveSec=1min
RandomizedDelaySec=20s
AccuracySec=1s

[Install]
WantedBy=timers.target
";
    [(NAMES[0], service), (NAMES[1], timer.to_owned())]
}

/// Within the quotes of a unit.
/// Source: systemd.syntax(7), "Quoting", and systemd.unit(5), "Specifiers".
fn quoted(value: &Path) -> String {
    let text = value.display().to_string();
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_found_is_found_again() {
        let environment = [
            ("DOCKER_CONFIG", Path::new("/srv/\"100%\"")),
            ("HOME", Path::new("/root")),
        ];
        let [(_, service), _] = texts(Path::new("/usr/bin/devenv"), &environment);
        let wanted =
            "Environment=\"DOCKER_CONFIG=/srv/\\\"100%%\\\"\"\nEnvironment=\"HOME=/root\"\n";
        assert!(service.contains(wanted), "{service}");
        let install = "[Install]\nWantedBy=multi-user.target docker.service\n";
        assert!(service.ends_with(install), "{service}");
    }

    #[test]
    fn only_units_of_a_systemd_that_runs_are_disabled() {
        let folder = Path::new("/etc/systemd/system");
        assert!(are_known(folder, true));
        assert!(!are_known(folder, false));
        assert!(!are_known(Path::new("/srv/config/systemd"), true));
    }
}
