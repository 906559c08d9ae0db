//! A connection of a worker: one request at a time, for as long as the service keeps it open.

use std::time::Duration;

use hyper::{
    Method, Request,
    header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};

use super::{
    super::Failure, Answer, HttpEndpoint, HttpEndpointError, OutgoingBody, pooled::Pooled, raw::Raw,
};
use crate::outcome::Cause;

const AGENT: &str = concat!("deadheat/", env!("CARGO_PKG_VERSION"));

/// A request without its body.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub method: String,
    /// Path and query, after the service's own path.
    pub path: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// A way to send one request at a time.
#[derive(Debug)]
pub enum Connection {
    /// Held by us.
    Raw(Box<Raw>),
    /// Of reqwest's pool.
    Pooled(Pooled),
}

impl Connection {
    /// A connection that is made when it is first used.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(endpoint: &HttpEndpoint) -> Result<Self, HttpEndpointError> {
        if endpoint.is_raw() {
            Ok(Self::Raw(Box::default()))
        } else {
            Pooled::new(endpoint).map(Self::Pooled)
        }
    }

    /// One more way to send, beside this one: a further connection, or a further stream of HTTP/2.
    #[must_use]
    pub fn beside(&self) -> Self {
        match self {
            Self::Raw(_) => Self::Raw(Box::default()),
            Self::Pooled(pooled) => Self::Pooled(pooled.clone()),
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// What went wrong, classified: [`Cause::Connection`] when the request never left, [`Cause::Reset`]
    /// when it may have been carried out.
    pub async fn send(
        &mut self,
        endpoint: &HttpEndpoint,
        outgoing: Outgoing,
        body: OutgoingBody,
        timeout: Duration,
    ) -> Result<Answer, Failure> {
        let request = request(endpoint, outgoing, body, matches!(self, Self::Raw(_)))?;
        let answer = async {
            match self {
                Self::Raw(raw) => raw.send(endpoint, request).await,
                Self::Pooled(pooled) => pooled.send(endpoint, request).await,
            }
        };
        match tokio::time::timeout(timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                // What comes later on this connection would be the answer to another request.
                if let Self::Raw(raw) = self {
                    raw.close();
                }
                let message = format!("no answer within {}", crate::units::format_duration(timeout));
                Err(Failure::http(Cause::Timeout, message))
            }
        }
    }
}

fn request(
    endpoint: &HttpEndpoint,
    outgoing: Outgoing,
    body: OutgoingBody,
    is_raw: bool,
) -> Result<Request<OutgoingBody>, Failure> {
    let Outgoing { method, path, headers } = outgoing;
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Failure::http(Cause::Value, format!("`{method}` is no method")))?;
    // Over our own connections the request line holds the path alone.
    let uri = match (is_raw, endpoint.prefix.is_empty()) {
        (true, true) => path,
        (true, false) => format!("{}{path}", endpoint.prefix),
        (false, _) => format!("{}{}{path}", endpoint.origin, endpoint.prefix),
    };
    let uri: hyper::Uri =
        uri.parse().map_err(|error| Failure::http(Cause::Value, format!("`{uri}` is no path: {error}")))?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let map: &mut HeaderMap = request.headers_mut();
    if is_raw && let Ok(host) = HeaderValue::from_str(&endpoint.host) {
        map.insert(HOST, host);
    }
    map.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(Ok(value)) = endpoint.authorization.as_deref().map(HeaderValue::from_str) {
        map.insert(AUTHORIZATION, value);
    }
    for (name, value) in headers {
        map.insert(name, value);
    }
    Ok(request)
}
