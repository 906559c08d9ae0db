//! Prints a plan for people.

use std::fmt::Write as _;

use super::{
    arrivals::Arrivals,
    model::{DataFile, Database, Fixture, Location, Operation, Plan, SqlStep, Step, Work},
    request::{HttpVersion, RequestIndex, Service, ServiceLocation},
};
use crate::{dialect::Dialect, units::format_duration};

/// The compiled plan as text: what will run, in which order, with what delays and locks.
pub fn explain(plan: &Plan) -> String {
    let mut text = String::new();
    header(plan, &mut text);
    for fixture in &plan.fixtures {
        fixture_line(plan, fixture, &mut text);
    }
    let total: f64 = plan.operations.iter().map(|operation| operation.weight).sum();
    for operation in &plan.operations {
        operation_text(plan, operation, total, &mut text);
    }
    for race in &plan.races {
        super::race::describe(race, &mut text);
    }
    judgement(plan, &mut text);
    text
}

/// Writing to a string can't fail.
macro_rules! line {
    ($text:expr, $($argument:tt)*) => {
        writeln!($text, $($argument)*).expect("writing to a string can't fail")
    };
}

fn header(plan: &Plan, text: &mut String) {
    line!(text, "{}", plan.name);
    if let Some(description) = &plan.description {
        line!(text, "  {}", description.trim());
    }
    match (&plan.profile, plan.profiles.as_slice()) {
        (Some(profile), _) => line!(text, "  profile {profile}"),
        (None, []) => {}
        (None, profiles) => line!(text, "  without a profile; there are {}", profiles.join(", ")),
    }
    if let Some(database) = &plan.database {
        database_text(database, text);
    }
    for service in &plan.services {
        service_text(service, text);
    }
    if !plan.operations.is_empty() {
        load_text(plan, text);
    }
    if !plan.data.is_empty() {
        line!(text, "\ndata");
    }
    for file in &plan.data {
        data_line(file, text);
    }
    if !plan.fixtures.is_empty() {
        line!(text, "\nfixtures");
    }
}

fn data_line(data: &DataFile, text: &mut String) {
    let DataFile { file, rows } = data;
    let columns: Vec<&str> = rows.columns().iter().map(|column| &**column).collect();
    let (count, columns) = (rows.len(), columns.join(", "));
    let once = match (rows.is_once(), rows.is_per_worker()) {
        (false, false) => "",
        (false, true) => "; each worker begins with the first",
        (true, false) => "; each is used once",
        (true, true) => "; each is used once by each worker",
    };
    line!(text, "  {}: {count} rows of {file} with {columns}{once}", rows.name());
}

fn load_text(plan: &Plan, text: &mut String) {
    let work = match &plan.load.work {
        Work::Iterations(count) => format!("{count} operations"),
        Work::Duration(duration) => format!("operations for {}", format_duration(*duration)),
        Work::Arrivals(arrivals) => arrivals_text(arrivals),
    };
    let release = if plan.load.release_together { ", released together" } else { "" };
    line!(text, "\nload: {} workers, {work}{release}", plan.load.concurrency);
    if let Some(most) = plan.load.most_operations {
        line!(text, "  ends after {most} operations at the latest, when data that is used once is used up");
    }
    if let Some(enough) = plan.load.enough {
        line!(text, "  ends after {} overlapped trials", enough.trials);
    }
    if !plan.load.warmup.is_zero() {
        line!(text, "  the first {} aren't measured", format_duration(plan.load.warmup));
    }
}

fn database_text(database: &Database, text: &mut String) {
    let location = match &database.location {
        Location::Embedded { dialect, settings } if settings.is_empty() => {
            format!("embedded {}", dialect.product())
        }
        Location::Embedded { dialect, settings } => {
            let settings: Vec<String> =
                settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            format!("embedded {} with {}", dialect.product(), settings.join(", "))
        }
        Location::Server { dialect, .. } => dialect.product().to_owned(),
        Location::Sqlite { path: None } => "temporary SQLite file".to_owned(),
        Location::Sqlite { path: Some(_) } => "SQLite file".to_owned(),
    };
    line!(text, "\ntarget {}: {location}", database.target);
    if let Some(isolation) = database.isolation {
        let read = match database.location.dialect() {
            Dialect::MySql => "sampled from InnoDB's own table",
            Dialect::Postgres | Dialect::Sqlite => "read back inside every transaction",
        };
        line!(text, "  isolation: {isolation}, {read}");
    }
    if !database.lock_order.is_empty() {
        line!(text, "  lock order: {}", database.lock_order.join(" → "));
    }
}

