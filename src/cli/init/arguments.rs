//! The options of `init`.

use clap::Args;

#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct InitArguments {
    /// Name of the scenario; the file is NAME.yaml. Without any argument, a terminal is asked
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Write TOML instead of YAML
    #[arg(long, conflicts_with = "from_db")]
    pub toml: bool,
    /// Database that it works on: embedded, embedded:mysql, sqlite: or a URL
    #[arg(long, value_name = "DATABASE", conflicts_with = "http")]
    pub database: Option<String>,
    /// Table that it works on, which its migration makes
    #[arg(long, value_name = "NAME", conflicts_with = "http")]
    pub table: Option<String>,
    /// Test a service at this URL instead of a database
    #[arg(long, value_name = "URL")]
    pub http: Option<String>,
    /// Write a race of two sessions instead of a load
    #[arg(long, conflicts_with_all = ["http", "from_db"])]
    pub race: bool,
    /// Propose fixtures and lock order from the tables of this database
    #[arg(long, value_name = "URL", conflicts_with_all = ["http", "database", "table"])]
    pub from_db: Option<String>,
    /// Allow a host that isn't this machine
    #[arg(long = "allow-host", value_name = "HOST", requires = "from_db")]
    pub allowed_hosts: Vec<String>,
}

impl InitArguments {
    /// True when nothing was said.
    pub(super) fn is_silent(&self) -> bool {
        let Self { name, toml, database, table, http, race, from_db, allowed_hosts: _ } = self;
        let texts = [name, database, table, http, from_db];
        !toml && !race && texts.iter().all(|text| text.is_none())
    }
}
