//! Logins as `docker login` stores them: `config.json`'s `auths`, or a credential helper program
//! (protocol: docker-credential-helpers, `get`).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::OnceCell;

use super::fault::Fault;
use crate::model::credentials::Credentials;
use crate::model::secret::Secret;
use crate::model::visible::visible;
use crate::system::program;

/// How long a helper may take.
const HELPER_TIME: Duration = Duration::from_secs(5);
/// The largest `config.json` and helper answer, in bytes.
const LIMIT: u64 = 4 << 20;
/// The key under which `docker login` without a host stores.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Looks logins up, each host once.
#[derive(Debug)]
pub(super) struct CredentialStore {
    config: Option<PathBuf>,
    /// Where helpers are, instead of `PATH`.
    helpers: Option<PathBuf>,
    helper_time: Duration,
    known: Mutex<HashMap<String, Arc<OnceCell<Option<Credentials>>>>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ConfigFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    creds_store: String,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl CredentialStore {
    /// `config` is the folder of `config.json`; none means anonymous.
    pub(super) fn new(config: Option<PathBuf>) -> Self {
        Self {
            config,
            helpers: None,
            helper_time: HELPER_TIME,
            known: Mutex::default(),
        }
    }

    /// For tests: helpers from `folder`, with a time limit of their own.
    #[cfg(test)]
    pub(super) fn with_helpers(mut self, folder: PathBuf, time: Duration) -> Self {
        self.helpers = Some(folder);
        self.helper_time = time;
        self
    }

    /// The login for `host`, none where nothing is stored.
    pub(super) async fn get(&self, host: &str) -> Result<Option<Credentials>, Fault> {
        let cell = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(host.to_owned()).or_default())
        };
        cell.get_or_try_init(|| self.look_up(host)).await.cloned()
    }

    async fn look_up(&self, host: &str) -> Result<Option<Credentials>, Fault> {
        let wrong = |text: String| Fault::Credentials {
            host: host.to_owned(),
            text: visible(&text),
        };
        let Some(file) = self.read(host).await? else {
            return Ok(None);
        };
        let keys = keys_of(host);
        let helper = keys
            .iter()
            .find_map(|key| file.cred_helpers.get(key))
            .unwrap_or(&file.creds_store);
        if !helper.is_empty() {
            let key = if is_hub(host) { DOCKER_HUB } else { host };
            if let Some(found) = self.ask(helper, key).await.map_err(wrong)? {
                return Ok(Some(found));
            }
        }
        let entry = keys.iter().find_map(|key| file.auths.get(key));
        match entry {
            Some(entry) => entry
                .credentials()
                .map_err(|text| wrong(format!("{text} in docker's config.json"))),
            None => Ok(None),
        }
    }

    async fn read(&self, host: &str) -> Result<Option<ConfigFile>, Fault> {
        let Some(folder) = &self.config else {
            return Ok(None);
        };
        let path = folder.join("config.json");
        let wrong = |error: String| Fault::Credentials {
            host: host.to_owned(),
            text: format!("{}: {error}", path.display()),
        };
        let bytes = match tokio::fs::metadata(&path).await {
            Ok(meta) if meta.len() > LIMIT => return Err(wrong("too large".to_owned())),
            Ok(_) => tokio::fs::read(&path).await,
            Err(error) => Err(error),
        };
        match bytes {
            Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => Ok(None),
            // serde's messages may quote a value, which may be a password: only the place is told.
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                wrong(format!(
                    "not what docker writes (line {}, column {})",
                    error.line(),
                    error.column()
                ))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    /// Runs `docker-credential-<helper> get`.
    async fn ask(&self, helper: &str, key: &str) -> Result<Option<Credentials>, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if !helper.chars().all(plain) {
            return Err(format!("`{helper}` is not the name of a credential helper"));
        }
        let name = format!("docker-credential-{helper}");
        let program = match &self.helpers {
            Some(folder) => folder.join(&name),
            None => PathBuf::from(&name),
        };
        let output = tokio::time::timeout(self.helper_time, run(&program, key))
            .await
            .map_err(|_| format!("{name} gave no answer in {:?}", self.helper_time))?
            .map_err(|error| format!("{name}: {error}"))?;
        if !output.status.success() {
            // Helpers write their errors to stdout.
            let said = String::from_utf8_lossy(&output.stdout);
            if said.contains("credentials not found") {
                return Ok(None);
            }
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{name} failed: {} {}", said.trim(), error.trim()));
        }
        let answer: HelperAnswer = serde_json::from_slice(&output.stdout)
            .map_err(|_| format!("{name} answered something else than a login"))?;
        Ok(login(answer.username, answer.secret))
    }
}

async fn run(helper: &Path, key: &str) -> std::io::Result<Output> {
    let mut child = tokio::process::Command::from(program(helper))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input is judged by its answer.
        let _ = stdin.write_all(key.as_bytes()).await;
    }
    child.wait_with_output().await
}

impl Entry {
    fn credentials(&self) -> Result<Option<Credentials>, String> {
        if !self.identitytoken.is_empty() {
            let token = Secret::new(&self.identitytoken);
            return Ok(Some(Credentials::IdentityToken(token)));
        }
        if self.auth.is_empty() {
            return Ok(login(self.username.clone(), self.password.clone()));
        }
        let text = STANDARD
            .decode(self.auth.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or("`auth` is not base64 text")?;
        let (user, password) = text.split_once(':').ok_or("`auth` is not user:password")?;
        // Docker's own writer once padded with NUL.
        let password = password.trim_matches('\0');
        Ok(login(user.to_owned(), password.to_owned()))
    }
}

/// The user `<token>` says that the secret is an identity token.
fn login(user: String, secret: String) -> Option<Credentials> {
    if user == "<token>" {
        Some(Credentials::IdentityToken(Secret::new(secret)))
    } else if user.is_empty() && secret.is_empty() {
        None
    } else {
        Some(Credentials::Password {
            user,
            password: Secret::new(secret),
        })
    }
}

fn is_hub(host: &str) -> bool {
    matches!(
        host,
        "docker.io" | "index.docker.io" | "registry-1.docker.io"
    )
}

/// The keys that may name `host`, as versions of docker wrote them.
fn keys_of(host: &str) -> Vec<String> {
    let mut keys = Vec::new();
    if is_hub(host) {
        keys.push(DOCKER_HUB.to_owned());
    }
    keys.push(host.to_owned());
    for scheme in ["https", "http"] {
        for path in ["", "/", "/v1/", "/v2/"] {
            keys.push(format!("{scheme}://{host}{path}"));
        }
    }
    keys
}
