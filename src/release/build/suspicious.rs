//! Looks for secrets in files that go into an image: they would be readable by everybody who can
//! pull it. Pure; a finding never carries the value.

use crate::definitions::TreeFile;

/// Larger files are data, not configuration.
const LARGEST: usize = 1024 * 1024;
/// More findings in one file are noise.
const MOST: usize = 20;
/// Words that name a secret at the end of a key.
const WORDS: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "pass",
    "secret",
    "token",
    "apikey",
    "credential",
    "credentials",
];
/// Pairs of words that do.
const PAIRS: [(&str, &str); 4] = [
    ("api", "key"),
    ("private", "key"),
    ("access", "key"),
    ("secret", "key"),
];
/// How well-known tokens begin, and how long they are at least.
const TOKENS: [(&str, usize); 6] = [
    ("AKIA", 20),
    ("ghp_", 40),
    ("github_pat_", 40),
    ("glpat-", 26),
    ("xoxb-", 30),
    ("xoxp-", 30),
];

/// Something that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, as given.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// What it looks like, without the value: ``the value of `db.password` ``.
    pub what: String,
}

/// Everything suspicious in these files, in their order.
pub fn scan(files: &[TreeFile]) -> Vec<Finding> {
    files.iter().flat_map(scan_file).collect()
}

fn scan_file(file: &TreeFile) -> Vec<Finding> {
    let text = (file.bytes.len() <= LARGEST)
        .then(|| std::str::from_utf8(&file.bytes).ok())
        .flatten()
        .unwrap_or_default();
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            Some(Finding {
                path: file.path.clone(),
                line: index + 1,
                what: suspicion(line)?,
            })
        })
        .take(MOST)
        .collect()
}

fn suspicion(line: &str) -> Option<String> {
    if line.contains("-----BEGIN") && line.contains("PRIVATE KEY-----") {
        return Some("a private key".to_owned());
    }
    if has_credentials(line) {
        return Some("a password in an address".to_owned());
    }
    if let Some(key) = assigned(line) {
        return Some(format!("the value of `{key}`"));
    }
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
    let token = words.into_iter().any(|word| {
        TOKENS
            .iter()
            .any(|(begin, length)| word.starts_with(begin) && word.len() >= *length)
    });
    token.then(|| "an access token".to_owned())
}

/// The first key in the line that names a secret and is given a value.
fn assigned(line: &str) -> Option<&str> {
    let key_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let comment = line.trim_start().starts_with(['#', '/', '*', ';']);
    for (at, separator) in line.match_indices(['=', ':', '>']) {
        let before = line[..at].trim_end().trim_end_matches(['"', '\'']);
        let begin = before.rfind(|c| !key_part(c)).map_or(0, |last| {
            last + before[last..].chars().next().map_or(1, char::len_utf8)
        });
        let key = &before[begin..];
        let element = separator == ">";
        if !names_secret(key) || element != line[..begin].ends_with('<') {
            continue;
        }
        // `${PASSWORD:?is missing}` and `${PASSWORD:+set}` of a shell, `:'password'` of psql.
        let behind = &line[at + 1..];
        let is_message = line[..begin].ends_with("${") && behind.starts_with(['?', '+']);
        let is_variable = separator == ":"
            && line[..at].ends_with([' ', '\t'])
            && before == line[..at].trim_end()
            && behind.starts_with(['"', '\'']);
        if is_message || is_variable {
            continue;
        }
        let value = behind.trim();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
            _ if element => value.split('<').next().unwrap_or_default(),
            _ => value.trim_end_matches([',', ';', '}']),
        };
        // In prose, what follows a colon is no value.
        if is_value(value) && !(comment && value.trim().contains(' ')) {
            return Some(key);
        }
    }
    None
}

/// Whether a value is one, and not empty, a placeholder or a switch.
fn is_value(value: &str) -> bool {
    let value = value.trim();
    let placeholder = value.starts_with(['$', '%', '@', '{', '<', '[', '|', '*'])
        || value.contains("${")
        || value.contains("{{");
    let switch = ["true", "false", "yes", "no", "null", "none", "~", "0", "1"];
    !value.is_empty() && !placeholder && !switch.contains(&value.to_ascii_lowercase().as_str())
}

