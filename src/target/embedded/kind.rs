//! What differs between the kinds of throw-away servers: one `match` for each difference.

use std::path::{Path, PathBuf};

use super::{super::statement_log, EmbeddedOptions, binaries::Binaries};

/// A kind of server that can be started from programs on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerKind {
    #[default]
    Postgres,
    /// MariaDB or MySQL, whichever is there.
    MySql,
}

/// Any number: the socket is in a folder of its own.
const POSTGRES_PORT: u16 = 5432;
const SOCKET: &str = "mysql.sock";

impl ServerKind {
    /// For people.
    pub fn product(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MariaDB or MySQL",
        }
    }

    /// As a target's URL spells it, after `embedded:`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
        }
    }

    /// The environment variable that says where its programs are.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "DEADHEAT_POSTGRES",
            Self::MySql => "DEADHEAT_MYSQL",
        }
    }

    /// Names of the server program, the best one first.
    pub(super) fn servers(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["postgres"],
            Self::MySql => &["mariadbd", "mysqld"],
        }
    }

    /// Single folders that are looked at beside those of `PATH`.
    pub(super) fn usual_folders(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => {
                &["/usr/local/pgsql/bin", "/opt/homebrew/bin", "/usr/local/opt/postgresql/bin"]
            }
            Self::MySql => &[
                "/usr/sbin",
                "/usr/libexec",
                "/usr/local/sbin",
                "/usr/local/mysql/bin",
                "/opt/homebrew/bin",
                "/usr/local/opt/mariadb/bin",
                "/usr/local/opt/mysql/bin",
            ],
        }
    }

    /// Folders of versions, each with a `bin`.
    pub(super) fn versioned_folders(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => {
                &["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr", "/opt/postgresql"]
            }
            Self::MySql => &[],
        }
    }

    /// Part of the template's name: counts up when the way it is made changes.
    pub(super) fn template(self) -> &'static str {
        match self {
            Self::Postgres => "cluster-1",
            Self::MySql => "mysql-1",
        }
    }

    /// A file that is there when a folder of data is whole.
    pub(super) fn sign_of_wholeness(self) -> &'static str {
        match self {
            Self::Postgres => "global/pg_control",
            Self::MySql => "ibdata1",
        }
    }

    /// The program and arguments that fill an empty folder with a fresh server's data.
    pub(super) fn initialise(self, binaries: &Binaries, data: &Path) -> (PathBuf, Vec<String>) {
        let data = data.display();
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        match self {
            Self::Postgres => {
                let mut arguments = owned(&["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"]);
                arguments.extend(owned(&["--no-sync", "--no-instructions", "--wal-segsize=4", "-D"]));
                arguments.push(data.to_string());
                (binaries.maker().to_owned(), arguments)
            }
            Self::MySql => {
                let mut arguments = owned(&["--no-defaults"]);
                arguments.push(format!("--datadir={data}"));
                arguments.push(format!("--basedir={}", binaries.root().display()));
                if binaries.maker() == binaries.server() {
                    arguments.extend(owned(&["--initialize-insecure", "--innodb-redo-log-capacity=64M"]));
                } else {
                    arguments.extend(owned(&[
                        "--auth-root-authentication-method=normal",
                        "--skip-test-db",
                        "--skip-name-resolve",
                        "--innodb-log-file-size=64M",
                        "--innodb-flush-log-at-trx-commit=0",
                    ]));
                }
                (binaries.maker().to_owned(), arguments)
            }
        }
    }

    /// The server's command line, without its program.
    pub(super) fn arguments(
        self,
        folder: &Path,
        binaries: &Binaries,
        options: &EmbeddedOptions,
    ) -> Vec<String> {
        let data = folder.join("data").display().to_string();
        match self {
            Self::Postgres => {
                let mut arguments = vec!["-D".to_owned(), data];
                for (name, value) in postgres_settings(folder, options) {
                    arguments.push("-c".to_owned());
                    arguments.push(format!("{name}={value}"));
                }
                arguments
            }
            Self::MySql => {
                let mut arguments = vec!["--no-defaults".to_owned(), format!("--datadir={data}")];
                arguments.push(format!("--basedir={}", binaries.root().display()));
                let settings = mysql_settings(folder, options);
                arguments.extend(settings.into_iter().map(|(name, value)| format!("--{name}={value}")));
                arguments.push("--skip-networking".to_owned());
                arguments.push("--skip-log-bin".to_owned());
                arguments
            }
        }
    }

    /// What its log says when it takes connections.
    pub(super) fn ready_mark(self) -> &'static str {
        match self {
            Self::Postgres => "database system is ready to accept connections",
            Self::MySql => "ready for connections",
        }
    }

    /// What its log says when it won't start.
    pub(super) fn fatal_marks(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["FATAL:", "PANIC:", "invalid value", "unrecognized"],
            Self::MySql => &["[ERROR]"],
        }
    }

    /// The signal that ends it at once: nothing is worth saving.
    pub(super) fn stop_signal(self) -> &'static str {
        match self {
            // PostgreSQL's immediate shutdown, which also frees its shared memory.
            Self::Postgres => "QUIT",
            Self::MySql => "KILL",
        }
    }

    /// The file in the server's folder whose first line is its process.
    pub(super) fn process_file(self) -> &'static str {
        match self {
            Self::Postgres => "data/postmaster.pid",
            Self::MySql => "server.pid",
        }
    }

    /// A URL to connect as the superuser.
    pub(super) fn url(self, folder: &Path) -> String {
        match self {
            Self::Postgres => {
                format!("postgres://postgres@localhost:{POSTGRES_PORT}/postgres?host={}", folder.display())
            }
            Self::MySql => format!("mysql://root@localhost/mysql?socket={}", folder.join(SOCKET).display()),
        }
    }

    /// The version in what the server says of itself.
    pub(super) fn version(self, said: &str) -> Option<String> {
        match self {
            // postgres (PostgreSQL) 15.18 (Debian …)
            Self::Postgres => said.split_whitespace().nth(2).map(str::to_owned),
            // mariadbd  Ver 10.11.19-MariaDB-… for …; mysqld  Ver 8.0.36 for …
            Self::MySql => {
                let version = said.split_whitespace().skip_while(|word| *word != "Ver").nth(1)?;
                Some(version.split('-').next().unwrap_or(version).to_owned())
            }
        }
    }
}

