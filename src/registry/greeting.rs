//! The first word with a registry, without a login: for whoever wants to know how it is.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap};
use reqwest::{Method, Request, Response};

use super::Registry;
use super::fault::{Fault, Lost};
use super::host::authority;
use crate::model::image::Repository;
use crate::network::tls::ServerCertificate;

/// What a registry's first answer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// `host[:port]`, a mirror's where one is set.
    pub host: String,
    /// Whether it speaks TLS.
    pub is_tls: bool,
    /// Whether the settings call it insecure.
    pub is_insecure: bool,
    /// Status of its answer: 200, or 401 where it wants a login.
    pub status: u16,
    /// Its clock (`Date`, RFC 9110), whole seconds.
    pub date: Option<Timestamp>,
}

impl Registry {
    /// Asks the registry that `repository` is read from for `/v2/`. Any answer is one.
    pub async fn greet(&self, repository: &Repository) -> Result<Greeting, Fault> {
        let call = self.call(Method::GET, repository, "", "pull")?;
        let call = self.schemes.choose(&self.wire, &call).await?;
        let mut url = call.home.clone();
        url.set_path("/v2/");
        let ask = |url| self.wire.exchange(Request::new(Method::GET, url));
        let mut answer = ask(url.clone()).await;
        if url.scheme() == "http" && may_speak_tls(&answer) {
            let mut over_tls = url.clone();
            let _ = over_tls.set_scheme("https");
            match ask(over_tls).await {
                Err(Fault::Unreachable { .. }) => {}
                over_tls => answer = over_tls,
            }
        }
        let answer = answer.map_err(|fault| call.told(fault))?;
        Ok(Greeting {
            host: authority(answer.url()),
            is_tls: answer.url().scheme() == "https",
            is_insecure: self.wire.transport.insecure.contains(&call.host.name),
            status: answer.status().as_u16(),
            date: date(answer.headers()),
        })
    }

    /// The certificate that the registry of `repository` presented last, trusted or not.
    pub fn presented(&self, repository: &Repository) -> Option<ServerCertificate> {
        let url = self.call(Method::GET, repository, "", "pull").ok()?.url;
        let name = url.host_str()?.trim_matches(['[', ']']);
        ServerCertificate::parse(&self.wire.transport.presented.of(name)?)
    }
}

/// What Go and nginx say to plain HTTP on a TLS port, or others by hanging up.
fn may_speak_tls(answer: &Result<Response, Fault>) -> bool {
    match answer {
        Ok(answer) => answer.status() == 400,
        Err(Fault::Unreachable { lost, .. }) => *lost == Lost::Broken,
        Err(_) => false,
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(date(&headers), None);
        // Source: RFC 9110, section 5.6.7.
        headers.insert(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        let expected = "1994-11-06T08:49:37Z".parse().unwrap();
        assert_eq!(date(&headers), Some(expected));
    }
}
