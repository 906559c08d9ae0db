//! A history as other checkers read it: JSON lines of invocations and completions, in the order of time.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::history::{History, Operation, Status, Transaction};

/// One event of a history.
#[derive(Serialize)]
struct Event<'a> {
    index: usize,
    #[serde(rename = "type")]
    kind: &'a str,
    process: u32,
    /// Each `["append", key, value]` or `["r", key, [values]]`.
    value: Vec<serde_json::Value>,
    time: u64,
}

/// Writes a history: each transaction as `invoke` and then as `ok`, `fail` or `info`.
///
/// # Errors
/// When it can't be written.
pub fn write_json_lines(history: &History, out: &mut impl Write) -> io::Result<()> {
    let mut events: Vec<(u64, bool, &Transaction)> = Vec::new();
    for transaction in &history.transactions {
        events.push((transaction.begun, false, transaction));
        events.push((transaction.ended, true, transaction));
    }
    events.sort_by_key(|(time, is_end, _)| (*time, *is_end));
    for (index, (time, is_end, transaction)) in events.into_iter().enumerate() {
        let kind = match (is_end, transaction.status) {
            (false, _) => "invoke",
            (true, Status::Ok) => "ok",
            (true, Status::Fail) => "fail",
            (true, Status::Info) => "info",
        };
        let value = transaction.operations.iter().map(|operation| micro(operation, is_end)).collect();
        serde_json::to_writer(
            &mut *out,
            &Event { index, kind, process: transaction.process, value, time },
        )?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn micro(operation: &Operation, is_end: bool) -> serde_json::Value {
    match operation {
        Operation::Append { key, value } => json!(["append", key, value]),
        Operation::Read { key, values } => json!(["r", key, values.as_ref().filter(|_| is_end)]),
    }
}
