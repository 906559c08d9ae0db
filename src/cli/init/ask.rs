//! Asks in a terminal what to write. An empty answer takes what stands in brackets.

use std::io::{self, BufRead, Write};

use super::arguments::InitArguments;

/// Asks for everything that a scenario to start from needs to know.
///
/// # Errors
/// When the terminal is gone.
pub(super) fn ask(input: &mut dyn BufRead, output: &mut dyn Write) -> io::Result<InitArguments> {
    let mut arguments = InitArguments::default();
    let kind = choice(
        input,
        output,
        "What shall it be?",
        &[
            ("load", "many workers on a database"),
            ("race", "two sessions, step by step"),
            ("http", "many requests to a service"),
            ("from-db", "many workers on the tables of a database of yours"),
        ],
    )?;
    match kind {
        "http" => arguments.http = Some(text(input, output, "The service's URL", "http://127.0.0.1:8000")?),
        "from-db" => {
            let usual = "postgres://postgres@127.0.0.1:5432/postgres";
            arguments.from_db = Some(text(input, output, "The database's URL", usual)?);
        }
        kind => {
            arguments.race = kind == "race";
            let usual = "embedded";
            let asked = "The database: embedded, embedded:mysql, sqlite: or a URL";
            arguments.database = Some(text(input, output, asked, usual)?);
            arguments.table = Some(text(input, output, "A table to work on", "accounts")?);
        }
    }
    arguments.name = Some(text(input, output, "A name for it", "scenario")?);
    if kind != "from-db" {
        let syntax = choice(input, output, "Written in?", &[("yaml", "YAML"), ("toml", "TOML")])?;
        arguments.toml = syntax == "toml";
    }
    Ok(arguments)
}

fn text(
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    question: &str,
    usual: &str,
) -> io::Result<String> {
    write!(output, "{question} [{usual}]: ")?;
    output.flush()?;
    let mut answer = String::new();
    if input.read_line(&mut answer)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let answer = answer.trim();
    Ok(if answer.is_empty() { usual.to_owned() } else { answer.to_owned() })
}

/// The first choice is the usual one. A number or a name chooses; anything else is asked again.
fn choice<'a>(
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    question: &str,
    choices: &[(&'a str, &str)],
) -> io::Result<&'a str> {
    writeln!(output, "{question}")?;
    for (number, (name, meaning)) in choices.iter().enumerate() {
        writeln!(output, "  {}. {name}: {meaning}", number + 1)?;
    }
    loop {
        let answer = text(input, output, "Number or name", choices[0].0)?;
        let chosen = choices
            .iter()
            .enumerate()
            .find(|(number, (name, _))| answer == *name || answer == (number + 1).to_string());
        match chosen {
            Some((_, (name, _))) => return Ok(name),
            None => writeln!(output, "`{answer}` is none of them")?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(answers: &str) -> (InitArguments, String) {
        let mut output = Vec::new();
        let arguments = ask(&mut answers.as_bytes(), &mut output).expect("answered");
        (arguments, String::from_utf8(output).expect("text"))
    }

    #[test]
    fn empty_answers_take_what_is_offered() {
        let (arguments, output) = asked("\n\n\n\n\n");
        assert_eq!(arguments.database.as_deref(), Some("embedded"));
        assert_eq!(
            (arguments.table.as_deref(), arguments.name.as_deref()),
            (Some("accounts"), Some("scenario"))
        );
        assert!(!arguments.race && !arguments.toml);
        assert!(output.contains("A table to work on [accounts]: "));
    }

    #[test]
    fn what_is_no_answer_is_asked_again() {
        let (arguments, output) = asked("rice\n2\nsqlite:\nseats\nlast-seat\ntoml\n");
        assert!(arguments.race && arguments.toml);
        assert_eq!(
            (arguments.database.as_deref(), arguments.table.as_deref()),
            (Some("sqlite:"), Some("seats"))
        );
        assert!(output.contains("`rice` is none of them"));
        let mut output = Vec::new();
        assert!(ask(&mut "race\n".as_bytes(), &mut output).is_err(), "the end isn't an answer");
    }
}
