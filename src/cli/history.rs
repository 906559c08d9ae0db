//! `history` and `compare`.

use std::path::Path;

use super::{
    args::{CompareArguments, HistoryArguments},
    console::Console,
    kept::{fail, find, open},
    run::block_on,
    status,
};
use crate::{
    history,
    report::{self, Document, Style},
    run::Trouble,
    verdict::compare as compare_runs,
};

pub(super) fn history(arguments: &HistoryArguments, console: &Console) -> u8 {
    if !history::exists(Path::new(".")) {
        console.note("no run was kept here; `deadheat run FILE --history` keeps it, and all later ones");
        return if arguments.forget.is_empty() { status::PASS } else { status::USAGE };
    }
    let done = block_on(async {
        let mut store = open().await?;
        let done = if arguments.forget.is_empty() {
            store.list().await.map(|mut runs| {
                runs.retain(|run| {
                    arguments.scenario.as_ref().is_none_or(|name| *name == run.summary.scenario)
                });
                Done::Listed(runs)
            })
        } else {
            forget(&mut store, &arguments.forget).await
        };
        store.close().await;
        done.map_err(Trouble::from)
    });
    match done {
        Ok(Done::Listed(runs)) if runs.is_empty() => {
            console.note("no run was kept here");
            status::PASS
        }
        Ok(Done::Listed(runs)) => {
            let style = Style { color: console.stdout_color(), width: report::terminal_width() };
            console.result(&report::history_table(&runs, &style))
        }
        Ok(Done::Forgot(unknown)) => {
            for name in &unknown {
                console.error(&Trouble::new(format!("there is no run and no baseline `{name}`")));
            }
            if unknown.is_empty() { status::PASS } else { status::USAGE }
        }
        Err(trouble) => fail((trouble, status::COULD_NOT_RUN), console),
    }
}

enum Done {
    Listed(Vec<history::Kept>),
    /// The names that there weren't.
    Forgot(Vec<String>),
}

async fn forget(store: &mut history::Store, names: &[String]) -> Result<Done, history::HistoryError> {
    let mut unknown = Vec::new();
    for name in names {
        if store.forget(name).await? == 0 {
            unknown.push(name.clone());
        }
    }
    Ok(Done::Forgot(unknown))
}

pub(super) fn compare(arguments: &CompareArguments, console: &Console) -> u8 {
    let pair = find(&arguments.before).and_then(|before| Ok((before, find(&arguments.after)?)));
    let pair = pair.and_then(|(before, after)| one_each(arguments, before, after));
    let (before, after) = match pair {
        Ok(pair) => pair,
        Err(failed) => return fail(failed, console),
    };
    let (before, after) = (before.into_parts().0, after.into_parts().0);
    let comparison = compare_runs(&arguments.before, &before, &after);
    let style = Style { color: console.stdout_color(), width: report::terminal_width() };
    let written = match arguments.json {
        true => console.result(&report::comparison_json(&comparison)),
        false => console.result(&report::comparison(&comparison, &style)),
    };
    match comparison.incomparable.is_empty() {
        true => written,
        false => status::INCONCLUSIVE,
    }
}

/// A name may be one of several scenarios: then the other side says which.
fn one_each(
    arguments: &CompareArguments,
    mut before: Vec<Document>,
    mut after: Vec<Document>,
) -> Result<(Document, Document), (Trouble, u8)> {
    let scenarios = |documents: &[Document]| -> Vec<String> {
        documents.iter().map(|document| document.scenario.clone()).collect()
    };
    let (one, other) = (scenarios(&before), scenarios(&after));
    if one.len() > 1 {
        before.retain(|document| other.contains(&document.scenario));
    }
    if other.len() > 1 {
        after.retain(|document| one.contains(&document.scenario));
    }
    match (<[Document; 1]>::try_from(before), <[Document; 1]>::try_from(after)) {
        (Ok([before]), Ok([after])) => Ok((before, after)),
        (before, _) => {
            let (name, all) = match before {
                Ok(_) => (&arguments.after, other),
                Err(_) => (&arguments.before, one),
            };
            let message = format!("`{name}` is {} runs, of the scenarios {}", all.len(), all.join(", "));
            Err((
                Trouble::new(message).hint("name one of them by its id, as `deadheat history` lists it"),
                status::USAGE,
            ))
        }
    }
}
