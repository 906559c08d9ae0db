//! HTTP/1.1 over a connection of our own, driven by the task that waits for the answer.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    Request,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use super::{super::Failure, Answer, HttpEndpoint, OutgoingBody, endpoint::Address};
use crate::outcome::Cause;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Driver = http1::Connection<TokioIo<Box<dyn Stream>>, OutgoingBody>;

/// A connection, or none yet.
#[derive(Default)]
pub struct Raw(Option<Open>);

struct Open {
    sender: SendRequest<OutgoingBody>,
    driver: Driver,
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Raw").field(&self.0.is_some()).finish()
    }
}

impl Raw {
    pub(super) fn close(&mut self) {
        self.0 = None;
    }

    pub(super) async fn send(
        &mut self,
        endpoint: &HttpEndpoint,
        request: Request<OutgoingBody>,
    ) -> Result<Answer, Failure> {
        // Reads a close that came since the last answer.
        if let Some(open) = &mut self.0 {
            let is_over =
                poll_fn(|context| Poll::Ready(Pin::new(&mut open.driver).poll(context).is_ready())).await;
            if is_over || open.sender.is_closed() {
                self.0 = None;
            }
        }
        let mut request = request;
        loop {
            let is_fresh = self.0.is_none();
            // Taken out for the time of the request: a future that is dropped half-way leaves none behind.
            let mut open = match self.0.take() {
                Some(open) => open,
                None => connect(endpoint).await?,
            };
            let (sender, driver) = (&mut open.sender, &mut open.driver);
            let exchange = async {
                let answer = sender
                    .try_send_request(request)
                    .await
                    .map_err(|mut error| (error.take_message(), error.into_error()))?;
                Ok(read(answer, endpoint.options.largest_answer).await)
            };
            match drive(driver, exchange).await {
                Ok(Ok(answer)) => {
                    if !open.sender.is_closed() {
                        self.0 = Some(open);
                    }
                    return Ok(answer);
                }
                Ok(Err(failure)) => return Err(failure),
                // The service closed the idle connection before anything was sent: a new one will do.
                Err((Some(unsent), _)) if !is_fresh => request = unsent,
                Err((unsent, error)) => return Err(classify(&error, unsent.is_some())),
            }
        }
    }
}

/// Polls the connection and what waits for it in turn, in one task.
async fn drive<T>(driver: &mut Driver, exchange: impl Future<Output = T>) -> T {
    let mut exchange = std::pin::pin!(exchange);
    let mut is_over = false;
    poll_fn(|context| {
        if let Poll::Ready(done) = exchange.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        if !is_over {
            is_over = Pin::new(&mut *driver).poll(context).is_ready();
        }
        exchange.as_mut().poll(context)
    })
    .await
}

async fn connect(endpoint: &HttpEndpoint) -> Result<Open, Failure> {
    let failed = |error: std::io::Error| {
        Failure::http(Cause::Connection, format!("can't connect to {}: {error}", endpoint.describe()))
    };
    let stream: Box<dyn Stream> = match &endpoint.address {
        Address::Tcp(addresses) => {
            let stream = TcpStream::connect(addresses.as_slice()).await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            Box::new(stream)
        }
        Address::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(failed)?),
    };
    let (sender, driver) = http1::Builder::new()
        .max_buf_size(64 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| classify(&error, true))?;
    Ok(Open { sender, driver })
}

async fn read(answer: hyper::Response<Incoming>, largest: u64) -> Result<Answer, Failure> {
    let (parts, mut body) = answer.into_parts();
    let mut whole = Bytes::new();
    let mut more: Option<BytesMut> = None;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| classify(&error, false))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len() as u64;
        if length > largest {
            return Err(too_large(largest));
        }
        // Most answers come in one piece, which isn't copied.
        match (&mut more, whole.is_empty()) {
            (None, true) => whole = data,
            (None, false) => {
                let mut joined = BytesMut::from(&whole[..]);
                joined.extend_from_slice(&data);
                more = Some(joined);
            }
            (Some(joined), _) => joined.extend_from_slice(&data),
        }
    }
    let body = more.map_or(whole, BytesMut::freeze);
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

pub(super) fn too_large(largest: u64) -> Failure {
    Failure::http(Cause::TooLarge, format!("the answer is longer than {largest} bytes"))
}

/// `unsent`: the request certainly never left.
pub(super) fn classify(error: &hyper::Error, unsent: bool) -> Failure {
    let cause = if error.is_parse() {
        Cause::Protocol
    } else if unsent {
        Cause::Connection
    } else {
        Cause::Reset
    };
    Failure::http(cause, with_sources(error))
}

/// The error and what it came from, in one line.
pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
