//! The guard: a small process that outlives this one and ends the server with it.
//!
//! There is one mechanism for every way out. The guard starts the server and then reads its
//! standard input, a pipe whose only writer is this process. However this process ends, the pipe
//! closes, and the guard stops the server and removes its folder. Guard and server have a
//! process group of their own, so that a terminal's Ctrl-C doesn't reach them.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use super::{EmbeddedError, user::ServerUser};

/// `$1` is the folder, `$2` the signal that ends the server at once, the rest its command line:
/// nothing is worth saving.
const SCRIPT: &str = r#"
folder=$1; signal=$2; shift 2
trap '' INT TERM HUP
"$@" </dev/null >>"$folder/log" 2>&1 &
server=$!
read -r word
if [ "$word" = keep ]; then exit 0; fi
kill -"$signal" "$server" 2>/dev/null
i=0
while kill -0 "$server" 2>/dev/null && [ "$i" -lt 100 ]; do
  i=$((i + 1)); sleep 0.05
done
kill -KILL "$server" 2>/dev/null
wait "$server" 2>/dev/null
cd / && rm -rf "$folder"
"#;

/// How long the guard may take to end the server.
const LONGEST_STOP: Duration = Duration::from_secs(15);

/// The guard of one server.
#[derive(Debug)]
pub(super) struct Guard {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts the server in `folder`; `signal` ends it at once.
    pub(super) fn start(
        folder: &Path,
        signal: &str,
        program: &Path,
        arguments: &[String],
        user: ServerUser,
    ) -> Result<Self, EmbeddedError> {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(SCRIPT).arg("deadheat-guard").arg(folder).arg(signal);
        command.arg(program).args(arguments);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        command.current_dir(folder).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = user
            .applied_to(&mut command)
            .spawn()
            .map_err(|error| EmbeddedError::Spawn { program: "/bin/sh".into(), error })?;
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    /// Lets the server live on after this process.
    pub(super) fn release(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            // A guard that is gone has nothing left to keep.
            let _ = pipe.write_all(b"keep\n");
        }
        let _ = self.process.wait();
    }

    /// Ends the server and waits for the guard. `None` when it takes too long.
    pub(super) fn stop(&mut self) -> Option<ExitStatus> {
        drop(self.pipe.take());
        let begun = Instant::now();
        while begun.elapsed() < LONGEST_STOP {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.pipe.is_some() {
            let _ = self.stop();
        }
    }
}
