//! The table of facets: `devenv help facets` prints it, records are checked with it.

use super::facet::{Compared, Facet, Source};

const fn facet(
    source: Source,
    name: &'static str,
    compared: Compared,
    why: &'static str,
    advice: &'static str,
) -> Facet {
    Facet {
        name,
        source,
        compared,
        why,
        advice,
    }
}

const fn asked(
    name: &'static str,
    compared: Compared,
    why: &'static str,
    advice: &'static str,
) -> Facet {
    facet(Source::Asked, name, compared, why, advice)
}

/// What devenv never asks for, or always in one way.
const fn fixed(name: &'static str, why: &'static str) -> Facet {
    asked(name, Compared::Exactly, why, AGAIN)
}

const fn engine(name: &'static str, compared: Compared, why: &'static str) -> Facet {
    facet(Source::Engine, name, compared, why, OTHER_ENGINE)
}

const fn inside(name: &'static str, compared: Compared, why: &'static str) -> Facet {
    facet(Source::Inside, name, compared, why, OTHER_HOST)
}

/// What the kernel keeps of what an engine was asked for.
const fn kept(name: &'static str, why: &'static str, advice: &'static str) -> Facet {
    facet(Source::Inside, name, Compared::Exactly, why, advice)
}

const OTHER_ENGINE: &str = "try an engine like the other one: `--host` names it";
const OTHER_HOST: &str = "the engine's host decides it: `--host` names another";
const AGAIN: &str = "somebody changed the container: `devenv down` and `devenv up` make it anew";
const LIMIT: &str = "`memory` in your overrides, or `devenv down` and `devenv up`, set it";

use Compared::{Each, Exactly, Hashed, Nearly, OwnClock};