/// Whether a key's last words name a secret: `db.password`, `keystorePass`, `API_KEY`, but not
/// `password.file` or `token-timeout`.
fn names_secret(key: &str) -> bool {
    let words = words(key);
    let last = words.last().map(String::as_str).unwrap_or_default();
    let before = words
        .len()
        .checked_sub(2)
        .map_or("", |index| words[index].as_str());
    WORDS.contains(&last) || PAIRS.contains(&(before, last))
}

/// `keystorePass` → `keystore`, `pass`.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in key.chars() {
        let separator = !c.is_ascii_alphanumeric();
        if separator || (c.is_ascii_uppercase() && lower) {
            words.push(String::new());
        }
        if !separator && let Some(word) = words.last_mut() {
            word.push(c.to_ascii_lowercase());
        }
        lower = c.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `scheme://user:password@host`
fn has_credentials(line: &str) -> bool {
    line.match_indices("://").any(|(at, _)| {
        let authority = line[at + 3..]
            .split(|c: char| c.is_whitespace() || "/\"'<>?#".contains(c))
            .next()
            .unwrap_or_default();
        authority
            .rsplit_once('@')
            .and_then(|(login, _)| login.split_once(':'))
            .is_some_and(|(_, password)| is_value(password))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Option<String> {
        suspicion(line)
    }

    #[test]
    fn secrets_in_the_formats_of_configuration() {
        for (line, what) in [
            ("db.password=hunter2", "db.password"),
            ("  password: hunter2", "password"),
            (
                "spring.datasource.passwd = hunter2",
                "spring.datasource.passwd",
            ),
            ("DB_PASSWORD=hunter2", "DB_PASSWORD"),
            (
                "<Connector keystorePass=\"hunter2\" port=\"1\"/>",
                "keystorePass",
            ),
            ("<password>hunter2</password>", "password"),
            ("{ \"apiKey\": \"hunter2\" }", "apiKey"),
            ("api_key: 'hunter2'", "api_key"),
            ("client-secret=hunter2", "client-secret"),
            (
                "url=jdbc:postgresql://h/d?user=a&password=hunter2",
                "password",
            ),
            ("# password=hunter2", "password"),
            ("${DB_PASSWORD:-hunter2}", "DB_PASSWORD"),
            ("{\"password\" :\"hunter2\"}", "password"),
            ("accessToken = hunter2;", "accessToken"),
        ] {
            let what = Some(format!("the value of `{what}`"));
            assert_eq!(found(line), what, "{line}");
        }
        let key = "-----BEGIN RSA PRIVATE KEY-----";
        assert_eq!(found(key).as_deref(), Some("a private key"));
        let address = "url: http://user:hunter2@example.org/x";
        assert_eq!(found(address).as_deref(), Some("a password in an address"));
        let token = format!("x {} y", "ghp_".to_owned() + &"a".repeat(36));
        assert_eq!(found(&token).as_deref(), Some("an access token"));
    }

    #[test]
    fn what_only_looks_like_it() {
        for line in [
            "db.password=",
            "db.password=${DB_PASSWORD}",
            "PGPASSWORD=$DB_PASSWORD psql",
            "password={{ secret }}",
            "password.file=/run/secrets/db",
            "token-timeout: 30",
            "password.required=true",
            "# The password: see the operators' wiki",
            "http://user@example.org:80/",
            "http://localhost:8080/@x",
            "http://user:${PASSWORD}@example.org/",
            "compass=north",
            "secrets: [DB_PASSWORD]",
            "<password/>",
            "if (token > limit) {",
            ": \"${DB_PASSWORD:?is the password of the user billing}\"",
            "prepare <<< \"ALTER ROLE billing PASSWORD :'password'\"",
            "é=ü",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[test]
    fn a_finding_names_file_and_line_and_no_value() {
        let file = |path: &str, bytes: &[u8]| TreeFile {
            path: path.to_owned(),
            executable: false,
            bytes: bytes.to_vec(),
        };
        let files = [
            file("a.properties", b"x=1\r\npassword=hunter2\r\n"),
            file("image.png", b"\xff\xfepassword=hunter2"),
        ];
        let findings = scan(&files);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].path.as_str(), findings[0].line),
            ("a.properties", 2)
        );
        assert!(!format!("{findings:?}").contains("hunter2"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_crashes_it(text: String) {
            let _ = suspicion(&text);
        }
    }
}
