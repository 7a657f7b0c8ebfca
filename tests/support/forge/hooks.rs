//! The repository's hooks: they ask the forge by a connection of their own, as GitLab's and Gitea's
//! ask their servers, and say what it answers.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Forge;

/// What a push is about to do, or has done.
pub struct Push {
    pub user: String,
    pub options: Vec<String>,
    pub updates: Vec<Update>,
}

/// One reference of it.
#[derive(Clone)]
pub struct Update {
    pub old: String,
    pub new: String,
    pub name: String,
}

impl Update {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.trim_end().splitn(3, ' ').map(ToOwned::to_owned);
        Some(Self {
            old: words.next()?,
            new: words.next()?,
            name: words.next()?,
        })
    }

    /// The branch, when it is one.
    pub fn branch(&self) -> Option<&str> {
        self.name.strip_prefix("refs/heads/")
    }

    pub fn deletes(&self) -> bool {
        self.new.bytes().all(|byte| byte == b'0')
    }
}

/// What the forge has to say to a push: the hook's exit code and its output.
pub struct Verdict(pub u8, pub String);

/// Asks before and after a push.
const ASKING: &str = r#"#!/bin/bash
exec 3<> /dev/tcp/127.0.0.1/PORT || exit 1
{
  printf '%s\n' "${0##*/}" "${REMOTE_USER-}" "${GIT_PUSH_OPTION_COUNT:-0}"
  for ((i = 0; i < ${GIT_PUSH_OPTION_COUNT:-0}; i++)); do
    name=GIT_PUSH_OPTION_$i
    printf '%s\n' "${!name}"
  done
  cat
  echo
} >&3
read -r code <&3
cat <&3
exit "$code"
"#;

/// git's `proc-receive` protocol, as it is.
const RELAYING: &str = r#"#!/bin/bash
exec 3<> /dev/tcp/127.0.0.1/PORT || exit 1
printf '%s\n' "${0##*/}" "${REMOTE_USER-}" >&3
cat <&3 &
cat >&3
wait
"#;

/// Puts the hooks into a bare repository.
pub fn install(bare: &Path, port: u16) {
    for (name, script) in [
        ("pre-receive", ASKING),
        ("post-receive", ASKING),
        ("proc-receive", RELAYING),
    ] {
        let file = bare.join("hooks").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, script.replace("PORT", &port.to_string())).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Answers hooks for as long as the process lives.
pub fn listen(listener: TcpListener, forge: Forge) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let forge = forge.clone();
            std::thread::spawn(move || answer(stream, &forge));
        }
    });
}

fn answer(mut stream: TcpStream, forge: &Forge) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = || -> Option<String> {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end_matches('\n').to_owned())
    };
    let (hook, user) = (line()?, line()?);
    if hook == "proc-receive" {
        return proc_receive(reader, stream, forge, user);
    }
    let count: usize = line()?.parse().ok()?;
    let options = (0..count).map(|_| line()).collect::<Option<_>>()?;
    let mut updates = Vec::new();
    while let Some(update) = Update::read(&line()?) {
        updates.push(update);
    }
    let push = Push {
        user,
        options,
        updates,
    };
    let Verdict(code, text) = match hook.as_str() {
        "pre-receive" => forge.before(&push),
        _ => forge.after(&push),
    };
    stream.write_all(format!("{code}\n{text}").as_bytes()).ok()
}

/// `gitprotocol-pack`'s helper, version 1: <https://git-scm.com/docs/githooks#proc-receive>
fn proc_receive(
    mut reader: BufReader<TcpStream>,
    mut stream: TcpStream,
    forge: &Forge,
    user: String,
) -> Option<()> {
    let version = packets(&mut reader)?.pop()?;
    assert!(version.starts_with("version=1"), "{version}");
    send(&mut stream, "version=1\0push-options\n")?;
    stream.write_all(b"0000").ok()?;
    let lines = packets(&mut reader)?;
    let updates = lines.iter().filter_map(|line| Update::read(line)).collect();
    let options = if version.contains("push-options") {
        packets(&mut reader)?
    } else {
        Vec::new()
    };
    let push = Push {
        user,
        options,
        updates,
    };
    for line in forge.receive(&push) {
        send(&mut stream, &line)?;
    }
    stream.write_all(b"0000").ok()
}

fn send(stream: &mut TcpStream, text: &str) -> Option<()> {
    let line = format!("{:04x}{text}", text.len() + 4);
    stream.write_all(line.as_bytes()).ok()
}

/// The packets until the next flush.
fn packets(reader: &mut impl Read) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut length = [0; 4];
        reader.read_exact(&mut length).ok()?;
        let length = usize::from_str_radix(std::str::from_utf8(&length).ok()?, 16).ok()?;
        if length < 4 {
            return Some(lines);
        }
        let mut text = vec![0; length - 4];
        reader.read_exact(&mut text).ok()?;
        lines.push(String::from_utf8_lossy(&text).trim_end().to_owned());
    }
}
