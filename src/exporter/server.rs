//! The page for Prometheus, and what serves it.

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, oneshot};

use super::{Exported, ExporterError, on_a_thread};
use crate::report;

/// Connections at once: a scraper has one, a person with a browser a few.
const MOST_CONNECTIONS: usize = 16;
/// How long a request's head may take.
const PATIENCE: Duration = Duration::from_secs(5);

type Shown = Arc<Mutex<Option<Exported>>>;

/// A server, until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shown: Shown,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens at an address; port 0 is any free one.
    ///
    /// # Errors
    /// When the address can't be had, or no thread.
    pub fn start(address: SocketAddr) -> Result<Self, ExporterError> {
        let bind = |error| ExporterError::Bind { address, error };
        let listener = TcpListener::bind(address).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let shown = Shown::default();
        let (stop, stopped) = oneshot::channel();
        let thread = on_a_thread(serve(listener, Arc::clone(&shown), stopped))?;
        Ok(Self { address, shown, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows this load from now on, instead of the one before it.
    pub fn show(&self, exported: Exported) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(exported);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and the run has ended.
            let _ = thread.join();
        }
    }
}

/// Serves until the other end of `stopped` is gone.
async fn serve(listener: TcpListener, shown: Shown, mut stopped: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let next = async {
            let permit = Arc::clone(&free).acquire_owned().await.expect("it is never closed");
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            _ = &mut stopped => return,
            next = next => next,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: others are closed in a moment.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shown = Arc::clone(&shown);
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let response = answer(&request, &shown);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut connection = hyper::server::conn::http1::Builder::new();
            connection.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // Whoever breaks off a connection knows it.
            let _ = connection.serve_connection(TokioIo::new(stream), answer).await;
            drop(permit);
        });
    }
}

fn answer(request: &Request<Incoming>, shown: &Mutex<Option<Exported>>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return text(StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "metrics are only read\n".to_owned());
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let page = match &*shown.lock().unwrap_or_else(PoisonError::into_inner) {
        // No load has begun yet.
        None => String::new(),
        Some(exported) => {
            report::prometheus(&exported.scenario, &exported.operations, &exported.snapshot())
        }
    };
    text(StatusCode::OK, page)
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static(report::PROMETHEUS_CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
