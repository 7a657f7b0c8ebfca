//! Debian's own Apache as the proxy of a synthetic platform.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::real_engine::tar;
use super::super::second_engine::installed;

/// Modules of Debian's Apache that the proxy of the tests loads.
const MODULES: [&str; 14] = [
    "mpm_event",
    "authz_core",
    "cache",
    "cache_disk",
    "headers",
    "proxy",
    "proxy_http",
    "slotmem_shm",
    "proxy_balancer",
    "proxy_hcheck",
    "lbmethod_byrequests",
    "setenvif",
    "alias",
    "ssl",
];

/// Debian's own Apache as layers of an image: the program, its modules and the libraries of both, as
/// they are on this machine; and its configuration.
pub fn apache_layers(listen: &str, routes: &str) -> Vec<Vec<u8>> {
    let load: String = MODULES
        .iter()
        .map(|it| format!("LoadModule {it}_module /usr/lib/apache2/modules/mod_{it}.so\n"))
        .collect();
    let configuration = format!(
        "{load}ServerName localhost\nListen {listen}\nUser nobody\nGroup nogroup\nServerRoot /\nDefaultRuntimeDir /run\n\
         PidFile /run/apache.pid\nErrorLog /proc/self/fd/2\nMutex posixsem\nStartServers 2\nThreadsPerChild 64\n\
         MaxRequestWorkers 256\nKeepAliveTimeout 5\nMaxKeepAliveRequests 0\nProxyTimeout 60\n{routes}"
    );
    let configuration = tar(&[
        ("etc/apache.conf", 0o644, configuration.as_bytes()),
        ("etc/passwd", 0o644, b"nobody:x:65534:65534::/:/none\n"),
        ("etc/group", 0o644, b"nogroup:x:65534:\n"),
        ("etc/nsswitch.conf", 0o644, b"hosts: dns files\n"),
        ("run/.keep", 0o644, b""),
    ]);
    vec![programs(), configuration]
}

fn programs() -> Vec<u8> {
    installed("apache2", "apache2-bin");
    let modules: Vec<PathBuf> = MODULES
        .iter()
        .map(|name| PathBuf::from(format!("/usr/lib/apache2/modules/mod_{name}.so")))
        .collect();
    let mut files: Vec<PathBuf> = vec!["/usr/sbin/apache2".into()];
    files.extend(modules);
    let listed = Command::new("ldd").args(&files).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let libraries = listed
        .split_whitespace()
        .filter(|it| it.starts_with('/') && !it.ends_with(':'));
    files.extend(libraries.map(PathBuf::from));
    // Threads that end ask for it by name.
    let mut beside = files.iter().map(|it| it.with_file_name("libgcc_s.so.1"));
    files.push(beside.find(|it| it.exists()).unwrap());
    files.sort();
    files.dedup();
    let contents: Vec<(String, Vec<u8>)> = files
        .iter()
        .map(|path| (inside(path), fs::read(path).unwrap()))
        .collect();
    let entries: Vec<(&str, u32, &[u8])> = contents
        .iter()
        .map(|(path, bytes)| (path.as_str(), 0o755, bytes.as_slice()))
        .collect();
    tar(&entries)
}

fn inside(path: &Path) -> String {
    path.to_str().unwrap().trim_start_matches('/').to_owned()
}
