//! Certificates as boot2docker makes them, by openssl.
//!
//! Source: `SvenDowideit/generate_cert`, file `generate_cert.go`, which boot2docker 1.3 and later run at their
//! first start (and docker-machine's `libmachine/cert/cert.go` after it): RSA of 2048 bits in PKCS#1,
//! 1080 days, organisation only, the server's certificate without an extended key usage and with the
//! addresses as alternative names.

use std::path::{Path, PathBuf};

use super::second_engine::{installed, run};

/// A folder with `ca.pem`, `server.pem`, `serverkey.pem`, and for the client `cert.pem`, `key.pem`.
pub struct Certificates {
    pub folder: PathBuf,
}

const DAYS: &str = "1080";
const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyEncipherment,digitalSignature,keyCertSign\n";
const CLIENT: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n";

impl Certificates {
    /// For an engine at `address`.
    pub fn boot2docker(folder: &Path, address: &str) -> Self {
        let server = format!(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyEncipherment,digitalSignature\nsubjectAltName=DNS:boot2docker,IP:127.0.0.1,IP:10.0.2.15,IP:{address}\n"
        );
        Self::make(folder, &server, DAYS)
    }

    /// With these extensions in the server's certificate, which ends in so many days.
    pub fn make(folder: &Path, server: &str, days: &str) -> Self {
        installed("openssl", "openssl");
        std::fs::create_dir_all(folder).unwrap();
        let it = Self {
            folder: folder.to_owned(),
        };
        it.key("cakey.pem");
        it.certificate(
            "Boot2DockerCA",
            "cakey.pem",
            "ca.pem",
            AUTHORITY,
            DAYS,
            false,
        );
        it.key("serverkey.pem");
        it.certificate(
            "Boot2Docker",
            "serverkey.pem",
            "server.pem",
            server,
            days,
            true,
        );
        it.key("key.pem");
        it.certificate("Boot2Docker", "key.pem", "cert.pem", CLIENT, DAYS, true);
        it
    }

    fn key(&self, name: &str) {
        let file = self.path(name);
        run(
            "openssl",
            &["genrsa", "-traditional", "-out", &file, "2048"],
        );
    }

    fn certificate(
        &self,
        organisation: &str,
        key: &str,
        name: &str,
        extensions: &str,
        days: &str,
        signed: bool,
    ) {
        let (request, wanted) = (self.path("request"), self.path("extensions"));
        std::fs::write(&wanted, extensions).unwrap();
        let subject = format!("/O={organisation}");
        let key = self.path(key);
        run(
            "openssl",
            &[
                "req", "-new", "-key", &key, "-subj", &subject, "-out", &request,
            ],
        );
        let (file, ca, ca_key) = (self.path(name), self.path("ca.pem"), self.path("cakey.pem"));
        let mut arguments = vec![
            "x509", "-req", "-sha256", "-days", days, "-in", &request, "-extfile", &wanted, "-out",
            &file,
        ];
        if signed {
            arguments.extend(["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"]);
        } else {
            arguments.extend(["-signkey", &key]);
        }
        run("openssl", &arguments);
    }

    /// The file `name` of the folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}
