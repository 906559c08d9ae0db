//! `init`: a scenario to start from, which runs as it is.
//!
//! Options or answers come in, files go out: the scenario, migrations, and the JSON Schema that its
//! first line names. Nothing that is there is replaced, except the schema.

mod arguments;
mod ask;
mod from_database;
mod propose;

use std::{
    fs,
    io::{self, IsTerminal},
    path::Path,
};

pub(super) use arguments::InitArguments;

use super::{console::Console, status};
use crate::{run::Trouble, scenario};

/// A scenario in both languages.
struct Template {
    yaml: &'static str,
    toml: &'static str,
}

const LOAD: Template = Template {
    yaml: include_str!("../../../templates/init/scenario.yaml"),
    toml: include_str!("../../../templates/init/scenario.toml"),
};
const RACE: Template = Template {
    yaml: include_str!("../../../templates/init/race.yaml"),
    toml: include_str!("../../../templates/init/race.toml"),
};
const HTTP: Template = Template {
    yaml: include_str!("../../../templates/init/http.yaml"),
    toml: include_str!("../../../templates/init/http.toml"),
};
/// A migration for each kind of database.
const MIGRATIONS: [(&str, &str); 3] = [
    ("postgres", include_str!("../../../templates/init/postgres.sql")),
    ("mysql", include_str!("../../../templates/init/mysql.sql")),
    ("sqlite", include_str!("../../../templates/init/sqlite.sql")),
];
/// Written beside the scenario, so that an editor finds it without a network.
const SCHEMA: &str = "deadheat.schema.json";

/// What is to be written: paths with their texts, the scenario first.
struct Files(Vec<(String, String)>);

pub(super) fn init(arguments: &InitArguments, console: &Console) -> u8 {
    let asked;
    let arguments = if arguments.is_silent() && io::stdin().is_terminal() && io::stderr().is_terminal() {
        match ask::ask(&mut io::stdin().lock(), &mut io::stderr()) {
            Ok(answers) => asked = answers,
            Err(_) => return status::INTERRUPTED,
        }
        &asked
    } else {
        arguments
    };
    let made = match &arguments.from_db {
        Some(url) => from_database::files(name(arguments), url, &arguments.allowed_hosts, console),
        None => files(arguments),
    };
    match made {
        Ok(files) => write(&files, arguments.race, console),
        Err((trouble, status)) => {
            console.error(&trouble);
            status
        }
    }
}

fn name(arguments: &InitArguments) -> &str {
    arguments.name.as_deref().unwrap_or("scenario")
}

/// A trouble, and the exit status that it gives.
type Refused = (Trouble, u8);

/// The name of a scenario is the name of its file.
fn check_name(name: &str) -> Result<(), Refused> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && !name.starts_with('-') && name.len() <= 60 && name.chars().all(plain) {
        return Ok(());
    }
    let hint = match name.rsplit_once('.') {
        Some((stem, "yaml" | "yml")) => format!("the file's ending is added: `deadheat init {stem}`"),
        Some((stem, "toml")) => format!("the file's ending is added: `deadheat init {stem} --toml`"),
        _ => "use letters, digits, `-` and `_`".to_owned(),
    };
    Err((Trouble::new(format!("`{name}` is no name for a scenario")).hint(hint), status::USAGE))
}

fn files(arguments: &InitArguments) -> Result<Files, Refused> {
    let name = name(arguments);
    check_name(name)?;
    let table = arguments.table.as_deref().unwrap_or("accounts");
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !table.starts_with(|c: char| c.is_ascii_lowercase()) || !table.chars().all(plain) || table.len() > 40
    {
        let trouble = Trouble::new(format!("`{table}` is no name for a table to begin with"));
        return Err((trouble.hint("use small letters, digits and `_`"), status::USAGE));
    }
    let template = match (&arguments.http, arguments.race) {
        (Some(_), _) => HTTP,
        (None, true) => RACE,
        (None, false) => LOAD,
    };
    let (ending, text) = if arguments.toml { ("toml", template.toml) } else { ("yaml", template.yaml) };
    let place = arguments.http.as_deref().or(arguments.database.as_deref()).unwrap_or("embedded");
    if place.contains(['"', '\\', '\'', '$', '\n']) {
        let trouble = Trouble::new(format!("`{place}` can't stand in a scenario"));
        return Err((trouble.hint("write it into the file afterwards"), status::USAGE));
    }
    // SQLite has one lock, which is waited for only when it is taken before anything is read.
    let begin = match (place.starts_with("sqlite:"), arguments.toml) {
        (true, false) => "    begin: immediate\n    lock_timeout: 10s\n",
        (true, true) => "begin = \"immediate\"\nlock_timeout = \"10s\"\n",
        (false, _) => "",
    };
    let fill = |text: &str| {
        let text = text.replace("THE_BEGIN\n", begin);
        text.replace("THE_NAME", name)
            .replace("THE_TABLE", table)
            .replace("THE_PLACE", place)
            .replace("THE_SCHEMA", SCHEMA)
    };
    let mut files = vec![(format!("{name}.{ending}"), fill(text))];
    if arguments.http.is_none() {
        files.extend(
            MIGRATIONS
                .iter()
                .map(|(kind, text)| (format!("migrations/{name}/{kind}/0001_{table}.sql"), fill(text))),
        );
    }
    Ok(Files(files))
}

fn write(files: &Files, is_race: bool, console: &Console) -> u8 {
    let Files(files) = files;
    for (path, text) in files {
        match write_new(Path::new(path), text) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let trouble = Trouble::new(format!("{path} is there already"));
                console.error(&trouble.hint("give another name: `deadheat init NAME`"));
                return status::USAGE;
            }
            Err(error) => {
                console.error(&Trouble::new(format!("can't write {path}: {error}")));
                return status::COULD_NOT_RUN;
            }
        }
    }
    if let Err(error) = fs::write(SCHEMA, format!("{:#}\n", scenario::json_schema())) {
        console.error(&Trouble::new(format!("can't write {SCHEMA}: {error}")));
        return status::COULD_NOT_RUN;
    }
    let file = &files[0].0;
    let others: Vec<&str> = files[1..].iter().map(|(path, _)| path.as_str()).chain([SCHEMA]).collect();
    let verb = if is_race { "race" } else { "run" };
    console.note(&format!("wrote {file}"));
    console.note(&format!("with  {}", others.join("\n      ")));
    console.note(&format!("try   deadheat check {file}\n      deadheat {verb} {file}"));
    status::PASS
}

/// Writes a file that isn't there yet.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::File::create_new(path)?;
    io::Write::write_all(&mut file, text.as_bytes())
}
