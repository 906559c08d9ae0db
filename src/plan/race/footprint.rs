//! What a step touches in the database, read off its text.
//!
//! What can't be known is said to be unknown: a statement that the parser doesn't know, one that calls a
//! function that isn't plain arithmetic, one that locks a whole table, a request.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{Expr, ObjectName, Statement, TableFactor, Visit, Visitor};

use super::super::{
    locks::{self, Analysis, LockStrength},
    model::{Statement as Compiled, Step},
    parse::parse,
};

use crate::dialect::Dialect;

/// What a step touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Footprint {
    /// It only begins a transaction: no snapshot is taken yet.
    Begin,
    /// It ends a transaction.
    End,
    /// Tables by the names that the server folds.
    Tables(Access),
    /// Anything.
    Unknown,
}

/// Tables that are read, and tables that are written or whose rows are locked. Both may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    pub reads: BTreeSet<String>,
    pub writes: BTreeSet<String>,
}

/// Functions whose result depends on their arguments alone.
const PURE: &[&str] = &[
    "abs",
    "array_agg",
    "array_length",
    "avg",
    "bool_and",
    "bool_or",
    "ceil",
    "char_length",
    "coalesce",
    "concat",
    "count",
    "exists",
    "floor",
    "greatest",
    "json_agg",
    "json_build_object",
    "jsonb_agg",
    "jsonb_build_object",
    "least",
    "length",
    "lower",
    "max",
    "min",
    "mod",
    "nullif",
    "power",
    "round",
    "row_number",
    "sign",
    "sqrt",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "to_char",
    "trim",
    "upper",
];

impl Footprint {
    /// Of a step as operations have them.
    pub(super) fn of(step: &Step, statements: &[Compiled], dialect: Dialect) -> Self {
        let both = |one: &[Step], other: &[Step]| {
            one.iter()
                .chain(other)
                .fold(Self::local(), |sum, step| sum.and(Self::of(step, statements, dialect)))
        };
        match step {
            Step::Sql(sql) => of_sql(&statements[sql.statement.0].text, dialect),
            Step::Sleep(_) | Step::Think(_) | Step::Let(_) | Step::Check { .. } => Self::local(),
            Step::If { then, otherwise, .. } => both(then, otherwise),
            Step::Repeat { steps, .. } | Step::ForEach { steps, .. } => both(steps, &[]),
            Step::Http(_)
            | Step::Gate { .. }
            | Step::Transaction(_)
            | Step::Barrier(_)
            | Step::Rollback => Self::Unknown,
        }
    }

    /// Nothing of the database.
    pub(super) fn local() -> Self {
        Self::Tables(Access::default())
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Tables(mut one), Self::Tables(other)) => {
                one.reads.extend(other.reads);
                one.writes.extend(other.writes);
                Self::Tables(one)
            }
            _ => Self::Unknown,
        }
    }
}

fn of_sql(sql: &str, dialect: Dialect) -> Footprint {
    let Analysis::Known(facts) = locks::analyse(sql, dialect) else { return Footprint::Unknown };
    if facts.controls_transaction || facts.locks.iter().any(|lock| lock.strength == LockStrength::Table) {
        return Footprint::Unknown;
    }
    let Some(statements) = parse(sql, dialect) else { return Footprint::Unknown };
    let mut seen = Seen { known: true, ..Seen::default() };
    for statement in &statements {
        seen.known &= matches!(
            statement,
            Statement::Query(_)
                | Statement::Insert(_)
                | Statement::Update(_)
                | Statement::Delete(_)
                | Statement::Merge(_)
                | Statement::Savepoint { .. }
        );
        let ControlFlow::Continue(()) = statement.visit(&mut seen);
    }
    if !seen.known {
        return Footprint::Unknown;
    }
    let writes: BTreeSet<String> = facts.locks.into_iter().map(|lock| lock.table).collect();
    Footprint::Tables(Access { reads: &seen.tables - &writes, writes })
}

#[derive(Default)]
struct Seen {
    tables: BTreeSet<String>,
    known: bool,
}

impl Visitor for Seen {
    type Break = std::convert::Infallible;

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<Self::Break> {
        self.tables.insert(locks::table_name(name));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        self.known &= match factor {
            TableFactor::Table { args, .. } => args.is_none(),
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => true,
            _ => false,
        };
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        if let Expr::Function(function) = expr {
            self.known &= PURE.contains(&locks::table_name(&function.name).as_str());
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_or_written_or_unknown() {
        let shown = |sql: &str, dialect| match of_sql(sql, dialect) {
            Footprint::Tables(Access { reads, writes }) => format!(
                "reads {} writes {}",
                reads.into_iter().collect::<Vec<_>>().join(","),
                writes.into_iter().collect::<Vec<_>>().join(",")
            ),
            other => format!("{other:?}"),
        };
        for (sql, expected) in [
            ("SELECT count(*) FROM a JOIN Shop.B ON true", "reads a,b writes "),
            ("SELECT * FROM a WHERE id = $1 FOR UPDATE", "reads  writes a"),
            ("UPDATE a SET n = (SELECT max(n) FROM b)", "reads b writes a"),
            ("INSERT INTO a VALUES (1); DELETE FROM c", "reads  writes a,c"),
            ("SAVEPOINT s", "reads  writes "),
            ("SELECT 1", "reads  writes "),
            ("SELECT now()", "Unknown"),
            ("SELECT * FROM generate_series(1, 3)", "Unknown"),
            ("SELECT nextval('s')", "Unknown"),
            ("LOCK TABLE a", "Unknown"),
            ("BEGIN; SELECT 1", "Unknown"),
            ("ROLLBACK TO SAVEPOINT s", "Unknown"),
            ("SET lock_timeout = 10", "Unknown"),
            ("nonsense", "Unknown"),
        ] {
            assert_eq!(shown(sql, Dialect::Postgres), expected, "{sql}");
        }
        for (sql, expected) in [
            ("SELECT n FROM a WHERE id = ?", "reads a writes "),
            ("UPDATE a JOIN b ON b.id = a.id SET a.n = ?", "reads  writes a,b"),
            ("INSERT INTO a (id) VALUES (?) ON DUPLICATE KEY UPDATE n = n + 1", "reads  writes a"),
            ("SELECT * FROM a WHERE id = 1 LOCK IN SHARE MODE", "reads  writes a"),
            ("SELECT GET_LOCK('a', 1)", "Unknown"),
        ] {
            assert_eq!(shown(sql, Dialect::MySql), expected, "{sql}");
        }
    }
}
