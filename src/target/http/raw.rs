//! HTTP/1.1 over a connection of our own, driven by the task that waits for the answer.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use hyper::{
    Request,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;

use super::{super::Failure, Answer, HttpEndpoint, OutgoingBody, answer, failure, socket::Socket};

type Driver = http1::Connection<TokioIo<Socket>, OutgoingBody>;

/// Bytes of an answer's status line and headers at most.
const LONGEST_HEAD: usize = 64 * 1024;

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
                let (parts, body) = answer.into_parts();
                let largest = endpoint.options.largest_answer;
                let body = answer::read(body, largest, |error| failure::of_hyper(&error, false)).await;
                Ok(body.map(|body| Answer { status: parts.status, headers: parts.headers, body }))
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
                Err((unsent, error)) => return Err(failure::of_hyper(&error, unsent.is_some())),
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
    let socket = Socket::connect(endpoint).await?;
    let (sender, driver) = http1::Builder::new()
        .max_buf_size(LONGEST_HEAD)
        .handshake(TokioIo::new(socket))
        .await
        .map_err(|error| failure::of_hyper(&error, true))?;
    Ok(Open { sender, driver })
}
