//! Starting and stopping.

use std::{
    env, fs,
    io::{Read, Seek, SeekFrom},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use sqlx::postgres::PgConnectOptions;

use super::{
    EmbeddedError,
    binaries::{self, BinarySource},
    cluster,
    guard::Guard,
    user::ServerUser,
};

/// Marks a folder as one of ours.
const MARK: &str = "deadheat-server";
const LONGEST_START: Duration = Duration::from_secs(30);
/// Any number: the socket is in a folder of its own.
const PORT: u16 = 5432;
/// Longest path of a Unix socket, without its name (`sun_path` holds 108 bytes on Linux, 104 on
/// macOS).
const LONGEST_SOCKET_FOLDER: usize = 80;

/// What a server is to be like.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedOptions {
    pub max_connections: u32,
    /// Server settings, by name.
    pub settings: Vec<(String, String)>,
    pub binaries: BinarySource,
}

/// A running server. It ends with this value.
#[derive(Debug)]
pub struct EmbeddedServer {
    folder: PathBuf,
    version: String,
    started_in: Duration,
    guard: Guard,
}

impl EmbeddedServer {
    /// Starts a server. `record` is told the folder before there is anything in it; `stage` what
    /// takes time.
    ///
    /// # Errors
    /// When there are no programs, or the server doesn't start; nothing is left behind.
    pub fn start(
        options: &EmbeddedOptions,
        record: &mut dyn FnMut(&Path) -> std::io::Result<()>,
        stage: &mut dyn FnMut(&str),
    ) -> Result<Self, EmbeddedError> {
        for (name, _) in &options.settings {
            let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            if name.is_empty() || !name.chars().all(valid) {
                return Err(EmbeddedError::Setting(name.clone()));
            }
        }
        let user = ServerUser::find()?;
        let binaries = binaries::find(&options.binaries, stage)?;
        let version = binaries.version()?;
        let begun = Instant::now();
        // Removed again when anything below fails.
        let private = private_folder(record)?;
        let data = private.path().join("data");
        fs::create_dir(&data).map_err(EmbeddedError::io("can't make", &data))?;
        cluster::create(&data, &binaries, &version, user, stage)?;
        user.own(private.path())?;
        let guard = Guard::start(private.path(), &binaries, &arguments(private.path(), options), user)?;
        let mut server = Self { folder: private.keep(), version, started_in: Duration::ZERO, guard };
        server.wait_until_ready()?;
        server.started_in = begun.elapsed();
        Ok(server)
    }

    /// Driver options to connect as the superuser.
    pub fn connect_options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.folder)
            .port(PORT)
            .username("postgres")
            .database("postgres")
    }

    /// A URL to connect as the superuser.
    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost:{PORT}/postgres?host={}", self.folder.display())
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

    /// Stops the server and removes its folder.
    ///
    /// # Errors
    /// When the server doesn't end or the folder can't be removed.
    pub fn stop(mut self) -> Result<(), EmbeddedError> {
        if self.guard.stop().is_none() {
            return Err(EmbeddedError::Stop(self.folder.clone()));
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
            if said.contains("database system is ready to accept connections") {
                return Ok(());
            }
            let fatal = |line: &&str| {
                ["FATAL:", "PANIC:", "invalid value", "unrecognized"].iter().any(|mark| line.contains(mark))
            };
            if let Some(line) = said.lines().find(fatal) {
                return Err(EmbeddedError::Start(line.trim().to_owned()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(EmbeddedError::NotReady(LONGEST_START.as_secs(), tail(&said)))
    }
}

/// A folder that only the server's user may enter, written down by `record`.
fn private_folder(
    record: &mut dyn FnMut(&Path) -> std::io::Result<()>,
) -> Result<tempfile::TempDir, EmbeddedError> {
    let parent = traversable_folder();
    let private = tempfile::Builder::new()
        .prefix("deadheat-pg-")
        .tempdir_in(&parent)
        .map_err(EmbeddedError::io("can't make a folder in", &parent))?;
    fs::write(private.path().join(MARK), "")
        .map_err(EmbeddedError::io("can't write in", private.path()))?;
    record(private.path()).map_err(EmbeddedError::io("can't write down", private.path()))?;
    Ok(private)
}

/// The temporary folder, when every user can reach it and a socket in it has a short enough
/// path; else `/tmp`.
pub(super) fn traversable_folder() -> PathBuf {
    let temporary = env::temp_dir();
    let reachable = temporary.ancestors().all(|folder| {
        fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    });
    if reachable && temporary.as_os_str().len() + 30 <= LONGEST_SOCKET_FOLDER {
        temporary
    } else {
        "/tmp".into()
    }
}

fn arguments(folder: &Path, options: &EmbeddedOptions) -> Vec<String> {
    let folder_text = folder.display();
    let mut settings = vec![
        ("listen_addresses".to_owned(), String::new()),
        ("unix_socket_directories".to_owned(), folder_text.to_string()),
        ("port".to_owned(), PORT.to_string()),
        ("max_connections".to_owned(), options.max_connections.max(10).to_string()),
        ("shared_buffers".to_owned(), "128MB".to_owned()),
        // Nothing of this server outlives the run, so that nothing has to survive a crash.
        ("fsync".to_owned(), "off".to_owned()),
        ("full_page_writes".to_owned(), "off".to_owned()),
        ("max_wal_size".to_owned(), "1GB".to_owned()),
        ("log_checkpoints".to_owned(), "off".to_owned()),
        // Failed statements are the run's business; in the log they would only cost time.
        ("log_min_error_statement".to_owned(), "panic".to_owned()),
        ("log_min_messages".to_owned(), "log".to_owned()),
    ];
    settings.extend(options.settings.iter().cloned());
    let mut arguments = vec!["-D".to_owned(), folder.join("data").display().to_string()];
    for (name, value) in settings {
        arguments.push("-c".to_owned());
        arguments.push(format!("{name}={value}"));
    }
    arguments
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("; ")
}

fn remove_folder(folder: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(EmbeddedError::io("can't remove", folder)(error)),
    }
}

/// Ends the server of a killed run, when it still lives, and removes its folder. A folder that
/// isn't there any more is fine.
///
/// # Errors
/// When the folder doesn't carry our mark, or can't be removed.
pub fn remove_abandoned(folder: &Path) -> Result<(), EmbeddedError> {
    if !folder.exists() {
        return Ok(());
    }
    if !folder.join(MARK).is_file() {
        return Err(EmbeddedError::NotOurs(folder.to_owned()));
    }
    let begun = Instant::now();
    while let Some(process) = living_server(folder) {
        let signal = if begun.elapsed() < Duration::from_secs(5) { "-QUIT" } else { "-KILL" };
        let _ = Command::new("kill").arg(signal).arg(process.to_string()).stderr(Stdio::null()).status();
        if begun.elapsed() > Duration::from_secs(10) {
            return Err(EmbeddedError::Stop(folder.to_owned()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    remove_folder(folder)
}

/// The process of a server on this very folder: the number in `postmaster.pid` may have been
/// given to another process since, so that its command line is looked at.
fn living_server(folder: &Path) -> Option<u32> {
    let mut text = String::new();
    let mut file = fs::File::open(folder.join("data/postmaster.pid")).ok()?;
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    let process: u32 = text.lines().next()?.trim().parse().ok()?;
    let command = Command::new("ps").args(["-o", "args=", "-p", &process.to_string()]).output().ok()?;
    let command = String::from_utf8_lossy(&command.stdout).into_owned();
    command.contains(&folder.join("data").display().to_string()).then_some(process)
}
