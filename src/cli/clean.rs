//! `clean`: removes what killed runs left.

use super::{args::CleanArguments, console::Console, run::block_on, status};
use crate::{
    fixture::{CleanOptions, clean as clean_up},
    run::Trouble,
    target::{
        Endpoint, StartedService,
        embedded::{remove_abandoned, remove_half_built},
    },
};

pub(super) fn clean(arguments: &CleanArguments, console: &Console) -> u8 {
    let mut endpoints = Vec::new();
    if let Some(url) = &arguments.database {
        console.hide_passwords([url]);
        // A URL of another kind of database is of no use here, and no mistake either.
        endpoints.extend(Endpoint::from_url(url).ok());
    }
    let options = CleanOptions {
        endpoints,
        remove_server: &remove_abandoned,
        remove_service: &StartedService::remove_abandoned,
    };
    let reports = match block_on(clean_up(&options)) {
        Ok(reports) => reports,
        Err(error) => {
            let trouble = Trouble::new(error.to_string()).hint(error.hint());
            console.error(&trouble);
            return status::COULD_NOT_RUN;
        }
    };
    let mut worst = status::PASS;
    match remove_half_built() {
        Ok(0) if reports.is_empty() => console.note("nothing was left behind"),
        Ok(0) => {}
        Ok(_) => console.note("removed half of a database cluster that was being made"),
        Err(error) => {
            console.error(&Trouble::from(error));
            worst = status::COULD_NOT_RUN;
        }
    }
    for report in reports {
        for removed in &report.removed {
            console.note(&format!("run {}: removed {removed}", report.run_id));
        }
        for (problem, hint) in &report.problems {
            let mut trouble = Trouble::new(format!("run {}: {problem}", report.run_id));
            trouble.hint.clone_from(hint);
            console.error(&trouble);
            worst = status::COULD_NOT_RUN;
        }
    }
    worst
}
