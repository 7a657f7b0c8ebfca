//! What is effective inside a container: a small script, run there once, and what it printed. What the
//! script finds nothing of is unknown.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::asked::{bytes, mebibytes, processors};
use super::facet::Source;
use super::jvm::Counters;
use super::table::FACETS;
use super::value::{Facts, Value, unknown};

/// For any `sh`. Each part begins with a line of its own; a part that cannot be read is left out.
pub const SCRIPT: &str = include_str!("inside.sh");

/// Bytes of an answer at most; more is no answer to this script.
pub const LARGEST: usize = 256 * 1024;

/// The facets in what [`SCRIPT`] printed between two moments of this machine's clock, in seconds since
/// 1970.
pub fn facts(printed: &str, moments: (i64, i64)) -> Facts {
    let parts = Parts::of(printed);
    let all = FACETS.iter().filter(|it| it.source == Source::Inside);
    if !parts.0.contains_key("end") {
        return unknown(all, "the shell inside did not answer as a shell does");
    }
    let mut facts = unknown(all, "there is nothing inside to read it with");
    for (name, value) in parts.singles(moments) {
        if let Some(value) = value {
            facts.insert(name.to_owned(), Value::is(value));
        }
    }
    for (whole, several) in [
        ("limits", parts.limits()),
        ("kernel-settings", parts.kernel_settings()),
        ("certificates", parts.certificates()),
        ("jvm", parts.jvm()),
    ] {
        if !several.is_empty() {
            facts.remove(whole);
        }
        let several = several.into_iter();
        facts.extend(several.map(|(name, value)| (format!("{whole}/{name}"), Value::is(value))));
    }
    facts
}

/// What was printed, by the names of its parts.
struct Parts<'a>(BTreeMap<&'a str, String>);

impl<'a> Parts<'a> {
    fn of(printed: &'a str) -> Self {
        let mut parts: BTreeMap<&str, String> = BTreeMap::new();
        let mut current = None;
        for line in printed.lines() {
            if let Some(name) = line.strip_prefix("@@") {
                parts.entry(name).or_default().clear();
                current = Some(name);
            } else if let Some(text) = current.and_then(|it| parts.get_mut(it)) {
                text.push_str(line);
                text.push('\n');
            }
        }
        Self(parts)
    }

    /// A part that says something.
    fn text(&self, name: &str) -> Option<&str> {
        Some(self.0.get(name)?.trim().trim_matches('\0')).filter(|it| !it.is_empty())
    }

    /// A line of `/proc/PID/status`. Source: proc(5).
    fn status(&self, key: &str) -> Option<String> {
        let mut lines = self.text("status")?.lines();
        lines.find_map(|it| Some(it.strip_prefix(key)?.strip_prefix(':')?.trim().to_owned()))
    }

