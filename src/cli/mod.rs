//! The command line: arguments in, exit status out.
//!
//! Results go to stdout, talk and progress to stderr. Each subcommand is a thin function over
//! `run`, `plan` and `report`.

mod args;
mod check;
mod clean;
mod console;
mod exporters;
mod history;
mod import;
mod init;
mod kept;
mod man;
mod menu;
mod offers;
mod outputs;
mod places;
mod probe;
mod race;
mod replay;
mod report;
mod run;
mod running;
mod shrink;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Arguments, Command};
use console::Console;

/// Exit statuses, as the README documents them.
mod status {
    pub const PASS: u8 = 0;
    pub const FAIL: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const COULD_NOT_RUN: u8 = 3;
    pub const INCONCLUSIVE: u8 = 4;
    pub const INTERRUPTED: u8 = 130;
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let Arguments { global, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    let console = Console::new(&global);
    ExitCode::from(match command {
        None | Some(Command::Menu) => by_menu(&console),
        Some(command) => dispatch(command, &console),
    })
}

/// Says what is wrong with the arguments, or the help that was asked for. An argument may hold a password, and
/// who looks at this program's output needn't be who called it.
fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let places = crate::secrets::passwords(&text);
    if places.is_empty() {
        error.exit();
    }
    let masked = places.into_iter().rev().fold(text, |mut text, place| {
        text.replace_range(place, "***");
        text
    });
    eprint!("{masked}");
    ExitCode::from(status::USAGE)
}

/// Lets the user choose the command. Without somebody who could, the help is all there is to say.
fn by_menu(console: &Console) -> u8 {
    if !menu::is_possible() {
        console.say(&Arguments::command().render_help().to_string());
        return status::USAGE;
    }
    let chosen = match menu::choose(console) {
        Ok(chosen) => chosen,
        Err(status) => return status,
    };
    match Arguments::try_parse_from(std::iter::once("deadheat".to_owned()).chain(chosen)) {
        Ok(Arguments { command: Some(command), .. }) => dispatch(command, console),
        Ok(Arguments { command: None, .. }) => status::USAGE,
        Err(error) => {
            console.say(&error.to_string());
            status::USAGE
        }
    }
}

fn dispatch(command: Command, console: &Console) -> u8 {
    match command {
        Command::Menu => by_menu(console),
        Command::Run(run) => self::run::run(&run, console),
        Command::Report(report) => self::report::report(&report, console),
        Command::Race(race) => self::race::race(&race, console),
        Command::Probe(probe) => self::probe::probe(&probe, console),
        Command::Shrink(shrink) => self::shrink::shrink(&shrink, console),
        Command::Replay(replay) => self::replay::replay(&replay, console),
        Command::Check(check) if check.watch => watch::watch(&check, console),
        Command::Check(check) => check::check(&check, console),
        Command::Explain(explain) => check::explain(&explain, console),
        Command::Init(init) => self::init::init(&init, console),
        Command::Import(import) => import::import_file(&import, console),
        Command::History(history) => self::history::history(&history, console),
        Command::Compare(compare) => self::history::compare(&compare, console),
        Command::Clean(clean) => self::clean::clean(&clean, console),
        Command::Schema => console.result(&format!("{:#}\n", crate::scenario::json_schema())),
        Command::Man(man) => self::man::man(&man, console),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "deadheat", &mut script);
            console.result(&String::from_utf8_lossy(&script))
        }
    }
}
