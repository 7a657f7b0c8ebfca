//! `server init` and `server remove`: what makes a machine a server, and undoes that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use jiff::Timestamp;

use super::follow::Follow;
use super::ground::{Ground, Reach};
use super::machine::{Kernel, Machine as _};
use super::open::Open;
use super::ruleset::{self, Change};
use super::{key, program, units};
use crate::error::{Error, Kind, PathContext, Result};
use crate::home::file;
use crate::home::secrets;
use crate::home::session::Session;
use crate::home::state::Owner;
use crate::model::image::Repository;
use crate::model::name::{EnvironmentName, InstanceName, VariableName};
use crate::model::server::{self, ServerFile};
use crate::model::trust_file::TrustFile;
use crate::system::{Here, System as _};

/// What `server init` is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where everything is published.
    pub registry: Repository,
    /// Whose ledger.
    pub environment: EnvironmentName,
    /// What objects are named after.
    pub name: InstanceName,
    /// Where generations' networks are cut from; the default where nothing is said.
    pub addresses: Option<Ipv4Net>,
}

/// What `server init` made.
#[derive(Debug)]
pub struct Made {
    /// `server.yaml`.
    pub file: PathBuf,
    /// The units of systemd.
    pub units: Vec<PathBuf>,
    /// What runs in the environment; `None`: it was not looked at.
    pub reference: Option<u64>,
    /// Secrets without a value, and the file that they belong in.
    pub missing: (Vec<VariableName>, PathBuf),
    /// Why the kernel does not do what a server needs.
    pub kernel: Option<String>,
    /// What should be known of this machine.
    pub remarks: Vec<String>,
    /// The public half of the key that its records are signed with.
    pub key: PathBuf,
}

/// Makes this machine a server. Who calls it has shown the keys, and was told to trust them.
///
/// # Errors
/// A machine that is one already; a ledger that does not verify: then nothing is kept.
pub async fn init(session: &Session, settings: &Settings, trust: &TrustFile) -> Result<Made> {
    let paths = &session.home.paths;
    let path = paths.server();
    if path.exists() {
        return Err(Error::usage(format!(
            "this machine is a server already: {}",
            path.display()
        ))
        .hint("`devenv server remove` undoes that"));
    }
    let ground = Ground::look().await?;
    let text = server::text(
        &trust.platform,
        &settings.registry,
        &settings.environment,
        &settings.name,
        settings.addresses,
        ground.ipv6 == Reach::Open && Kernel.leads_ipv6(),
    );
    let parsed = ServerFile::parse(&path.display().to_string(), text.as_bytes())?;
    let owner = Owner::load(paths)?;
    let registry = session.registry();
    let (mut reference, mut missing) = (None, Vec::new());
    if registry.is_some() {
        let follow = Follow {
            session,
            file: &parsed,
            trust,
            owner: &owner,
            registry: registry.as_ref(),
            cache: session.cache(),
        };
        let (number, wanted) = follow.secrets().await?;
        reference = Some(number);
        let configuration = parsed.configuration()?;
        missing = secrets::missing(session, &trust.platform, &configuration, &wanted)?;
    }
    file::write(&paths.trust(&trust.platform), trust.to_yaml()?.as_bytes())?;
    let units = write_units(session)?;
    key::own(paths)?;
    // Last: from then on it is a server.
    file::write(&path, text.as_bytes())?;
    let table = ruleset::table(&parsed.name);
    let kernel = Kernel.led(&table).await.err();
    let remarks = ground.remarks();
    Ok(Made {
        file: path,
        units,
        reference,
        missing: (missing, paths.secrets(&trust.platform)),
        kernel: kernel.map(|error| error.chain().join(": ")),
        remarks: remarks.into_iter().map(|it| it.long).collect(),
        key: paths.server_key().with_extension("pub"),
    })
}

