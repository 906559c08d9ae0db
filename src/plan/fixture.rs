//! Compiles fixtures: the rows that are made before a run, and what they are made of.

use std::sync::Arc;

use super::{model::Fixture, scope::Scope, service, sql};
use crate::{
    expression::{DataRows, Expression, Names, Template},
    scenario::{self, Named, Spanned},
};

/// Rows of one fixture.
const MOST_ROWS: u64 = 1_000_000;
/// Rows of a fixture, with those for each row of another.
const MOST_ROWS_IN_ALL: u64 = 10_000_000;

/// Compiles fixtures, and puts their names in scope.
pub(super) fn fixtures(scope: &mut Scope<'_>, written: &Named<scenario::Fixture>) -> Vec<Option<Fixture>> {
    let mut compiled: Vec<Option<Fixture>> = Vec::new();
    if let Some(name) = written.keys().next()
        && !scope.has_database
    {
        scope.error(&name.span, "fixtures need a database", Some(service::ADD_DATABASE.into()));
    }
    for (name, one) in written {
        let earlier: Vec<String> =
            written.keys().take(compiled.len()).map(|name| name.value.clone()).collect();
        compiled.push(fixture(scope, name, one, &earlier));
        check_rows(scope, name, &compiled);
        scope.fixture_tables.insert(name.value.clone(), one.table.value.clone());
    }
    compiled
}

/// Rows that there are of each parent multiply.
fn check_rows(scope: &mut Scope<'_>, name: &Spanned<String>, compiled: &[Option<Fixture>]) {
    let mut next = compiled.len().checked_sub(1);
    let mut rows = 1_u64;
    while let Some(fixture) = next.and_then(|index| compiled[index].as_ref()) {
        rows = rows.saturating_mul(fixture.rows);
        next = fixture.per;
    }
    if rows > MOST_ROWS_IN_ALL {
        scope.error(
            &name.span,
            format!(
                "fixture `{name}` has {rows} rows with those of its parents; {MOST_ROWS_IN_ALL} is the most"
            ),
            Some("lower `rows`, here or of the fixture under `per`".into()),
        );
    }
}

fn fixture(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    written: &scenario::Fixture,
    earlier: &[String],
) -> Option<Fixture> {
    if scope.globals.slot(&name.value).is_some() || crate::expression::is_function(&name.value) {
        scope.error(&name.span, format!("`{name}` already stands for something else"), None);
        return None;
    }
    let data = written.data.as_ref().map(|named| rows_of_data(scope, written, named));
    let rows = match (&written.rows, &data) {
        (Some(rows), _) => scope.whole_number(rows, "`rows`", 1, MOST_ROWS),
        (None, Some(data)) => data.as_ref().map(|data| data.len() as u64),
        (None, None) => Some(1),
    };
    let per = written.per.as_ref().map(|named| parent(scope, named, earlier));
    let table = sql::quote_table(&written.table.value, scope.dialect);
    if table.is_none() {
        scope.error(&written.table.span, format!("`{}` is not the name of a table", written.table), None);
    }
    // Without its rows nothing can be said of what is made of them.
    let (names, columns) = match data {
        Some(None) => (Names::default(), None),
        _ => columns(scope, written, data.as_ref().and_then(Option::as_ref)),
    };
    let slot = scope.globals.declare(&name.value);
    let (per, data) = (per.map_or(Some(None), |per| per.map(Some)), data.flatten());
    Some(Fixture {
        name: name.value.clone(),
        slot,
        table: table?,
        rows: rows?,
        per: per?,
        data,
        columns: columns?,
        names: Arc::new(names),
    })
}

/// The index of the fixture that rows are made for; `None` after a problem.
fn parent(scope: &mut Scope<'_>, named: &Spanned<String>, earlier: &[String]) -> Option<usize> {
    let found = earlier.iter().position(|known| *known == named.value);
    if found.is_none() {
        scope.error(
            &named.span,
            format!("there is no earlier fixture `{named}`"),
            Some("fixtures are made in the order in which they stand".into()),
        );
    }
    found
}

/// A fixture's columns, and the names in their values; no columns after a problem.
fn columns(
    scope: &mut Scope<'_>,
    written: &scenario::Fixture,
    data: Option<&Arc<DataRows>>,
) -> (Names, Option<Vec<(String, Template)>>) {
    let mut names = scope.globals.clone();
    names.declare("n");
    if written.per.is_some() {
        names.declare("parent");
    }
    if let Some(data) = data {
        names.declare_row("row", Arc::clone(data.columns()));
    }
    let compiled: Vec<Option<(String, Template)>> = match data {
        Some(data) if written.values.is_empty() => columns_of(data, &names),
        _ => written
            .values
            .iter()
            .map(|(column, literal)| Some((column.value.clone(), scope.template(literal, &names)?)))
            .collect(),
    };
    (names, compiled.into_iter().collect())
}

/// The rows that a fixture is made of; `None` after a problem.
fn rows_of_data(
    scope: &mut Scope<'_>,
    written: &scenario::Fixture,
    named: &Spanned<String>,
) -> Option<Arc<DataRows>> {
    let file = &scope.loaded.file;
    let Some(data) = scope.data.get(&named.value).cloned() else {
        if !file.data.contains_key(named.value.as_str()) && !scope.is_broken(&named.value) {
            let hint =
                scenario::did_you_mean(&named.value, file.data.keys().map(|name| name.value.as_str()))
                    .unwrap_or_else(|| "data files stand under `data`, each under its name".to_owned());
            scope.error(&named.span, format!("there is no data file `{named}`"), Some(hint));
        }
        return None;
    };
    if written.per.is_some() {
        let hint = "leave one of them out: `parent` or `next` may be of use in `values`";
        scope.error(&named.span, "a fixture has `data` or `per`, not both", Some(hint.into()));
        return None;
    }
    if let Some(rows) = &written.rows {
        let wanted = scope.whole_number(rows, "`rows`", 1, MOST_ROWS)?;
        if wanted > data.len() as u64 {
            let message = format!("`rows` is {wanted}, but `{named}` has {} rows", data.len());
            scope.error(&rows.span, message, Some("leave `rows` out to use all of them".into()));
            return None;
        }
    }
    Some(data)
}

/// Every column of a data file as it is.
fn columns_of(data: &DataRows, names: &Names) -> Vec<Option<(String, Template)>> {
    let of = |column: &str| {
        let quoted = column.replace('\\', "\\\\").replace('"', "\\\"");
        let value = Expression::compile(&format!("row[\"{quoted}\"]"), names).ok()?;
        Some((column.to_owned(), Template::Single(value)))
    };
    data.columns().iter().map(|column| of(column)).collect()
}
