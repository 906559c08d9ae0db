//! Where a service is, and how it is reached.

use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    sync::Arc,
};

use hyper::{
    HeaderMap, Uri,
    header::{AUTHORIZATION, HOST, HeaderValue, USER_AGENT},
};
use url::{Host, Url};

use super::{super::Failure, tls};
use crate::{outcome::Cause, plan::HttpVersion};

const AGENT: &str = concat!("deadheat/", env!("CARGO_PKG_VERSION"));

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

impl Default for HttpOptions {
    /// HTTP/1.1 without redirects, and answers of a few pages.
    fn default() -> Self {
        Self { protocol: HttpVersion::Http1, redirects: 0, ca: None, largest_answer: 64 * 1024 }
    }
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
    /// Of every request.
    headers: HeaderMap,
    /// For reqwest's client; our own connections have no TLS.
    pub(super) tls: Option<rustls::ClientConfig>,
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
    #[error("{path} holds no authority: {message}")]
    Certificate { path: String, message: String },
    #[error("the HTTP client can't be made: {0}")]
    Client(String),
}

impl HttpEndpoint {
    /// Reads a URL and looks its host up, once.
    ///
    /// # Errors
    /// When it isn't one, the host is unknown, or the authority's file can't be used. Never with a
    /// password in the message.
    pub fn resolve(text: &str, options: HttpOptions) -> Result<Self, HttpEndpointError> {
        let mut endpoint = Self {
            address: Address::Tcp(Vec::new()),
            origin: "http://localhost".into(),
            host: "localhost".into(),
            prefix: String::new(),
            headers: HeaderMap::new(),
            tls: None,
            options: Arc::new(options),
        };
        let mut authorization = None;
        if let Some(path) = text.strip_prefix("unix:") {
            endpoint.address = Address::Unix(path.into());
        } else {
            let url = Url::parse(text).map_err(|_| HttpEndpointError::Url)?;
            endpoint.place(&url)?;
            authorization = basic(&url);
        }
        if endpoint.needs_client() {
            endpoint.tls = Some(tls::config(&endpoint.options)?);
        }
        endpoint.headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if endpoint.is_raw() {
            let host = HeaderValue::from_str(&endpoint.host).map_err(|_| HttpEndpointError::Url)?;
            endpoint.headers.insert(HOST, host);
        }
        if let Some(value) = authorization {
            endpoint.headers.insert(AUTHORIZATION, value?);
        }
        Ok(endpoint)
    }

    /// Takes over where a URL leads. One that isn't of HTTP, or says more than where, isn't one.
    fn place(&mut self, url: &Url) -> Result<(), HttpEndpointError> {
        let is_http = matches!(url.scheme(), "http" | "https");
        if !is_http || url.query().is_some() || url.fragment().is_some() {
            return Err(HttpEndpointError::Url);
        }
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
            .map_err(|error| HttpEndpointError::Resolve { host: name, error })?;
        self.address = Address::Tcp(addresses.collect());
        let host = url.host_str().unwrap_or_default();
        self.host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        self.origin = format!("{}://{}", url.scheme(), self.host);
        self.prefix = url.path().trim_end_matches('/').to_owned();
        Ok(())
    }

    /// Headers that every request has.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Where a request with this path goes to, as its connection wants it.
    ///
    /// # Errors
    /// [`Cause::Value`] when it is no path: nothing is sent.
    pub fn uri(&self, path: String) -> Result<Uri, Failure> {
        // Over our own connections the request line holds the path alone.
        let text = match (self.is_raw(), self.prefix.is_empty()) {
            (true, true) => path,
            (true, false) => self.prefix.clone() + &path,
            (false, _) => format!("{}{}{path}", self.origin, self.prefix),
        };
        Uri::try_from(text.as_str())
            .map_err(|error| Failure::http(Cause::Value, format!("`{text}` is no path: {error}")))
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

    /// True on this machine, and where the user allows the host by name.
    pub fn is_allowed(&self, hosts: &[String]) -> bool {
        self.is_loopback() || hosts.iter().any(|host| host == self.host_name())
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
    fn needs_client(&self) -> bool {
        self.origin.starts_with("https:")
            || self.options.protocol != HttpVersion::Http1
            || self.options.redirects > 0
            || !self.is_loopback()
    }

    /// Over connections of our own.
    pub(super) fn is_raw(&self) -> bool {
        self.tls.is_none()
    }
}

/// `Basic …`, when the URL holds a user.
fn basic(url: &Url) -> Option<Result<HeaderValue, HttpEndpointError>> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let mut user = decoded(url.username());
    user.push(b':');
    user.extend(decoded(url.password().unwrap_or_default()));
    let value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(user)));
    Some(value.map_err(|_| HttpEndpointError::Url).map(|mut value| {
        value.set_sensitive(true);
        value
    }))
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
        HttpEndpoint::resolve(url, HttpOptions::default()).expect("a URL")
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
    fn nothing_but_http_is_spoken() {
        for url in
            ["ftp://127.0.0.1:9", "postgres://127.0.0.1:9/x", "http://127.0.0.1:9/?a=b", "http://[::1]:9#c"]
        {
            let refused = HttpEndpoint::resolve(url, HttpOptions::default());
            assert!(matches!(refused, Err(HttpEndpointError::Url)), "{url}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let endpoint = endpoint("http://user:geheim@127.0.0.1:8000/api/");
        assert_eq!(endpoint.describe(), "http://127.0.0.1:8000/api");
        assert_eq!((endpoint.host.as_str(), endpoint.host_name()), ("127.0.0.1:8000", "127.0.0.1"));
        assert_eq!(endpoint.headers()[AUTHORIZATION], "Basic dXNlcjpnZWhlaW0=");
        assert!(!format!("{endpoint:?}").contains("dXNlcjpnZWhlaW0="), "nor in what is logged");
    }

    #[test]
    fn a_path_is_put_after_the_services_own() {
        let plain = endpoint("http://127.0.0.1:8000");
        assert_eq!(plain.uri("/a?b=c".into()).expect("a path").to_string(), "/a?b=c");
        let below = endpoint("http://127.0.0.1:8000/api/");
        assert_eq!(below.uri("/a".into()).expect("a path").path(), "/api/a");
        let tls = endpoint("https://127.0.0.1:8000/api");
        assert_eq!(tls.uri("/a".into()).expect("a path").to_string(), "https://127.0.0.1:8000/api/a");
        let failure = plain.uri("/a b".into()).expect_err("a blank");
        assert_eq!(failure.cause, Cause::Value);
        assert!(failure.to_string().starts_with("`/a b` is no path"), "{failure}");
    }
}
