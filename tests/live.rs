//! The live view of the built program: in a terminal, in a pipe, and quiet.

mod support;

use support::{Ended, Program, counting, file, terminal::Terminal, text};

#[test]
fn in_a_terminal_one_block_redraws_and_then_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = counting(folder.path(), "counting", "", "duration: 4s");
    let program = Program::new();
    let mut terminal = Terminal::start(&program, &["run", text(&path)]);
    let counted = |screen: &str| {
        let line = screen.lines().find(|line| line.trim_start().starts_with("count "))?.to_owned();
        line.split_whitespace().nth(1)?.replace(',', "").parse::<u64>().ok()
    };
    let early = terminal.wait_for("counts", |screen| counted(screen).is_some_and(|count| count > 0));
    assert!(early.contains("counting  ") && early.contains(" of 4s") && early.contains("p95"), "{early}");
    let later = terminal.wait_for("more", |screen| counted(screen) > counted(&early));
    assert_eq!(later.matches("operation  ").count(), 1, "it is drawn once:\n{later}");
    assert!(terminal.wait().success());
    let screen = terminal.wait_for("the verdict", |screen| screen.contains("Verdict"));
    assert!(!screen.contains(" of 4s"), "{screen}");
}

#[test]
fn elsewhere_there_are_plain_lines_and_with_quiet_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = counting(folder.path(), "counting", "", "duration: 6s");
    let program = Program::new();
    let plain = program.start(&["run", text(&path)]);
    let quiet = program.start(&["run", text(&path), "--quiet"]);
    let [plain, quiet] = [plain, quiet].map(|run| Ended::of_started(run).expect_status(0).stderr);
    let line = plain.lines().find(|line| line.starts_with("5s: ")).expect("a line after five seconds");
    for part in [" operations, ", "/s, p50 ", ", 0 failed, ", "s left"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!plain.contains('\u{1b}') && !plain.contains('\r'), "{plain:?}");
    assert_eq!(quiet, "");
}

#[test]
fn a_race_shows_how_many_schedules_of_how_many() {
    let folder = tempfile::tempdir().expect("a folder");
    let step = "{sql: SELECT pg_sleep(0.05)}";
    let scenario = format!(
        "version: 1
name: slow
targets: {{db: {{database: embedded}}}}
races:
  slow:
    isolation: read_committed
    schedules: {{sample: 20}}
    setup: CREATE TABLE things (n int)
    sessions:
      one: [begin, {{a: {step}}}, {{b: {step}}}, commit]
      other: [begin, {{c: {step}}}, {{d: {step}}}, commit]
"
    );
    let path = file(folder.path(), "slow.yaml", &scenario);
    let program = Program::new();
    let mut terminal = Terminal::start(&program, &["race", "--no-reduction", text(&path)]);
    let screen = terminal.wait_for("schedules", |screen| screen.contains(" of 20 schedules"));
    let block = screen.lines().find(|line| line.contains(" of 20 schedules")).expect("a line");
    assert!(block.starts_with("slow  ") && screen.contains("0 broken"), "{screen}");
    assert!(terminal.wait().success(), "{}", terminal.screen());
}
