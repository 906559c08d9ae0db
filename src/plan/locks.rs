//! What a statement locks, read off its text.
//!
//! Statement text comes in, the tables that it locks come out, in the order in which it takes
//! them. Not seen: locks that triggers, rules, views and foreign keys take on other tables, and
//! whatever a function does. A statement that can't be parsed is unknown, which isn't an error.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Delete, FromTable, Insert, LockType, ObjectName, OnConflictAction, OnInsert, Query, Select, SetExpr,
    SqliteOnConflict, Statement, TableFactor, TableObject, TableWithJoins, Visit, Visitor,
};

use super::parse::parse;
use crate::dialect::Dialect;

/// How a statement locks a table or rows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockStrength {
    /// `FOR SHARE`, `FOR KEY SHARE`.
    SharedRows,
    /// `FOR UPDATE`, `FOR NO KEY UPDATE`, `UPDATE`, `DELETE`, `MERGE`.
    ExclusiveRows,
    /// `INSERT`: the new row, and by its foreign keys the rows that it refers to.
    NewRows,
    /// `LOCK TABLE`, `TRUNCATE`.
    Table,
}

impl LockStrength {
    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::SharedRows => "shares rows",
            Self::ExclusiveRows => "locks rows",
            Self::NewRows => "inserts rows",
            Self::Table => "locks the table",
        }
    }
}

/// A table that a statement locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLock {
    /// The table's own name, without a schema, as the server folds it.
    pub table: String,
    pub strength: LockStrength,
}

/// What the text of a statement tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Analysis {
    Known(Facts),
    /// The parser doesn't know the statement.
    Unknown,
}

/// What is known of a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// In the order in which they are taken; each table once, at its first lock.
    pub locks: Vec<TableLock>,
    /// How many statements the text holds.
    pub statements: usize,
    /// The text begins or ends a transaction itself.
    pub controls_transaction: bool,
    /// The tables that it inserts into, as written.
    pub inserts: Vec<String>,
    /// The tables that it empties (`TRUNCATE`, `DELETE` without `WHERE`), as written.
    pub empties: Vec<String>,
    /// It is a plain `INSERT`, and this is whether it has a `RETURNING` clause.
    pub insert_returning: Option<bool>,
    /// An `INSERT` that may change a row which is there already: `ON CONFLICT … DO UPDATE`, `ON DUPLICATE
    /// KEY UPDATE`, `REPLACE`.
    pub may_update: bool,
}

/// Analyses a statement.
pub fn analyse(sql: &str, dialect: Dialect) -> Analysis {
    let Some(statements) = parse(sql, dialect) else { return Analysis::Unknown };
    let mut locks = Locks { dialect, facts: Facts::default(), ctes: Vec::new() };
    for statement in &statements {
        let ControlFlow::Continue(()) = statement.visit(&mut locks);
    }
    let mut facts = locks.facts;
    facts.statements = statements.len();
    if let [Statement::Insert(insert)] = statements.as_slice() {
        facts.insert_returning = Some(insert.returning.is_some());
    }
    Analysis::Known(facts)
}

struct Locks {
    dialect: Dialect,
    facts: Facts,
    /// Names of common table expressions in scope: they aren't tables.
    ctes: Vec<String>,
}

impl Locks {
    fn lock(&mut self, name: &ObjectName, strength: LockStrength) {
        let table = table_name(name);
        if !self.ctes.contains(&table) && !self.facts.locks.iter().any(|lock| lock.table == table) {
            self.facts.locks.push(TableLock { table, strength });
        }
    }

    fn lock_from(&mut self, from: &[TableWithJoins], only: Option<&ObjectName>, strength: LockStrength) {
        let factors = from.iter().flat_map(|table| {
            std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation))
        });
        for factor in factors {
            match factor {
                TableFactor::Table { name, alias, .. } => {
                    let goes_by = alias.as_ref().map_or_else(|| table_name(name), |a| fold(&a.name));
                    if only.is_none_or(|of| table_name(of) == goes_by) {
                        self.lock(name, strength);
                    }
                }
                TableFactor::NestedJoin { table_with_joins, .. } => {
                    self.lock_from(std::slice::from_ref(table_with_joins), only, strength);
                }
                // `FOR UPDATE` reaches into a sub-select in FROM.
                TableFactor::Derived { subquery, .. } if only.is_none() => {
                    if let SetExpr::Select(select) = &*subquery.body {
                        self.lock_from(&select.from, None, strength);
                    }
                }
                _ => {}
            }
        }
    }

    fn lock_factor(&mut self, factor: &TableFactor, strength: LockStrength) {
        if let TableFactor::Table { name, .. } = factor {
            self.lock(name, strength);
        }
    }
}

