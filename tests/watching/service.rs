//! The service of a small application, on a port of its own.

use std::time::Duration;

use axum::{Router, http::StatusCode};
use tokio::{net::TcpListener, runtime::Runtime};

/// It ends with this value.
pub struct Service {
    runtime: Option<Runtime>,
    port: u16,
}

impl Service {
    /// Starts it with the routes that a future makes.
    pub fn start(routes: impl Future<Output = Router>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let port = runtime.block_on(async move {
            let routes = routes.await;
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            let port = listener.local_addr().expect("an address").port();
            tokio::spawn(async move { axum::serve(listener, routes).await });
            port
        });
        Self { runtime: Some(runtime), port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

/// What is answered after a transaction: the database's own words when it failed.
pub fn answer(outcome: Result<(), sqlx::Error>) -> (StatusCode, String) {
    match outcome {
        Ok(()) => (StatusCode::OK, "done".to_owned()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
