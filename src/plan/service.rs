//! Compiles targets: the database, and the HTTP services.

use std::{path::Path, time::Duration};

use super::{
    model::{Database, Location},
    request::{HttpVersion, Service, ServiceLocation, Start},
    scope::Scope,
};
use crate::{
    dialect::{Check, Dialect},
    expression::to_text,
    outcome::Isolation,
    scenario::{self, Spanned, Target},
};

/// What to do when something needs a database and there is none.
pub(super) const ADD_DATABASE: &str = "add a target like `db: {database: embedded}`";
const DEFAULT_READY: Duration = Duration::from_secs(60);
/// Bytes of an answer that are read when the scenario doesn't say.
const LARGEST_ANSWER: u64 = 8 << 20;

/// The database, when there is one; the services go into `scope`.
pub(super) fn targets(scope: &mut Scope<'_>) -> Option<Database> {
    let file = &scope.loaded.file;
    if file.targets.is_empty() {
        let span = file.name.span.clone();
        if !scope.is_broken("targets") {
            scope.error(
                &span,
                "the scenario has no target",
                Some("add `targets: {db: {database: embedded}}`".into()),
            );
        }
        return None;
    }
    let mut database: Option<(&Spanned<String>, Option<Database>)> = None;
    for (name, target) in &file.targets {
        match (&target.http, &target.database) {
            (Some(_), _) => {}
            (None, Some(written)) => {
                if database.is_some() {
                    scope.error(
                        &name.span,
                        "a second database",
                        Some("a scenario works on one database".into()),
                    );
                    continue;
                }
                scope.has_database = true;
                misplaced(scope, name, target, false);
                database = Some((name, self::database(scope, name, target, written)));
            }
            (None, None) => {
                if !scope.is_broken(&name.value) {
                    scope.error(
                        &name.span,
                        format!("target `{name}` is neither a database nor a service"),
                        Some("give it `database: embedded` or `http: http://127.0.0.1:8000`".into()),
                    );
                }
            }
        }
    }
    let known = database.as_ref().map(|(name, _)| name.value.clone());
    for (name, target) in &file.targets {
        if let Some(written) = &target.http {
            misplaced(scope, name, target, true);
            if let Some(service) = service(scope, name, target, written, known.as_deref()) {
                scope.services.push(service);
            }
        }
    }
    database.and_then(|(_, database)| database)
}

/// Keys that belong to the other kind of target.
fn misplaced(scope: &mut Scope<'_>, name: &Spanned<String>, target: &Target, is_service: bool) {
    let database = [
        (target.migrations.is_some(), "migrations"),
        (target.isolation.is_some(), "isolation"),
        (target.begin.is_some(), "begin"),
        (!target.lock_order.is_empty(), "lock_order"),
        (target.statement_timeout.is_some(), "statement_timeout"),
        (target.lock_timeout.is_some(), "lock_timeout"),
        (!target.settings.is_empty(), "settings"),
    ];
    let service = [
        (target.protocol.is_some(), "protocol"),
        (!target.headers.is_empty(), "headers"),
        (target.redirects.is_some(), "redirects"),
        (target.ca.is_some(), "ca"),
        (target.largest_answer.is_some(), "largest_answer"),
        (!target.causes.is_empty(), "causes"),
        (target.retries.is_some(), "retries"),
        (target.start.is_some(), "start"),
    ];
    let (wrong, kind): (&[(bool, &str)], &str) =
        if is_service { (&database, "a database") } else { (&service, "a service (`http`)") };
    for (_, key) in wrong.iter().filter(|(there, _)| *there) {
        scope.error(&name.span, format!("target `{name}`: `{key}` goes with {kind}"), None);
    }
}

fn database(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    target: &Target,
    written: &Spanned<String>,
) -> Option<Database> {
    let location = location(scope, target, written)?;
    scope.dialect = location.dialect();
    check_reach(scope, name, target, &location);
    Some(Database {
        target: name.value.clone(),
        location,
        migrations: migrations(scope, target),
        isolation: target.isolation.as_ref().and_then(|level| isolation(scope, level)),
        begin: target.begin.unwrap_or_default(),
        lock_order: lock_order(scope, &target.lock_order),
        statement_timeout: target.statement_timeout.map(|timeout| timeout.0),
        lock_timeout: target.lock_timeout.map(|timeout| timeout.0),
        longest_answer: target.timeout.map(|timeout| timeout.0),
    })
}

