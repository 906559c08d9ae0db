//! Processes of this machine, found by what their arguments or their environment say.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The name under which guards run; their first argument is the folder that they guard.
pub(super) const GUARD: &str = "deadheat-guard";
/// How long a guard may take to end what it guards.
const LONGEST_STOP: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(10);

/// Where a text is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    Arguments,
    Environment,
}

/// The processes that mention every one of `texts`; never this one. Environments are shown to root and to
/// their own user alone.
pub(super) fn mentioning(place: Where, texts: &[&str]) -> Vec<u32> {
    let mut found: Vec<u32> = match fs::read_dir("/proc/self") {
        Ok(_) => in_proc(place, texts),
        Err(_) => listed(place, texts),
    };
    found.retain(|process| *process != std::process::id());
    found
}

/// Linux.
fn in_proc(place: Where, texts: &[&str]) -> Vec<u32> {
    let file = match place {
        Where::Arguments => "cmdline",
        Where::Environment => "environ",
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            let said = fs::read(entry.path().join(file)).ok()?;
            says(&String::from_utf8_lossy(&said), texts).then_some(process)
        })
        .collect()
}

/// Elsewhere: a line for each process, its number first.
fn listed(place: Where, texts: &[&str]) -> Vec<u32> {
    let options = match place {
        Where::Arguments => "axww",
        Where::Environment => "axeww",
    };
    let listed = Command::new("ps").args([options, "-o", "pid=,command="]).output();
    let Ok(listed) = listed else { return Vec::new() };
    String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter(|line| says(line, texts))
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}

fn says(said: &str, texts: &[&str]) -> bool {
    texts.iter().all(|text| said.contains(text))
}

/// Sends a signal, `TERM` say. A process that is gone is fine.
pub(super) fn signal(process: u32, signal: &str) {
    // NB: the shell's own `kill`: small systems have no program of that name.
    let script = "kill -\"$1\" \"$2\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, "kill", signal, &process.to_string()]);
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// True for a guard itself. A part of its script has its arguments too, and outlives it when it is killed.
fn leads_its_group(process: u32) -> bool {
    let number = process.to_string();
    let group = match fs::read_to_string(format!("/proc/{process}/stat")) {
        // `7 (sh) S 1 7 …`: name in brackets, state, parent, group.
        Ok(told) => told.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(2).map(str::to_owned)),
        Err(_) => {
            let listed = Command::new("ps").args(["-o", "pgid=", "-p", &number]).output();
            listed.ok().map(|listed| String::from_utf8_lossy(&listed.stdout).trim().to_owned())
        }
    };
    group.is_some_and(|group| group == number)
}

/// Waits until no guard of a folder is left. False when that takes too long.
pub(super) fn guard_has_ended(folder: &str) -> bool {
    let begun = Instant::now();
    while mentioning(Where::Arguments, &[GUARD, folder]).into_iter().any(leads_its_group) {
        if begun.elapsed() > LONGEST_STOP {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_by_its_arguments_and_environment_until_it_ends() {
        let mark = format!("mark-{:016x}", rand::random::<u64>());
        let mut child = Command::new("/bin/sh")
            .args(["-c", "read -r word", &mark])
            .env("DEADHEAT_MARK", &mark)
            .stdin(Stdio::piped())
            .spawn()
            .expect("it starts");
        for place in [Where::Arguments, Where::Environment] {
            // The kernel shows them a moment after the process has begun.
            let begun = Instant::now();
            while mentioning(place, &[&mark]) != [child.id()] {
                assert!(begun.elapsed() < Duration::from_secs(10), "{place:?}");
                std::thread::sleep(PAUSE);
            }
            assert!(listed(place, &[&mark]).contains(&child.id()), "{place:?}");
            assert!(mentioning(place, &[&mark, "something else"]).is_empty());
        }
        signal(child.id(), "KILL");
        child.wait().expect("it ended");
        assert!(mentioning(Where::Arguments, &[&mark]).is_empty());
        assert!(guard_has_ended(&mark));
    }
}
