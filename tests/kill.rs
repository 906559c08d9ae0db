//! A run is killed at 200 random instants, sometimes `clean` too, and nothing of it stays: no row, no schema,
//! no server, no process, no folder, no record.

mod support;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use deadheat::{dialect::Dialect, target::embedded::EmbeddedServer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{
    Program, WORK_ON_THINGS, file, kill, mysql, numbered_key, schemas_of_runs, server, sql, text, things,
    value,
};

/// A run that does all that its kind does in a few hundred milliseconds.
const LOAD: &str = "load: {concurrency: 4, duration: 150ms}\n";
/// What its transaction does besides: rows that no fixture made are to go too.
const MORE: &str = "            - sql: INSERT INTO things (n) VALUES (7)\n";

/// Runs that are killed, each with temporary files in a folder of its own.
struct Killed {
    program: Program,
    temporary: tempfile::TempDir,
    scenario: PathBuf,
    random: ChaCha8Rng,
    /// How long a run takes that isn't killed.
    span: Duration,
}

impl Killed {
    fn new(seed: u64, folder: &Path, scenario: &str, database: Option<&str>) -> Self {
        println!("seed {seed}");
        // Reachable for the user of a server, with a path short enough for its socket.
        let temporary = tempfile::Builder::new().prefix("k").tempdir_in("/tmp").expect("a folder");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(temporary.path(), open).expect("opened");
        let mut program = Program::new().with("TMPDIR", text(temporary.path()));
        if let Some(url) = database {
            program = program.with("DATABASE_URL", url);
        }
        let scenario = file(folder, "killed.yaml", scenario);
        let begun = Instant::now();
        let ended = program.run(&["run", text(&scenario)]);
        // Requests that share nothing prove nothing, and that is all right here.
        assert!(matches!(ended.status, Some(0 | 4)), "{ended:?}");
        let span = begun.elapsed();
        let killed = Self { program, temporary, scenario, random: ChaCha8Rng::seed_from_u64(seed), span };
        killed.expect_nothing();
        killed
    }

    /// Starts `arguments` and kills it after a random time of at most `span`.
    fn kill(&mut self, arguments: &[&str], span: Duration) {
        let process = self.program.start_unheard(arguments);
        // NB: nothing is waited for: the instant is to be a random one.
        std::thread::sleep(span.mul_f64(self.random.random_range(0.0..1.0)));
        kill(process);
    }

    /// Kills a run, now and then twice in a row, and now and then `clean` as well.
    fn kill_and_clean(&mut self) {
        let scenario = text(&self.scenario).to_owned();
        for _ in 0..self.random.random_range(1..=2) {
            self.kill(&["run", &scenario], self.span);
        }
        if self.random.random_range(0..3) == 0 {
            self.kill(&["clean"], Duration::from_millis(60));
        }
        self.program.run(&["clean"]).expect_status(0);
        self.expect_nothing();
    }

