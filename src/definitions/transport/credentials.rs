//! Credentials for the built-in transport: each way is tried once, since libgit2 asks for ever
//! while a server says no.

use std::path::PathBuf;

use git2::{Config, Cred, CredentialType, Error, ErrorClass, ErrorCode};

use super::super::environment::Environment;
use super::super::login::KeptLogin;

/// The private keys that ssh itself tries by default.
const KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// The ways that are left.
pub(super) struct Credentials {
    login: Option<KeptLogin>,
    config: Config,
    keys: Vec<PathBuf>,
    agent: bool,
    helper: bool,
    single_sign_on: bool,
    names: u8,
}

impl Credentials {
    pub(super) fn new(config: Config, environment: &Environment, login: Option<KeptLogin>) -> Self {
        let folder = environment.home().map(|home| home.join(".ssh"));
        let keys = folder
            .into_iter()
            .flat_map(|folder| KEYS.map(|name| folder.join(name)))
            .filter(|file| file.is_file())
            .rev()
            .collect();
        Self {
            login,
            config,
            keys,
            agent: environment.get("SSH_AUTH_SOCK").is_some(),
            helper: true,
            single_sign_on: true,
            names: 2,
        }
    }

    /// The next way that the server allows.
    pub(super) fn next(
        &mut self,
        url: &str,
        user: Option<&str>,
        allowed: CredentialType,
    ) -> Result<Cred, Error> {
        let kept = self.login.as_ref().filter(|it| it.is_for(url));
        let known = kept.map(|it| it.login.user.clone());
        let name = user.unwrap_or("git");
        if allowed.contains(CredentialType::USERNAME) && self.names > 0 {
            self.names -= 1;
            return Cred::username(name);
        }
        if allowed.contains(CredentialType::SSH_KEY) {
            if std::mem::take(&mut self.agent) {
                return Cred::ssh_key_from_agent(name);
            }
            if let Some(key) = self.keys.pop() {
                return Cred::ssh_key(name, None, &key, None);
            }
        }
        if allowed.contains(CredentialType::USER_PASS_PLAINTEXT)
            && let Some(password) = kept.and_then(|it| it.login.password.clone())
        {
            let user = known.unwrap_or_default();
            self.login = None;
            return Cred::userpass_plaintext(&user, password.expose());
        }
        if allowed.contains(CredentialType::USER_PASS_PLAINTEXT)
            && std::mem::take(&mut self.helper)
            && let Ok(found) = Cred::credential_helper(&self.config, url, user.or(known.as_deref()))
        {
            return Ok(found);
        }
        if allowed.contains(CredentialType::DEFAULT) && std::mem::take(&mut self.single_sign_on) {
            return Cred::default();
        }
        Err(Error::new(
            ErrorCode::Auth,
            ErrorClass::Callback,
            "no way left to authenticate",
        ))
    }
}
