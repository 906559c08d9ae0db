//! Where a service is, and how it is reached.

use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    sync::Arc,
};

use url::{Host, Url};

use crate::plan::HttpVersion;

/// How a service is spoken to.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    pub protocol: HttpVersion,
    /// Redirects followed at most, on the same host.
    pub redirects: u32,
    /// PEM file of an authority that is trusted beside the usual ones.
    pub ca: Option<PathBuf>,
    /// Bytes of an answer that are read at most.
    pub largest_answer: u64,
}

/// A service, resolved.
#[derive(Debug, Clone)]
pub struct HttpEndpoint {
    pub(super) address: Address,
    /// `http://127.0.0.1:8000`, without a path and without a password.
    pub(super) origin: String,
    /// `127.0.0.1:8000`, the header `Host`.
    pub(super) host: String,
    /// Path before that of every request; empty or `/like/this`.
    pub(super) prefix: String,
    /// `Basic …`, when the URL holds a user.
    pub(super) authorization: Option<String>,
    pub(super) is_tls: bool,
    pub(super) options: Arc<HttpOptions>,
}

/// What is connected to.
#[derive(Debug, Clone)]
pub(super) enum Address {
    Tcp(Vec<SocketAddr>),
    Unix(PathBuf),
}

/// Why a service can't be reached.
#[derive(Debug, thiserror::Error)]
pub enum HttpEndpointError {
    #[error("the URL of the service can't be read")]
    Url,
    #[error("{host} has no address: {error}")]
    Resolve { host: String, error: std::io::Error },
    #[error("can't read {path}: {error}")]
    Authority { path: String, error: std::io::Error },
    #[error("the HTTP client can't be made: {0}")]
    Client(String),
}

impl HttpEndpoint {
    /// Reads a URL and looks its host up, once.
    ///
    /// # Errors
    /// When it isn't one, or the host is unknown. Never with a password in the message.
    pub fn resolve(text: &str, options: HttpOptions) -> Result<Self, HttpEndpointError> {
        let options = Arc::new(options);
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self {
                address: Address::Unix(path.into()),
                origin: "http://localhost".into(),
                host: "localhost".into(),
                prefix: String::new(),
                authorization: None,
                is_tls: false,
                options,
            });
        }
        let url = Url::parse(text).map_err(|_| HttpEndpointError::Url)?;
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(HttpEndpointError::Url);
        };
        let name = match host {
            Host::Domain(domain) => domain.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let addresses = (name.as_str(), port)
            .to_socket_addrs()
            .map_err(|error| HttpEndpointError::Resolve { host: name, error })?
            .collect();
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        let authorization = (!url.username().is_empty() || url.password().is_some()).then(|| {
            use base64::{Engine, prelude::BASE64_STANDARD};
            let user = format!("{}:{}", url.username(), url.password().unwrap_or_default());
            format!("Basic {}", BASE64_STANDARD.encode(user))
        });
        Ok(Self {
            address: Address::Tcp(addresses),
            origin: format!("{}://{authority}", url.scheme()),
            host: authority,
            prefix: url.path().trim_end_matches('/').to_owned(),
            authorization,
            is_tls: url.scheme() == "https",
            options,
        })
    }

    /// The host's name, as the user wrote it.
    pub fn host_name(&self) -> &str {
        let host = self.host.rsplit_once(':').map_or(self.host.as_str(), |(host, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { &self.host }
        });
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// True when nothing but this machine can be meant: every address that the name has is loopback.
    pub fn is_loopback(&self) -> bool {
        match &self.address {
            Address::Unix(_) => true,
            Address::Tcp(addresses) => {
                !addresses.is_empty() && addresses.iter().all(|address| is_loopback(address.ip()))
            }
        }
    }

    /// For people: the URL without user and password.
    pub fn describe(&self) -> String {
        match &self.address {
            Address::Unix(path) => format!("unix:{}", path.display()),
            Address::Tcp(_) => format!("{}{}", self.origin, self.prefix),
        }
    }

    /// Over TLS, HTTP/2 and redirects reqwest's client is used, and for other hosts, which a proxy may
    /// stand before.
    pub(super) fn is_raw(&self) -> bool {
        !self.is_tls
            && self.options.protocol == HttpVersion::Http1
            && self.options.redirects == 0
            && self.is_loopback()
    }
}

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|inner| inner.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> HttpEndpoint {
        let options =
            HttpOptions { protocol: HttpVersion::Http1, redirects: 0, ca: None, largest_answer: 1024 };
        HttpEndpoint::resolve(url, options).expect("a URL")
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for url in ["http://127.0.0.1:80", "http://localhost:8000/x/", "http://[::1]:9", "unix:/tmp/s"] {
            assert!(endpoint(url).is_loopback(), "{url}");
        }
        for url in ["http://192.0.2.1", "http://0.0.0.0:80", "http://[2001:db8::1]:80"] {
            assert!(!endpoint(url).is_loopback(), "{url}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let endpoint = endpoint("http://user:geheim@127.0.0.1:8000/api/");
        assert_eq!(endpoint.describe(), "http://127.0.0.1:8000/api");
        assert_eq!((endpoint.host.as_str(), endpoint.host_name()), ("127.0.0.1:8000", "127.0.0.1"));
        assert_eq!(endpoint.authorization.as_deref(), Some("Basic dXNlcjpnZWhlaW0="));
    }
}
