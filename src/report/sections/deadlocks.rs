//! Deadlocks: those that operations met, as cycles; and those that the database counted, beside what the
//! application's answers tell, in one sentence.

use super::super::{
    cells::{grouped, plain, wrapped},
    cycles,
    document::Document,
    table::Style,
};
use crate::measure::RequestResults;

/// Kinds of deadlocks that are explained.
const MOST_CYCLES: usize = 4;

/// Deadlocks of operations, with who waited for whom and what to change.
pub(in crate::report) fn deadlocks(document: &Document, style: &Style) -> String {
    let explained = cycles::explained(document);
    let sentences = [cycles::rest(document), cycles::counted(document)];
    if explained.is_empty() && sentences[1].is_empty() {
        return String::new();
    }
    let heading = if explained.is_empty() { "Deadlocks" } else { "Deadlocks explained" };
    let mut out = style.heading(heading);
    for one in explained.iter().take(MOST_CYCLES) {
        out.push_str(&wrapped(&format!("{}:", one.heading), "", style.width));
        for party in &one.parties {
            out.push_str(
                &wrapped(&format!("{}.", plain(party)), "    ", style.width).replacen("    ", "  - ", 1),
            );
        }
        if !one.advice.is_empty() {
            out.push_str(&wrapped(&one.advice, "  ", style.width));
        }
    }
    let more: u64 = document.deadlocks.cycles.iter().skip(MOST_CYCLES).map(|cycle| cycle.count).sum();
    if more > 0 {
        out.push_str(&format!("… and {} in other ways\n", grouped(more)));
    }
    for sentence in sentences.iter().filter(|sentence| !sentence.is_empty()) {
        out.push_str(&wrapped(sentence, "", style.width));
    }
    out
}

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DeadlockFacts {
    /// Counted by the database; `None`: not watched, or not known.
    pub counted: Option<u64>,
    /// Answers with 5xx.
    pub server_errors: u64,
    /// `500` when all of them have this status, else `5xx`.
    pub status: String,
    /// Answers that the scenario takes for a deadlock.
    pub answers: u64,
    /// Retries that the service told; `None` when the scenario doesn't say where to look.
    pub retries: Option<u64>,
}

impl DeadlockFacts {
    pub fn new(counted: Option<u64>, requests: &RequestResults) -> Self {
        let errors: Vec<&String> =
            requests.statuses.keys().filter(|status| status.starts_with('5')).collect();
        let status = match errors.as_slice() {
            [] => "500".to_owned(),
            [only] => (*only).clone(),
            _ => "5xx".to_owned(),
        };
        Self {
            counted,
            server_errors: requests.answers(500),
            status,
            answers: requests.deadlock_answers,
            retries: requests.retries_told.then_some(requests.service_retries),
        }
    }

    /// Failures that stand for a deadlock, as far as can be told.
    fn failures(&self) -> u64 {
        if self.answers > 0 { self.answers } else { self.server_errors }
    }
}

