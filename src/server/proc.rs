//! What files of `/proc` say. Pure.
//! Source: proc(5), `/proc/net/tcp` and `/proc/meminfo`; cgroups(7), `/proc/PID/cgroup`.

/// States of a connection that a request or its answer can still come by, as `/proc/net/tcp` writes them:
/// established, one whose handshake is not done, and one whose client has said all and waits for the
/// answer.
const ALIVE: [&str; 3] = ["01", "03", "08"];

/// Connections on a local port that a request or its answer can still come by.
pub(super) fn established(table: &str, port: u16) -> usize {
    let wanted = format!(":{port:04X}");
    let counts = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next().is_some_and(|it| it.ends_with(&wanted));
        let state = words.nth(1);
        local && state.is_some_and(|it| ALIVE.contains(&it))
    };
    table.lines().skip(1).filter(counts).count()
}

/// Bytes that a new process can have without swapping.
pub(super) fn available_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The files that say how much memory the group of a process holds, by what its `cgroup` says: of
/// version 2, and of version 1.
pub(super) fn memory_files(cgroup: &str) -> Vec<String> {
    let one = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        if controllers.is_empty() {
            return Some(format!("/sys/fs/cgroup{path}/memory.current"));
        }
        let is_memory = controllers.split(',').any(|it| it == "memory");
        is_memory.then(|| format!("/sys/fs/cgroup/memory{path}/memory.usage_in_bytes"))
    };
    cgroup.lines().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_live_connections_of_the_port_count() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: FA01D50A:0050 0200A8C0:9C4A 01 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: FA01D50A:0050 0200A8C0:9C4C 03 00000000:00000000 00:00000000 00000000     0        0 0 1
   3: FA01D50A:0050 0200A8C0:9C4E 06 00000000:00000000 00:00000000 00000000     0        0 0 3
   4: FA01D50A:0050 0200A8C0:9C50 08 00000000:00000000 00:00000000 00000000     0        0 5 1
   5: FA01D50A:8E2A 0300D50A:0050 01 00000000:00000000 00:00000000 00000000     0        0 4 1
";
        assert_eq!(established(table, 80), 3);
        assert_eq!(established(table, 443), 0);
    }

    #[test]
    fn a_groups_memory_is_in_its_version_s_file() {
        let text =
            "12:cpu,cpuacct:/docker/ab\n4:memory:/docker/ab\n0::/system.slice/docker-ab.scope\n";
        assert_eq!(
            memory_files(text),
            [
                "/sys/fs/cgroup/memory/docker/ab/memory.usage_in_bytes",
                "/sys/fs/cgroup/system.slice/docker-ab.scope/memory.current",
            ]
        );
        assert_eq!(memory_files("garbage\n"), Vec::<String>::new());
    }

    #[test]
    fn memory_is_read_in_kibibytes() {
        let text = "MemTotal:        4028888 kB\nMemAvailable:    2000000 kB\n";
        assert_eq!(available_memory(text), Some(2_048_000_000));
        assert_eq!(available_memory(""), None);
    }
}
