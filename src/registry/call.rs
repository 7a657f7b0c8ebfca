//! One request to a registry, as it is before its login is known.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::exchange::Payload;
use super::fault::Fault;
use super::host::{Host, same_server};

/// What a token must allow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope(String);

impl Scope {
    pub(super) fn new(path: &str, actions: &str) -> Self {
        Self(format!("repository:{path}:{actions}"))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Payload,
    pub(super) scope: Scope,
    pub(super) host: Host,
    /// The registry's own address: the login goes there and nowhere else.
    pub(super) home: Url,
    /// What it is about, for errors.
    pub(super) what: String,
}

impl Call {
    /// The same by another scheme, as far as it goes to the registry itself.
    pub(super) fn with_scheme(&self, scheme: &str) -> Self {
        let mut call = self.clone();
        if same_server(&call.url, &call.home) {
            let _ = call.url.set_scheme(scheme);
        }
        let _ = call.home.set_scheme(scheme);
        call
    }

    /// Says what it is about; what a mirror was asked for is told as such.
    pub(super) fn about(mut self, what: String) -> Self {
        self.what = match &self.host.mirror_of {
            None => what,
            Some(_) => format!("{what} (asked of the mirror {})", self.host.name),
        };
        self
    }

    /// A fault of this call: a server that is a mirror is called one.
    pub(super) fn told(&self, mut fault: Fault) -> Fault {
        if let Some(host) = fault.host_mut()
            && host.name == self.host.name
        {
            host.clone_from(&self.host);
        }
        fault
    }

    pub(super) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.append(name, HeaderValue::from_static(value));
        self
    }
}