fn service(
    scope: &mut Scope<'_>,
    name: &Spanned<String>,
    target: &Target,
    written: &Spanned<String>,
    known: Option<&str>,
) -> Option<Service> {
    let watched = match &target.database {
        None => false,
        Some(named) if known == Some(named.value.as_str()) && scope.dialect == Dialect::Sqlite => {
            let message = "what the service does in its database isn't watched: SQLite doesn't tell";
            scope.warning(&named.span, message, None);
            false
        }
        Some(named) if known == Some(named.value.as_str()) => true,
        Some(named) => {
            scope.error(
                &named.span,
                format!("there is no database among the targets with the name `{named}`"),
                Some("with `http`, `database` is the name of the target that the service works on".into()),
            );
            false
        }
    };
    let folder = scope.loaded.source.path.parent().unwrap_or(Path::new("")).to_owned();
    let location = match (written.value.trim(), &target.start) {
        ("start", Some(start)) => ServiceLocation::Start(self::start(scope, start, folder.clone())?),
        ("start", None) => {
            scope.error(
                &written.span,
                "`http: start` without a command",
                Some("add `start: {command: \"…\"}` to the target".into()),
            );
            return None;
        }
        (url, _) => ServiceLocation::Url(url_of(scope, url, &written.span)?),
    };
    Some(Service {
        target: name.value.clone(),
        location,
        protocol: target.protocol.unwrap_or(HttpVersion::Http1),
        redirects: target.redirects.as_ref().map_or(0, |redirects| redirects.value),
        ca: target.ca.as_ref().map(|ca| scope.loaded.source.folder_at(ca.span.start).join(&ca.value)),
        largest_answer: target.largest_answer.as_ref().map_or(LARGEST_ANSWER, |bytes| bytes.value),
        watched,
    })
}

/// Checks that it is a URL of a kind that deadheat speaks.
fn url_of(scope: &mut Scope<'_>, text: &str, span: &std::ops::Range<usize>) -> Option<String> {
    // NB: the text may hold a password, so that it isn't repeated.
    let hint = "write a URL like `http://127.0.0.1:8000`, `https://host`, or `unix:/path/to/socket`";
    if let Some(path) = text.strip_prefix("unix:") {
        if !path.starts_with('/') {
            scope.error(span, "the path of a socket begins with `/`", Some(hint.into()));
            return None;
        }
        return Some(text.to_owned());
    }
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            if url.query().is_some() || url.fragment().is_some() {
                scope.error(
                    span,
                    "a service's URL has no query",
                    Some("put it into the step's path".into()),
                );
                return None;
            }
            Some(text.trim_end_matches('/').to_owned())
        }
        _ => {
            scope.error(span, "this isn't a URL of a service", Some(hint.into()));
            None
        }
    }
}

fn start(scope: &mut Scope<'_>, written: &scenario::Start, folder: std::path::PathBuf) -> Option<Start> {
    let mut env = Vec::new();
    for (name, literal) in &written.env {
        env.push((name.value.clone(), to_text(&scope.evaluate(literal)?)));
    }
    if let Some(ready) = &written.ready
        && !ready.value.starts_with('/')
    {
        scope.error(&ready.span, "`ready` is a path, like `/health`", None);
    }
    Some(Start {
        command: written.command.value.clone(),
        env,
        ready: written.ready.as_ref().map(|path| path.value.clone()),
        timeout: written.timeout.map_or(DEFAULT_READY, |timeout| timeout.0),
        folder: if folder.as_os_str().is_empty() { ".".into() } else { folder },
    })
}

fn location(
    scope: &mut Scope<'_>,
    target: &scenario::Target,
    written: &Spanned<String>,
) -> Option<Location> {
    let (text, span) = (written.value.trim(), &written.span);
    let embedded = |dialect: Dialect| {
        let settings = target.settings.iter().filter_map(|(name, value)| {
            Some((setting_for(dialect, &name.value)?.to_owned(), value.value.clone()))
        });
        Some(Location::Embedded { dialect, settings: settings.collect() })
    };
    let server = |dialect| Some(Location::Server { dialect, url: text.to_owned() });
    match text.split_once(':').unwrap_or((text, "")) {
        ("embedded", "" | "postgres") => return embedded(Dialect::Postgres),
        ("embedded", "mysql" | "mariadb") => return embedded(Dialect::MySql),
        ("sqlite", "" | ":memory:") | ("embedded", "sqlite") => {
            return Some(Location::Sqlite { path: None });
        }
        ("sqlite", path) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Some(Location::Sqlite { path: Some(path.into()) });
        }
        ("postgres" | "postgresql", rest) if rest.starts_with("//") => return server(Dialect::Postgres),
        ("mysql" | "mariadb", rest) if rest.starts_with("//") => return server(Dialect::MySql),
        _ => {}
    }
    // NB: the text may hold a password, so that it isn't repeated.
    scope.error(
        span,
        "this isn't a database that deadheat knows",
        Some(
            "write `embedded`, `embedded:mysql`, `sqlite:`, or a URL like `postgres://user@127.0.0.1:5432/name`"
                .into(),
        ),
    );
    None
}

