//! Steps as the user wrote them. The doc comments are the language reference.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    choice::Quantity,
    http::{Body, Changes, Deliver, Sign},
    model::{Literal, Named, Retry},
    spanned::{OneOrMany, Spanned},
};
use crate::{
    dialect::{Begin, Dialect},
    outcome::Isolation,
    units,
};

/// One step. Exactly one of the keys that name a kind must be there: `sql`, `transaction`,
/// `http`, `gate`, `sleep`, `think_time`, `let`, `if`, `repeat`, `check`, `barrier`, `rollback`, `savepoint`,
/// `rollback_to`. With `http`, `barrier` holds the last byte of the request back until the barrier opens.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Shown in reports; `sql 1`, `sql 2`, … when not given.
    #[serde(default)]
    pub name: Option<Spanned<String>>,
    /// A statement. `{{ expression }}` is a bound parameter, `@{name}` a checked identifier.
    #[serde(default)]
    pub sql: Option<SqlText>,
    /// A request: `POST /webhook/`. The path may hold expressions.
    #[serde(default)]
    pub http: Option<Spanned<String>>,
    /// With `http`: which target; the only HTTP target when not given.
    #[serde(default)]
    pub target: Option<Spanned<String>>,
    /// With `http`: added to the path as `?name=value&…`.
    #[serde(default)]
    pub query: Option<Named<Literal>>,
    /// With `http`: headers by name.
    #[serde(default)]
    pub headers: Option<Named<Literal>>,
    /// With `http`: what is sent.
    #[serde(default)]
    pub body: Option<Spanned<Body>>,
    /// With `http`: several bodies, each sent as a request of its own, as `deliver` says.
    #[serde(default)]
    pub bodies: Option<Vec<Spanned<Body>>>,
    /// With `http`: the signature over the bytes sent.
    #[serde(default)]
    pub sign: Option<Spanned<Sign>>,
    /// With `http`: longest wait for the whole answer; the target's when not given.
    #[serde(default)]
    pub timeout: Option<units::Span>,
    /// With `http`: copies, their order and spread, and redelivery.
    #[serde(default)]
    pub deliver: Option<Spanned<Deliver>>,
    /// With `http`: what an acknowledged request changes in the database.
    #[serde(default)]
    pub changes: Option<Spanned<Changes>>,
    /// With `sql`: a name for the first row, or `{name: first | all | value}`. With `http`: a name for
    /// the answer, or `{name: status | headers | body | json | $.path | header NAME}`.
    #[serde(default)]
    pub capture: Option<Spanned<Capture>>,
    /// Expressions that must be true: with `sql` over `rows_affected`, `row_count` and `row`, with
    /// `http` over `status`, `headers`, `body` and `json`, and over every name in scope.
    #[serde(default)]
    pub assert: Option<OneOrMany<Spanned<String>>>,
    /// Steps in one database transaction, retried as a whole.
    #[serde(default)]
    pub transaction: Option<Box<Transaction>>,
    /// Waits this long, inside the operation's latency.
    #[serde(default)]
    pub sleep: Option<units::Span>,
    /// Waits this long, as a person would; not part of the latency.
    #[serde(default)]
    pub think_time: Option<units::Span>,
    /// More values by name.
    #[serde(default, rename = "let")]
    pub bindings: Option<Named<Literal>>,
    /// An expression; `then` runs when it is true, `else` when it isn't.
    #[serde(default, rename = "if")]
    pub condition: Option<Spanned<String>>,
    /// With `if`.
    #[serde(default)]
    pub then: Option<Vec<Spanned<Step>>>,
    /// With `if`.
    #[serde(default, rename = "else")]
    pub otherwise: Option<Vec<Spanned<Step>>>,
    /// How often `steps` run (a number or an expression; `i` counts from 0), or
    /// `{for: NAME, in: "{{ list }}"}`.
    #[serde(default)]
    pub repeat: Option<Spanned<Repeat>>,
    /// With `repeat`, or with `gate`: what runs while the lock is held.
    #[serde(default)]
    pub steps: Option<Vec<Spanned<Step>>>,
    /// An expression that must be true.
    #[serde(default)]
    pub check: Option<Spanned<String>>,
    /// Waits until enough workers stand at the same barrier.
    #[serde(default)]
    pub barrier: Option<Spanned<Barrier>>,
    /// Holds a lock in the database until enough sessions wait for it.
    #[serde(default)]
    pub gate: Option<Spanned<Gate>>,
    /// `true`: ends the transaction around it with a rollback, on purpose.
    #[serde(default)]
    pub rollback: Option<Spanned<bool>>,
    /// Sets a savepoint of this name in the transaction around it.
    #[serde(default)]
    pub savepoint: Option<Spanned<String>>,
    /// Goes back to the savepoint of this name.
    #[serde(default)]
    pub rollback_to: Option<Spanned<String>>,
}

