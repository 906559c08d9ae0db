//! Evaluates invariants: before, during and after the load, and until they hold.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    expression::{EvaluationError, Frame, RandomStream, Row, Rows, Value, layered, to_text},
    measure::{InvariantResult, Recorder},
    plan::{Expect, Invariant, Plan},
    target::{Failure, Prepared, Session},
};

/// Failing rows that are kept.
const MOST_ROWS: usize = 10;
/// Pause between two looks at an invariant that may take a while to hold.
const EVENTUALLY_PAUSE: Duration = Duration::from_millis(50);

/// When an invariant is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    Before,
    During(Duration),
    After,
    Eventually,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During(_) => "during",
            Self::After => "after",
            Self::Eventually => "eventually",
        }
    }
}

/// The invariants of a run and what was found so far.
pub struct InvariantState {
    plan: Arc<Plan>,
    prepared: Vec<Prepared>,
    frame: Frame,
    /// First row of each query before the load.
    before: Vec<Value>,
    results: Vec<InvariantResult>,
}

impl InvariantState {
    /// Prepares every query. `globals` are the values of the plan's global names.
    ///
    /// # Errors
    /// The first query that the server doesn't take, by its index.
    pub async fn prepare(
        plan: &Arc<Plan>,
        globals: &[Value],
        session: &mut Session,
    ) -> Result<Self, (usize, Failure)> {
        let stream = RandomStream { seed: 0, worker: RandomStream::FIXTURES, iteration: 0 };
        let frame =
            Frame::new(Arc::clone(&plan.globals), Arc::clone(&plan.payloads), stream, SystemTime::now());
        for (slot, value) in globals.iter().enumerate() {
            frame.store(slot, value.clone());
        }
        let mut prepared = Vec::new();
        for (index, invariant) in plan.invariants.iter().enumerate() {
            let statement = session
                .prepare(&invariant.text, &invariant.placeholders)
                .await
                .map_err(|failure| (index, failure))?;
            prepared.push(statement);
        }
        let results = plan.invariants.iter().map(empty_result).collect();
        let before = vec![Value::from(()); plan.invariants.len()];
        Ok(Self { plan: Arc::clone(plan), prepared, frame, before, results })
    }

    /// What was found, in the order of the file.
    pub fn into_results(self) -> Vec<InvariantResult> {
        self.frame.release_rows();
        self.results
    }

    /// Checks every invariant once more, and returns what was found now. `operations` is what they find
    /// under this name.
    pub(super) async fn judge(
        &mut self,
        operations: &Value,
        session: &mut Session,
    ) -> Vec<InvariantResult> {
        self.results = self.plan.invariants.iter().map(empty_result).collect();
        for index in 0..self.results.len() {
            self.check(index, Phase::After, Some(operations), session).await;
        }
        self.frame.release_rows();
        std::mem::take(&mut self.results)
    }

    /// What was found of one so far.
    pub(super) fn found(&self, index: usize) -> InvariantResult {
        self.results[index].clone()
    }

    /// Goes back to what was found `before`.
    pub(super) fn forget(&mut self, index: usize, before: InvariantResult) {
        self.results[index] = before;
    }

    /// Pauses of the invariants that are checked while the load runs, by index.
    pub(super) fn schedules(&self) -> Vec<(usize, Duration)> {
        let every = |(index, invariant): (usize, &Invariant)| Some((index, invariant.every?));
        self.plan.invariants.iter().enumerate().filter_map(every).collect()
    }

    pub(super) async fn check(
        &mut self,
        index: usize,
        phase: Phase,
        operations: Option<&Value>,
        session: &mut Session,
    ) -> bool {
        let plan = Arc::clone(&self.plan);
        let invariant = &plan.invariants[index];
        self.results[index].checked += 1;
        let judged = match self.rows(invariant, index, session).await {
            Ok(rows) => {
                if matches!(phase, Phase::Before) {
                    self.before[index] = rows.first();
                }
                let context = self.context(index, &rows, operations);
                holds(invariant, &rows, context.clone()).map(|holds| (holds, rows, context))
            }
            Err(message) => Err(message),
        };
        match judged {
            Ok((true, _, _)) => true,
            Ok((false, rows, context)) => {
                self.violated(invariant, index, phase, &rows, context);
                false
            }
            Err(message) => {
                self.results[index].error.get_or_insert(message);
                false
            }
        }
    }

    async fn rows(
        &self,
        invariant: &Invariant,
        index: usize,
        session: &mut Session,
    ) -> Result<Rows, String> {
        let values = invariant
            .parameters
            .iter()
            .map(|parameter| parameter.evaluate(&self.frame))
            .collect::<Result<Vec<_>, EvaluationError>>()
            .map_err(|error| error.to_string())?;
        session.execute(&self.prepared[index], &values, true).await.map_err(|failure| failure.to_string())
    }

