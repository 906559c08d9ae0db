//! What a server tells about itself.

use super::super::{Failure, Session};

/// A server's version and its room for connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `15.18`.
    pub version: String,
    /// Connections that are neither taken nor kept for superusers.
    pub free_connections: i64,
    /// The server's `max_connections`.
    pub max_connections: i64,
}

impl ServerFacts {
    /// Asks the server.
    ///
    /// # Errors
    /// What it answered instead.
    pub async fn ask(session: &mut Session) -> Result<Self, Failure> {
        let sql = "SELECT split_part(current_setting('server_version'), ' ', 1),
                          current_setting('max_connections')::int8
                          - current_setting('superuser_reserved_connections')::int8
                          - coalesce(current_setting('reserved_connections', true)::int8, 0)
                          - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
                          current_setting('max_connections')::int8";
        let rows = session.query(sql, &[]).await?;
        let values = rows.rows.first().map(|row| row.values().to_vec()).unwrap_or_default();
        let number =
            |index: usize| values.get(index).and_then(minijinja::Value::as_i64).unwrap_or_default();
        Ok(Self {
            version: values.first().map(ToString::to_string).unwrap_or_default(),
            free_connections: number(1),
            max_connections: number(2),
        })
    }
}