/// The keys of [`Step`]: a name of a race's step can't be one of them.
pub const STEP_KEYS: &[&str] = &[
    "name",
    "sql",
    "http",
    "target",
    "query",
    "headers",
    "body",
    "bodies",
    "sign",
    "timeout",
    "deliver",
    "changes",
    "capture",
    "assert",
    "transaction",
    "sleep",
    "think_time",
    "let",
    "if",
    "then",
    "else",
    "repeat",
    "steps",
    "check",
    "barrier",
    "gate",
    "rollback",
    "savepoint",
    "rollback_to",
];

/// Steps in one transaction.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// Level of this transaction; the target's when not given.
    #[serde(default)]
    pub isolation: Option<Spanned<Isolation>>,
    /// On SQLite, when it takes the lock for writing; as the target says when not given.
    #[serde(default)]
    pub begin: Option<Begin>,
    /// Replaces the operation's `retry` for this transaction, key by key.
    #[serde(default)]
    pub retry: Option<Retry>,
    /// What it does.
    pub steps: Vec<Spanned<Step>>,
}

/// A statement: one text for every kind of database, or one for each.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlText {
    /// For all.
    Same(Spanned<String>),
    /// By kind.
    Each(Box<SqlTexts>),
}

/// A statement's texts by kind of database.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlTexts {
    /// On PostgreSQL.
    #[serde(default)]
    pub postgres: Option<Spanned<String>>,
    /// On MySQL and MariaDB.
    #[serde(default)]
    pub mysql: Option<Spanned<String>>,
    /// On SQLite.
    #[serde(default)]
    pub sqlite: Option<Spanned<String>>,
    /// On those that aren't named.
    #[serde(default)]
    pub default: Option<Spanned<String>>,
}

impl SqlText {
    /// The text for a kind of database.
    pub fn of(&self, dialect: Dialect) -> Option<&Spanned<String>> {
        match self {
            Self::Same(text) => Some(text),
            Self::Each(texts) => {
                let own = match dialect {
                    Dialect::Postgres => &texts.postgres,
                    Dialect::MySql => &texts.mysql,
                    Dialect::Sqlite => &texts.sqlite,
                };
                own.as_ref().or(texts.default.as_ref())
            }
        }
    }

    /// Where it stands: its first text.
    pub fn span(&self) -> std::ops::Range<usize> {
        match self {
            Self::Same(text) => text.span.clone(),
            Self::Each(texts) => {
                let SqlTexts { postgres, mysql, sqlite, default } = &**texts;
                let first = [postgres, mysql, sqlite, default].into_iter().flatten().map(|text| &text.span);
                first.min_by_key(|span| span.start).cloned().unwrap_or(0..0)
            }
        }
    }
}

/// What is kept of a result, by name.
#[derive(Debug, Clone, PartialEq)]
pub enum Capture {
    /// The first row, or the answer, under this name.
    First(String),
    /// For each name what it holds, as written.
    Each(Named<Spanned<String>>),
}

/// How often steps run.
#[derive(Debug, Clone, PartialEq)]
pub enum Repeat {
    /// A number or an expression.
    Times(Literal),
    /// Once for each element of a list.
    Each {
        /// The name that the element goes by.
        variable: Spanned<String>,
        /// The list.
        list: Literal,
    },
}

/// A meeting point of workers; it opens again and again.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Barrier {
    /// Barriers of one name are one barrier.
    pub name: Spanned<String>,
    /// How many workers open it; all of them when not given.
    #[serde(default)]
    #[schemars(with = "Option<Quantity>")]
    pub parties: Option<Literal>,
    /// Longest wait; then the operation's outcome is `timeout`. 30s when not given.
    #[serde(default)]
    pub timeout: Option<units::Span>,
}

/// A lock held until others wait for it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// `SELECT … FOR UPDATE`, in a transaction of its own.
    pub lock: SqlText,
    /// What ends the hold.
    pub until: Until,
    /// Longest hold; then the operation's outcome is `timeout`. 5s when not given.
    #[serde(default)]
    pub timeout: Option<units::Span>,
}

/// What a gate waits for.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// Sessions that wait for the lock, or for one that waits for it.
    #[schemars(with = "Quantity")]
    pub blocked: Literal,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_step_are_all_listed() {
        let schema = schemars::schema_for!(Step);
        let properties = schema.get("properties").and_then(|it| it.as_object()).expect("properties");
        let mut keys: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut listed = STEP_KEYS.to_vec();
        keys.sort_unstable();
        listed.sort_unstable();
        assert_eq!(keys, listed);
    }
}