    fn singles(&self, (before, after): (i64, i64)) -> [(&'static str, Option<String>); 18] {
        let own = |name| self.text(name).map(ToOwned::to_owned);
        let memory_limit = self.text("memory2").or_else(|| self.text("memory1"));
        let first = || {
            Some(format!(
                "{} {}",
                self.text("quota1")?,
                self.text("period1")?
            ))
        };
        let quota = own("cpu2").or_else(first);
        let threads = self.text("pids2").or_else(|| self.text("pids1"));
        let clock = self.text("clock").and_then(|it| it.parse::<i64>().ok());
        let offset = |it: i64| it.saturating_sub(it.clamp(before, after.max(before)));
        [
            ("seccomp", self.status("Seccomp")),
            ("no-new-privileges", self.status("NoNewPrivs")),
            ("effective-capabilities", self.status("CapEff")),
            ("allowed-processors", self.status("Cpus_allowed_list")),
            ("confinement", own("confinement")),
            ("root-file-system", self.text("mounts").and_then(root)),
            ("effective-memory", memory_limit.map(memory)),
            ("effective-memory-swap", self.with_swap()),
            ("effective-cpus", quota.as_deref().map(share)),
            (
                "effective-processes",
                threads.map(|it| it.replace("max", "none")),
            ),
            ("resolver", self.text("resolver").map(resolver)),
            ("locale", own("locale")),
            ("time-zone", own("time-zone")),
            ("java", self.text("java").and_then(java)),
            ("jvm", own("java").filter(|it| it == "none")),
            ("loopback-ipv6", own("loopback-ipv6")),
            ("absent-names", own("absent-names")),
            ("clock", clock.map(|it| offset(it).to_string())),
        ]
    }

    /// Version 1 limits memory and swap together, version 2 swap alone.
    fn with_swap(&self) -> Option<String> {
        let number = |it: &str| it.parse::<u64>().ok().filter(|it| *it < 1 << 62);
        let both = match (self.text("memory2"), self.text("swap2")) {
            (Some(memory), Some(swap)) => number(memory).zip(number(swap)),
            _ => number(self.text("swap1")?).map(|it| (it, 0)),
        };
        let both = both.map(|(memory, swap)| memory.saturating_add(swap));
        Some(mebibytes(both.unwrap_or(0)))
    }

    /// Rows of `/proc/PID/limits`, by their names as ulimits. Source: proc(5).
    fn limits(&self) -> Vec<(String, String)> {
        let rows = [
            ("Max open files", "nofile"),
            ("Max processes", "nproc"),
            ("Max stack size", "stack"),
            ("Max core file size", "core"),
            ("Max locked memory", "memlock"),
            ("Max address space", "as"),
            ("Max file size", "fsize"),
        ];
        let text = self.text("limits").unwrap_or_default();
        let of = |(title, name): (&str, &str)| {
            let row = text.lines().find_map(|it| it.strip_prefix(title))?;
            let mut words = row.split_whitespace();
            let mut number = || Some(words.next()?.replace("unlimited", "-1"));
            Some((name.to_owned(), format!("{} {}", number()?, number()?)))
        };
        rows.into_iter().filter_map(of).collect()
    }

    /// What the JVM concluded, if this is its own word.
    fn jvm(&self) -> Vec<(String, String)> {
        let told = || {
            let packed: String = self.text("counters")?.split_whitespace().collect();
            let counters = Counters::parse(&STANDARD.decode(packed).ok()?)?;
            counters.is_of(self.begun()?).then(|| counters.parts())
        };
        told().unwrap_or_default()
    }

    /// When the JVM's process began, in milliseconds since 1970. Source: proc(5), `stat`.
    fn begun(&self) -> Option<i64> {
        let (_, after) = self.text("process")?.rsplit_once(')')?;
        let ticks: i64 = after.split_whitespace().nth(19)?.parse().ok()?;
        let boot: i64 = self.text("boot")?.parse().ok()?;
        boot.checked_mul(1000)?.checked_add(ticks.checked_mul(10)?)
    }

    /// The bundles' SHA-256, as `sha256sum` prints it.
    fn certificates(&self) -> Vec<(String, String)> {
        let of = |name: &str| {
            let sum = self.text(&format!("certificates {name}"))?;
            Some((name.to_owned(), sum.split_whitespace().next()?.to_owned()))
        };
        ["system", "java"].into_iter().filter_map(of).collect()
    }

    /// Of `/proc/sys`, and whether the kernel makes huge pages.
    fn kernel_settings(&self) -> Vec<(String, String)> {
        let of = |(name, text): (&&str, &String)| {
            let name = name.strip_prefix("kernel ")?.replace('/', ".");
            let words: Vec<&str> = text.split_whitespace().collect();
            Some((name, words.join(" ")))
        };
        let huge = self.text("huge-pages").and_then(|it| it.split_once('['));
        let huge = huge.and_then(|(_, it)| it.split_once(']'));
        let huge = huge.map(|(it, _)| ("huge-pages".to_owned(), it.to_owned()));
        self.0.iter().filter_map(of).chain(huge).collect()
    }
}

/// The kind of what is mounted at `/`, and whether folders of lower layers can be renamed if it tells.
/// Source: proc(5), `mountinfo`; the kernel's overlayfs.rst.
fn root(text: &str) -> Option<String> {
    let row = text.lines().find(|it| it.split(' ').nth(4) == Some("/"))?;
    let mut words = row.split_once(" - ")?.1.split(' ');
    let kind = words.next()?;
    let mut options = words.nth(1).unwrap_or_default().split(',');
    let renaming = options.find(|it| it.starts_with("redirect_dir="));
    Some(renaming.map_or_else(|| kind.to_owned(), |it| format!("{kind} {it}")))
}

/// Without a limit version 1 says the largest number of whole pages, version 2 `max`.
fn memory(text: &str) -> String {
    match text.parse::<u64>() {
        Ok(value) if value < 1 << 62 => bytes(value),
        _ => "none".to_owned(),
    }
}

/// `200000 100000` are two processors; `max` and `-1` no limit.
fn share(text: &str) -> String {
    let mut words = text.split_whitespace().map(str::parse::<u64>);
    match (words.next(), words.next()) {
        (Some(Ok(quota)), Some(Ok(period))) if period > 0 => {
            let nano = u128::from(quota) * 1_000_000_000 / u128::from(period);
            processors(u64::try_from(nano).unwrap_or(0))
        }
        _ => "none".to_owned(),
    }
}

/// Without comments, in which newer engines tell what they did.
fn resolver(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|it| !it.is_empty() && !it.starts_with(['#', ';']));
    lines.collect::<Vec<_>>().join("; ")
}