    fn context(&self, index: usize, rows: &Rows, operations: Option<&Value>) -> Value {
        let mut named: Vec<(String, Value)> = Vec::new();
        if let Some(row) = rows.rows.first() {
            named.extend(
                row.columns()
                    .iter()
                    .zip(row.values())
                    .map(|(name, value)| (name.to_string(), value.clone())),
            );
        }
        named.push(("row_count".to_owned(), Value::from(rows.rows.len())));
        named.push(("before".to_owned(), self.before[index].clone()));
        named.extend(operations.map(|operations| ("operations".to_owned(), operations.clone())));
        layered(named, self.frame.value())
    }

    fn violated(&mut self, invariant: &Invariant, index: usize, phase: Phase, rows: &Rows, context: Value) {
        let result = &mut self.results[index];
        result.violated += 1;
        if result.violated > 1 {
            return;
        }
        result.phase = Some(phase.name().to_owned());
        if let Phase::During(at) = phase {
            result.first_violation_ms = Some(at.as_secs_f64() * 1e3);
        }
        result.failing_rows = rows.rows.len() as u64;
        if let Some(row) = rows.rows.first() {
            result.columns = row.columns().iter().map(|name| name.to_string()).collect();
        }
        result.rows = rows.rows.iter().take(MOST_ROWS).map(row_text).collect();
        if let Some(message) = &invariant.message {
            let text = message.evaluate_with(&mut |expression| expression.evaluate_in(context.clone()));
            result.message = Some(match text {
                Ok(text) => text.to_string(),
                Err(error) => format!("(the message can't be written: {error})"),
            });
        }
    }
}

fn empty_result(invariant: &Invariant) -> InvariantResult {
    InvariantResult {
        name: invariant.name.clone(),
        description: invariant.description.clone(),
        when: invariant.when(),
        expect: match &invariant.expect {
            Expect::NoRows => "no_rows".to_owned(),
            Expect::Holds(expression) => expression.source().to_owned(),
        },
        ..InvariantResult::default()
    }
}

fn holds(invariant: &Invariant, rows: &Rows, context: Value) -> Result<bool, String> {
    match &invariant.expect {
        Expect::NoRows => Ok(rows.rows.is_empty()),
        Expect::Holds(_) if rows.rows.is_empty() => Err("the query returned no row to look at".to_owned()),
        Expect::Holds(expression) => {
            expression.evaluate_in(context).map(|value| value.is_true()).map_err(|error| error.to_string())
        }
    }
}

fn row_text(row: &Row) -> Vec<String> {
    row.values().iter().map(to_text).collect()
}

/// Looks at the invariants before the load: those that ask for it are judged, of all the first
/// row is kept as `before`. `recorder` is `None` before and given after the load.
pub async fn check_invariants(
    state: &mut InvariantState,
    session: &mut Session,
    recorder: Option<&Recorder>,
) {
    let plan = Arc::clone(&state.plan);
    let Some(recorder) = recorder else {
        for (index, invariant) in plan.invariants.iter().enumerate() {
            if invariant.before {
                state.check(index, Phase::Before, None, session).await;
            } else if let Ok(rows) = state.rows(invariant, index, session).await {
                state.before[index] = rows.first();
            }
        }
        return;
    };
    let operations = acknowledged(&plan, recorder);
    for (index, invariant) in plan.invariants.iter().enumerate() {
        if invariant.after {
            state.check(index, Phase::After, Some(&operations), session).await;
        }
        if let Some(patience) = invariant.eventually {
            eventually(state, index, patience, &operations, session).await;
        }
    }
}

async fn eventually(
    state: &mut InvariantState,
    index: usize,
    patience: Duration,
    operations: &Value,
    session: &mut Session,
) {
    let begun = Instant::now();
    let untouched = state.results[index].clone();
    loop {
        state.results[index] = untouched.clone();
        let held = state.check(index, Phase::Eventually, Some(operations), session).await;
        if held || session.is_lost() || begun.elapsed() >= patience {
            return;
        }
        tokio::time::sleep(EVENTUALLY_PAUSE).await;
    }
}

/// `operations.NAME.committed` and `.unknown`, warm-up included.
fn acknowledged(plan: &Plan, recorder: &Recorder) -> Value {
    Value::from_pairs(plan.operations.iter().zip(&recorder.operations).map(|(operation, record)| {
        let counts = [("committed", record.acknowledged), ("unknown", record.unacknowledged)];
        (operation.name.clone(), Value::from_pairs(counts))
    }))
}
