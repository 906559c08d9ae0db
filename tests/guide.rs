//! `docs/first-race.md` followed word for word: files are saved, lines changed and commands run in an empty
//! folder, and what the guide shows is what comes.

mod support;

use std::{fs, path::Path, process::Command};

use support::Program;

/// What a block of the guide asks for.
#[derive(Debug)]
enum Deed {
    Save { path: String, text: String },
    Change { path: String, old: String, new: String },
    Run { command: String, shown: Vec<String>, status: i32 },
}

/// The name in backquotes that ends a line like "Save this as `x`:".
fn named(line: &str) -> Option<String> {
    let name = line.strip_suffix("`:")?.rsplit('`').next()?;
    Some(name.to_owned())
}

fn deeds(guide: &str) -> Vec<Deed> {
    let mut deeds = Vec::new();
    let mut name = None;
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let path = || name.clone().expect("a file is named before the block");
            deeds.push(match language {
                "console" => Deed::Run {
                    command: block[0].strip_prefix("$ ").expect("a command").to_owned(),
                    shown: block[1..].iter().map(|line| (*line).to_owned()).collect(),
                    status: 0,
                },
                "diff" => {
                    let part = |sign: char| {
                        let part = block.iter().filter_map(|line| line.strip_prefix(sign));
                        part.map(|line| format!("{line}\n")).collect::<String>()
                    };
                    Deed::Change { path: path(), old: part('-'), new: part('+') }
                }
                _ => Deed::Save { path: path(), text: block.join("\n") + "\n" },
            });
        } else if let Some(rest) = line.strip_prefix("The exit status is ") {
            let digit = rest.chars().next().and_then(|digit| digit.to_digit(10)).expect("a status");
            if let Some(Deed::Run { status, .. }) = deeds.last_mut() {
                *status = i32::try_from(digit).expect("a digit");
            }
        } else {
            name = named(line).or(name);
        }
    }
    deeds
}

/// `…` stands for any lines. Order counts, and without it every line.
fn assert_shown(command: &str, shown: &[String], output: &str) {
    let mut left = output.lines().map(str::trim_end);
    let mut may_skip = false;
    for wanted in shown {
        if wanted == "…" {
            may_skip = true;
            continue;
        }
        loop {
            let line = left.next().unwrap_or_else(|| panic!("{command}: no `{wanted}` in\n{output}"));
            if line == wanted.trim_end() {
                break;
            }
            assert!(may_skip, "{command}: `{line}` comes instead of `{wanted}`:\n{output}");
        }
        may_skip = false;
    }
    assert!(may_skip || left.next().is_none(), "{command}: more than the guide shows:\n{output}");
}

fn run(folder: &Path, program: &Program, command: &str) -> (Option<i32>, String) {
    let binaries = Path::new(env!("CARGO_BIN_EXE_deadheat")).parent().expect("a folder");
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", path)
        .env("DEADHEAT_STATE_DIR", program.state.path())
        .env_remove("DATABASE_URL")
        .output()
        .expect("a shell");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // A short answer on stderr is an answer too.
    let shown = match output.stdout.is_empty() {
        true => text(&output.stderr),
        false => text(&output.stdout),
    };
    (output.status.code(), shown)
}

#[test]
fn the_guide_is_true() {
    let guide = fs::read_to_string("docs/first-race.md").expect("the guide");
    let deeds = deeds(&guide);
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::new();
    let mut counts = [0; 3];
    for deed in deeds {
        match deed {
            Deed::Save { path, text } => {
                counts[0] += 1;
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                fs::write(path, text).expect("written");
            }
            Deed::Change { path, old, new } => {
                counts[1] += 1;
                let path = folder.path().join(path);
                let text = fs::read_to_string(&path).expect("saved before");
                assert_eq!(text.matches(&old).count(), 1, "{old}");
                fs::write(path, text.replace(&old, &new)).expect("written");
            }
            Deed::Run { command, shown, status } => {
                counts[2] += 1;
                let (ended, output) = run(folder.path(), &program, &command);
                assert_eq!(ended, Some(status), "{command}:\n{output}");
                assert_shown(&command, &shown, &output);
            }
        }
    }
    assert_eq!(counts, [2, 1, 3]);
}
