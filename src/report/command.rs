//! The command that makes a run again.

use super::document::Document;

/// `deadheat run FILE --profile NAME --var NAME=VALUE --seed N`, or `race` for races, as a shell takes it.
pub(super) fn repeat(document: &Document) -> String {
    let what = match (document.races.is_empty(), document.probes.is_empty()) {
        (_, false) if !is_file(&document.file) => "probe --database",
        (_, false) => "probe",
        (false, true) => "race",
        (true, true) => "run",
    };
    let mut command = format!("deadheat {what} {}", quoted(&document.file));
    if let Some(profile) = &document.profile {
        command.push_str(&format!(" --profile {}", quoted(profile)));
    }
    for (name, value) in &document.vars {
        command.push_str(&format!(" --var {}", quoted(&format!("{name}={value}"))));
    }
    format!("{command} --seed {}", document.seed)
}

/// A probe of just a database has none.
fn is_file(file: &str) -> bool {
    [".yaml", ".yml", ".toml"].iter().any(|ending| file.ends_with(ending))
}

/// A word of a POSIX shell, in single quotes when it needs them.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./,+:@%=".contains(c);
    // After `./` a name like `--help` is a file.
    let word = if word.starts_with('-') { format!("./{word}") } else { word.to_owned() };
    if !word.is_empty() && word.chars().all(plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("a/b-c.yaml"), "a/b-c.yaml");
        assert_eq!(quoted("it's $(rm).yaml"), r"'it'\''s $(rm).yaml'");
        assert_eq!(quoted("--help"), "./--help");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("name=a b"), "'name=a b'");
    }
}
