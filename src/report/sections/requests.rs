//! Requests: what was sent and answered, and what the answers are worth.

use super::{
    super::{
        cells::{cut, grouped, lines, number, table, text, wrapped},
        document::Document,
        table::Style,
    },
    NAME,
    deadlocks::{DeadlockFacts, sentence},
    rows,
};
use crate::measure::RequestResults;

/// Columns of statuses for which there is room; with more of them they are counted by hundreds.
const MOST_STATUSES: usize = 5;

pub(in crate::report) fn requests(document: &Document, style: &Style) -> String {
    let all = &document.totals.requests;
    if all.sent == 0 {
        return String::new();
    }
    let columns = columns(all);
    let (resent, silent) = (all.resent > 0, unanswered(all) > 0);
    let mut header = vec!["operation", "sent"];
    header.extend(resent.then_some("resent"));
    header.extend(columns.iter().map(String::as_str));
    header.extend(silent.then_some("no answer"));
    let mut out = style.heading("Requests, and answers by status");
    let mut table = table(style, &header);
    for (name, operation) in rows(document).filter(|(_, operation)| operation.requests.sent > 0) {
        let one = &operation.requests;
        let mut cells = vec![text(&cut(name, NAME)), number(one.sent)];
        cells.extend(resent.then(|| number(one.resent)));
        cells.extend(columns.iter().map(|column| number(answers(one, column))));
        cells.extend(silent.then(|| number(unanswered(one))));
        table.add_row(cells);
    }
    out.push_str(&lines(&table));
    let counted = document.application.as_ref().and_then(|application| application.deadlocks);
    let sentences = [sentence(&DeadlockFacts::new(counted, all)), changes(all)];
    for sentence in sentences.into_iter().flatten() {
        out.push_str(&wrapped(&sentence, "", style.width));
    }
    out
}

/// `200`, `404`, …, or `2xx`, `4xx`, ….
fn columns(requests: &RequestResults) -> Vec<String> {
    if requests.statuses.len() <= MOST_STATUSES {
        return requests.statuses.keys().cloned().collect();
    }
    let hundreds = |class: &u16| requests.answers(class * 100) > 0;
    (1..=9).filter(hundreds).map(|class| format!("{class}xx")).collect()
}

fn answers(requests: &RequestResults, column: &str) -> u64 {
    match column.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok()) {
        Some(class) => requests.answers(class * 100),
        None => requests.statuses.get(column).copied().unwrap_or_default(),
    }
}

fn unanswered(requests: &RequestResults) -> u64 {
    requests.sent.saturating_sub(requests.statuses.values().sum())
}

/// Whether what was acknowledged was done.
fn changes(requests: &RequestResults) -> Option<String> {
    let RequestResults { changes, late_changes, missing_changes, .. } = *requests;
    let looked = match changes {
        0 => return None,
        1 => "1 acknowledged request".to_owned(),
        changes => format!("{} acknowledged requests", grouped(changes)),
    };
    Some(match (missing_changes, late_changes) {
        (0, 0) => format!("{looked}: each had changed what it should."),
        (missing, 0) => format!("{looked}: {} changed nothing.", grouped(missing)),
        (0, late) => format!("{looked}: {} changed what they should too late.", grouped(late)),
        (missing, late) => {
            format!("{looked}: {} changed nothing, {} too late.", grouped(missing), grouped(late))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_requests_that_changed_nothing_are_told() {
        let said = |changes, late_changes, missing_changes| {
            let requests =
                RequestResults { changes, late_changes, missing_changes, ..RequestResults::default() };
            super::changes(&requests).unwrap_or_default()
        };
        assert_eq!(said(0, 0, 0), "");
        assert_eq!(said(1200, 0, 0), "1,200 acknowledged requests: each had changed what it should.");
        assert_eq!(said(10, 0, 3), "10 acknowledged requests: 3 changed nothing.");
        assert_eq!(said(10, 2, 0), "10 acknowledged requests: 2 changed what they should too late.");
        assert_eq!(said(10, 2, 3), "10 acknowledged requests: 3 changed nothing, 2 too late.");
    }

    #[test]
    fn many_statuses_are_counted_by_hundreds() {
        let statuses = ["200", "201", "400", "404", "500", "503"].map(|status| (status.to_owned(), 2));
        let requests = RequestResults { sent: 13, statuses: statuses.into(), ..RequestResults::default() };
        assert_eq!(columns(&requests), ["2xx", "4xx", "5xx"]);
        assert_eq!(
            (answers(&requests, "4xx"), answers(&requests, "404"), unanswered(&requests)),
            (4, 2, 1)
        );
    }
}
