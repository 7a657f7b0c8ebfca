//! A platform as a server sees it, and the server.

use super::super::synthetic::Synthetic;
use super::apache::apache_layers;
use super::node::Node;
use super::{TestServer, port, possible};

/// A health check that passes at once.
const HEALTHY: &str = "health: { command: [/probe, check, /probe], interval: 200ms, timeout: 2s, start_period: 1s, retries: 9 }\n";

/// The proxy's routes, with the line that a proxy is drained by.
pub const DRAINS: &str = "SetEnvIfExpr \"-f '/run/drain'\" nokeepalive\n";

/// What shows a certificate at the proxy's other port.
const TLS: &str = "Listen 81\n<VirtualHost *:81>\nSSLEngine on\nSSLCertificateFile /etc/tls.pem\n\
                   SSLCertificateKeyFile /etc/tls.key\n</VirtualHost>\n";

/// The way to billing where one of it is all that ever runs.
const ALONE: &str =
    "ProxyPass /billing http://billing:8080/billing disablereuse=on retry=0 connectiontimeout=2\n";

/// The way to billing where it can run twice: as that of the demo's proxy.
const BALANCED: &str = "<Proxy balancer://billing>\n\
    BalancerMember http://billing-1:8080 route=1 disablereuse=on retry=1 connectiontimeout=2 hcmethod=TCP hcinterval=1 hcfails=1 hcpasses=1 status=+C\n\
    BalancerMember http://billing-2:8080 route=2 disablereuse=on retry=1 connectiontimeout=2 hcmethod=TCP hcinterval=1 hcfails=1 hcpasses=1 status=+C\n\
    ProxySet stickysession=ROUTEID\n</Proxy>\n\
    ProxyPass /billing balancer://billing/billing\n\
    Header always set X-Member \"%{BALANCER_WORKER_ROUTE}e\"\n\
    Header add Set-Cookie \"ROUTEID=.%{BALANCER_WORKER_ROUTE}e; Path=/\" env=BALANCER_ROUTE_CHANGED\n";

/// Where a container that is gone has no name, its name is the proxy's own, which refuses at once.
const HOSTS: &str = "127.0.0.1 billing billing-1 billing-2\\n";

/// A platform behind Debian's own Apache: the app `billing`, which says its version and needs the
/// database `ledger-db`, whose data cannot be twice.
pub struct World {
    pub platform: Synthetic,
    pub server: TestServer,
    drain: &'static str,
    /// Where the proxy listens.
    listen: &'static str,
    /// What billing's definition says of its copies.
    replicas: &'static str,
    /// What the proxy publishes besides its port: its own 81.
    pub more: Option<u16>,
    /// A layer with the proxy's certificate, which it then shows at 81.
    pub certificate: Option<Vec<u8>>,
    version: u32,
    number: u64,
}

impl World {
    /// Version 1 is released; nothing serves yet.
    pub async fn new() -> Option<Self> {
        Self::with(DRAINS).await
    }

    pub async fn with(drain: &'static str) -> Option<Self> {
        if !possible() {
            return None;
        }
        Some(Self::made(drain, "", None).await)
    }

    /// The same, where billing is behind a balancer of two.
    pub async fn copied(replicas: &'static str) -> Option<Self> {
        if !possible() {
            return None;
        }
        Some(Self::made(DRAINS, replicas, None).await)
    }

    /// The same, where the proxy listens there only.
    pub async fn listening(listen: &'static str) -> Option<Self> {
        let mut world = Self::new().await?;
        world.listen = listen;
        world.reference().await;
        Some(world)
    }

    /// The same on a machine of its own.
    pub async fn on(node: &Node) -> Self {
        Self::made(DRAINS, "", Some(node)).await
    }

    async fn made(drain: &'static str, replicas: &'static str, node: Option<&Node>) -> Self {
        let platform = Synthetic::define(&[("billing", ""), ("ledger-db", "")]);
        let mut world = Self {
            server: TestServer::unset(port()),
            platform,
            drain,
            listen: "80",
            replicas,
            more: None,
            certificate: None,
            version: 0,
            number: 0,
        };
        world.database("1");
        world.platform.release("ledger-db", "1.0").await;
        world.release(0).await;
        let (engine, space) = (node.map(Node::engine), node.map(|it| it.name.clone()));
        world.server = TestServer::on(engine, space, &world.platform, world.server.port);
        world
    }

    /// What billing says: `v` and this.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The newest reference.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Writes the database's definition; a change of `word` is one of its specification.
    pub fn database(&mut self, word: &str) {
        let text = format!(
            "kind: service\ncommand: [/probe, sleep, \"{word}\"]\nvolumes: {{ data: /data }}\n{HEALTHY}"
        );
        self.platform.write_container("ledger-db", &text);
    }

    /// The next version of billing, which takes so many milliseconds for an answer, with a proxy that
    /// expects it, promoted to production.
    pub async fn release(&mut self, delay: u32) {
        self.version += 1;
        let version = self.version;
        let billing = format!(
            "port: 8080\ncommand: [/probe, serve, \"8080\", v{version}, \"{delay}\"]\nroutes: [{{ path: /billing }}]\n\
             needs: [ledger-db]\nvolumes: {{ logs: /var/log/tomcat }}\n{HEALTHY}{}",
            self.replicas
        );
        self.platform.write_container("billing", &billing);
        self.platform
            .release("billing", &format!("1.{version}"))
            .await;
        self.reference().await;
    }

    /// The next reference with what is released, promoted to production.
    pub async fn reference(&mut self) -> u64 {
        let more = self.more.map_or_else(String::new, |port| {
            format!(", {{ host: {port}, container: 81 }}")
        });
        let front = format!(
            "kind: proxy\npublish: [{{ host: {}, container: 80 }}{more}]\ncommand: [/probe, hosts, \"{HOSTS}\", /usr/sbin/apache2, -DFOREGROUND, -f, /etc/apache.conf]\n\
             environment: {{ LC_ALL: C }}\n{HEALTHY}",
            self.server.port
        );
        self.platform.write_container("front", &front);
        let (drain, version) = (self.drain, self.version);
        let tls = self.certificate.as_ref().map_or("", |_| TLS);
        let way = if self.replicas.is_empty() {
            ALONE
        } else {
            BALANCED
        };
        let routes = format!(
            "{tls}{drain}Header always set X-Want v{version}\nHeader always set X-Client expr=%{{REMOTE_ADDR}}\n{way}"
        );
        self.platform.proxy_layers = apache_layers(self.listen, &routes);
        self.platform.proxy_layers.extend(self.certificate.clone());
        self.platform.push("The next version");
        (self.number, _) = self.platform.reference().await;
        self.platform.promote("production").await;
        self.number
    }
}
