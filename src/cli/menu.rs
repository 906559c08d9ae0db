//! The menu: scenarios by arrow keys, and what can be done with each. It prints the plain command before
//! it runs it, so that next time nobody needs the menu.

use std::io::IsTerminal;

use dialoguer::{Input, Select, theme::ColorfulTheme, theme::SimpleTheme, theme::Theme};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    console::Console,
    offers::{self, Found, Offer},
    run::block_on,
    status,
};
use crate::run::Trouble;

/// Chosen commands, or the status to end with.
pub(super) type Chosen = Result<Vec<String>, u8>;

/// True when somebody can answer: the menu is drawn on stderr and reads the keyboard.
pub(super) fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks, and returns the arguments of the command that was chosen.
pub(super) fn choose(console: &Console) -> Chosen {
    let found = offers::find(std::path::Path::new("."));
    if found.is_empty() {
        let trouble = Trouble::new("there is no scenario in this folder or in `scenarios`");
        console.error(&trouble.hint("`deadheat init NAME` writes one to start from"));
        return Err(status::USAGE);
    }
    let colorful = ColorfulTheme::default();
    let theme: &dyn Theme = if console.stderr_color() { &colorful } else { &SimpleTheme };
    // With a listener the process survives Ctrl-C, and the cursor, which a list hides, can be shown again.
    let _listening = block_on(async { signal(SignalKind::interrupt()).ok() });
    match ask(&found, theme, console) {
        Ok(Some(arguments)) => {
            console.say(&format!("\n  {}\n", command_line(&arguments)));
            Ok(arguments)
        }
        Ok(None) => Err(status::PASS),
        Err(dialoguer::Error::IO(error)) => {
            let _ = console::Term::stderr().show_cursor();
            if error.kind() == std::io::ErrorKind::Interrupted {
                return Err(status::INTERRUPTED);
            }
            console.error(&Trouble::new(format!("the menu can't be shown: {error}")));
            Err(status::COULD_NOT_RUN)
        }
    }
}

fn ask(found: &[Found], theme: &dyn Theme, console: &Console) -> dialoguer::Result<Option<Vec<String>>> {
    let width = usize::from(console::Term::stderr().size().1).clamp(40, 120);
    let mut last = 0;
    loop {
        let lines = offers::lines(found, width);
        let Some(scenario) = select(theme, "Which scenario? (arrow keys, Enter; q leaves)", &lines, last)?
        else {
            return Ok(None);
        };
        last = scenario;
        let found = &found[scenario];
        console.say(&format!("{}: {}", found.name, found.file.display()));
        let lines: Vec<String> =
            found.offers.iter().enumerate().map(|(n, one)| one.line(n + 1, width)).collect();
        // Esc goes back to the list.
        let Some(chosen) = select(theme, "What is it to do? (q: back)", &lines, 0)? else { continue };
        return match &found.offers[chosen] {
            Offer::Plain { arguments, .. } => Ok(Some(arguments.clone())),
            Offer::Asks { variable, usual, arguments, .. } => {
                let value: u32 = Input::with_theme(theme)
                    .with_prompt(format!("{variable} ({usual})"))
                    .with_initial_text(String::new())
                    .default(usual.parse().unwrap_or(50))
                    .show_default(false)
                    .validate_with(|value: &u32| match value {
                        1..=1000 => Ok(()),
                        _ => Err("from 1 to 1000"),
                    })
                    .interact_text()?;
                let mut arguments = arguments.clone();
                arguments.extend(["--var".to_owned(), format!("{variable}={value}")]);
                Ok(Some(arguments))
            }
        };
    }
}

fn select(
    theme: &dyn Theme,
    prompt: &str,
    lines: &[String],
    at: usize,
) -> dialoguer::Result<Option<usize>> {
    Select::with_theme(theme)
        .with_prompt(prompt)
        .items(lines)
        .default(at)
        .max_length(12)
        .report(false)
        .interact_opt()
}

/// As a shell would take it.
fn command_line(arguments: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    let quoted =
        arguments.iter().map(|argument| match argument.chars().all(plain) && !argument.is_empty() {
            true => argument.clone(),
            false => format!("'{}'", argument.replace('\'', "'\\''")),
        });
    format!("deadheat {}", quoted.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_one_that_a_shell_takes() {
        let arguments = ["run", "my scenarios/it's.yaml", "--var", "multiplier=10"].map(str::to_owned);
        assert_eq!(
            command_line(&arguments),
            "deadheat run 'my scenarios/it'\\''s.yaml' --var multiplier=10"
        );
    }
}
