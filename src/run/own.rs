//! What a run starts or makes to work on: a server, a temporary file, a file of the user's choice.

use std::path::{Path, PathBuf};

use super::{RunOptions, Trouble, Watcher, bounds::most_connections, in_use::check_host};
use crate::{
    dialect::Dialect,
    fixture::{Entry, Ledger},
    plan::{Database, Location, Plan},
    target::{
        Endpoint, StatementLog, StatementLogError, create_database_file,
        embedded::{BinarySource, EmbeddedOptions, EmbeddedServer, PrivateFolder, ServerKind},
        remove_database_file,
    },
};

/// What the run made to work on, and removes whole.
pub(super) enum Own {
    Server(EmbeddedServer),
    /// The folder of a temporary file.
    Folder(PrivateFolder),
    /// A database file.
    File(PathBuf),
}

impl Own {
    /// The log of a server that was started with one.
    pub(super) fn statement_log(&self) -> Option<Result<StatementLog, StatementLogError>> {
        match self {
            Self::Server(server) if server.has_log() => Some(server.statement_log()),
            _ => None,
        }
    }

    /// Removes it.
    pub(super) fn remove(self, watcher: &mut dyn Watcher) -> Result<(), Trouble> {
        match self {
            Self::Server(server) => {
                watcher.stage(&format!("stopping {}", server.product()));
                server.stop().map_err(Trouble::from)
            }
            Self::Folder(folder) => folder.remove().map_err(Trouble::from),
            Self::File(path) => remove_database_file(&path)
                .map_err(|error| Trouble::new(format!("can't remove {}: {error}", path.display()))),
        }
    }

    /// Leaves it, for `clean` to remove.
    pub(super) fn leave(self) {
        match self {
            Self::Server(server) => server.leave_running(),
            Self::Folder(folder) => drop(folder.leave()),
            Self::File(_) => {}
        }
    }
}

/// Starts what is started, and writes it down first.
pub(super) async fn reach(
    plan: &Plan,
    database: &Database,
    ledger: &mut Ledger,
    options: &RunOptions,
    watcher: &mut dyn Watcher,
) -> Result<(Endpoint, Option<Own>), Trouble> {
    let has_migrations = database.migrations.is_some();
    match &database.location {
        Location::Server { url, .. } => {
            let endpoint = Endpoint::from_url(url)?;
            check_host(&endpoint, &options.allowed_hosts)?;
            Ok((endpoint, None))
        }
        Location::Embedded { dialect, settings } => {
            let kind = match dialect {
                Dialect::MySql => ServerKind::MySql,
                Dialect::Postgres | Dialect::Sqlite => ServerKind::Postgres,
            };
            let server = start_server(plan, kind, settings, options.no_sampling, ledger, watcher)?;
            watcher.stage(&format!(
                "started {} {} in {}",
                server.product(),
                server.version(),
                crate::units::format_duration(server.started_in())
            ));
            Ok((Endpoint::from_url(&server.url())?.embedded(), Some(Own::Server(server))))
        }
        Location::Sqlite { path: None } => {
            let folder = PrivateFolder::new(&mut |folder| record_folder(ledger, folder))?;
            let path = folder.path().join("database.sqlite");
            let endpoint = Endpoint::from_url(&format!("sqlite:{}", path.display()))?.embedded();
            Ok((endpoint, Some(Own::Folder(folder))))
        }
        Location::Sqlite { path: Some(path) } => {
            let path = std::path::absolute(path)
                .map_err(|error| Trouble::new(format!("{} can't be used: {error}", path.display())))?;
            if !has_migrations {
                return theirs(&path, options).map(|endpoint| (endpoint, None));
            }
            if path.exists() {
                return Err(Trouble::new(format!("{} is there already", path.display())).hint(
                    "with `migrations` a run makes its database, and removes it: name a file that isn't there, or `sqlite:`",
                ));
            }
            ledger.record(&Entry::File { path: path.clone() }).map_err(|error| {
                Trouble::new(format!("can't write {}: {error}", ledger.path().display()))
            })?;
            create_database_file(&path).await?;
            let endpoint = Endpoint::from_url(&format!("sqlite:{}", path.display()))?;
            Ok((endpoint, Some(Own::File(path))))
        }
    }
}

/// A file of the user's, with tables in it.
fn theirs(path: &Path, options: &RunOptions) -> Result<Endpoint, Trouble> {
    if !path.exists() {
        return Err(Trouble::new(format!("there is no database {}", path.display()))
            .hint("give the target `migrations`, and a run makes its database"));
    }
    let endpoint = Endpoint::from_url(&format!("sqlite:{}", path.display()))?.theirs();
    check_host(&endpoint, &options.allowed_hosts)?;
    Ok(endpoint)
}

fn record_folder(ledger: &mut Ledger, folder: &Path) -> std::io::Result<()> {
    ledger.record(&Entry::Embedded { folder: folder.to_owned() })
}

/// The folder of the server is in the ledger before there is anything in it.
fn start_server(
    plan: &Plan,
    kind: ServerKind,
    settings: &[(String, String)],
    is_unwatched: bool,
    ledger: &mut Ledger,
    watcher: &mut dyn Watcher,
) -> Result<EmbeddedServer, Trouble> {
    let options = EmbeddedOptions {
        kind,
        max_connections: most_connections(plan),
        settings: settings.to_vec(),
        binaries: BinarySource::from_env(kind),
        has_log: !is_unwatched && plan.services.iter().any(|service| service.watched),
    };
    // A server that doesn't start removes its folder.
    let server =
        EmbeddedServer::start(&options, &mut |folder| record_folder(ledger, folder), &mut |stage| {
            watcher.stage(stage)
        })?;
    Ok(server)
}