fn service_text(service: &Service, text: &mut String) {
    let location = match &service.location {
        // NB: a URL may hold a password.
        ServiceLocation::Url(_) => "a service".to_owned(),
        ServiceLocation::Start(start) => format!("a service started with `{}`", start.command),
    };
    let protocol = match service.protocol {
        HttpVersion::Http1 => "HTTP/1.1",
        HttpVersion::Http2 => "HTTP/2",
    };
    let watched = if service.watched { ", watched through its database" } else { "" };
    line!(text, "\ntarget {}: {location} over {protocol}{watched}", service.target);
}

fn arrivals_text(arrivals: &Arrivals) -> String {
    let pieces: Vec<String> = arrivals
        .pieces()
        .iter()
        .map(|piece| {
            let length = format_duration(piece.length);
            if piece.from == piece.to {
                format!("{}/s for {length}", piece.to)
            } else {
                format!("from {}/s to {}/s in {length}", piece.from, piece.to)
            }
        })
        .collect();
    format!("{} operations started at {}", arrivals.count(), pieces.join(", then "))
}

fn request_text(plan: &Plan, operation: &Operation, index: RequestIndex, indent: &str, text: &mut String) {
    let request = &plan.requests[index.0];
    let service = &plan.services[request.service];
    line!(text, "{indent}{}: {} {} to {}", request.name, request.method, request.path, service.target);
    let delivery = &request.delivery;
    if delivery.is_several(request.bodies.len()) {
        let what = if delivery.same_event_id { "the same bytes" } else { "each with ids of its own" };
        let how = match delivery.spread {
            Some(spread) => format!("spread over {}", format_duration(spread)),
            None => "released together at the last byte".to_owned(),
        };
        let (bodies, copies) = (request.bodies.len(), delivery.copies);
        line!(text, "{indent}    {bodies} x {copies} deliveries, {what}, {how}");
    }
    if let Some(sign) = &request.sign {
        let tamper =
            sign.tamper.map_or_else(String::new, |tamper| format!(", tampered: {tamper:?}").to_lowercase());
        line!(text, "{indent}    signed ({} secrets{tamper})", sign.secrets.len());
    }
    if let Some(barrier) = request.hold {
        line!(text, "{indent}    the last byte waits at barrier {}", plan.barriers[barrier].name);
    }
    line!(text, "{indent}    sent again: {}", request.retry);
    for (slot, _) in &request.captures {
        line!(text, "{indent}    keeps {}", slot_name(operation, *slot));
    }
    for assertion in &request.assertions {
        line!(text, "{indent}    asserts {}", assertion.source());
    }
}

fn fixture_line(plan: &Plan, fixture: &Fixture, text: &mut String) {
    let per = fixture
        .per
        .and_then(|index| plan.fixtures.get(index))
        .map_or_else(String::new, |parent| format!(" for each of {}", parent.name));
    let data = fixture.data.as_ref().map_or_else(String::new, |data| format!(" from {}", data.name()));
    let columns: Vec<&str> = fixture.columns.iter().map(|(name, _)| name.as_str()).collect();
    line!(
        text,
        "  {}: {} rows in {}{per}{data} ({})",
        fixture.name,
        fixture.rows,
        fixture.table,
        columns.join(", ")
    );
}

fn operation_text(plan: &Plan, operation: &Operation, total: f64, text: &mut String) {
    line!(text, "\noperation {} ({:.1}% of the work)", operation.name, operation.weight / total * 100.0);
    if !operation.bindings.is_empty() {
        let names: Vec<String> =
            operation.bindings.iter().map(|(slot, _)| slot_name(operation, *slot)).collect();
        line!(text, "  draws {}", names.join(", "));
    }
    steps_text(plan, operation, &operation.steps, 1, text);
    for effect in &operation.effects {
        line!(text, "  changes {}", effect.written);
    }
}

fn slot_name(operation: &Operation, slot: usize) -> String {
    operation.names.name(slot).unwrap_or_default().to_owned()
}