fn setting(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

fn postgres_settings(folder: &Path, options: &EmbeddedOptions) -> Vec<(String, String)> {
    let mut settings = vec![
        setting("listen_addresses", ""),
        setting("unix_socket_directories", folder.display()),
        setting("port", POSTGRES_PORT),
        setting("max_connections", options.max_connections.max(10)),
        setting("shared_buffers", "128MB"),
        // Nothing of this server outlives the run, so that nothing has to survive a crash.
        setting("fsync", "off"),
        setting("full_page_writes", "off"),
        setting("max_wal_size", "1GB"),
        setting("log_checkpoints", "off"),
        // Failed statements are the run's business; in the log they would only cost time.
        setting("log_min_error_statement", "panic"),
        setting("log_min_messages", "log"),
    ];
    settings.extend(log_settings(ServerKind::Postgres, folder, options));
    settings.extend(options.settings.iter().cloned());
    settings
}

fn log_settings(kind: ServerKind, folder: &Path, options: &EmbeddedOptions) -> Vec<(String, String)> {
    if options.has_log { statement_log::settings(kind, folder) } else { Vec::new() }
}

/// `loose-` marks what one of MariaDB and MySQL doesn't know.
fn mysql_settings(folder: &Path, options: &EmbeddedOptions) -> Vec<(String, String)> {
    let mut settings = vec![
        setting("socket", folder.join(SOCKET).display()),
        setting("pid-file", folder.join("server.pid").display()),
        setting("tmpdir", folder.display()),
        setting("max-connections", options.max_connections.max(10)),
        setting("character-set-server", "utf8mb4"),
        setting("innodb-buffer-pool-size", "128M"),
        // Nothing of this server outlives the run, so that nothing has to survive a crash.
        setting("innodb-flush-log-at-trx-commit", 0),
        setting("innodb-doublewrite", 0),
        setting("loose-mysqlx", 0),
        // Each session keeps the scenario's statements prepared.
        setting("max-prepared-stmt-count", 1_000_000),
        setting("table-open-cache", 4_000),
    ];
    settings.extend(log_settings(ServerKind::MySql, folder, options));
    settings.extend(options.settings.iter().cloned());
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_every_form() {
        for (kind, said, version) in [
            (ServerKind::Postgres, "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
            (
                ServerKind::MySql,
                "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64",
                "10.11.19",
            ),
            (
                ServerKind::MySql,
                "/usr/sbin/mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server)",
                "8.0.36",
            ),
        ] {
            assert_eq!(kind.version(said).as_deref(), Some(version));
        }
    }
}
