//! Places in the database that schedules are carried out in, each with the race's tables in it.

use std::time::Duration;

use super::{
    database::Opened,
    race::Races,
    trouble::{RunError, Trouble},
};
use crate::{
    dialect::Dialect,
    engine::{RaceShard, Reset},
    expression::Value,
    fixture::{Entry, Tables, create_schema, drop_schema, migrate, remember, seed},
    outcome::Isolation,
    plan::{Race, Schedules},
    target::{Session, SessionSettings},
};

/// Words in SQL by which schedules that run side by side would meet whatever their schemas.
const SHARED: &[&str] =
    &["advisory", "notify", "listen", "prepare transaction", "commit prepared", "role", "get_lock", "xa "];

impl Races<'_> {
    /// Schedules are reset by emptying tables, which is done to tables of the run's own alone.
    pub(super) fn check_place(&self, race: &Race, opened: &Opened) -> Result<(), Trouble> {
        if !opened.works_on_existing_tables() || race.has_setup {
            return Ok(());
        }
        Err(Trouble::new(format!("race {} would work on tables that were there before", race.name)).hint(
            "between two schedules every table is emptied: give the target `migrations`, or the race a `setup` \
             that makes its tables, and both go into a schema of the run's own",
        ))
    }

    /// A schema of the run's own with the race's tables and rows in it.
    pub(super) async fn shard(
        &mut self,
        race: &Race,
        number: usize,
        opened: &mut Opened,
    ) -> Result<RaceShard, RunError> {
        let schema = match number {
            0 => format!("deadheat_{}", self.run_id),
            _ => format!("deadheat_{}_{number}", self.run_id),
        };
        let failed =
            |failure| RunError::from(Trouble::failure("can't make a schema for this run", &failure));
        let dialect = opened.endpoint.dialect();
        if dialect == Dialect::Sqlite {
            opened.session.empty_schema(&schema).await.map_err(failed)?;
        } else if self.schemas.contains(&schema) {
            drop_schema(&mut opened.session, &schema).await.map_err(failed)?;
        } else {
            if !opened.endpoint.is_embedded() {
                let url = opened.endpoint.url_without_password();
                opened.record(&Entry::Schema { url, schema: schema.clone() })?;
            }
            self.schemas.push(schema.clone());
        }
        create_schema(&mut opened.session, &schema).await.map_err(failed)?;
        let settings = SessionSettings {
            application_name: format!("deadheat/{}/r{number}", self.run_id),
            schema: match dialect {
                Dialect::Postgres => (!self.is_in_public(race, opened)).then(|| schema.clone()),
                Dialect::MySql => Some(schema.clone()),
                Dialect::Sqlite => None,
            },
            // SQLite doesn't tell that a session waits: it has to fail instead.
            lock_timeout: match dialect {
                Dialect::Postgres | Dialect::MySql => opened.settings.lock_timeout,
                Dialect::Sqlite => Some(Duration::ZERO),
            },
            statements: race.plan.statements.len(),
            ..opened.settings.clone()
        };
        let mut session = Session::connect(&opened.endpoint, &settings).await.map_err(Trouble::from)?;
        let made = self.tables(race, opened, &mut session).await;
        session.close().await;
        let (globals, mut reset) = made?;
        if race.plan.database.as_ref().is_some_and(|database| database.migrations.is_none())
            && race.teardown.is_empty()
            && !race.setup.is_empty()
        {
            reset = Reset::Empty { schema };
        }
        Ok(RaceShard { session: settings, globals, reset })
    }

    /// A transcript is compared with one of a tool that works in the schema `public`, and plans and
    /// catalogs tell the schema. On a server of ours it is the run's own, and a race that removes its
    /// tables itself leaves it as it was.
    fn is_in_public(&self, race: &Race, opened: &Opened) -> bool {
        self.options.transcript
            && opened.endpoint.is_embedded()
            && opened.migrations().is_none()
            && race.plan.fixtures.is_empty()
            && race.has_setup
            && (race.setup.is_empty() || !race.teardown.is_empty())
    }

    async fn tables(
        &self,
        race: &Race,
        opened: &Opened,
        session: &mut Session,
    ) -> Result<(Vec<Value>, Reset), RunError> {
        if let Some(folder) = opened.migrations() {
            migrate(session, folder).await.map_err(Trouble::from)?;
        }
        let seeded = seed(session, &race.plan, self.run_id, self.seed, &Tables::Own).await;
        let seeded = seeded.map_err(Trouble::from)?;
        let written = race.written_tables();
        let reset = remember(session, written.as_ref())
            .await
            .map_err(|failure| Trouble::failure("can't remember what the tables hold", &failure))?;
        Ok((seeded.globals, if reset.is_empty() { Reset::Nothing } else { Reset::Script(reset) }))
    }
}

/// A place costs as much as this many schedules.
const FEW: u64 = 16;

/// As many places as there are processors, unless schedules could meet in spite of them, or are too few.
pub(super) fn side_by_side(race: &Race, times: u64) -> usize {
    if let Schedules::Listed(listed) = &race.schedules
        && (listed.len() as u64).saturating_mul(times) <= FEW
    {
        return 1;
    }
    // The file of a run is one place.
    if race.dialect() == Dialect::Sqlite || mentions(race, SHARED) || !race.plan.requests.is_empty() {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// True when one of a race's statements or scripts has one of these words in it.
pub(super) fn mentions(race: &Race, words: &[&str]) -> bool {
    let sessions = race.sessions.iter().flat_map(|session| session.setup.iter().chain(&session.teardown));
    let scripts = race.setup.iter().chain(&race.teardown).chain(sessions);
    let texts = race.plan.statements.iter().map(|statement| &statement.text).chain(scripts);
    texts.map(|text| text.to_lowercase()).any(|text| words.iter().any(|word| text.contains(word)))
}

/// The levels of a race, with the server's default where it names none.
pub(super) async fn levels(race: &Race, opened: &mut Opened) -> Result<Vec<Isolation>, Trouble> {
    let mut levels = Vec::new();
    for level in &race.levels {
        levels.push(match level {
            Some(level) => *level,
            None => default_level(opened).await?,
        });
    }
    Ok(levels)
}

async fn default_level(opened: &mut Opened) -> Result<Isolation, Trouble> {
    let sql = match opened.endpoint.dialect() {
        Dialect::Postgres => "SELECT current_setting('default_transaction_isolation')",
        // The name of the variable differs between servers and versions.
        Dialect::MySql => {
            "SHOW GLOBAL VARIABLES WHERE variable_name IN ('tx_isolation', 'transaction_isolation')"
        }
        Dialect::Sqlite => return Ok(Isolation::Serializable),
    };
    let answered = opened.session.query(sql, &[]).await.map_err(|failure| {
        Trouble::failure("the server doesn't tell its default isolation level", &failure)
    })?;
    let values = answered.rows.first().map(|row| row.values().to_vec()).unwrap_or_default();
    let level = values.last().and_then(|level| level.as_str().and_then(Isolation::from_server));
    level.ok_or_else(|| Trouble::new("the server's default isolation level isn't known"))
}
