//! `init`: a scenario to start from, which runs as it is.

use std::{fs, io, path::Path};

use super::{args::InitArguments, console::Console, status};
use crate::run::Trouble;

const YAML: &str = include_str!("../../templates/init/scenario.yaml");
const TOML: &str = include_str!("../../templates/init/scenario.toml");
const MIGRATION: &str = include_str!("../../templates/init/0001_accounts.sql");

pub(super) fn init(arguments: &InitArguments, console: &Console) -> u8 {
    let name = &arguments.name;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        console.error(
            &Trouble::new(format!("`{name}` is no name for a scenario"))
                .hint("use letters, digits, `-` and `_`"),
        );
        return status::USAGE;
    }
    let (ending, text) = if arguments.toml { ("toml", TOML) } else { ("yaml", YAML) };
    let file = format!("{name}.{ending}");
    let migration = format!("migrations/{name}/postgres/0001_accounts.sql");
    let made = write_new(Path::new(&file), &text.replace("NAME", name))
        .and_then(|()| write_new(Path::new(&migration), MIGRATION));
    match made {
        Ok(()) => {
            console.note(&format!(
                "wrote {file} and {migration}\ntry `deadheat check {file}` and `deadheat run {file}`"
            ));
            status::PASS
        }
        Err((path, error)) if error.kind() == io::ErrorKind::AlreadyExists => {
            console.error(
                &Trouble::new(format!("{path} is there already"))
                    .hint("give another name: `deadheat init NAME`"),
            );
            status::USAGE
        }
        Err((path, error)) => {
            console.error(&Trouble::new(format!("can't write {path}: {error}")));
            status::COULD_NOT_RUN
        }
    }
}

/// Writes a file that isn't there yet.
fn write_new(path: &Path, text: &str) -> Result<(), (String, io::Error)> {
    let made = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = fs::File::create_new(path)?;
        io::Write::write_all(&mut file, text.as_bytes())
    };
    made().map_err(|error| (path.display().to_string(), error))
}
