//! TLS, HTTP/2, redirects and proxies: reqwest's client, one for each worker.

use std::{error::Error, sync::Once};

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::Request;
use reqwest::{Certificate, Client, redirect::Policy};

use super::{
    super::Failure,
    Answer, HttpEndpoint, HttpEndpointError, OutgoingBody,
    endpoint::Address,
    raw::{classify, too_large, with_sources},
};
use crate::{outcome::Cause, plan::HttpVersion};

/// A worker's client; its clones share the connections.
#[derive(Debug, Clone)]
pub struct Pooled(Client);

impl Pooled {
    pub(super) fn new(endpoint: &HttpEndpoint) -> Result<Self, HttpEndpointError> {
        static PROVIDER: Once = Once::new();
        // A second installation fails, and the first one stands.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let options = &endpoint.options;
        let failed = |error: reqwest::Error| HttpEndpointError::Client(with_sources(&error));
        let mut roots = Vec::new();
        // Those that come along, so that a machine without any can be used.
        for root in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            roots.push(Certificate::from_der(root).map_err(failed)?);
        }
        if let Some(path) = &options.ca {
            let read = |error| HttpEndpointError::Authority { path: path.display().to_string(), error };
            let pem = std::fs::read(path).map_err(read)?;
            roots.extend(Certificate::from_pem_bundle(&pem).map_err(failed)?);
        }
        let most = options.redirects as usize;
        let redirects = if most == 0 {
            Policy::none()
        } else {
            Policy::custom(move |attempt| {
                let first = attempt.previous().first();
                let host =
                    |url: &reqwest::Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
                if first.is_some_and(|first| host(first) != host(attempt.url())) {
                    let to = attempt.url().host_str().unwrap_or_default().to_owned();
                    attempt.error(format!("it leads to another host, {to}"))
                } else if attempt.previous().len() > most {
                    attempt.error("there are too many of them")
                } else {
                    attempt.follow()
                }
            })
        };
        let mut builder = Client::builder()
            .tls_certs_only(roots)
            .redirect(redirects)
            .retry(reqwest::retry::never())
            .tcp_nodelay(true)
            .referer(false);
        if endpoint.is_loopback() {
            builder = builder.no_proxy();
        }
        if let Address::Unix(path) = &endpoint.address {
            builder = builder.unix_socket(path.as_path());
        }
        builder = match (options.protocol, endpoint.is_tls) {
            (HttpVersion::Http2, false) => builder.http2_prior_knowledge(),
            (HttpVersion::Http2, true) => builder,
            (HttpVersion::Http1, _) => builder.http1_only(),
        };
        builder.build().map(Self).map_err(failed)
    }

    pub(super) async fn send(
        &self,
        endpoint: &HttpEndpoint,
        request: Request<OutgoingBody>,
    ) -> Result<Answer, Failure> {
        let request = request.map(reqwest::Body::wrap);
        let request = reqwest::Request::try_from(request)
            .map_err(|error| Failure::http(Cause::Value, with_sources(&error)))?;
        let answer = self.0.execute(request).await.map_err(|error| failure(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = reqwest::Body::from(answer);
        let mut read = BytesMut::new();
        let largest = endpoint.options.largest_answer;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failure(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            if (read.len() + data.len()) as u64 > largest {
                return Err(too_large(largest));
            }
            read.extend_from_slice(&data);
        }
        Ok(Answer { status, headers, body: read.freeze() })
    }
}

fn failure(error: &reqwest::Error) -> Failure {
    let text = with_sources(error);
    if error.is_redirect() {
        return Failure::http(Cause::Redirect, text);
    }
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    let mut connected = !error.is_connect();
    while let Some(inner) = source {
        if inner.is::<rustls::Error>()
            || inner
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()))
        {
            return Failure::http(Cause::Tls, text);
        }
        if let Some(hyper) = inner.downcast_ref::<hyper::Error>()
            && !error.is_connect()
        {
            return Failure::http(classify(hyper, false).cause.clone(), text);
        }
        connected &= true;
        source = inner.source();
    }
    Failure::http(if connected { Cause::Reset } else { Cause::Connection }, text)
}
