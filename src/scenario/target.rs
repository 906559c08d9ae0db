//! Targets as the user wrote them. The doc comments are the language reference.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    model::{Literal, Named},
    spanned::Spanned,
};
use crate::{dialect::Begin, outcome::Isolation, units};

/// A system that operations work on: a database, or an HTTP service.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `embedded` for a throw-away PostgreSQL, `embedded:mysql` for a throw-away MariaDB or MySQL,
    /// `sqlite:` for a temporary SQLite file, or a URL: `postgres://user@host/name`,
    /// `mysql://user@host/name`, `sqlite:path`. With `http`: the name of the target that is the
    /// service's database, to watch what it does there.
    #[serde(default)]
    #[schemars(extend("examples" = ["embedded", "embedded:mysql", "sqlite:", "${DATABASE_URL:-embedded}", "postgres://user@127.0.0.1/name"]))]
    pub database: Option<Spanned<String>>,
    /// A service's URL: `http://127.0.0.1:8000`, `https://…`, `unix:/path/to/socket`, or `start` for the
    /// command under `start`.
    #[serde(default)]
    #[schemars(extend("examples" = ["http://127.0.0.1:8000", "start"]))]
    pub http: Option<Spanned<String>>,
    /// Folder with a sub-folder per kind of database (`postgres/`, `mysql/`, `sqlite/`) of `*.sql`
    /// files, run in the order of their names in a schema of the run's own. Relative to the scenario
    /// file.
    #[serde(default)]
    pub migrations: Option<Spanned<String>>,
    /// Level of every transaction that doesn't name its own; read back inside each. On SQLite it
    /// doesn't apply: every transaction is serializable.
    #[serde(default)]
    pub isolation: Option<Spanned<Isolation>>,
    /// On SQLite: `immediate` takes the lock for writing when a transaction begins, `deferred` (when
    /// not given) at its first write, which fails when somebody else has written since its first read.
    #[serde(default)]
    pub begin: Option<Begin>,
    /// Tables in the order in which a transaction may lock them.
    #[serde(default)]
    #[schemars(extend("examples" = [["orders", "payments"]]))]
    pub lock_order: Vec<Spanned<String>>,
    /// Longest time that the server spends on a statement. MySQL limits only SELECT, SQLite none.
    #[serde(default)]
    pub statement_timeout: Option<units::Span>,
    /// Longest time that a statement waits for a lock. MySQL and MariaDB count whole seconds, rounded up.
    #[serde(default)]
    pub lock_timeout: Option<units::Span>,
    /// Settings of the embedded server, like `deadlock_timeout: 100ms`; one that begins with `postgres.`
    /// or `mysql.` is for that kind alone.
    #[serde(default)]
    pub settings: Named<Spanned<String>>,
    /// Longest wait for an answer. Of a service: 30s when not given. Of a database: 2m when not given; then
    /// the connection is given up, and what was asked for may have happened or not.
    #[serde(default)]
    pub timeout: Option<units::Span>,
    /// With `http`: `http1` (when not given), or `http2`, over cleartext without an upgrade.
    #[serde(default)]
    pub protocol: Option<HttpVersion>,
    /// With `http`: headers of every request.
    #[serde(default)]
    pub headers: Named<Literal>,
    /// With `http`: redirects followed at most, on the same host; 0 when not given.
    #[serde(default)]
    pub redirects: Option<Spanned<u32>>,
    /// With `http`: a PEM file of the authority that signed the service's certificate.
    #[serde(default)]
    pub ca: Option<Spanned<String>>,
    /// With `http`: bytes of an answer that are read at most; longer ones fail with `too_large`. 8 MiB
    /// when not given.
    #[serde(default)]
    pub largest_answer: Option<Spanned<u64>>,
    /// With `http`: causes by an expression over `status`, `headers`, `body` and `json`, like
    /// `deadlock: "status == 500 and 'deadlock' in body"`.
    #[serde(default)]
    pub causes: Named<Spanned<String>>,
    /// With `http`: an expression for the retries that the service made itself, like
    /// `headers['x-retries'] | int`.
    #[serde(default)]
    pub retries: Option<Spanned<String>>,
    /// With `http: start`: how to start the service.
    #[serde(default)]
    pub start: Option<Start>,
}

/// A service that the run starts and ends. It finds a free port in `PORT`, and the database in
/// `DATABASE_URL`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Run by `/bin/sh -c`, in the scenario's folder.
    pub command: Spanned<String>,
    /// More environment variables.
    #[serde(default)]
    pub env: Named<Literal>,
    /// A path that answers with a status below 400 once the service is ready; `/` with any status when
    /// not given.
    #[serde(default)]
    pub ready: Option<Spanned<String>>,
    /// Longest wait until it is ready; 60s when not given.
    #[serde(default)]
    pub timeout: Option<units::Span>,
}

/// The version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HttpVersion {
    /// HTTP/1.1: a connection for each request under way.
    Http1,
    /// HTTP/2: all requests of a worker on one connection.
    Http2,
}