/// Whose, and which. Source: the `release` file of a JDK.
fn java(text: &str) -> Option<String> {
    if text == "none" {
        return Some(text.to_owned());
    }
    let of = |key: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|it| it.strip_prefix(key)?.strip_prefix('='))?;
        Some(value.trim_matches('"').to_owned())
    };
    let version = of("JAVA_RUNTIME_VERSION").or_else(|| of("JAVA_VERSION"))?;
    Some(
        format!("{} {version}", of("IMPLEMENTOR").unwrap_or_default())
            .trim()
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::jvm;
    use super::*;

    const PRINTED: &str = "\
@@limits
Limit                     Soft Limit           Hard Limit           Units
Max stack size            8388608              unlimited            bytes
Max open files            1048576              1048576              files
@@status
CapEff:\t00000000a80425fb
Cpus_allowed_list:\t0-1
@@mounts
100 99 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/x,redirect_dir=on
101 100 0:51 / /proc rw - proc proc rw
@@memory1
268435456
@@quota1
150000
@@period1
100000
@@resolver
# a comment
nameserver 127.0.0.11
options ndots:0
@@kernel net/ipv4/ip_local_port_range
32768\t60999
@@huge-pages
always [madvise] never
@@certificates system
e3b0 *-
@@certificates java
aabb  -
@@clock
103
@@loopback-ipv6
yes
@@absent-names
refused
@@end
";

    #[test]
    fn what_the_script_prints_is_read() {
        let facts = facts(PRINTED, (90, 100));
        for (name, value) in [
            ("limits/stack", "8388608 -1"),
            ("limits/nofile", "1048576 1048576"),
            ("effective-capabilities", "00000000a80425fb"),
            ("allowed-processors", "0-1"),
            ("root-file-system", "overlay redirect_dir=on"),
            ("loopback-ipv6", "yes"),
            ("absent-names", "refused"),
            ("effective-memory", "256MiB"),
            ("effective-cpus", "1.5"),
            ("resolver", "nameserver 127.0.0.11; options ndots:0"),
            (
                "kernel-settings/net.ipv4.ip_local_port_range",
                "32768 60999",
            ),
            ("kernel-settings/huge-pages", "madvise"),
            ("certificates/system", "e3b0"),
            ("certificates/java", "aabb"),
            ("clock", "3"),
        ] {
            assert_eq!(facts.get(name), Some(&Value::is(value)), "{name}");
        }
        assert!(!facts.contains_key("limits"));
        assert!(matches!(facts["seccomp"], Value::Unknown(_)));
        assert!(matches!(facts["java"], Value::Unknown(_)));
    }

    #[test]
    fn swap_is_counted_with_memory_in_both_versions() {
        let of = |text: &str| Parts::of(text).with_swap();
        let first = "@@swap1\n134217728\n";
        let second = "@@memory2\n67108864\n@@swap2\n67108864\n";
        assert_eq!(
            (of(first), of(second)),
            (Some("128".into()), Some("128".into()))
        );
        let none = [
            "@@swap1\n9223372036854771712\n",
            "@@memory2\n1048576\n@@swap2\nmax\n",
        ];
        assert_eq!(none.map(of), [Some("none".into()), Some("none".into())]);
        assert_eq!(of("@@memory2\n1048576\n"), None);
    }

    /// A JVM that began 1234.56 s after the start of its machine, and one whose number it has.
    #[test]
    fn a_jvms_own_word_is_read_and_an_earlier_ones_is_not() {
        let of = |created| {
            let counters = [
                ("sun.rt.createVmBeginTime", Ok(created)),
                ("sun.ci.threads", Ok(2)),
            ];
            let counters = STANDARD.encode(jvm::tests::file(&counters));
            let stat = format!("7 (java )x) S 1 {} 123456 0\n", "0 ".repeat(17).trim_end());
            let printed = format!("@@process\n{stat}@@boot\n1000\n@@counters\n{counters}\n@@end\n");
            facts(&printed, (0, 0))
        };
        let own = of(2_234_900);
        assert_eq!(own["jvm/compiler-threads"], Value::is("2"));
        assert!(matches!(of(1_900_000)["jvm"], Value::Unknown(_)));
    }

    #[test]
    fn no_limit_is_said_in_one_way() {
        assert_eq!(memory("9223372036854771712"), "none");
        assert_eq!(
            (memory("max"), share("max 100000"), share("-1 100000")),
            ("none".into(), "none".into(), "none".into())
        );
        assert_eq!(
            java("IMPLEMENTOR=\"Debian\"\nJAVA_VERSION=\"17.0.9\"\n").unwrap(),
            "Debian 17.0.9"
        );
    }

    #[test]
    fn another_programs_output_is_unknown() {
        let facts = facts("@@limits\nMax open files 1 1\n", (0, 0));
        assert!(facts.values().all(|it| matches!(it, Value::Unknown(_))));
    }
}
