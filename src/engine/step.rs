//! Interprets steps. Load and race share this file: a step means the same in both.

use std::{future::Future, pin::Pin};

use minijinja::value::ValueKind;

use super::{barrier::Passed, worker::Worker};
use crate::{
    expression::{EvaluationError, Rows, Template, Value, to_text},
    measure::Release,
    outcome::Cause,
    plan::{CaptureKind, Plan, SqlStep, StatementIndex, Step},
    target::{Answers, Failure, Prepared, ResultTable},
};

/// Repetitions of one `repeat` step.
const MOST_REPETITIONS: i64 = 1_000_000;

/// Why the steps of an operation ended before the last one.
#[derive(Debug)]
pub(super) enum Stop {
    /// A statement failed.
    Failure { step: String, failure: Failure },
    /// The answer to a commit, to a statement outside a transaction or to a request never came.
    Unknown { step: String, cause: Cause, message: String },
    /// An assertion didn't hold.
    Assertion { step: String, message: String },
    /// A barrier or a gate didn't open in time, or a request wasn't answered in time.
    Timeout { step: String, message: String },
    /// The run is ending.
    Skipped,
    /// A `rollback` step.
    Rollback,
}

impl Stop {
    /// An expression that has no value here.
    pub(super) fn value(step: &str, error: &EvaluationError) -> Self {
        Self::Failure { step: step.to_owned(), failure: Failure::value(error.to_string()) }
    }
}

/// A statement that returned no row has columns all the same.
fn with_columns(
    mut tables: Vec<Option<ResultTable>>,
    columns: Option<&Vec<Vec<String>>>,
) -> Vec<Option<ResultTable>> {
    for (table, columns) in tables.iter_mut().zip(columns.into_iter().flatten()) {
        if table.is_none() && !columns.is_empty() {
            *table = Some(ResultTable { columns: columns.clone(), rows: Vec::new() });
        }
    }
    tables
}

fn as_texts(columns: Vec<String>, rows: &Rows) -> Option<ResultTable> {
    let text = |value: &Value| (!value.is_none()).then(|| to_text(value));
    let rows = rows.rows.iter().map(|row| row.values().iter().map(text).collect()).collect();
    (!columns.is_empty()).then_some(ResultTable { columns, rows })
}

type Steps<'a> = Pin<Box<dyn Future<Output = Result<(), Stop>> + 'a>>;

