//! A service that the run starts, and a guard that ends it however this process ends.
//!
//! The guard reads its standard input, a pipe whose only writer is this process. When the pipe closes,
//! the guard ends its process group: the service and everything that it started.

use std::{
    fs::File,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    log_limit::LogLimit,
    processes::{self, GUARD, Where},
};

/// `$1` is the folder for the status, `$2` the command. A handler, unlike an ignored signal, isn't
/// inherited by what is started.
const SCRIPT: &str = r#"
folder=$1
trap : INT HUP
( /bin/sh -c "$2" </dev/null >>"$folder/log" 2>&1; echo "$?" >"$folder/status" ) &
service=$!
while read -r word; do :; done
trap '' TERM
kill -TERM 0
i=0
while kill -0 "$service" 2>/dev/null && [ "$i" -lt 60 ]; do
  i=$((i + 1)); sleep 0.05
done
rm -rf "$folder"
kill -KILL 0
"#;

const PREFIX: &str = "deadheat-service-";
/// The variable by which the service's processes are known: it holds the folder.
const FOLDER: &str = "DEADHEAT_SERVICE";
/// How long the guard may take.
const LONGEST_STOP: Duration = Duration::from_secs(10);
/// Bytes of the log's end that are looked at.
const LOG_END: usize = 4_000;

/// A service that was started.
#[derive(Debug)]
pub struct StartedService {
    guard: Child,
    pipe: Option<ChildStdin>,
    _log: LogLimit,
    folder: TempDir,
    port: u16,
}

impl StartedService {
    /// Starts a command with a free port in `PORT`. `record` is told its own folder before that is made.
    ///
    /// # Errors
    /// When no process can be started or no port is free.
    pub fn start(
        command: &str,
        folder: &Path,
        env: &[(String, String)],
        record: &mut dyn FnMut(&Path) -> std::io::Result<()>,
    ) -> std::io::Result<Self> {
        let name = format!("{PREFIX}{:016x}", rand::random::<u64>());
        record(&std::env::temp_dir().join(&name))?;
        let scratch = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir()?;
        // Free now; whoever takes it before the service does makes the start fail.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        File::create(scratch.path().join("log"))?;
        let mut guard = Command::new("/bin/sh");
        guard.args(["-c", SCRIPT, GUARD]).arg(scratch.path()).arg(command);
        guard.env("PORT", port.to_string()).envs(env.iter().map(|(name, value)| (name, value)));
        guard.env(FOLDER, scratch.path());
        guard.current_dir(folder).process_group(0);
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut guard = guard.spawn()?;
        let pipe = guard.stdin.take();
        let log = LogLimit::start(scratch.path().join("log"));
        Ok(Self { guard, pipe, _log: log, folder: scratch, port })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it wrote on its standard output and standard error.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The status it ended with, when it has.
    pub fn ended(&self) -> Option<String> {
        let status = std::fs::read_to_string(self.folder.path().join("status")).ok()?;
        Some(status.trim().to_owned())
    }

    /// The last lines that it wrote.
    pub fn last_lines(&self, most: usize) -> Vec<String> {
        let bytes = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_END)..]).into_owned();
        let lines: Vec<&str> = text.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(most)..].iter().map(|line| (*line).to_owned()).collect()
    }

    /// Ends the service of a killed run, when it still lives, and removes its folder.
    ///
    /// # Errors
    /// When the folder can't be removed.
    pub fn remove_abandoned(folder: &Path) -> std::io::Result<()> {
        let name = folder.display().to_string();
        if !folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
            return Err(std::io::Error::other("isn't one of ours and isn't touched"));
        }
        processes::guard_has_ended(&name);
        // Where the guard was killed too.
        let begun = Instant::now();
        let mark = format!("{FOLDER}={name}");
        loop {
            let alive = processes::mentioning(Where::Environment, &[&mark]);
            if alive.is_empty() || begun.elapsed() > LONGEST_STOP {
                break;
            }
            alive.into_iter().for_each(|process| processes::signal(process, "KILL"));
        }
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Ends it and everything that it started. False when that takes too long.
    pub fn stop(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        drop(self.pipe.take());
        let begun = Instant::now();
        while begun.elapsed() < LONGEST_STOP {
            if let Ok(Some(_)) = self.guard.try_wait() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for StartedService {
    fn drop(&mut self) {
        if self.pipe.is_some() {
            self.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(10), "waited for {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn it_ends_with_all_that_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let command = "echo \"port $PORT $GREETING\"; sleep 1000 & echo $! > child; wait";
        let env = [("GREETING".to_owned(), "hello".to_owned())];
        let service = StartedService::start(command, folder.path(), &env, &mut |_| Ok(())).expect("starts");
        let child = folder.path().join("child");
        wait_for("its child", || std::fs::read_to_string(&child).is_ok_and(|text| text.ends_with('\n')));
        let child = std::fs::read_to_string(&child).expect("a number");
        let process = Path::new("/proc").join(child.trim());
        assert!(process.exists() && service.ended().is_none());
        assert_eq!(service.last_lines(3), [format!("port {} hello", service.port)]);
        assert!(service.stop());
        wait_for("the end of its child", || !process.exists());
    }

    /// As when this process is killed: nobody but the guard is left to clean up.
    #[test]
    fn the_guard_leaves_nothing_behind() {
        let mut service =
            StartedService::start("sleep 1000", Path::new("/"), &[], &mut |_| Ok(())).expect("starts");
        let folder = service.folder.path().to_owned();
        assert!(folder.exists());
        drop(service.pipe.take());
        wait_for("the end of its folder", || !folder.exists());
        wait_for("the end of the guard", || service.guard.try_wait().is_ok_and(|ended| ended.is_some()));
    }

    #[test]
    fn a_service_without_its_guard_is_ended_too() {
        let mut recorded = PathBuf::new();
        let mut record = |folder: &Path| {
            recorded = folder.to_owned();
            Ok(())
        };
        let command = "sleep 1000 & sleep 1000";
        let mut service = StartedService::start(command, Path::new("/"), &[], &mut record).expect("starts");
        assert_eq!(service.folder.path(), recorded);
        let mark = format!("{FOLDER}={}", recorded.display());
        let alive = || processes::mentioning(Where::Environment, &[&mark]);
        wait_for("its processes", || alive().len() > 3);
        service.guard.kill().expect("killed");
        service.guard.wait().expect("it ended");
        let begun = Instant::now();
        StartedService::remove_abandoned(&recorded).expect("removed");
        assert!(begun.elapsed() < Duration::from_secs(10), "nobody waits for a guard that is gone");
        assert!(!recorded.exists() && alive().is_empty());
        assert!(StartedService::remove_abandoned(Path::new("/etc")).is_err(), "not ours");
    }

    #[test]
    fn a_chatty_service_does_not_fill_the_disk() {
        let command = "head -c 40000000 /dev/zero | tr '\\0' x; echo; echo still there; sleep 1000";
        let service = StartedService::start(command, Path::new("/"), &[], &mut |_| Ok(())).expect("starts");
        wait_for("its last words", || service.last_lines(1) == ["still there"]);
        let length = || std::fs::metadata(service.log()).expect("a log").len();
        // For a moment the log is empty.
        wait_for("the cut", || length() <= 16 << 20 && service.last_lines(1) == ["still there"]);
    }

    #[test]
    fn an_early_end_is_noticed() {
        let service =
            StartedService::start("echo no; exit 7", Path::new("/"), &[], &mut |_| Ok(())).expect("starts");
        wait_for("its end", || service.ended().is_some_and(|status| !status.is_empty()));
        assert_eq!(service.ended().as_deref(), Some("7"));
    }
}
