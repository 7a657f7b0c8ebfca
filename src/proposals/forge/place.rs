//! Where a forge is: its web host, its API's address, the path of the project. Only the address
//! that git itself uses decides the host; what definitions say may not lead a token elsewhere.

use reqwest::Url;

use crate::error::{Error, Result};
use crate::model::visible::visible;

/// How the user says where the forge is.
pub const OWN_WORD: &str =
    "`forges: { PLATFORM: https://… }` in settings.yaml is your own word for where the forge is";

/// A project on a forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The host without port; none for a repository in a folder.
    host: Option<String>,
    /// The root that API paths are below.
    api: Option<Url>,
    /// `group/project`, without `.git`.
    project: String,
}

impl Place {
    /// From the address that git uses (without secrets), an `api` root that the definitions name,
    /// and one that the user's settings name. Fails with [`crate::error::Kind::Trust`] where the
    /// definitions' one is elsewhere than git's: scheme and port count, since other ports of a host
    /// are other people's; where git goes over ssh, it is the host's own https.
    pub fn new(remote: &str, proposed: Option<&str>, chosen: Option<&str>) -> Result<Self> {
        let (scheme, authority, path) = parts(remote);
        let host = authority.map(|it| without_port(it).to_ascii_lowercase());
        if let Some(api) = chosen {
            let api = root(api)?;
            return Ok(Self {
                host: api.host_str().map(ToOwned::to_owned),
                api: Some(api),
                project: project(path),
            });
        }
        let derived = derived(scheme, authority);
        let api = match proposed {
            Some(api) => {
                let api = root(api)?;
                if derived.as_ref().map(Url::origin) != Some(api.origin()) {
                    return Err(elsewhere(&api, derived.as_ref()));
                }
                Some(api)
            }
            None => derived,
        };
        Ok(Self {
            host,
            api,
            project: project(path),
        })
    }

    /// The host, where there is one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The root of the API, where there is one.
    pub fn api(&self) -> Option<&Url> {
        self.api.as_ref()
    }

    /// `group/project`.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Owner and name, for forges whose projects are two deep.
    pub fn owner_and_name(&self) -> Result<(&str, &str)> {
        match self.project.split_once('/') {
            Some((owner, name)) if !name.contains('/') => Ok((owner, name)),
            _ => Err(Error::git(format!(
                "`{}` is no owner and name of a repository",
                self.project
            ))),
        }
    }

    /// The root of its pages: the API's on the same host.
    pub fn web(&self) -> Option<Url> {
        let mut url = self.api.clone()?;
        url.set_path("/");
        Some(url)
    }

    /// The address of a request as the forge's API gives it. Fails where it is on another host.
    pub fn own(&self, url: String) -> Result<String> {
        if self.holds(&url) {
            Ok(url)
        } else {
            Err(
                Error::git("the forge names an address on another host for its request")
                    .hint(OWN_WORD),
            )
        }
    }

    /// Whether `url` is a plain web address on this host; what a server says is shown only then.
    pub fn holds(&self, url: &str) -> bool {
        // It is shown as it is, not as it is parsed.
        if !url.chars().all(|c| c.is_ascii_graphic()) {
            return false;
        }
        let Ok(url) = Url::parse(url) else {
            return false;
        };
        let plain = ["http", "https"].contains(&url.scheme())
            && url.username().is_empty()
            && url.password().is_none();
        plain && url.host_str() == self.host.as_deref()
    }
}

/// The forge's root as far as git's address tells.
fn derived(scheme: &str, authority: Option<&str>) -> Option<Url> {
    let authority = authority?;
    let url = match scheme {
        "http" | "https" => format!("{scheme}://{authority}/"),
        _ => format!("https://{}/", without_port(authority)),
    };
    Url::parse(&url).ok()
}

