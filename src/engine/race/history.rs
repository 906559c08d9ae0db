//! What the transactions of a schedule read and wrote, moment by moment.

use std::collections::BTreeSet;

use crate::{
    measure::{End, RaceTable, Touch, TouchKind, anomaly},
    plan::{Operand, PatternKind, TouchPattern},
};

/// Collects the touches of one schedule.
#[derive(Debug, Default)]
pub(super) struct History {
    clock: usize,
    touches: Vec<Touch>,
    ends: Vec<End>,
    /// The open transaction of each session.
    open: Vec<Option<usize>>,
    /// Transactions of which a statement was carried out.
    worked: BTreeSet<usize>,
}

/// A step that is done, as far as it matters here.
pub(super) struct Step<'a> {
    pub session: usize,
    pub began: usize,
    pub pattern: Option<&'a TouchPattern>,
    pub values: &'a [String],
    pub tables: &'a [Option<RaceTable>],
    pub affected: u64,
    /// At a level of which every statement sees what is committed.
    pub sees_latest: bool,
    /// At a level that shows what isn't committed, too.
    pub sees_uncommitted: bool,
}

impl History {
    /// The next moment.
    pub(super) fn tick(&mut self) -> usize {
        self.clock += 1;
        self.clock
    }

    pub(super) fn begin(&mut self, session: usize) {
        let number = self.ends.len();
        self.ends.push(End { committed: false, began: usize::MAX, ended: usize::MAX });
        if self.open.len() <= session {
            self.open.resize(session + 1, None);
        }
        self.open[session] = Some(number);
    }

    /// A transaction ends; its `commit` began at a moment.
    pub(super) fn end(&mut self, session: usize, began: usize, committed: bool) {
        let ended = self.tick();
        if let Some(number) = self.open.get_mut(session).and_then(Option::take) {
            self.ends[number] = End { committed, began, ended };
        }
    }

    /// A step was carried out. `unique` tells whether columns name at most one row of a table.
    pub(super) fn step(&mut self, step: &Step<'_>, unique: &dyn Fn(&str, &[&str]) -> bool) {
        let open = self.open.get(step.session).copied().flatten();
        // A transaction's snapshot isn't older than its first statement.
        let is_first = open.is_none_or(|number| self.worked.insert(number));
        let Some(pattern) = step.pattern else { return };
        let alone = open.is_none();
        if alone {
            self.begin(step.session);
        }
        let Some(transaction) = self.open.get(step.session).copied().flatten() else { return };
        let ended = self.tick();
        let key: Option<Vec<(String, String)>> = pattern
            .key
            .iter()
            .map(|(column, operand)| {
                let value = match operand {
                    Operand::Literal(text) => Some(text.clone()),
                    Operand::Parameter(at) => step.values.get(*at).cloned(),
                };
                Some((column.clone(), value?))
            })
            .collect();
        let table = pattern.table.clone();
        let mut add = |kind, key| {
            let (began, sees_uncommitted) = (step.began, step.sees_uncommitted);
            self.touches.push(Touch {
                transaction,
                kind,
                table: table.clone(),
                key,
                began,
                ended,
                sees_latest: step.sees_latest || is_first,
                sees_uncommitted,
            });
        };
        match (pattern.kind, key) {
            (PatternKind::Read { whole }, Some(key)) => {
                if whole {
                    if !key.is_empty() {
                        add(TouchKind::Read, key.clone());
                    }
                    add(TouchKind::ReadWhere, key);
                }
                for row in rows(step.tables).filter(|row| {
                    unique(
                        &pattern.table,
                        &row.iter().map(|(column, _)| column.as_str()).collect::<Vec<_>>(),
                    )
                }) {
                    add(TouchKind::Read, row);
                }
            }
            (PatternKind::Write { blind }, Some(key)) if step.affected > 0 => {
                add(TouchKind::Write { blind }, key);
            }
            (PatternKind::Insert, Some(key)) if step.affected > 0 => add(TouchKind::Insert, key),
            _ => {}
        }
        if alone {
            self.end(step.session, step.began, true);
        }
    }

    /// The anomaly that all of it proves.
    pub(super) fn anomaly(&self) -> Option<String> {
        anomaly(&self.touches, &self.ends)
    }
}

/// Each column of each returned row by itself, as a key that may name the row.
fn rows(tables: &[Option<RaceTable>]) -> impl Iterator<Item = Vec<(String, String)>> + '_ {
    tables.iter().flatten().flat_map(|table| {
        table.rows.iter().flat_map(|row| {
            table
                .columns
                .iter()
                .zip(row)
                .filter_map(|(column, value)| Some(vec![(column.clone(), value.clone()?)]))
        })
    })
}
