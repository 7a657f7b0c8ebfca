//! The forge behind a web server and an ssh server.

use super::*;

/// The forge, its web server and its ssh server.
pub struct Server {
    pub forge: Forge,
    apache: Mutex<Option<Apache>>,
    sshd: Option<Sshd>,
    folder: tempfile::TempDir,
}

impl std::ops::Deref for Server {
    type Target = Forge;

    fn deref(&self) -> &Forge {
        &self.forge
    }
}

impl Server {
    /// A server with an empty repository.
    pub fn start(vendor: Vendor) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let worker = Worker::find();
        let bare = folder.path().join("srv/acme/platform.git");
        fs::create_dir_all(&bare).unwrap();
        worker.own(folder.path());
        let memory = Memory {
            requests: Vec::new(),
            calls: Vec::new(),
            mood: Mood::Honest,
            protected: vec!["main".to_owned()],
        };
        let forge = Forge {
            vendor,
            bare,
            worker: Arc::new(worker),
            memory: Arc::new(Mutex::new(memory)),
            origin: Arc::default(),
        };
        forge.git(&["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        forge.git(&["config", "receive.advertisePushOptions", "true"]);
        forge.git(&["config", "core.logAllRefUpdates", "false"]);
        if vendor == Vendor::Gitea {
            forge.git(&["config", "receive.procReceiveRefs", "refs/for"]);
        }
        let (api, hooks) = (listener(), listener());
        let port = |it: &TcpListener| it.local_addr().unwrap().port();
        if vendor != Vendor::Plain {
            hooks::install(&forge.bare, port(&hooks));
        }
        let apache = Apache::start(folder.path(), port(&api), &forge.worker);
        *forge.origin.lock().unwrap() = format!("http://127.0.0.1:{}", apache.port);
        hooks::listen(hooks, forge.clone());
        forge.listen(api);
        Self {
            forge,
            apache: Mutex::new(Some(apache)),
            sshd: None,
            folder,
        }
    }

    /// Its address over http, without a password.
    pub fn url(&self) -> String {
        format!("{}/{PROJECT}.git", self.origin())
    }

    /// The same as somebody.
    pub fn url_as(&self, (name, password): (&str, &str)) -> String {
        let password = password.replace(' ', "%20").replace('\'', "%27");
        let authority = format!("http://{name}:{password}@");
        self.url().replace("http://", &authority)
    }

    /// The web server is gone.
    pub fn stop(&self) {
        drop(self.apache.lock().unwrap().take());
    }

    /// Gives somebody another password.
    pub fn change_password(&self, name: &str, password: &str) {
        apache::set_password(self.folder.path(), name, password);
    }

    /// Lets it answer over ssh as well.
    pub fn with_ssh(self) -> Self {
        let home = self.folder.path().join("home");
        self.with_ssh_for(&home)
    }

    /// The same, with the client's keys and known hosts in this home folder.
    pub fn with_ssh_for(mut self, home: &Path) -> Self {
        let folder = self.folder.path().join("ssh");
        self.sshd = Some(Sshd::start(&folder, home, &self.forge));
        self
    }

    pub fn ssh(&self) -> &Sshd {
        self.sshd.as_ref().unwrap()
    }
}
