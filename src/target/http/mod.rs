//! HTTP: services, connections, requests, answers and signatures.
//!
//! Requests of HTTP/1.1 to this machine go over connections that a worker holds itself
//! (`raw`); TLS, HTTP/2, redirects and other hosts are reqwest's (`pooled`). Both take the same
//! request and give the same [`Answer`] or classified [`Failure`](super::Failure).

mod answer;
mod body;
mod connection;
mod endpoint;
mod failure;
mod pooled;
mod raw;
mod signing;
mod socket;
mod tls;

pub use answer::Answer;
pub use body::{HeldBody, OutgoingBody, hold};
pub use connection::{Connection, Outgoing};
pub use endpoint::{HttpEndpoint, HttpEndpointError, HttpOptions};
pub use hyper::{
    Method, Uri,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
pub use signing::{Message, Signer, SigningError};
