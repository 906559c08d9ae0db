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
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use super::{super::processes::GUARD, EmbeddedError, user::ServerUser};

const SHELL: &str = "/bin/sh";

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

/// `$1` is the folder, the rest a command that ends by itself, unless the pipe closes before. The watching
/// part reads the pipe by another number, because the standard input of what runs in the background is
/// nothing.
const SCRIPT_OF_COMMAND: &str = r#"
folder=$1; shift
trap '' INT TERM HUP
exec 3<&0
( read -r word <&3; kill -KILL 0 ) >/dev/null 2>&1 &
watcher=$!
"$@" </dev/null 3<&-
status=$?
kill -KILL "$watcher"
exit "$status"
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
        let mut command = shell(SCRIPT, folder, user);
        command.arg(signal).arg(program).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(EmbeddedError::spawn(SHELL))?;
        let pipe = process.stdin.take();
        Ok(Self { process, pipe })
    }

    /// Runs a command in `folder` to its end, which comes early when this process ends.
    pub(super) fn output(
        folder: &Path,
        program: &Path,
        arguments: &[String],
        user: ServerUser,
    ) -> Result<Output, EmbeddedError> {
        let mut command = shell(SCRIPT_OF_COMMAND, folder, user);
        command.arg(program).args(arguments).env("TMPDIR", folder);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(EmbeddedError::spawn(SHELL))?;
        let pipe = process.stdin.take();
        let output = process.wait_with_output().map_err(EmbeddedError::spawn(program));
        drop(pipe);
        output
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

/// A script in a process group of its own, with nothing of this process's environment.
fn shell(script: &str, folder: &Path, user: ServerUser) -> Command {
    let mut command = Command::new(SHELL);
    command.arg("-c").arg(script).arg(GUARD).arg(folder);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    command.current_dir(folder).process_group(0).stdin(Stdio::piped());
    user.applied_to(&mut command);
    command
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.pipe.is_some() {
            let _ = self.stop();
        }
    }
}
