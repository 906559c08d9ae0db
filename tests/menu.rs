//! The menu, in a terminal of 80 columns.

mod support;

use support::{Program, terminal::Terminal};

const DOWN: &str = "\u{1b}[B";

#[test]
fn scenarios_are_chosen_by_arrow_keys_and_the_command_is_printed() {
    let program = Program::new();
    let mut terminal = Terminal::start(&program, &[]);
    let screen = terminal.wait_for("the list", |screen| screen.contains("lost-update-fixed"));
    let payments = screen.lines().find(|line| line.contains("payments ")).expect("a line");
    assert!(payments.contains("Payment webhooks, payouts and admin edits race"), "{screen}");
    terminal.send("\r");
    let screen = terminal.wait_for("what it can do", |screen| screen.contains("4 Explain"));
    for line in ["1 Full stress: 250 workers", "2 Webhooks only, over HTTP", "3 Custom multiplier"] {
        assert!(screen.contains(line), "{screen}");
    }
    terminal.send(DOWN);
    terminal.send(DOWN);
    terminal.send(DOWN);
    terminal.send("\r");
    assert!(terminal.wait().success(), "{}", terminal.screen());
    terminal.wait_for("the cursor", |_| terminal.is_cursor_shown());
}

#[test]
fn a_multiplier_is_asked_for_and_the_plain_command_printed() {
    let program = Program::new();
    let mut terminal = Terminal::start(&program, &["menu"]);
    terminal.wait_for("the list", |screen| screen.contains("lost-update-fixed"));
    terminal.send("\r");
    terminal.wait_for("what it can do", |screen| screen.contains("3 Custom multiplier (50 as written)"));
    terminal.send(DOWN);
    terminal.send(DOWN);
    terminal.send("\r");
    terminal.wait_for("the question", |screen| screen.contains("multiplier (50)"));
    terminal.send("2\r");
    terminal.wait_for("the command", |screen| {
        screen.contains("deadheat run scenarios/payments.yaml --var multiplier=2")
    });
    terminal.wait_for("ten workers", |screen| screen.contains("connecting 10 workers"));
    terminal.send("\u{3}");
    assert_eq!(terminal.wait().code(), Some(130), "{}", terminal.screen());
    assert_eq!(program.records(), 0, "everything was removed");
}

#[test]
fn leaving_it_leaves_the_terminal_as_it_was() {
    let program = Program::new();
    let mut terminal = Terminal::start(&program, &["menu"]);
    terminal.wait_for("the list", |screen| screen.contains("payments"));
    terminal.send("q");
    assert_eq!(terminal.wait().code(), Some(0));
    terminal.wait_for("the cursor", |_| terminal.is_cursor_shown());
    let mut terminal = Terminal::start(&program, &["menu"]);
    terminal.wait_for("the list", |screen| screen.contains("payments"));
    terminal.send("\u{3}");
    assert_eq!(terminal.wait().code(), Some(130));
    terminal.wait_for("the cursor", |_| terminal.is_cursor_shown());
}

#[test]
fn without_a_terminal_there_is_the_help() {
    let program = Program::new();
    for arguments in [[].as_slice(), &["menu"]] {
        program.run(arguments).expect_status(2).expect_stderr("Usage: deadheat");
    }
}
