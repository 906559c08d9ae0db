//! `man`: a manual page for the program and one for each command.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::{args::Arguments, console::Console, status};
use crate::run::Trouble;

#[derive(Debug, Clone, Args)]
pub(super) struct ManArguments {
    /// Folder that the pages are written into, like /usr/local/share/man/man1
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

pub(super) fn man(arguments: &ManArguments, console: &Console) -> u8 {
    let folder = &arguments.folder;
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
    match written {
        Ok(()) => {
            console
                .note(&format!("wrote the pages; `man {}/deadheat.1` shows the first", folder.display()));
            status::PASS
        }
        Err(error) => {
            console.error(&Trouble::new(format!(
                "can't write manual pages into {}: {error}",
                folder.display()
            )));
            status::COULD_NOT_RUN
        }
    }
}
