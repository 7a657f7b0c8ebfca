//! References of all that is released, and ledgers.

use super::*;

impl Synthetic {
    /// The reference of what is released now, under the next number, not yet published.
    pub fn compile(&mut self) -> Reference {
        self.number += 1;
        let platform = Platform::parse(
            "platform.yaml",
            &fs::read(self.work().join("platform.yaml")).unwrap(),
        )
        .unwrap();
        let definition = |name: &str| -> Definition {
            let path = self
                .work()
                .join("containers")
                .join(name)
                .join("container.yaml");
            devenv::model::yaml::read(
                devenv::error::Kind::Definitions,
                name,
                &fs::read(path).unwrap(),
            )
            .unwrap()
        };
        let names: Vec<String> = self
            .versions
            .keys()
            .map(ToString::to_string)
            .chain(["front".into()])
            .collect();
        let definitions: BTreeMap<String, Definition> = names
            .iter()
            .map(|name| (name.clone(), definition(name)))
            .collect();
        let runs: BTreeMap<&str, RunSpecification> = definitions
            .iter()
            .map(|(name, it)| {
                (
                    name.as_str(),
                    RunSpecification::resolve(it, &platform.defaults),
                )
            })
            .collect();
        let containers = definitions
            .iter()
            .map(|(name, definition)| {
                let container = ContainerName::new(name.as_str()).unwrap();
                let released = self.versions.get(&container);
                let needs = definition.needs.iter().map(|need| ResolvedNeed {
                    until: need
                        .until
                        .unwrap_or_else(|| runs[need.container.as_str()].default_until()),
                    container: need.container.clone(),
                });
                let entry = ReferenceContainer {
                    version: released.map(|(version, _)| version.clone()),
                    repository: self.repository(name),
                    digest: released.map(|(_, digest)| *digest),
                    description: definition.description.clone(),
                    needs: needs.collect(),
                    uses: definition.uses.clone(),
                    routes: definition.routes.clone(),
                    run: runs[name.as_str()].clone(),
                };
                assert!(
                    released.is_some() || definition.kind == Kind::Proxy,
                    "{name} is not released"
                );
                (container, entry)
            })
            .collect();
        Reference {
            schema: reference::SCHEMA,
            platform: platform.platform,
            number: self.number,
            created: now(),
            commit: self.commit.clone(),
            environments: platform.environments,
            configuration_variable: platform.configuration_variable,
            proxy: platform.proxy,
            bundles: BTreeMap::new(),
            containers,
            members: BTreeMap::new(),
        }
    }

    /// Publishes and signs the next reference.
    pub async fn reference(&mut self) -> (u64, Digest) {
        let reference = self.compile();
        self.publish_reference(&reference).await
    }

    /// Promotes the newest reference: the next document of the environment's ledger.
    pub async fn promote(&mut self, environment: &str) {
        let repository = self.repository("front");
        let tag = Tag::new(self.number.to_string()).unwrap();
        let digest = self
            .registry
            .resolve(&repository, &tag)
            .await
            .unwrap()
            .unwrap();
        self.promote_to(environment, self.number, digest).await;
    }

    /// Appends an entry to an environment's ledger and publishes it.
    pub async fn promote_to(&mut self, environment: &str, number: u64, digest: Digest) {
        let environment = EnvironmentName::new(environment).unwrap();
        let sequence = self
            .sequences
            .get(&environment)
            .copied()
            .unwrap_or_default()
            + 1;
        let entry = LedgerEntry {
            number,
            digest,
            at: now(),
            by: "a test".into(),
            reason: String::new(),
        };
        let expires = now() + SignedDuration::from_hours(24 * 90);
        let ledger = match self.ledgers.get(&environment) {
            None => Ledger::first(
                self.trust.platform.clone(),
                environment.clone(),
                sequence,
                entry,
                expires,
            ),
            Some(before) => before.append(sequence, entry, expires),
        }
        .unwrap();
        let statement = self.statement("front", digest, ledger.clone());
        let tags = [format!("{environment}-{sequence}"), environment.to_string()];
        self.publish_document("environments", &tags, self.bundles(&statement))
            .await;
        self.sequences.insert(environment.clone(), sequence);
        self.ledgers.insert(environment, ledger);
    }

    /// The ledger of an environment as it was last published.
    pub fn ledger(&self, environment: &str) -> Ledger {
        self.ledgers[environment].clone()
    }
}