fn steps_text(plan: &Plan, operation: &Operation, steps: &[Step], depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for step in steps {
        match step {
            Step::Sql(sql) => sql_text(plan, operation, sql, &indent, text),
            Step::Http(index) => request_text(plan, operation, *index, &indent, text),
            Step::Gate { gate, steps } => {
                let statement = &plan.statements[gate.statement.0];
                let shown: Vec<&str> = statement.shown().split_whitespace().collect();
                line!(
                    text,
                    "{indent}{}: holds {} until {} sessions wait",
                    gate.name,
                    shown.join(" "),
                    gate.blocked
                );
                steps_text(plan, operation, steps, depth + 1, text);
            }
            Step::Transaction(transaction) => {
                let level = transaction.isolation.map_or("the server's default level", |level| level.sql());
                line!(text, "{indent}transaction at {level}");
                line!(text, "{indent}  retry: {}", transaction.retry);
                steps_text(plan, operation, &transaction.steps, depth + 1, text);
            }
            Step::Sleep(time) => line!(text, "{indent}sleep {}", format_duration(*time)),
            Step::Think(time) => line!(text, "{indent}think for {}", format_duration(*time)),
            Step::Let(bindings) => {
                let names: Vec<String> =
                    bindings.iter().map(|(slot, _)| slot_name(operation, *slot)).collect();
                line!(text, "{indent}let {}", names.join(", "));
            }
            Step::If { condition, then, otherwise } => {
                line!(text, "{indent}if {}", condition.source());
                steps_text(plan, operation, then, depth + 1, text);
                if !otherwise.is_empty() {
                    line!(text, "{indent}else");
                    steps_text(plan, operation, otherwise, depth + 1, text);
                }
            }
            Step::Repeat { times, steps, .. } => {
                line!(text, "{indent}repeat {times} times");
                steps_text(plan, operation, steps, depth + 1, text);
            }
            Step::ForEach { list, slot, steps } => {
                line!(text, "{indent}for each {} in {list}", slot_name(operation, *slot));
                steps_text(plan, operation, steps, depth + 1, text);
            }
            Step::Check { name, condition } => line!(text, "{indent}{name}: {}", condition.source()),
            Step::Barrier(index) => {
                let barrier = &plan.barriers[*index];
                line!(text, "{indent}barrier {} of {} workers", barrier.name, barrier.parties);
            }
            Step::Rollback => line!(text, "{indent}rollback"),
        }
    }
}

fn sql_text(plan: &Plan, operation: &Operation, sql: &SqlStep, indent: &str, text: &mut String) {
    let statement = &plan.statements[sql.statement.0];
    let shown: Vec<&str> = statement.shown().split_whitespace().collect();
    line!(text, "{indent}{}: {}", sql.name, shown.join(" "));
    for (n, parameter) in statement.parameters.iter().enumerate() {
        line!(text, "{indent}    ${} = {}", n + 1, parameter.source());
    }
    match &statement.facts {
        Some(facts) if !facts.locks.is_empty() => {
            let locks: Vec<String> = facts
                .locks
                .iter()
                .map(|lock| format!("{} of {}", lock.strength.describe(), lock.table))
                .collect();
            line!(text, "{indent}    {}", locks.join(", "));
        }
        Some(_) => {}
        None => line!(text, "{indent}    what it locks isn't known"),
    }
    for (slot, kind) in &sql.captures {
        let what = match kind {
            super::CaptureKind::First => "the first row",
            super::CaptureKind::All => "all rows",
            super::CaptureKind::Value => "the first value",
        };
        line!(text, "{indent}    keeps {what} as {}", slot_name(operation, *slot));
    }
    for assertion in &sql.assertions {
        line!(text, "{indent}    asserts {}", assertion.source());
    }
}

fn judgement(plan: &Plan, text: &mut String) {
    if !plan.invariants.is_empty() {
        line!(text, "\ninvariants");
        for invariant in &plan.invariants {
            line!(text, "  {} ({})", invariant.name, invariant.when());
        }
    }
    if !plan.accounts.is_empty() {
        line!(text, "\neffects, compared before and after");
        for account in &plan.accounts {
            line!(text, "  {}", account.name);
        }
    }
    if let Some(control) = &plan.control {
        line!(text, "\ncontrol, which must break: {}", control.expect);
        for patch in &control.patches {
            line!(text, "  {patch}");
        }
    }
    if !plan.compared.is_empty() {
        let names: Vec<&str> = plan.compared.iter().map(|one| one.name.as_str()).collect();
        line!(text, "\nretry policies compared: {}", names.join(", "));
    }
    if !plan.requirements.is_empty() {
        line!(text, "\nrequired, or the run proves nothing");
        for requirement in &plan.requirements {
            line!(text, "  {}: {}", requirement.name, requirement.condition);
        }
    }
    if !plan.thresholds.is_empty() {
        line!(text, "\nthresholds");
        for threshold in &plan.thresholds {
            line!(text, "  {}: {}", threshold.name, threshold.condition);
        }
    }
    if !plan.grades.is_empty() {
        line!(text, "\ngrades");
        for grade in &plan.grades {
            let bands: Vec<String> = grade
                .bands
                .iter()
                .map(|band| match &band.condition {
                    Some(condition) => format!("{condition} {}", band.grade),
                    None => format!("otherwise {}", band.grade),
                })
                .collect();
            line!(text, "  {}: {}", grade.name, bands.join("; "));
        }
    }
}