    #[track_caller]
    fn expect_nothing(&self) {
        assert_eq!(self.program.records(), 0, "records");
        let left: Vec<PathBuf> = std::fs::read_dir(self.temporary.path())
            .expect("a folder")
            .flatten()
            .map(|entry| entry.path())
            .collect();
        assert!(left.is_empty(), "folders: {left:?}");
        let alive = Command::new("pgrep").args(["-af", text(self.temporary.path())]).output();
        let alive = alive.expect("pgrep runs").stdout;
        assert!(alive.is_empty(), "processes: {}", String::from_utf8_lossy(&alive));
    }
}

/// The scenario with migrations, on a database.
fn migrated(name: &str, database: &str) -> String {
    format!(
        "version: 1\nname: {name}\n\
         targets: {{db: {{database: \"{database}\", migrations: migrations}}}}{WORK_ON_THINGS}{MORE}{LOAD}"
    )
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn rows(server: &EmbeddedServer) -> String {
    value(server, "SELECT count(*) || ' ' || sum(n) FROM things")
}

#[test]
fn rows_in_tables_that_were_there_before() {
    let folder = folder();
    let server = server(&[], 60);
    let key = numbered_key(Dialect::Postgres);
    sql(&server, &format!("CREATE TABLE things (id {key}, n int NOT NULL)"));
    sql(&server, "INSERT INTO things (n) SELECT 1 FROM generate_series(1, 50)");
    let scenario = format!(
        "version: 1\nname: existing\n\
         targets: {{db: {{database: \"${{DATABASE_URL}}\"}}}}{WORK_ON_THINGS}{MORE}{LOAD}"
    );
    let mut killed = Killed::new(1, folder.path(), &scenario, Some(&server.url()));
    for _ in 0..60 {
        killed.kill_and_clean();
        assert_eq!(rows(&server), "50 50");
    }
    server.stop().expect("stopped");
}

/// With migrations, in a schema of the run's own; in between the database is away.
#[test]
fn schemas_of_a_postgres_that_goes_and_comes_back() {
    let folder = folder();
    let server = server(&[], 60);
    things(folder.path(), Dialect::Postgres);
    let scenario = migrated("schema", "${DATABASE_URL}");
    let mut killed = Killed::new(2, folder.path(), &scenario, Some(&server.url()));
    for _ in 0..35 {
        killed.kill_and_clean();
        assert_eq!(schemas_of_runs(&server.url()), 0);
    }
    let socket = server.folder().join(".s.PGSQL.5432");
    let away = server.folder().join("away");
    for _ in 0..5 {
        let scenario = text(&killed.scenario).to_owned();
        let span = killed.span;
        killed.kill(&["run", &scenario], span);
        std::fs::rename(&socket, &away).expect("away");
        let status = if names_a_schema(&killed) { 3 } else { 0 };
        killed.program.run(&["clean"]).expect_status(status);
        std::fs::rename(&away, &socket).expect("back");
        killed.program.run(&["clean"]).expect_status(0);
        killed.expect_nothing();
        assert_eq!(schemas_of_runs(&server.url()), 0);
    }
    server.stop().expect("stopped");
}

/// Whether a record names a schema, without which there is nothing to connect for.
fn names_a_schema(killed: &Killed) -> bool {
    std::fs::read_dir(killed.program.state.path())
        .expect("a folder")
        .flatten()
        .any(|entry| std::fs::read_to_string(entry.path()).is_ok_and(|text| text.contains("schema")))
}

#[test]
fn throw_away_servers_and_their_half_made_clusters() {
    let folder = folder();
    let cache = folder.path().join("cache");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("opened");
    things(folder.path(), Dialect::Postgres);
    let scenario = migrated("embedded", "embedded");
    let mut killed = Killed::new(3, folder.path(), &scenario, None);
    for _ in 0..25 {
        killed.kill_and_clean();
    }
    // Now with a cache that is empty each time, so that a cluster is made first.
    killed.program =
        std::mem::replace(&mut killed.program, Program::new()).with("DEADHEAT_CACHE_DIR", text(&cache));
    killed.span += Duration::from_millis(1_500);
    for _ in 0..10 {
        killed.kill_and_clean();
        let left: Vec<String> = std::fs::read_dir(&cache)
            .map(|entries| {
                entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
            })
            .unwrap_or_default();
        assert!(!left.iter().any(|name| name.starts_with(".building")), "{left:?}");
        let _ = std::fs::remove_dir_all(&cache);
    }
}

#[test]
fn database_files() {
    let folder = folder();
    things(folder.path(), Dialect::Sqlite);
    let path = folder.path().join("a.sqlite");
    for (seed, database) in [(4, "sqlite:".to_owned()), (5, format!("sqlite:{}", path.display()))] {
        let scenario = migrated("files", &database);
        let mut killed = Killed::new(seed, folder.path(), &scenario, None);
        for _ in 0..20 {
            killed.kill_and_clean();
            for left in ["a.sqlite", "a.sqlite-wal", "a.sqlite-shm"] {
                assert!(!folder.path().join(left).exists(), "{left}");
            }
        }
    }
}

#[test]
fn services_that_were_started() {
    let folder = folder();
    let scenario = "version: 1\nname: service\ntargets: {api: {http: start, start: {command: \"sleep 1000 & \
                    exec python3 -m http.server $PORT --bind 127.0.0.1\"}}}\n\
                    operations: {get: {steps: [{http: GET /killed.yaml, assert: status == 200}]}}\n";
    let mut killed = Killed::new(6, folder.path(), &format!("{scenario}{LOAD}"), None);
    for _ in 0..15 {
        killed.kill_and_clean();
    }
}

#[test]
fn schemas_of_a_mariadb() {
    let folder = folder();
    let database = mysql(&[]);
    things(folder.path(), Dialect::MySql);
    let scenario = migrated("schema", "${DATABASE_URL}");
    let mut killed = Killed::new(7, folder.path(), &scenario, Some(database.url()));
    for _ in 0..20 {
        killed.kill_and_clean();
        assert_eq!(schemas_of_runs(database.url()), 0);
    }
    database.stop();
}
