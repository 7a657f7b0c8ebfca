//! What has systemd run `server apply`: when the machine starts, and every minute. Pure.

use std::path::Path;

/// The names of the units.
pub const NAMES: [&str; 2] = ["devenv-server.service", "devenv-server.timer"];

/// The text of each unit. `home` is `DEVENV_HOME`, where that is set.
pub fn texts(program: &Path, home: Option<&Path>) -> [(&'static str, String); 2] {
    let environment = home.map_or_else(String::new, |home| {
        format!("Environment=\"DEVENV_HOME={}\"\n", home.display())
    });
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
WantedBy=multi-user.target
",
        program.display()
    );
    let timer = "\
[Unit]
Description=Look at the environment's ledger every minute
Documentation=man:devenv-server(1) man:devenv-server(7)

[Timer]
OnUnitInactiveSec=1min
RandomizedDelaySec=20s
AccuracySec=1s

[Install]
WantedBy=timers.target
";
    [(NAMES[0], service), (NAMES[1], timer.to_owned())]
}