/// The sentence; `None` when there is nothing to say.
pub(super) fn sentence(facts: &DeadlockFacts) -> Option<String> {
    let retries = match facts.retries {
        None => "retries not told".to_owned(),
        Some(1) => "1 retry told".to_owned(),
        Some(retries) => format!("{} retries told", grouped(retries)),
    };
    let errors = match facts.server_errors {
        1 => format!("1 answer {}", facts.status),
        errors => format!("{} answers {}", grouped(errors), facts.status),
    };
    let told = match facts.answers {
        answers if answers == facts.server_errors || answers == 0 => String::new(),
        answers => format!(" ({} of a deadlock)", grouped(answers)),
    };
    let Some(counted) = facts.counted else {
        let anything = facts.answers > 0 || facts.retries.is_some_and(|retries| retries > 0);
        return anything
            .then(|| format!("Deadlocks in the database are not counted; {errors}{told}, {retries}."));
    };
    let deadlocks = match counted {
        1 => "1 deadlock".to_owned(),
        counted => format!("{} deadlocks", grouped(counted)),
    };
    let conclusion = match (counted, facts.failures(), facts.retries) {
        (0, _, None | Some(0)) if facts.answers == 0 => {
            return Some("0 deadlocks in the database.".to_owned());
        }
        (0, _, Some(_)) if facts.answers == 0 => "the application retries for other reasons",
        (0, ..) => "the answers tell of deadlocks that this database hasn't counted",
        (_, 0, None) => return Some(format!("{deadlocks} in the database, {errors}, retries not told.")),
        (_, 0, Some(0)) => "nobody was told of them",
        (_, 0, Some(_)) => "the application retries",
        (counted, failures, None | Some(0)) if failures >= counted => "the application does not retry",
        (_, _, None) => "some of them reached the client",
        (_, _, Some(0)) => "the application does not retry, and some of them reached nobody",
        (..) => "the application retries, and gives up on some",
    };
    Some(
        format!("{deadlocks}, {errors}{told}, {retries}: {conclusion}.")
            .replace(", retries not told:", ":"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(counted: Option<u64>, server_errors: u64, answers: u64, retries: Option<u64>) -> String {
        let facts = DeadlockFacts { counted, server_errors, status: "500".to_owned(), answers, retries };
        sentence(&facts).unwrap_or_default()
    }

    #[test]
    fn deadlocks_beside_answers_and_retries() {
        for (counted, errors, answers, retries, expected) in [
            (
                Some(7),
                7,
                7,
                Some(0),
                "7 deadlocks, 7 answers 500, 0 retries told: the application does not retry.",
            ),
            (Some(7), 7, 0, None, "7 deadlocks, 7 answers 500: the application does not retry."),
            (
                Some(7),
                0,
                0,
                Some(7),
                "7 deadlocks, 0 answers 500, 7 retries told: the application retries.",
            ),
            (Some(7), 0, 0, None, "7 deadlocks in the database, 0 answers 500, retries not told."),
            (
                Some(7),
                0,
                0,
                Some(0),
                "7 deadlocks, 0 answers 500, 0 retries told: nobody was told of them.",
            ),
            (
                Some(7),
                2,
                2,
                Some(9),
                "7 deadlocks, 2 answers 500, 9 retries told: the application retries, and gives up on some.",
            ),
            (
                Some(7),
                2,
                2,
                Some(0),
                "7 deadlocks, 2 answers 500, 0 retries told: the application does not retry, and some of them reached nobody.",
            ),
            (Some(7), 2, 0, None, "7 deadlocks, 2 answers 500: some of them reached the client."),
            (
                Some(1),
                3,
                1,
                Some(1),
                "1 deadlock, 3 answers 500 (1 of a deadlock), 1 retry told: the application retries, and gives up on some.",
            ),
            (Some(0), 5, 0, None, "0 deadlocks in the database."),
            (Some(0), 0, 0, Some(0), "0 deadlocks in the database."),
            (
                Some(0),
                0,
                0,
                Some(4),
                "0 deadlocks, 0 answers 500, 4 retries told: the application retries for other reasons.",
            ),
            (
                Some(0),
                2,
                2,
                None,
                "0 deadlocks, 2 answers 500: the answers tell of deadlocks that this database hasn't counted.",
            ),
            (
                None,
                3,
                3,
                None,
                "Deadlocks in the database are not counted; 3 answers 500, retries not told.",
            ),
            (
                None,
                0,
                0,
                Some(2),
                "Deadlocks in the database are not counted; 0 answers 500, 2 retries told.",
            ),
            (None, 3, 0, None, ""),
            (None, 0, 0, Some(0), ""),
        ] {
            assert_eq!(said(counted, errors, answers, retries), expected);
        }
    }

    #[test]
    fn several_statuses_have_one_name() {
        let requests = |statuses: &[(&str, u64)]| RequestResults {
            statuses: statuses.iter().map(|(status, count)| ((*status).to_owned(), *count)).collect(),
            ..RequestResults::default()
        };
        let facts = DeadlockFacts::new(Some(3), &requests(&[("200", 9), ("500", 2), ("503", 1)]));
        assert_eq!((facts.status.as_str(), facts.server_errors, facts.retries), ("5xx", 3, None));
        assert_eq!(DeadlockFacts::new(None, &requests(&[("503", 1)])).status, "503");
    }
}
