//! The health check by `path`, run as a container would, once for each client that images have.

#![allow(clippy::disallowed_methods, reason = "a test has no settings")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use devenv::converge::desired::probe;

/// Seconds that one probe may take.
const LIMIT: u64 = 2;

/// Each set of programs that an image may have, besides a shell.
const CLIENTS: [&[&str]; 5] = [
    &["curl"],
    &["bash"],
    &["bash", "timeout", "true"],
    &["wget", "timeout", "true"],
    &["wget"],
];

/// The same from BusyBox.
const BUSYBOX: [&[&str]; 2] = [
    &["wget", "timeout", "true", "nc"],
    &["wget", "timeout", "true"],
];

fn answer(mut stream: TcpStream, text: &str) {
    // Bash sends its request line by line.
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => request.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
    let _ = stream.write_all(text.as_bytes());
}

/// A server on a port of its own; counts who comes.
fn serve(text: String, hangs: bool) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            if hangs {
                held.push(stream);
            } else {
                answer(stream, &text);
            }
        }
    });
    (port, seen)
}

fn answering(status: &str, location: &str) -> (u16, Arc<AtomicUsize>) {
    let text =
        format!("HTTP/1.1 {status}\r\n{location}Content-Length: 0\r\nConnection: close\r\n\r\n");
    serve(text, false)
}

fn find(program: &str) -> PathBuf {
    let output = Command::new("tests/ground")
        .args(["program", program, program])
        .output()
        .unwrap();
    assert!(output.status.success(), "{program}");
    let path = std::env::var_os("PATH").unwrap();
    let mut folders = std::env::split_paths(&path);
    folders
        .find_map(|folder| Some(folder.join(program)).filter(|it| it.is_file()))
        .unwrap()
}

/// Exit code and seconds of one probe in an image that has nothing but `folder`.
fn run(folder: &Path, port: u16, proxy: u16) -> (bool, u64) {
    let proxy = format!("http://127.0.0.1:{proxy}");
    let begun = Instant::now();
    let output = Command::new(folder.join("sh"))
        .arg("-c")
        .arg(probe::http(port, "/a%20b", LIMIT))
        .env_clear()
        .env("PATH", folder)
        .envs([("http_proxy", &proxy), ("HTTP_PROXY", &proxy)])
        .output()
        .unwrap();
    (output.status.success(), begun.elapsed().as_secs())
}

#[test]
fn every_client_asks_the_container_itself_once_and_in_time() {
    let images = tempfile::tempdir().unwrap();
    let busybox = find("busybox");
    let sets = CLIENTS.map(|set| (set, None)).into_iter();
    let sets = sets.chain(BUSYBOX.map(|set| (set, Some(&busybox))));
    for (index, (programs, from)) in sets.enumerate() {
        let folder = images.path().join(index.to_string());
        std::fs::create_dir(&folder).unwrap();
        symlink(find("sh"), folder.join("sh")).unwrap();
        for program in programs {
            let target = from.cloned().unwrap_or_else(|| find(program));
            symlink(target, folder.join(program)).unwrap();
        }
        let (elsewhere, strayed) = answering("500 Wrong", "");
        let location = format!("Location: http://127.0.0.1:{elsewhere}/\r\n");
        let (well, _) = answering("200 OK", "");
        let (redirect, _) = answering("302 Found", &location);
        let (missing, _) = answering("404 Not Found", "");
        let (hanging, asked) = serve(String::new(), true);
        let follows = from.is_some() && !programs.contains(&"nc");
        let passes = |port| run(&folder, port, elsewhere).0;
        assert!(passes(well), "{programs:?}");
        // BusyBox's wget alone has no way not to follow.
        assert!(follows || passes(redirect), "{programs:?}");
        assert!(!passes(missing), "{programs:?}");
        assert_eq!(strayed.load(Ordering::SeqCst), 0, "{programs:?}");
        let (passed, seconds) = run(&folder, hanging, elsewhere);
        assert!(!passed && seconds < LIMIT + 3, "{programs:?}: {seconds} s");
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{programs:?}: asked again");
    }
}
