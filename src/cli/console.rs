//! Where text goes: results to stdout, talk to stderr, secrets nowhere.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

use super::{args::Global, status};
use crate::{
    report::{LiveBlock, Mask},
    run::{RunError, Trouble},
    scenario::Problems,
};

/// The program's two streams.
#[derive(Debug, Clone)]
pub(super) struct Console {
    quiet: bool,
    no_color: bool,
    shared: Arc<Shared>,
}

/// What all clones have in common.
#[derive(Debug, Default)]
struct Shared {
    mask: Mutex<Mask>,
    /// The live view, while it is drawn.
    block: Mutex<Option<LiveBlock>>,
}

impl Console {
    pub(super) fn new(global: &Global) -> Self {
        let console = Self { quiet: global.quiet, no_color: global.no_color, shared: Arc::default() };
        // A password in the environment is a secret whatever the scenario says of it.
        let set = |name: &&str| std::env::var(name).ok();
        console.hide_passwords(["DATABASE_URL"].iter().filter_map(set));
        console.hide(&["PGPASSWORD", "MYSQL_PWD"].iter().filter_map(set).collect::<Vec<_>>());
        console
    }

    /// Hides these texts from now on.
    pub(super) fn hide(&self, secrets: &[String]) {
        let mut mask = self.shared.mask.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().for_each(|secret| mask.add(secret));
    }

    /// Hides the passwords of these URLs from now on.
    pub(super) fn hide_passwords(&self, urls: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut mask = self.shared.mask.lock().unwrap_or_else(PoisonError::into_inner);
        urls.into_iter().for_each(|url| mask.add_passwords(url.as_ref()));
    }

    /// Replaces every secret.
    pub(super) fn masked(&self, text: &str) -> String {
        self.shared.mask.lock().unwrap_or_else(PoisonError::into_inner).apply(text).into_owned()
    }

    /// True when stdout takes colour.
    pub(super) fn stdout_color(&self) -> bool {
        self.color(std::io::stdout().is_terminal())
    }

    pub(super) fn stderr_color(&self) -> bool {
        self.color(std::io::stderr().is_terminal())
    }

    fn color(&self, terminal: bool) -> bool {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        terminal
            && !self.no_color
            && !no_color
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Writes a result. Returns the exit status: a closed pipe is the reader's choice.
    pub(super) fn result(&self, text: &str) -> u8 {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(self.masked(text).as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => status::PASS,
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => status::PASS,
            Err(error) => {
                self.error(&Trouble::new(format!("can't write the result: {error}")));
                status::COULD_NOT_RUN
            }
        }
    }

    /// Says what is going on, unless the user wants quiet.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Says something that isn't an error, but matters.
    pub(super) fn warning(&self, text: &str) {
        let label = self.paint("warning", anstyle::AnsiColor::Yellow);
        self.say(&format!("{label}: {text}"));
    }

    /// Says what kept deadheat from doing its work.
    pub(super) fn error(&self, trouble: &Trouble) {
        let Trouble { message, detail, hint } = trouble;
        let label = self.paint("error", anstyle::AnsiColor::Red);
        let mut text = format!("{label}: {message}");
        if let Some(detail) = detail {
            text.push_str(&format!("\n  {}", detail.replace('\n', "\n  ")));
        }
        if let Some(hint) = hint {
            text.push_str(&format!("\n  hint: {hint}"));
        }
        self.say(&text);
    }

    /// Shows the problems of a scenario.
    pub(super) fn problems(&self, problems: &Problems) {
        self.say(problems.render_own(self.stderr_color()).trim_end());
    }

    /// Says why there is no result, and returns the exit status.
    pub(super) fn run_error(&self, error: &RunError) -> u8 {
        match error {
            RunError::Scenario(problems) => {
                self.problems(problems);
                status::USAGE
            }
            RunError::CouldNotRun(trouble) => {
                self.error(trouble);
                status::COULD_NOT_RUN
            }
            RunError::Interrupted => {
                self.note("interrupted before the load began; everything was removed");
                status::INTERRUPTED
            }
        }
    }

    /// From now on what is said goes above this block; `None`: it is gone.
    pub(super) fn live_block(&self, block: Option<LiveBlock>) {
        *self.shared.block.lock().unwrap_or_else(PoisonError::into_inner) = block;
    }

    /// Says something on stderr whatever the user wants to hear.
    pub(super) fn say(&self, text: &str) {
        let text = self.masked(text);
        let say = || {
            // Nobody is left to be told when stderr can't be written.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        };
        match &*self.shared.block.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(block) => block.above(say),
            None => say(),
        }
    }

    fn paint(&self, text: &str, color: anstyle::AnsiColor) -> String {
        if self.stderr_color() {
            let style = color.on_default().bold();
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}
