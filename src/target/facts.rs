//! What a database tells about itself.

use super::{Failure, Session, mysql, postgres};
use crate::dialect::Dialect;

/// A database's product and version, and its room for connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `PostgreSQL`, `MariaDB`, `MySQL` or `SQLite`.
    pub product: String,
    /// `15.18`.
    pub version: String,
    /// How many connections it takes; `None`: as many as the machine.
    pub connections: Option<Connections>,
}

/// Room for connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Neither taken nor kept for superusers.
    pub free: i64,
    /// The server's `max_connections`.
    pub most: i64,
}

impl ServerFacts {
    /// Asks the database.
    ///
    /// # Errors
    /// What it answered instead.
    pub async fn ask(session: &mut Session) -> Result<Self, Failure> {
        let dialect = session.dialect();
        let sql = match dialect {
            Dialect::Postgres => postgres::FACTS,
            Dialect::MySql => mysql::FACTS,
            Dialect::Sqlite => "SELECT sqlite_version()",
        };
        let rows = session.query(sql, &[]).await?;
        let values = rows.rows.first().map(|row| row.values().to_vec()).unwrap_or_default();
        let said = values.first().map(ToString::to_string).unwrap_or_default();
        let number = |index: usize| values.get(index).and_then(minijinja::Value::as_i64);
        let connections = number(1).zip(number(2)).map(|(free, most)| Connections { free, most });
        let product = match dialect {
            Dialect::MySql if mysql::is_mariadb(&said) => "MariaDB",
            other => other.product(),
        };
        let version = said.split('-').next().unwrap_or_default().to_owned();
        Ok(Self { product: product.to_owned(), version, connections })
    }
}
