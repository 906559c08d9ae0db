//! `init --from-db`: reads the catalogs of a database and lets `propose` make a scenario of them.

use super::{Files, Refused, SCHEMA, check_name, propose};
use crate::{
    cli::{console::Console, run::block_on, status},
    dialect::Dialect,
    run::Trouble,
    target::{Endpoint, Session, SessionSettings, catalog},
};

/// A scenario for the tables of a database; with it the tables' own statements, where the scenario works on
/// a copy of them.
pub(super) fn files(
    name: &str,
    url: &str,
    allowed_hosts: &[String],
    console: &Console,
) -> Result<Files, Refused> {
    check_name(name)?;
    console.hide_passwords([url]);
    let could_not = |trouble: Trouble| (trouble, status::COULD_NOT_RUN);
    let endpoint = Endpoint::from_url(url).map_err(|error| (Trouble::from(error), status::USAGE))?;
    if !endpoint.is_loopback() && !allowed_hosts.contains(&endpoint.host()) {
        let host = endpoint.host();
        let trouble = Trouble::new(format!("{host} isn't this machine"));
        return Err((
            trouble.hint(format!("`--allow-host {host}` lets its catalogs be read")),
            status::USAGE,
        ));
    }
    let dialect = endpoint.dialect();
    if dialect == Dialect::Sqlite && !std::path::Path::new(&endpoint.host()).is_file() {
        return Err(could_not(Trouble::new(format!("there is no file {}", endpoint.host()))));
    }
    let tables = block_on(async {
        let mut session = Session::connect(&endpoint, &SessionSettings::default()).await?;
        let tables = catalog::tables(&mut session).await;
        session.close().await;
        tables.map_err(|failure| Trouble::failure("the catalogs can't be read", &failure))
    });
    let tables = tables.map_err(could_not)?;
    if tables.is_empty() {
        let trouble = Trouble::new("the database has no tables");
        return Err(could_not(
            trouble.hint("`deadheat init` without `--from-db` brings tables of its own"),
        ));
    }
    let place = match dialect {
        Dialect::Sqlite => "sqlite:".to_owned(),
        Dialect::Postgres | Dialect::MySql => endpoint.url_without_password(),
    };
    let proposal = propose::scenario(name, &place, SCHEMA, dialect, &tables);
    let mut files = vec![(format!("{name}.yaml"), proposal.scenario)];
    if let Some(migration) = proposal.migration {
        files.push((format!("migrations/{name}/{}/0001_tables.sql", dialect.name()), migration));
    }
    Ok(Files(files))
}