/// Every facet, in the order in which they are shown.
pub const FACETS: &[Facet] = &[
    asked(
        "image",
        Exactly,
        "another image is another program",
        "`devenv up` brings the reference's image",
    ),
    asked(
        "environment",
        Hashed,
        "variables carry settings; a JVM takes its options from them",
        AGAIN,
    ),
    asked(
        "command",
        Exactly,
        "other arguments, another program",
        AGAIN,
    ),
    asked(
        "entry-point",
        Exactly,
        "it prepares what the command finds",
        AGAIN,
    ),
    asked(
        "user",
        Exactly,
        "rights on files and ports below 1024",
        AGAIN,
    ),
    asked(
        "working-folder",
        Exactly,
        "relative paths begin there",
        AGAIN,
    ),
    asked(
        "health",
        Exactly,
        "who waits for it, and when the proxy leaves it out",
        AGAIN,
    ),
    asked(
        "stop-signal",
        Exactly,
        "another signal is no clean end",
        AGAIN,
    ),
    asked(
        "stop-grace",
        Exactly,
        "too short: killed in the middle of its end",
        AGAIN,
    ),
    asked(
        "mounts",
        Each,
        "other data, or files hidden below a mount",
        AGAIN,
    ),
    asked(
        "aliases",
        Exactly,
        "the names that others find it by",
        AGAIN,
    ),
    fixed("hostname", "programs name themselves, and logs, by it"),
    fixed("network-mode", "the host's network has no names of others"),
    asked("extra-hosts", Exactly, "names that lead elsewhere", AGAIN),
    asked(
        "published",
        Exactly,
        "ports that are reached from outside",
        AGAIN,
    ),
    asked(
        "memory",
        Exactly,
        "a JVM takes its heap from it (ibmruntimes/ci.docker#124); the kernel kills at it",
        LIMIT,
    ),
    asked(
        "memory-swap",
        Exactly,
        "beyond memory it swaps, which is slow, or the kernel kills",
        LIMIT,
    ),
    fixed("swappiness", "how readily the kernel swaps"),
    asked(
        "cpus",
        Exactly,
        "pools, collectors and their threads are sized by it",
        AGAIN,
    ),
    asked(
        "cpu-shares",
        Exactly,
        "JVMs before 19 count processors by them (JDK-8281571)",
        AGAIN,
    ),
    asked(
        "cpu-set",
        Exactly,
        "a JVM may see processors it may not use (adoptium-support#1404)",
        AGAIN,
    ),
    asked(
        "processes",
        Exactly,
        "threads count: no new one beyond it",
        AGAIN,
    ),
    asked(
        "ulimits",
        Each,
        "an infinite nofile makes memory explode (containerd#6707)",
        "of the engine's `default-ulimits`, or by hand: `devenv down` and `devenv up` make it anew",
    ),
    asked(
        "shared-memory",
        Exactly,
        "PostgreSQL fails at 64 MiB (docker-library/postgres#416)",
        AGAIN,
    ),
    fixed("pid-mode", "whose processes it sees"),
    fixed("ipc-mode", "with whom it shares memory"),
    fixed("devices", "devices of the host inside"),
    fixed("group-add", "rights on files by more groups"),
    fixed("init", "who ends children, and passes signals on"),
    asked("capabilities", Exactly, "what root may do inside", AGAIN),
    asked("privileged", Exactly, "hides every missing right", AGAIN),
    asked(
        "security-options",
        Exactly,
        "seccomp may answer clone3 with EPERM (moby#42680)",
        AGAIN,
    ),
    asked(
        "sysctls",
        Each,
        "the kernel's settings of its network",
        AGAIN,
    ),
    asked("dns", Exactly, "who answers for names outside", AGAIN),
    asked(
        "log-driver",
        Exactly,
        "a slow driver blocks the program that writes",
        AGAIN,
    ),
    asked(
        "read-only",
        Exactly,
        "writing beside the volumes fails",
        AGAIN,
    ),
    asked(
        "runtime",
        Exactly,
        "runc, crun and sandboxes differ in system calls",
        AGAIN,
    ),
    engine(
        "architecture",
        Exactly,
        "other instructions, or emulated ones",
    ),
    engine(
        "kernel",
        Exactly,
        "system calls, cgroups and file systems come with it",
    ),
    engine(
        "engine",
        Exactly,
        "defaults of limits and seccomp change with its version",
    ),
    engine(
        "engine-security",
        Exactly,
        "seccomp, AppArmor, user namespaces",
    ),
    engine(
        "cgroup",
        Exactly,
        "old JVMs see no limit of version 2 (openj9#14190)",
    ),
    engine("cgroup-driver", Exactly, "decides where limits are read"),
    engine(
        "storage",
        Exactly,
        "renaming a lower folder fails on fuse-overlayfs (EXDEV)",
    ),
    engine(
        "operating-system",
        Exactly,
        "what the engine's host brings with it",
    ),
    engine(
        "host-processors",
        Exactly,
        "without a limit, programs count these",
    ),
    engine(
        "host-memory",
        Nearly,
        "without a limit, a heap is sized by it",
    ),
    inside(
        "limits",
        Each,
        "what the first process really has of files, threads, stack",
    ),
    kept("effective-memory", "the limit that the kernel keeps", LIMIT),
    inside(
        "effective-memory-swap",
        Nearly,
        "MiB of memory and swap that the kernel keeps as limit",
    ),
    kept("effective-cpus", "the share that the kernel gives", AGAIN),
    kept(
        "effective-processes",
        "the number of threads that the kernel allows",
        AGAIN,
    ),
    inside(
        "allowed-processors",
        Exactly,
        "the processors that it may run on",
    ),
    inside("seccomp", Exactly, "a filter forbids system calls"),
    inside("no-new-privileges", Exactly, "su and sudo fail with it"),
    inside("effective-capabilities", Exactly, "what root may do inside"),
    inside("confinement", Exactly, "AppArmor or SELinux forbid paths"),
    inside(
        "root-file-system",
        Exactly,
        "renames, locks and speed differ",
    ),
    inside(
        "resolver",
        Exactly,
        "search domains make one name many questions",
    ),
    inside(
        "time-zone",
        Exactly,
        "`TZ` and the SHA-256 of /etc/localtime: dates of pages and of night jobs",
    ),
    inside(
        "locale",
        Exactly,
        "the default encoding and the order of texts",
    ),
    inside(
        "certificates",
        Each,
        "whom TLS believes, and whom a JVM does",
    ),
    inside(
        "clock",
        OwnClock,
        "seconds ahead of the machine that ran devenv: tokens are not valid yet, or no more",
    ),
    inside(
        "emulation",
        Exactly,
        "an emulated JVM is slow and may crash (docker/for-mac#7006)",
    ),
    inside(
        "kernel-settings",
        Each,
        "connections waiting, memory maps, huge pages, IPv6, FIPS",
    ),
    inside("java", Exactly, "another JVM, other defaults"),
    inside(
        "jvm",
        Each,
        "the heap, collector and threads that the running JVM chose (openj9#14190)",
    ),
    inside(
        "loopback-ipv6",
        Exactly,
        "whether `::1` is there: `localhost` may mean it first",
    ),
    inside(
        "absent-names",
        Exactly,
        "what asking for a name that cannot exist gives: a name server may answer all",
    ),
];

impl Facet {
    /// The row of a key: of `environment/PATH` that of `environment`. A facet that is one thing has no
    /// parts.
    pub fn of(key: &str) -> Option<&'static Self> {
        let name = key.split_once('/').map_or(key, |(name, _)| name);
        let found = FACETS.iter().find(|it| it.name == name)?;
        (name == key || found.compared.is_several()).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_parts_only_where_there_are_several() {
        let names: BTreeSet<&str> = FACETS.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), FACETS.len());
        assert_eq!(Facet::of("environment/A/B").unwrap().name, "environment");
        assert_eq!(Facet::of("memory").unwrap().name, "memory");
        assert!(Facet::of("memory/x").is_none() && Facet::of("other").is_none());
    }
}
