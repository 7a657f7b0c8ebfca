//! A private Apache: git's own `http-backend` behind basic authentication, as a company's git server
//! has it, with the forge's API on the same host and port.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::second_engine::installed;
use super::super::workstation::free_port;
use super::people::{PEOPLE, WRITERS};
use super::worker::Worker;

/// The modules that Debian's Apache has as files.
const MODULES: [&str; 12] = [
    "mpm_prefork",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "auth_basic",
    "alias",
    "cgi",
    "env",
    "setenvif",
    "proxy",
    "proxy_http",
];

/// Ends when it is dropped.
pub struct Apache {
    process: Child,
    pub port: u16,
}

impl Apache {
    /// Serves `folder/srv`; `/api` is answered at `api`.
    pub fn start(folder: &Path, api: u16, worker: &Worker) -> Self {
        installed("apache2", "apache2-bin");
        installed("htpasswd", "apache2-utils");
        let port = free_port();
        write(folder, port, api, worker);
        let mut process = Command::new("/usr/sbin/apache2")
            .arg("-f")
            .arg(folder.join("apache.conf"))
            .arg("-DFOREGROUND")
            // When it is asked to end, it asks its whole process group.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "Apache ended: {ended:?} {log}");
            assert!(Instant::now() < patience, "Apache does not answer: {log}");
            super::pause();
        }
        Self { process, port }
    }
}

impl Drop for Apache {
    /// Asked, not killed: it takes its children along.
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        let _ = self.process.wait();
    }
}

fn write(folder: &Path, port: u16, api: u16, worker: &Worker) {
    let users = folder.join("users");
    fs::write(&users, "").unwrap();
    for (name, password) in PEOPLE {
        set_password(folder, name, password);
    }
    let said = folder.join("said");
    fs::create_dir_all(&said).unwrap();
    // https://gitlab.com/gitlab-org/gitlab/-/blob/master/app/controllers/repositories/git_http_client_controller.rb
    fs::write(said.join("401"), "HTTP Basic: Access denied\n").unwrap();
    // https://gitlab.com/gitlab-org/gitlab/-/blob/master/lib/gitlab/git_access.rb
    fs::write(
        said.join("403"),
        "You are not allowed to push code to this project.\n",
    )
    .unwrap();
    let modules: String = MODULES
        .iter()
        .map(|name| {
            format!(
                "LoadModule {name}_module {}/mod_{name}.so\n",
                modules().display()
            )
        })
        .collect();
    let backend = git_core();
    let user = worker.apache();
    let writers = WRITERS.join(" ");
    let folder = folder.display();
    let said = said.display();
    let users = users.display();
    let config = format!(
        r#"{modules}ServerName 127.0.0.1
Listen 127.0.0.1:{port}
ServerRoot "{folder}"
DefaultRuntimeDir "{folder}"
PidFile "{folder}/apache.pid"
ErrorLog "{folder}/error.log"
Mutex "fcntl:{folder}"
{user}StartServers 2
MinSpareServers 1
MaxRequestWorkers 16
Timeout 60
AllowEncodedSlashes NoDecode
SetEnv GIT_PROJECT_ROOT "{folder}/srv"
SetEnv GIT_HTTP_EXPORT_ALL 1
SetEnv GIT_CONFIG_GLOBAL /dev/null
SetEnv GIT_CONFIG_NOSYSTEM 1
SetEnvIf Git-Protocol ".*" GIT_PROTOCOL=$0
ScriptAliasMatch "^/(.+\.git/(HEAD|info/refs|objects/.*|git-(upload|receive)-pack))$" "{backend}/git-http-backend/$1"
Alias "/-/said/" "{said}/"
ErrorDocument 401 /-/said/401
ErrorDocument 403 /-/said/403
ProxyPass "/api/" "http://127.0.0.1:{api}/api/" nocanon disablereuse=on
<Directory "{backend}">
  Require all granted
</Directory>
<Directory "{said}">
  ForceType text/plain
  Require all granted
</Directory>
<LocationMatch "\.git/">
  AuthType Basic
  AuthName "GitLab"
  AuthUserFile "{users}"
  AuthzSendForbiddenOnFailure On
  <If "%{{REQUEST_URI}} =~ /git-receive-pack$/ || %{{QUERY_STRING}} =~ /service=git-receive-pack/">
    Require user {writers}
  </If>
  <Else>
    Require valid-user
  </Else>
</LocationMatch>
"#
    );
    fs::write(format!("{folder}/apache.conf"), config).unwrap();
}

/// Gives somebody a password.
pub fn set_password(folder: &Path, name: &str, password: &str) {
    let made = Command::new("htpasswd")
        .arg("-bm")
        .arg(folder.join("users"))
        .args([name, password])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// Where Debian has Apache's modules.
fn modules() -> PathBuf {
    PathBuf::from("/usr/lib/apache2/modules")
}

/// The folder of `git-http-backend`.
fn git_core() -> String {
    let output = Command::new("git").arg("--exec-path").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
