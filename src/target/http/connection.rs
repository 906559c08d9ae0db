//! A connection of a worker: one request at a time, for as long as the service keeps it open.

use std::time::Duration;

use hyper::{HeaderMap, Method, Request, Uri};

use super::{
    super::Failure, Answer, HttpEndpoint, HttpEndpointError, OutgoingBody, pooled::Pooled, raw::Raw,
};
use crate::outcome::Cause;

/// A request without its body.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub method: Method,
    /// Made by [`HttpEndpoint::uri`].
    pub uri: Uri,
    /// Those of [`HttpEndpoint::headers`] and more.
    pub headers: HeaderMap,
}

impl Outgoing {
    /// A `GET` of a path with the headers that every request has.
    ///
    /// # Errors
    /// When it is no path.
    pub fn get(endpoint: &HttpEndpoint, path: String) -> Result<Self, Failure> {
        Ok(Self { method: Method::GET, uri: endpoint.uri(path)?, headers: endpoint.headers().clone() })
    }
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
    /// When the client can't be set up.
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
        let mut request = Request::new(body);
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = outgoing.uri;
        *request.headers_mut() = outgoing.headers;
        let answer = async {
            match self {
                Self::Raw(raw) => raw.send(endpoint, request).await,
                Self::Pooled(pooled) => pooled.send(endpoint, request).await,
            }
        };
        // NB: a request that is given up takes its connection along, so that a late answer is never
        // taken for the answer to the next request.
        tokio::time::timeout(timeout, answer).await.unwrap_or_else(|_| {
            let message = format!("no answer within {}", crate::units::format_duration(timeout));
            Err(Failure::http(Cause::Timeout, message))
        })
    }
}
