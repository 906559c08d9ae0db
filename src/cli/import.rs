//! `import`: an isolation test specification as a scenario.

use std::{fs, io, path::Path};

use super::{args::ImportArguments, console::Console, status};
use crate::{import::import, run::Trouble};

pub(super) fn import_file(arguments: &ImportArguments, console: &Console) -> u8 {
    let imported = match import(&arguments.file) {
        Ok(imported) => imported,
        Err(problems) => {
            console.problems(&problems);
            return status::USAGE;
        }
    };
    if !imported.warnings.is_empty() {
        console.problems(&imported.warnings);
    }
    let output = arguments.output.clone().unwrap_or_else(|| arguments.file.with_extension("yaml"));
    if output == Path::new("-") {
        return console.result(&imported.text);
    }
    let shown = output.display();
    if !output.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
        console.error(&Trouble::new(format!("{shown} would not be read as YAML")).hint("end it in .yaml"));
        return status::USAGE;
    }
    match write(&output, &imported.text, arguments.force) {
        Ok(()) => {
            console.note(&format!("wrote {shown}\ntry `deadheat race {shown}`"));
            status::PASS
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            console.error(
                &Trouble::new(format!("{shown} is there already"))
                    .hint("`--force` replaces it, `-o FILE` writes another file, `-o -` prints it"),
            );
            status::USAGE
        }
        Err(error) => {
            console.error(&Trouble::new(format!("can't write {shown}: {error}")));
            status::COULD_NOT_RUN
        }
    }
}

fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let options = options.write(true);
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    io::Write::write_all(&mut options.open(path)?, text.as_bytes())
}
