//! The result document: one versioned structure, of which every other report is a view.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{
    measure::{
        ApplicationResults, ArrivalResults, ComparedRun, ControlResults, DeadlockResults, EffectResults,
        Environment, ErrorSample, FixtureResults, GateResults, Incident, InvariantResult, IsolationResults,
        LockOrderResults, OperationResults, Overlap, ProbeResults, RaceResults, ReleaseResults,
        RetryResults, RunResults, TimelineEntry, TuningResults, WaitResults,
    },
    verdict::{Comparison, Conclusion, GradeResult, ThresholdResult, Verdict},
};

/// Counts up when a field changes its meaning or goes away.
pub(super) const VERSION: u32 = 1;

/// A run and its verdict. The fields are documented at [`RunResults`] and [`Verdict`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Version of this structure: 1.
    pub version: u32,
    pub scenario: String,
    pub description: Option<String>,
    pub file: String,
    pub verdict: Conclusion,
    pub reasons: Vec<String>,
    pub grade: Option<String>,
    pub interrupted: bool,
    #[serde(default)]
    pub aborted: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchecked: Option<String>,
    pub seed: u64,
    pub run_id: String,
    pub started_at: String,
    pub duration_ms: f64,
    pub environment: Environment,
    pub totals: OperationResults,
    pub operations: IndexMap<String, OperationResults>,
    pub retries: RetryResults,
    pub isolation: IsolationResults,
    pub lock_order: LockOrderResults,
    #[serde(default)]
    pub deadlocks: DeadlockResults,
    pub waits: WaitResults,
    pub overlap: Overlap,
    #[serde(default)]
    pub arrivals: Option<ArrivalResults>,
    #[serde(default)]
    pub releases: Vec<ReleaseResults>,
    #[serde(default)]
    pub gates: Vec<GateResults>,
    #[serde(default)]
    pub application: Option<ApplicationResults>,
    #[serde(default)]
    pub requirements: Vec<ThresholdResult>,
    pub invariants: Vec<InvariantResult>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectResults>,
    #[serde(default)]
    pub does_not_apply: IndexMap<String, String>,
    pub thresholds: Vec<ThresholdResult>,
    pub grades: Vec<GradeResult>,
    pub fixtures: FixtureResults,
    #[serde(default, skip_serializing_if = "TuningResults::is_empty")]
    pub tuning: TuningResults,
    pub errors: Vec<ErrorSample>,
    pub timeline: Vec<TimelineEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_text: Option<String>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub vars: IndexMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Incident>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlResults>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<ComparedRun>,
    #[serde(default)]
    pub races: Vec<RaceResults>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeResults>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// Puts a document together and takes it apart, field by field. The compiler holds the lists against all
/// three types, so that no field is forgotten.
macro_rules! document_of {
    (results: $($measured:ident)+; verdict: $($judged:ident)+;) => {
        impl Document {
            /// Puts a run and its verdict together.
            pub fn new(results: RunResults, verdict: Verdict) -> Self {
                let RunResults { $($measured),+ } = results;
                let Verdict { $($judged),+ } = verdict;
                Self { version: VERSION, $($measured,)+ $($judged),+ }
            }

            /// Takes them apart again: what was measured can be judged anew.
            pub fn into_parts(self) -> (RunResults, Verdict) {
                let Self { version: _, $($measured,)+ $($judged),+ } = self;
                (RunResults { $($measured),+ }, Verdict { $($judged),+ })
            }
        }
    };
}

document_of! {
    results:
        scenario description file file_text vars profile run_id seed started_at duration_ms interrupted
        aborted unchecked environment totals operations retries isolation lock_order deadlocks waits
        overlap arrivals releases gates application invariants effects does_not_apply fixtures tuning
        timeline errors incidents control compared races probes;
    verdict: verdict reasons grade thresholds requirements grades comparison;
}

/// The document as JSON, ending in a line break. Fractions have at most three digits: a
/// millisecond's thousandth is finer than any clock here.
pub fn json(document: &Document) -> String {
    let mut value =
        serde_json::to_value(document).expect("the document holds nothing that JSON has no form for");
    round(&mut value);
    format!("{value:#}\n")
}

fn round(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            if let Some(float) = number.as_f64() {
                *value = serde_json::Value::from((float * 1e3).round() / 1e3);
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(round),
        serde_json::Value::Object(entries) => entries.values_mut().for_each(round),
        _ => {}
    }
}