impl Worker {
    /// Carries out steps in their order. Boxed because steps hold steps.
    pub(super) fn steps<'a>(&'a mut self, plan: &'a Plan, steps: &'a [Step]) -> Steps<'a> {
        Box::pin(async move {
            for step in steps {
                self.step(plan, step).await?;
            }
            Ok(())
        })
    }

    pub(super) async fn step(&mut self, plan: &Plan, step: &Step) -> Result<(), Stop> {
        match step {
            Step::Sql(sql) if self.held.is_some() => self.sql(plan, sql).await,
            Step::Sql(sql) => self.statement_alone(plan, sql).await,
            Step::Http(index) => self.request(plan, *index).await,
            Step::Gate { gate, steps } => Box::pin(self.gate(plan, gate, steps)).await,
            Step::Transaction(transaction) => self.transaction(plan, transaction).await,
            Step::Sleep(time) => {
                tokio::time::sleep(*time).await;
                Ok(())
            }
            Step::Think(time) => {
                let begun = std::time::Instant::now();
                tokio::select! {
                    () = tokio::time::sleep(*time) => {}
                    () = self.shared.settings.stop.stopped() => {}
                }
                self.met.think += begun.elapsed();
                Ok(())
            }
            Step::Let(bindings) => self.bind_names(bindings).map_err(|error| Stop::value("let", &error)),
            Step::If { condition, then, otherwise } => {
                let holds = condition.holds(&self.frame).map_err(|error| Stop::value("if", &error))?;
                self.steps(plan, if holds { then } else { otherwise }).await
            }
            Step::Repeat { times, slot, steps } => self.repeat(plan, times, *slot, steps).await,
            Step::ForEach { list, slot, steps } => self.for_each(plan, list, *slot, steps).await,
            Step::Check { name, condition } => match condition.holds(&self.frame) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Stop::Assertion {
                    step: name.clone(),
                    message: format!("`{}` doesn't hold", condition.source()),
                }),
                Err(error) => Err(Stop::Assertion { step: name.clone(), message: error.to_string() }),
            },
            Step::Barrier(index) => self.barrier(plan, *index).await,
            Step::Rollback => Err(Stop::Rollback),
        }
    }

    /// Evaluates and stores values by name.
    pub(super) fn bind_names(&mut self, bindings: &[(usize, Template)]) -> Result<(), EvaluationError> {
        for (slot, template) in bindings {
            let value = template.evaluate(&self.frame)?;
            self.frame.store(*slot, value);
        }
        Ok(())
    }

    async fn repeat(
        &mut self,
        plan: &Plan,
        times: &Template,
        slot: usize,
        steps: &[Step],
    ) -> Result<(), Stop> {
        let value = times.evaluate(&self.frame).map_err(|error| Stop::value("repeat", &error))?;
        let times =
            value.as_i64().filter(|times| (0..=MOST_REPETITIONS).contains(times)).ok_or_else(|| {
                let message =
                    format!("`{value}` is not a number of repetitions from 0 to {MOST_REPETITIONS}");
                Stop::Failure { step: "repeat".to_owned(), failure: Failure::value(message) }
            })?;
        for i in 0..times {
            self.frame.store(slot, Value::from(i));
            self.steps(plan, steps).await?;
        }
        Ok(())
    }

    async fn for_each(
        &mut self,
        plan: &Plan,
        list: &Template,
        slot: usize,
        steps: &[Step],
    ) -> Result<(), Stop> {
        let value = list.evaluate(&self.frame).map_err(|error| Stop::value("repeat", &error))?;
        if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
            let message = format!("`{value}` is not a list");
            return Err(Stop::Failure { step: "repeat".to_owned(), failure: Failure::value(message) });
        }
        let items: Vec<Value> = value.try_iter().map(Iterator::collect).unwrap_or_default();
        for item in items {
            self.frame.store(slot, item);
            self.steps(plan, steps).await?;
        }
        Ok(())
    }

    async fn barrier(&mut self, plan: &Plan, index: usize) -> Result<(), Stop> {
        let shared = std::sync::Arc::clone(&self.shared);
        match shared.barriers[index].wait(&shared.settings.stop).await {
            (Passed::Opened, opened) => {
                if self.measured {
                    self.recorder.borrow_mut().released(Release::Barrier(index), opened.elapsed());
                }
                Ok(())
            }
            (Passed::Stopped, _) => Err(Stop::Skipped),
            (Passed::TimedOut, _) => {
                let barrier = &plan.barriers[index];
                Err(Stop::Timeout {
                    step: format!("barrier {}", barrier.name),
                    message: format!("fewer than {} workers came in time", barrier.parties),
                })
            }
        }
    }

    /// The values of a statement's parameters.
    pub(super) fn parameters(
        &self,
        plan: &Plan,
        step: &str,
        statement: StatementIndex,
    ) -> Result<Vec<Value>, Stop> {
        let parameters = plan.statements[statement.0].parameters.iter();
        parameters
            .map(|parameter| parameter.evaluate(&self.frame).map_err(|error| Stop::value(step, &error)))
            .collect()
    }

    /// Asks a question that is no step of its own.
    pub(super) async fn ask(
        &mut self,
        plan: &Plan,
        step: &str,
        statement: StatementIndex,
    ) -> Result<Rows, Stop> {
        let values = self.parameters(plan, step, statement)?;
        let shared = std::sync::Arc::clone(&self.shared);
        let prepared = &shared.settings.prepared[statement.0];
        self.session()
            .execute(prepared, &values, true)
            .await
            .map_err(|failure| Stop::Failure { step: step.to_owned(), failure })
    }

    /// Executes a statement and deals with its result.
    pub(super) async fn sql(&mut self, plan: &Plan, step: &SqlStep) -> Result<(), Stop> {
        let index = step.statement;
        let statement = &plan.statements[index.0];
        let shared = std::sync::Arc::clone(&self.shared);
        self.values.clear();
        for parameter in &statement.parameters {
            let value = parameter.evaluate(&self.frame).map_err(|error| Stop::value(&step.name, &error))?;
            self.values.push(value);
        }
        self.follow_locks(index.0, &statement.lock_ranks);
        self.leave_trail(index.0);
        if let Some(samples) = &shared.settings.samples {
            samples[index.0].get_or_init(|| self.values.clone());
        }
        let observed = shared.settings.observed.get(index.0).copied().unwrap_or(false);
        let fetch = observed || step.needs_rows();
        let prepared = &shared.settings.prepared[index.0];
        let values = std::mem::take(&mut self.values);
        let executed = if self.heard.is_some() {
            self.hear(prepared, &values).await
        } else {
            self.session().execute(prepared, &values, fetch).await
        };
        self.values = values;
        if executed.is_err() {
            self.failed_at = shared.settings.board.moment();
        }
        let rows = executed.map_err(|failure| Stop::Failure { step: step.name.clone(), failure })?;
        if observed && let Some(observer) = &shared.settings.observer {
            observer(index, &rows).map_err(|error| Stop::Failure {
                step: step.name.clone(),
                failure: Failure::value(format!("can't record the inserted rows: {error}")),
            })?;
        }
        self.keep(step, &rows)
    }

    /// Executes a statement and keeps its results as texts.
    async fn hear(&mut self, prepared: &Prepared, values: &[Value]) -> Result<Rows, Failure> {
        let (tables, executed) = match prepared {
            Prepared::Script(sql) => {
                let Answers { tables, rows, affected, failure } = self.session().answers(sql).await;
                let columns = self.heard.as_ref().and_then(|heard| heard.columns.get(&**sql));
                (with_columns(tables, columns), failure.map_or(Ok(Rows { rows, affected }), Err))
            }
            Prepared::Postgres(_) | Prepared::MySql(_) | Prepared::Sqlite(_) | Prepared::Scripted(_) => {
                let executed = self.session().execute(prepared, values, true).await;
                let tables = executed.iter().map(|rows| as_texts(prepared.columns(), rows)).collect();
                (tables, executed)
            }
        };
        self.affected += executed.as_ref().map_or(0, |rows| rows.affected);
        if let Some(heard) = &mut self.heard {
            heard.tables.extend(tables);
        }
        executed
    }

    /// Counts a table that is locked after one that comes later in the declared order.
    fn follow_locks(&mut self, statement: usize, ranks: &[usize]) {
        let Some(held) = &mut self.held else { return };
        for rank in ranks {
            if let Some(after) = held.lock(*rank)
                && self.measured
            {
                let mut recorder = self.recorder.borrow_mut();
                *recorder.violations.entry((statement, *rank, after)).or_default() += 1;
            }
        }
    }

    fn keep(&mut self, step: &SqlStep, rows: &Rows) -> Result<(), Stop> {
        for (slot, kind) in &step.captures {
            let value = match kind {
                CaptureKind::First => rows.first(),
                CaptureKind::All => rows.list(),
                CaptureKind::Value => rows.single(),
            };
            self.frame.store(*slot, value);
        }
        let Some(slots) = step.result else { return Ok(()) };
        self.frame.store(slots.rows_affected, Value::from(rows.affected));
        self.frame.store(slots.row_count, Value::from(rows.rows.len()));
        self.frame.store(slots.row, rows.first());
        for assertion in &step.assertions {
            let message = match assertion.holds(&self.frame) {
                Ok(true) => continue,
                Ok(false) => {
                    format!(
                        "`{}` doesn't hold: {} rows affected, {} returned",
                        assertion.source(),
                        rows.affected,
                        rows.rows.len()
                    )
                }
                Err(error) => error.to_string(),
            };
            return Err(Stop::Assertion { step: step.name.clone(), message });
        }
        Ok(())
    }

    /// Counts what a failed attempt met.
    pub(super) fn count_conflict(&mut self, cause: &Cause) {
        self.met.deadlocks += u32::from(*cause == Cause::Deadlock);
        self.met.serializations += u32::from(*cause == Cause::Serialization);
        self.met.conflicts += u32::from(cause.is_conflict());
    }
}
