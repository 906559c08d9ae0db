//! Compiles what workers meet at: barriers and gates.

use std::time::Duration;

use super::{
    model::Barrier, operation::Around, request::Gate, scope::Scope, service::ADD_DATABASE, statement,
};
use crate::{
    expression::Names,
    scenario::{self, Spanned},
};

const DEFAULT_HOLD: Duration = Duration::from_secs(5);

/// Compiles a barrier and adds it to the plan's; `None` after a problem.
pub(super) fn barrier(scope: &mut Scope<'_>, written: &scenario::Barrier) -> Option<usize> {
    let workers = scope.concurrency;
    let parties = match &written.parties {
        None => workers,
        Some(node) => {
            let parties = scope.whole_number(node, "`parties`", 1, u64::from(u32::MAX))?;
            let parties = u32::try_from(parties).ok()?;
            if parties > workers {
                scope.error(
                    &node.span,
                    format!("the barrier waits for {parties} workers, but there are only {workers}"),
                    Some(format!("lower `parties` to at most {workers}, or raise `load.concurrency`")),
                );
                return None;
            }
            parties
        }
    };
    let timeout = written.timeout.map_or(Duration::from_secs(30), |timeout| timeout.0);
    let same = scope.barriers.iter().position(|known| known.name == written.name.value);
    if let Some(index) = same {
        let known = &scope.barriers[index];
        let differs = match () {
            () if known.parties != parties => Some("parties"),
            () if written.timeout.is_some() && known.timeout != timeout => Some("timeout"),
            () => None,
        };
        if let Some(key) = differs {
            scope.error(
                &written.name.span,
                format!("barrier `{}` is declared twice with different `{key}`", written.name),
                None,
            );
        }
        return Some(index);
    }
    scope.barriers.push(Barrier { name: written.name.value.clone(), parties, timeout });
    Some(scope.barriers.len() - 1)
}

/// Compiles a gate; `None` after a problem.
pub(super) fn gate(
    scope: &mut Scope<'_>,
    written: &Spanned<scenario::Gate>,
    names: &Names,
    around: &Around<'_>,
    name: String,
) -> Option<Gate> {
    if !scope.has_database {
        scope.error(&written.span, "a gate locks in a database", Some(ADD_DATABASE.into()));
        return None;
    }
    if around.in_transaction {
        scope.error(
            &written.span,
            "a gate inside a transaction",
            Some("a gate has a transaction of its own".into()),
        );
        return None;
    }
    if !scope.dialect.locks_rows() {
        scope.error(
            &written.span,
            format!("a gate holds a row lock, and {} has none", scope.dialect.product()),
            None,
        );
        return None;
    }
    let gate = &written.value;
    let statement = statement::compile(scope, &gate.lock, names, around.operation, &name);
    if let Some(statement) = statement {
        scope.statements[statement.0].is_gate = true;
    }
    let blocked = scope.whole_number(&gate.until.blocked, "`blocked`", 1, 10_000)?;
    Some(Gate {
        name,
        statement: statement?,
        blocked: u32::try_from(blocked).ok()?,
        timeout: gate.timeout.map_or(DEFAULT_HOLD, |timeout| timeout.0),
    })
}
