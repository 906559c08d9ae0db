//! Metrics while a load runs: a page for Prometheus, served on this machine, and messages to a collector of
//! OpenTelemetry.
//!
//! A board comes in, which the workers count on anyway; each request and each message is made of what it
//! holds at that moment. Absent on purpose: a word to the workers. A run without the options has neither
//! threads nor sockets for it.

mod push;
mod server;

use std::{io, net::SocketAddr, sync::Arc};

pub use push::{PushSettings, Pusher};
pub use server::Server;

use crate::{
    measure::{LiveBoard, LiveSnapshot},
    target::http::HttpEndpointError,
};

/// What is exported.
#[derive(Debug, Clone)]
pub struct Exported {
    /// The scenario's name.
    pub scenario: String,
    /// Names of the operations that the board counts.
    pub operations: Vec<String>,
    pub board: Arc<LiveBoard>,
}

impl Exported {
    fn snapshot(&self) -> LiveSnapshot {
        self.board.snapshot(self.operations.len())
    }
}

/// Why metrics don't go out.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    #[error("metrics can't be served at {address}: {error}")]
    Bind { address: SocketAddr, error: io::Error },
    #[error("metrics can't be sent: {0}")]
    Client(#[from] HttpEndpointError),
    #[error("a thread for metrics can't be started: {0}")]
    Thread(io::Error),
}

/// Every way out that was asked for.
#[derive(Debug, Default)]
pub struct Exporters {
    pub server: Option<Server>,
    pub pusher: Option<Pusher>,
}

impl Exporters {
    /// Exports this load from now on, instead of the one before it.
    pub fn show(&self, exported: &Exported) {
        if let Some(server) = &self.server {
            server.show(exported.clone());
        }
        if let Some(pusher) = &self.pusher {
            pusher.show(exported.clone());
        }
    }
}

/// Runs a future on a thread of its own, so that metrics don't take turns with the run's stages.
fn on_a_thread<F>(future: F) -> Result<std::thread::JoinHandle<()>, ExporterError>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ExporterError::Thread)?;
    std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || runtime.block_on(future))
        .map_err(ExporterError::Thread)
}
