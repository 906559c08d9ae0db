//! Starting and stopping.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    super::{
        log_limit::LogLimit,
        processes::{self, Where},
        statement_log::{self, StatementLog, StatementLogError},
    },
    EmbeddedError, ServerKind,
    binaries::{self, BinarySource},
    cluster,
    folder::{PrivateFolder, is_ours, remove_folder},
    guard::Guard,
    user::ServerUser,
};

const LONGEST_START: Duration = Duration::from_secs(30);
/// What a server is to be like.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedOptions {
    pub kind: ServerKind,
    pub max_connections: u32,
    /// Server settings, by name.
    pub settings: Vec<(String, String)>,
    pub binaries: BinarySource,
    /// Its log of statements and deadlocks can be turned on.
    pub has_log: bool,
}

/// A running server. It ends with this value.
#[derive(Debug)]
pub struct EmbeddedServer {
    kind: ServerKind,
    product: &'static str,
    folder: PathBuf,
    version: String,
    started_in: Duration,
    has_log: bool,
    guard: Guard,
    _log: LogLimit,
}

impl EmbeddedServer {
    /// Starts a server. `record` is told the folder before it is made; `stage` what takes time.
    ///
    /// # Errors
    /// When there are no programs, or the server doesn't start; nothing is left behind.
    pub fn start(
        options: &EmbeddedOptions,
        record: &mut dyn FnMut(&Path) -> std::io::Result<()>,
        stage: &mut dyn FnMut(&str),
    ) -> Result<Self, EmbeddedError> {
        for (name, _) in &options.settings {
            let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            if name.is_empty() || !name.chars().all(valid) {
                return Err(EmbeddedError::Setting(name.clone()));
            }
        }
        let kind = options.kind;
        let user = ServerUser::find(kind)?;
        let binaries = binaries::find(kind, &options.binaries, stage)?;
        let version = binaries.version()?;
        let begun = Instant::now();
        // Removed again when anything below fails.
        let private = PrivateFolder::new(record)?;
        let data = private.path().join("data");
        fs::create_dir(&data).map_err(EmbeddedError::io("can't make", &data))?;
        user.own(private.path())?;
        cluster::create(kind, &data, &binaries, &version, user, stage)?;
        let arguments = kind.arguments(private.path(), &binaries, options);
        let guard = Guard::start(private.path(), kind.stop_signal(), binaries.server(), &arguments, user)?;
        let log = LogLimit::start(private.path().join("log"));
        let mut server = Self {
            kind,
            product: binaries.product(),
            folder: private.leave(),
            version,
            started_in: Duration::ZERO,
            has_log: options.has_log,
            guard,
            _log: log,
        };
        server.wait_until_ready()?;
        server.started_in = begun.elapsed();
        Ok(server)
    }

    /// `PostgreSQL`, `MariaDB` or `MySQL`.
    pub fn product(&self) -> &'static str {
        self.product
    }

    /// A URL to connect as the superuser.
    pub fn url(&self) -> String {
        self.kind.url(&self.folder)
    }

    /// The server's private folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `15.18`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// From the first file to the first connection.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Whether its log can be turned on.
    pub fn has_log(&self) -> bool {
        self.has_log
    }

    /// The log of a server that was started with one.
    ///
    /// # Errors
    /// When this version has none that can be read.
    pub fn statement_log(&self) -> Result<StatementLog, StatementLogError> {
        StatementLog::new(self.kind, &self.folder, &self.version)
    }

    /// Stops the server and removes its folder.
    ///
    /// # Errors
    /// When the server doesn't end or the folder can't be removed.
    pub fn stop(mut self) -> Result<(), EmbeddedError> {
        if self.guard.stop().is_none() {
            return Err(EmbeddedError::Stop(self.kind.product(), self.folder.clone()));
        }
        remove_folder(&self.folder)
    }

    /// Lets the server live on after this process; [`remove_abandoned`] removes it.
    pub fn leave_running(mut self) {
        self.guard.release();
    }

    fn wait_until_ready(&mut self) -> Result<(), EmbeddedError> {
        let log = self.folder.join("log");
        let begun = Instant::now();
        let mut said = String::new();
        while begun.elapsed() < LONGEST_START {
            said = fs::read_to_string(&log).unwrap_or_default();
            said.push_str(&statement_log::said_at_start(&self.folder));
            if said.contains(self.kind.ready_mark()) {
                return Ok(());
            }
            let fatal = |line: &&str| self.kind.fatal_marks().iter().any(|mark| line.contains(mark));
            if let Some(line) = said.lines().find(fatal) {
                return Err(EmbeddedError::Start(self.kind.product(), line.trim().to_owned()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(EmbeddedError::NotReady(self.kind.product(), LONGEST_START.as_secs(), tail(&said)))
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("; ")
}

/// Ends the server of a killed run, when it still lives, and removes its folder. A folder that
/// isn't there any more is fine.
///
/// # Errors
/// When the folder isn't named as ours are, or can't be removed.
pub fn remove_abandoned(folder: &Path) -> Result<(), EmbeddedError> {
    if !folder.exists() {
        return Ok(());
    }
    if !is_ours(folder) {
        return Err(EmbeddedError::NotOurs(folder.to_owned()));
    }
    // The guard of a run that was just killed is at it.
    processes::guard_has_ended(&folder.display().to_string());
    let begun = Instant::now();
    while let Some((kind, process)) = living_server(folder) {
        let signal = if begun.elapsed() < Duration::from_secs(5) { kind.stop_signal() } else { "KILL" };
        processes::signal(process, signal);
        if begun.elapsed() > Duration::from_secs(10) {
            return Err(EmbeddedError::Stop(kind.product(), folder.to_owned()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    remove_folder(folder)
}

/// The process of a server on this very folder: the number in its file may have been given to
/// another process since, so that its command line is looked at.
fn living_server(folder: &Path) -> Option<(ServerKind, u32)> {
    [ServerKind::Postgres, ServerKind::MySql].into_iter().find_map(|kind| {
        let text = fs::read_to_string(folder.join(kind.process_file())).ok()?;
        let process: u32 = text.lines().next()?.trim().parse().ok()?;
        let data = folder.join("data").display().to_string();
        processes::mentioning(Where::Arguments, &[&data]).contains(&process).then_some((kind, process))
    })
}
