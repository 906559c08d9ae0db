//! TLS, HTTP/2, redirects and proxies: reqwest's client, one for each worker.

use hyper::Request;
use reqwest::{Client, redirect::Policy};

use super::{
    super::Failure, Answer, HttpEndpoint, HttpEndpointError, OutgoingBody, answer, endpoint::Address,
    failure,
};
use crate::{outcome::Cause, plan::HttpVersion};

/// A worker's client; its clones share the connections.
#[derive(Debug, Clone)]
pub struct Pooled(Client);

impl Pooled {
    pub(super) fn new(endpoint: &HttpEndpoint) -> Result<Self, HttpEndpointError> {
        let options = &endpoint.options;
        let tls = endpoint.tls.clone().expect("an endpoint that isn't raw has settings for TLS");
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirects(options.redirects as usize))
            .retry(reqwest::retry::never())
            .tcp_nodelay(true)
            .referer(false);
        if endpoint.is_loopback() {
            builder = builder.no_proxy();
        }
        builder = match &endpoint.address {
            Address::Unix(path) => builder.unix_socket(path.as_path()),
            // What was looked up and allowed is what is connected to.
            Address::Tcp(addresses) => builder.resolve_to_addrs(endpoint.host_name(), addresses),
        };
        builder = match options.protocol {
            HttpVersion::Http2 => builder.http2_prior_knowledge(),
            HttpVersion::Http1 => builder.http1_only(),
        };
        builder.build().map(Self).map_err(|error| HttpEndpointError::Client(failure::with_sources(&error)))
    }

    pub(super) async fn send(
        &self,
        endpoint: &HttpEndpoint,
        request: Request<OutgoingBody>,
    ) -> Result<Answer, Failure> {
        // Bytes that are there can be sent again after a redirect.
        let request = request.map(|body| match body.into_bytes() {
            Ok(bytes) => reqwest::Body::from(bytes),
            Err(held) => reqwest::Body::wrap(held),
        });
        let request = reqwest::Request::try_from(request)
            .map_err(|error| Failure::http(Cause::Value, failure::with_sources(&error)))?;
        let answer = self.0.execute(request).await.map_err(|error| failure::of_reqwest(&error))?;
        let (parts, body) = hyper::Response::<reqwest::Body>::from(answer).into_parts();
        let body = answer::read(body, endpoint.options.largest_answer, |error| failure::of_reqwest(&error))
            .await?;
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

/// At most this many, and only on the host and port that the request went to.
fn redirects(most: usize) -> Policy {
    if most == 0 {
        return Policy::none();
    }
    Policy::custom(move |attempt| {
        let place = |url: &reqwest::Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
        if attempt.previous().first().is_some_and(|first| place(first) != place(attempt.url())) {
            let to = attempt.url().origin().ascii_serialization();
            attempt.error(format!("it leads to another host, {to}"))
        } else if attempt.previous().len() > most {
            attempt.error(format!("there are more than {most} of them"))
        } else {
            attempt.follow()
        }
    })
}
