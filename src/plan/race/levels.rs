//! The levels that a race is judged at, and what is expected there.

use super::{
    super::{model::Database, scope::Scope},
    model::NotDriven,
};
use crate::{
    dialect::{Check, Dialect},
    outcome::{Isolation, RaceOutcome},
    scenario::{self, Expected, RaceExpect, Spanned},
};

/// What was written of a race's levels, for the target's kind of database.
#[derive(Debug, Default)]
pub(super) struct Levels {
    /// `None`: the server's default.
    pub driven: Vec<Option<Isolation>>,
    /// For each of these.
    pub expect: Vec<Option<RaceOutcome>>,
    pub not_driven: Vec<NotDriven>,
}

/// A level as it is written, or the default.
type Written<'a> = Option<&'a Spanned<Isolation>>;

/// Compiles them; `None` after a problem.
pub(super) fn compile(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    written: &scenario::Race,
    database: &Database,
) -> Option<Levels> {
    let levels = levels(scope, written);
    let values: Vec<Option<Isolation>> = levels.iter().map(|level| value(*level, database)).collect();
    let expected = expectations(scope, name, written, &values)?;
    let mut compiled = Levels::default();
    let product = scope.dialect.product();
    for ((written_level, level), expected) in levels.into_iter().zip(values).zip(expected) {
        let lacking = level.and_then(|level| lacks(scope.dialect, level));
        let why = match (expected, lacking) {
            (Some(Expected::DoesNotApply), _) => format!("the scenario says so of {product}"),
            (_, Some(why)) => {
                if let Some(level) = written_level {
                    let message = format!("race `{name}` at {} doesn't apply: {why}", level.value);
                    scope.warning(&level.span, message, None);
                }
                why.to_owned()
            }
            _ => {
                compiled.driven.push(level);
                compiled.expect.push(expected.and_then(Expected::outcome));
                continue;
            }
        };
        let isolation = level.unwrap_or(usual(scope.dialect));
        let description = written.description.clone();
        compiled.not_driven.push(NotDriven {
            race: name.value.clone(),
            description,
            isolation,
            why,
            before: 0,
        });
    }
    Some(compiled)
}

/// Each once.
fn levels<'a>(scope: &Scope<'_>, written: &'a scenario::Race) -> Vec<Written<'a>> {
    let mut levels: Vec<Written<'a>> = Vec::new();
    let listed = written.isolation.as_ref().and_then(|isolation| isolation.of(scope.dialect));
    for level in listed.into_iter().flatten() {
        if !levels.iter().flatten().any(|known| known.value == level.value) {
            levels.push(Some(level));
        }
    }
    if levels.is_empty() {
        levels.push(None);
    }
    levels
}

fn value(written: Written<'_>, database: &Database) -> Option<Isolation> {
    let only = (database.location.dialect() == Dialect::Sqlite).then_some(Isolation::Serializable);
    written.map(|level| level.value).or(database.isolation).or(only)
}

/// Why no transaction runs at a level; `None`: some do. PostgreSQL runs READ UNCOMMITTED as READ COMMITTED.
fn lacks(dialect: Dialect, level: Isolation) -> Option<&'static str> {
    match (dialect, level) {
        (Dialect::Sqlite, Isolation::Serializable) => None,
        _ => dialect.lacks(Check::Isolation),
    }
}

/// The level of transactions that name none, on a server that isn't told otherwise.
fn usual(dialect: Dialect) -> Isolation {
    match dialect {
        Dialect::Postgres => Isolation::ReadCommitted,
        Dialect::MySql => Isolation::RepeatableRead,
        Dialect::Sqlite => Isolation::Serializable,
    }
}

/// What is expected at each level. Without `expect`, a race with invariants is expected to hold.
fn expectations(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    written: &scenario::Race,
    levels: &[Option<Isolation>],
) -> Option<Vec<Option<Expected>>> {
    let Some(expect) = &written.expect else {
        let default = (!written.invariants.is_empty()).then_some(Expected::Holds);
        return Some(vec![default; levels.len()]);
    };
    let each = match expect.of(scope.dialect) {
        Some(RaceExpect::Every(outcome)) => return Some(vec![Some(outcome.value); levels.len()]),
        Some(RaceExpect::Each(each)) => each,
        None => {
            let (product, key) = (scope.dialect.product(), scope.dialect.name());
            scope.error(
                &name.span,
                format!(
                    "`expect` of race `{name}` says nothing of {product}, and that is what the target is"
                ),
                Some(format!(
                    "add `{key}: …` or `default: …`; `{key}: does_not_apply` when it has no meaning there"
                )),
            );
            return None;
        }
    };
    let known = |level: &Option<Isolation>| level.map_or("the server's default", Isolation::name);
    if let Some(level) = each.keys().find(|level| !levels.iter().any(|one| known(one) == level.value)) {
        let judged: Vec<&str> = levels.iter().map(known).collect();
        scope.error(
            &level.span,
            format!("the race isn't judged at a level `{level}`"),
            Some(format!("its `isolation` is {}", judged.join(", "))),
        );
        return None;
    }
    Some(levels.iter().map(|level| each.get(known(level)).map(|outcome| outcome.value)).collect())
}