/// The name of a setting without the kind of server that it is for; `None` when that is another kind.
fn setting_for(dialect: Dialect, name: &str) -> Option<&str> {
    match name.split_once('.') {
        Some((kind, setting)) if Dialect::ALL.iter().any(|one| one.name() == kind) => {
            (kind == dialect.name()).then_some(setting)
        }
        _ => Some(name),
    }
}

/// True for a scenario of nothing but races whose `setup` makes their tables.
fn makes_its_tables(file: &scenario::ScenarioFile) -> bool {
    let mut races = file.races.values();
    file.operations.is_empty() && !file.races.is_empty() && races.all(|race| race.setup.is_some())
}

/// What a kind of database can't have is said at its place, and taken out of the plan.
fn check_reach(scope: &mut Scope<'_>, name: &Spanned<String>, target: &Target, location: &Location) {
    let dialect = location.dialect();
    let is_empty = matches!(
        location,
        Location::Embedded { dialect: Dialect::MySql | Dialect::Sqlite, .. }
            | Location::Sqlite { path: None }
    );
    if is_empty && target.migrations.is_none() && !makes_its_tables(&scope.loaded.file) {
        scope.error(
            &name.span,
            format!("target `{name}` has no `migrations`, and its {} has no tables", dialect.product()),
            Some(format!("give it `migrations`: a folder with a sub-folder `{}`", dialect.name())),
        );
    }
    if let (Some(why), Some(table)) = (dialect.lacks(Check::LockOrder), target.lock_order.first()) {
        scope.warning(&table.span, format!("`lock_order` doesn't apply: {why}"), None);
    }
    for check in Check::ALL {
        if let Some(why) = dialect.lacks(check) {
            scope.does_not_apply.insert(check.name().to_owned(), why.to_owned());
        }
    }
    if dialect == Dialect::Sqlite && target.timeout.is_some() {
        scope.warning(&name.span, "`timeout` doesn't apply: SQLite is no server", None);
    }
    if dialect == Dialect::Sqlite && target.statement_timeout.is_some() {
        scope.warning(&name.span, "`statement_timeout` doesn't apply: SQLite has no such limit", None);
    }
}

/// A level, where the database has levels to choose from.
pub(super) fn isolation(scope: &mut Scope<'_>, level: &Spanned<Isolation>) -> Option<Isolation> {
    match scope.dialect.lacks(Check::Isolation) {
        None => Some(level.value),
        Some(why) => {
            scope.warning(&level.span, format!("`isolation: {}` doesn't apply: {why}", level.value), None);
            None
        }
    }
}

fn migrations(scope: &mut Scope<'_>, target: &scenario::Target) -> Option<std::path::PathBuf> {
    let written = target.migrations.as_ref()?;
    let folder = scope.loaded.source.folder_at(written.span.start).join(&written.value);
    let kind = scope.dialect.name();
    let own = folder.join(kind);
    let files = std::fs::read_dir(&own).map(|entries| {
        entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "sql"))
            .count()
    });
    match files {
        Ok(0) => {
            scope.error(&written.span, format!("there is no `.sql` file in {}", own.display()), None);
            None
        }
        Ok(_) => Some(own),
        Err(error) => {
            scope.error(
                &written.span,
                format!("can't read the migrations in {}: {error}", own.display()),
                Some(format!(
                    "migrations are `.sql` files in a sub-folder `{kind}`, relative to the file that names them"
                )),
            );
            None
        }
    }
}

fn lock_order(scope: &mut Scope<'_>, written: &[Spanned<String>]) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    if scope.dialect.lacks(Check::LockOrder).is_some() {
        return order;
    }
    for table in written {
        let folded = table.value.rsplit('.').next().unwrap_or_default().to_lowercase();
        if order.contains(&folded) {
            scope.error(&table.span, format!("`{table}` stands twice in the lock order"), None);
        }
        order.push(folded);
    }
    order
}