/// Scheme, `host[:port]` and path.
fn parts(remote: &str) -> (&str, Option<&str>, &str) {
    if let Some((scheme, rest)) = remote.split_once("://") {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit('@').next().unwrap_or(authority);
        return (scheme, (!host.is_empty()).then_some(host), path);
    }
    match remote.split_once(':') {
        Some((host, path)) if !host.contains('/') && !remote.starts_with('/') => {
            ("ssh", host.rsplit('@').next(), path)
        }
        _ => ("file", None, remote),
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn project(path: &str) -> String {
    let path = path.trim_matches('/');
    path.strip_suffix(".git").unwrap_or(path).to_owned()
}

fn root(text: &str) -> Result<Url> {
    let wrong = || {
        let text = visible(text);
        Error::usage(format!("`{text}` is not the root of a forge's API"))
            .hint("an address as https://forge.company.example, without user and password")
    };
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    let plain = ["http", "https"].contains(&url.scheme()) && url.username().is_empty();
    if !plain || url.password().is_some() || url.host_str().is_none() {
        return Err(wrong());
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn elsewhere(api: &Url, git: Option<&Url>) -> Error {
    let origin = |url: &Url| url.origin().ascii_serialization();
    Error::trust(format!(
        "the definitions name a forge on {}, but git uses {}",
        origin(api),
        git.map_or_else(|| "no host at all".to_owned(), origin)
    ))
    .hint("no token is sent where the definitions alone say so")
    .hint(OWN_WORD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn place(remote: &str) -> Place {
        Place::new(remote, None, None).unwrap()
    }

    #[test]
    fn all_forms_of_addresses_name_host_and_project() {
        for (remote, api) in [
            (
                "https://git.acme.example:8443/team/platform.git",
                "https://git.acme.example:8443/",
            ),
            (
                "ssh://git@git.acme.example:2222/team/platform.git",
                "https://git.acme.example/",
            ),
            (
                "git@git.acme.example:team/platform.git",
                "https://git.acme.example/",
            ),
            (
                "http://git.acme.example/team/platform/",
                "http://git.acme.example/",
            ),
        ] {
            let place = place(remote);
            assert_eq!(place.host(), Some("git.acme.example"), "{remote}");
            assert_eq!(place.project(), "team/platform", "{remote}");
            assert_eq!(place.api().unwrap().as_str(), api, "{remote}");
        }
        assert_eq!(place("file:///srv/p.git").host(), None);
        assert_eq!(place("/srv/p.git").api(), None);
    }

    #[test]
    fn definitions_cannot_lead_a_token_to_another_host() {
        let remote = "https://git.acme.example/p.git";
        let other = Some("https://evil.example/");
        assert_eq!(
            Place::new(remote, other, None).unwrap_err().kind(),
            Kind::Trust
        );
        assert!(Place::new("/srv/p.git", other, None).is_err());
        for (remote, api) in [
            (remote, "https://git.acme.example:8443/"),
            (remote, "http://git.acme.example/"),
            ("http://127.0.0.1:8080/p.git", "http://127.0.0.1:9090/"),
            (
                "ssh://git@git.acme.example:2222/p.git",
                "https://git.acme.example:2222/",
            ),
            ("git@git.acme.example:p.git", "http://git.acme.example/"),
        ] {
            let refused = Place::new(remote, Some(api), None).unwrap_err();
            assert_eq!(refused.kind(), Kind::Trust, "{remote} {api}");
        }
        let ssh = Place::new(
            "git@git.acme.example:p.git",
            Some("https://git.acme.example/x"),
            None,
        );
        assert_eq!(ssh.unwrap().api().unwrap().path(), "/x/");
        let same = Some("https://git.acme.example/forge");
        let place = Place::new(remote, same, None).unwrap();
        assert_eq!(
            place.api().unwrap().as_str(),
            "https://git.acme.example/forge/"
        );
        let mine = Place::new(remote, other, Some("https://forge.acme.example")).unwrap();
        assert_eq!(mine.host(), Some("forge.acme.example"));
        assert!(Place::new(remote, None, Some("https://a:b@forge.acme.example")).is_err());
    }

    #[test]
    fn only_plain_addresses_on_the_host_are_taken() {
        let place = place("git@git.acme.example:team/platform.git");
        assert!(place.holds("https://git.acme.example/team/platform/-/merge_requests/1"));
        for bad in [
            "https://git.acme.example.evil.example/x",
            "https://git.acme.example@evil.example/x",
            "https://me:pw@git.acme.example/x",
            "https://git.acme.example/\u{1b}[31m",
            "https://git.acme.example/\u{202e}x",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "not an address",
        ] {
            assert!(!place.holds(bad), "{bad}");
        }
        assert!(
            !Place::new("/srv/p.git", None, None)
                .unwrap()
                .holds("https://x/")
        );
    }
}