impl Visitor for Locks {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.push(fold(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        for clause in &query.locks {
            let strength = match clause.lock_type {
                LockType::Share => LockStrength::SharedRows,
                LockType::Update => LockStrength::ExclusiveRows,
            };
            if let SetExpr::Select(select) = &*query.body {
                let Select { from, .. } = &**select;
                self.lock_from(from, clause.of.as_ref(), strength);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Self::Break> {
        match statement {
            // MySQL's `UPDATE a JOIN b` locks the rows of all its tables.
            Statement::Update(update) if self.dialect == Dialect::MySql => {
                self.lock_from(std::slice::from_ref(&update.table), None, LockStrength::ExclusiveRows);
            }
            Statement::Update(update) => {
                self.lock_factor(&update.table.relation, LockStrength::ExclusiveRows)
            }
            Statement::Delete(Delete { from, selection, using, .. }) => {
                let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = from;
                for table in tables {
                    self.lock_factor(&table.relation, LockStrength::ExclusiveRows);
                    if let (TableFactor::Table { name, .. }, None, None) =
                        (&table.relation, selection, using)
                    {
                        self.facts.empties.push(name.to_string());
                    }
                }
            }
            Statement::Insert(insert) => {
                self.facts.may_update |= may_update(insert);
                if let TableObject::TableName(name) = &insert.table {
                    self.facts.inserts.push(name.to_string());
                    self.lock(name, LockStrength::NewRows);
                }
            }
            Statement::Merge(merge) => self.lock_factor(&merge.table, LockStrength::ExclusiveRows),
            Statement::Truncate(truncate) => {
                for target in &truncate.table_names {
                    self.lock(&target.name, LockStrength::Table);
                    self.facts.empties.push(target.name.to_string());
                }
            }
            Statement::Lock(lock) => {
                for target in &lock.tables {
                    self.lock(&target.name, LockStrength::Table);
                }
            }
            Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { savepoint: None, .. } => self.facts.controls_transaction = true,
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn may_update(insert: &Insert) -> bool {
    let replaces = insert.replace_into || insert.or == Some(SqliteOnConflict::Replace);
    replaces
        || match &insert.on {
            Some(OnInsert::OnConflict(clause)) => clause.action != OnConflictAction::DoNothing,
            Some(_) => true,
            None => false,
        }
}

/// The last part of a name, folded as PostgreSQL folds it.
pub(super) fn table_name(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(fold).unwrap_or_default()
}

fn fold(ident: &sqlparser::ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(sql: &str) -> Vec<String> {
        tables_of(sql, Dialect::Postgres)
    }

    fn tables_of(sql: &str, dialect: Dialect) -> Vec<String> {
        match analyse(sql, dialect) {
            Analysis::Known(facts) => facts
                .locks
                .iter()
                .map(|lock| format!("{} {}", lock.table, lock.strength.describe()))
                .collect(),
            Analysis::Unknown => vec!["unknown".to_owned()],
        }
    }

    #[test]
    fn statements_lock_what_they_write() {
        for (sql, expected) in [
            ("SELECT * FROM a JOIN b ON true", vec![]),
            ("SELECT * FROM a JOIN b ON true FOR UPDATE", vec!["a locks rows", "b locks rows"]),
            ("SELECT * FROM a JOIN b x ON true FOR SHARE OF x SKIP LOCKED", vec!["b shares rows"]),
            ("SELECT * FROM t WHERE id = $1 FOR NO KEY UPDATE", vec!["t locks rows"]),
            ("SELECT * FROM t FOR KEY SHARE NOWAIT", vec!["t shares rows"]),
            ("SELECT * FROM (SELECT * FROM t) s FOR UPDATE", vec!["t locks rows"]),
            ("UPDATE a SET v = 1 FROM b WHERE a.id = b.id", vec!["a locks rows"]),
            ("UPDATE a SET v = (SELECT 1 FROM b WHERE id = $1 FOR UPDATE)", vec!["b locks rows", "a locks rows"]),
            ("UPDATE shop.\"Orders\" SET v = 1", vec!["Orders locks rows"]),
            ("DELETE FROM Shop.Orders USING b", vec!["orders locks rows"]),
            ("INSERT INTO t (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET n = t.n + 1", vec!["t inserts rows"]),
            (
                "WITH moved AS (DELETE FROM q WHERE id IN (SELECT id FROM q LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *)
                 INSERT INTO done SELECT * FROM moved",
                vec!["q locks rows", "done inserts rows"],
            ),
            ("LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE", vec!["accounts locks the table"]),
            ("TRUNCATE a, b", vec!["a locks the table", "b locks the table"]),
            ("DO $$ BEGIN PERFORM 1; END $$", vec!["unknown"]),
        ] {
            assert_eq!(tables(sql), expected, "{sql}");
        }
    }

    #[test]
    fn mysql_and_sqlite_are_read_as_they_are() {
        for (sql, dialect, expected) in [
            (
                "SELECT * FROM `Orders` WHERE id = ? FOR UPDATE SKIP LOCKED",
                Dialect::MySql,
                vec!["Orders locks rows"],
            ),
            ("SELECT * FROM t WHERE id = ? LOCK IN SHARE MODE", Dialect::MySql, vec!["t shares rows"]),
            (
                "UPDATE a JOIN b ON a.id = b.id SET a.v = ?",
                Dialect::MySql,
                vec!["a locks rows", "b locks rows"],
            ),
            (
                "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = 1",
                Dialect::MySql,
                vec!["t inserts rows"],
            ),
            ("DELETE FROM t WHERE id = ?", Dialect::Sqlite, vec!["t locks rows"]),
        ] {
            assert_eq!(tables_of(sql, dialect), expected, "{sql}");
        }
    }

    #[test]
    fn inserts_that_may_change_a_row_are_told_from_others() {
        for (sql, dialect, expected) in [
            ("INSERT INTO t VALUES (1)", Dialect::MySql, false),
            ("INSERT IGNORE INTO t VALUES (1)", Dialect::MySql, false),
            ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", Dialect::Postgres, false),
            ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", Dialect::Postgres, true),
            ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 2", Dialect::MySql, true),
            ("REPLACE INTO t VALUES (1)", Dialect::MySql, true),
            ("INSERT OR REPLACE INTO t VALUES (1)", Dialect::Sqlite, true),
        ] {
            match analyse(sql, dialect) {
                Analysis::Known(facts) => assert_eq!(facts.may_update, expected, "{sql}"),
                Analysis::Unknown => panic!("{sql} should be known"),
            }
        }
    }

    #[test]
    fn transaction_control_and_several_statements_are_seen() {
        let facts = |sql| match analyse(sql, Dialect::Postgres) {
            Analysis::Known(facts) => facts,
            Analysis::Unknown => panic!("{sql} should be known"),
        };
        assert!(facts("COMMIT").controls_transaction);
        assert!(facts("BEGIN").controls_transaction);
        assert!(!facts("ROLLBACK TO SAVEPOINT s").controls_transaction);
        assert_eq!(facts("SELECT 1; SELECT 2").statements, 2);
        assert_eq!(facts("INSERT INTO shop.t VALUES (1) RETURNING id").insert_returning, Some(true));
        assert_eq!(facts("INSERT INTO shop.t VALUES (1)").inserts, ["shop.t"]);
        assert_eq!(facts("DELETE FROM shop.t").empties, ["shop.t"]);
        assert_eq!(facts("TRUNCATE a, b").empties, ["a", "b"]);
        assert_eq!(facts("DELETE FROM t WHERE id = 1; DELETE FROM t USING u").empties, [""; 0]);
    }
}
