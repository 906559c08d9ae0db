//! Runs that were kept, found by name: a baseline, a run's id, or a result document.

use std::path::Path;

use super::{console::Console, report::read, run::block_on, status};
use crate::{
    history::{self, HistoryError, Limits, Store, Summary},
    report::{self, Document},
    run::Trouble,
};

impl From<HistoryError> for Trouble {
    fn from(error: HistoryError) -> Self {
        Self::new(error.to_string()).hint(error.hint())
    }
}

/// The history of the working directory, opened for one task.
pub(super) async fn open() -> Result<Store, Trouble> {
    Ok(Store::open(&history::path(Path::new(".")), Limits::default()).await?)
}

/// All documents that something is the name of. A path is one that ends in `.json` or is there.
pub(super) fn find(called: &str) -> Result<Vec<Document>, (Trouble, u8)> {
    let path = Path::new(called);
    if path.is_file() || path.extension().is_some_and(|ending| ending == "json") {
        return read(&path.to_owned());
    }
    let unknown = || {
        let trouble = Trouble::new(format!("there is no run and no baseline `{called}`"));
        let hint = "`deadheat history` lists them; a result document is named by its path";
        (trouble.hint(hint), status::USAGE)
    };
    if !history::exists(Path::new(".")) {
        return Err(unknown());
    }
    let failed = |trouble: Trouble| (trouble, status::COULD_NOT_RUN);
    let texts = block_on(async {
        let mut store = open().await?;
        let found = store.find(called).await.map_err(Trouble::from);
        store.close().await;
        found
    });
    let texts = texts.map_err(failed)?;
    let mut documents = Vec::new();
    for text in texts {
        let read = report::read(&text).map_err(|error| {
            let trouble = Trouble::new(format!("the run kept as `{called}` can't be used: {error}"));
            failed(trouble.hint(error.hint()))
        });
        documents.extend(read?);
    }
    if documents.is_empty() { Err(unknown()) } else { Ok(documents) }
}

/// Keeps a document, which has no secrets in it any more.
pub(super) async fn keep(document: &Document, baseline: Option<&str>) -> Result<(), Trouble> {
    let mut store = open().await?;
    let summary = Summary {
        run_id: document.run_id.clone(),
        scenario: document.scenario.clone(),
        file: document.file.clone(),
        started_at: document.started_at.clone(),
        verdict: document.verdict.word().to_owned(),
        seed: document.seed,
        operations: document.totals.started,
        throughput: document.totals.throughput_per_s,
        latency_p95: document.totals.latency_ms.percentile(95.0),
    };
    let kept = store.keep(&summary, &report::json(document), baseline).await;
    store.close().await;
    Ok(kept?)
}

/// Says what is wrong, and returns the status.
pub(super) fn fail((trouble, status): (Trouble, u8), console: &Console) -> u8 {
    console.error(&trouble);
    status
}