fn write_units(session: &Session) -> Result<Vec<PathBuf>> {
    let program = std::env::current_exe()
        .map_err(|error| Error::usage("cannot find this program").because(error))?;
    let given = units::VARIABLES.into_iter().filter_map(|name| {
        let value = session.home.environment.get(name)?;
        Some((name, PathBuf::from(value)))
    });
    let given = given.map(|(name, it)| {
        let found = std::path::absolute(&it).at(Kind::Usage, "find", &it)?;
        Ok((name, found))
    });
    let given = given.collect::<Result<Vec<_>>>()?;
    let given: Vec<_> = given
        .iter()
        .map(|(name, it)| (*name, it.as_path()))
        .collect();
    let folder = session.home.paths.units();
    let mut written = Vec::new();
    for (name, text) in units::texts(&program, &given) {
        let path = folder.join(name);
        file::write(&path, text.as_bytes())?;
        Here::set_mode(&path, 0o644).at(Kind::Usage, "change", &path)?;
        written.push(path);
    }
    Ok(written)
}

/// What `server remove` took away, and left.
#[derive(Debug)]
pub struct Removed {
    /// Containers.
    pub containers: usize,
    /// Volumes that stay.
    pub volumes: Vec<String>,
    /// Units that systemd may still know by links of its own: they are to be disabled by hand.
    pub enabled: Vec<String>,
}

/// Ends the server: its containers and networks, the kernel's table, units and files. Volumes,
/// secrets and the log of events stay.
pub async fn remove(session: &Session) -> Result<Removed> {
    let (open, _lock) = Open::locked(session).await?;
    let now = Timestamp::now;
    let server = open.server(&now, None);
    let mut state = open.state()?;
    let enabled = disable_units(session).await;
    let table = ruleset::table(&open.file.name);
    server.machine.load(&table, Change::Remove).await?;
    server
        .machine
        .let_through(open.file.addresses, false)
        .await?;
    let containers = server.containers().await?.len();
    state.serving = None;
    state.generations.clear();
    server.save(&state)?;
    server.sweep(&mut state).await?;
    let volumes = server.volumes().await?;
    let paths = &session.home.paths;
    let units = units::NAMES.map(|name| paths.units().join(name));
    let files = [
        paths.server_journal(),
        paths.server(),
        paths.trust(&open.file.platform),
        paths.server_seen(),
        paths.server_key(),
        paths.server_key().with_extension("pub"),
    ];
    for path in units.iter().chain(&files) {
        std::fs::remove_file(path).if_there(Kind::Usage, "remove", path)?;
    }
    Ok(Removed {
        containers,
        volumes,
        enabled,
    })
}

/// Has systemd forget the units, so that nothing runs them any more; gives those that it may still know.
async fn disable_units(session: &Session) -> Vec<String> {
    let folder = session.home.paths.units();
    let running = Path::new("/run/systemd/system").is_dir();
    if units::are_known(&folder, running) {
        let words = [&["disable", "--now"][..], &units::NAMES[..]].concat();
        let why = match program::run("systemctl", &words, None).await {
            Ok(Some(Ok(_))) => return Vec::new(),
            Ok(Some(Err(said))) => said,
            Ok(None) => "there is no systemctl".to_owned(),
            Err(error) => error.chain().join(": "),
        };
        session.reporter.warn(&format!(
            "systemd does not disable the units: {}",
            why.trim()
        ));
    }
    let units = units::NAMES.into_iter();
    let there = units.filter(|name| folder.join(name).exists());
    there.map(str::to_owned).collect()
}

impl Follow<'_> {
    /// The number of the reference that runs in the environment, and the secrets that it names.
    async fn secrets(&self) -> Result<(u64, BTreeSet<VariableName>)> {
        let look = self.look().await?;
        let verified = self
            .reference(&look, Self::record(Self::entry(&look)?))
            .await?;
        let containers = verified.reference.containers.values();
        let wanted = containers.flat_map(|it| it.run.secret_names().cloned());
        Ok((verified.reference.number, wanted.collect()))
    }
}
