//! Opens a plan's database and closes it again, with everything that the run made in it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use tokio::time::{sleep, timeout};

use super::{
    RunOptions, StopSignal, Trouble, Watcher, bounds, in_use,
    own::{self, Own},
};
use crate::{
    dialect::Dialect,
    fixture::{
        Entry, ExistingTables, Ledger, Tables, create_schema, drop_schema, migrate, remove_rows,
        schema_exists,
    },
    measure::{RunResults, TargetInfo},
    plan::{Database, Plan},
    target::{Endpoint, ServerFacts, Session, SessionSettings, StatementLog, StatementLogError},
};

/// How long a server that is gone may take to come back.
const LONGEST_RESTART: Duration = Duration::from_secs(15);
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// A database in use by a run.
pub(super) struct Opened {
    pub endpoint: Endpoint,
    pub session: Session,
    pub settings: SessionSettings,
    pub info: TargetInfo,
    pub ledger: Arc<Mutex<Ledger>>,
    pub run_id: String,
    pub seed: u64,
    /// Folder of the migrations.
    migrations: Option<PathBuf>,
    own: Option<Own>,
}

/// How closing went.
#[derive(Debug, Default)]
pub(super) struct Closed {
    /// True when nothing of the run is left.
    pub gone: bool,
    /// Recorded rows that are still in tables that were there before.
    pub remaining: IndexMap<String, u64>,
    pub trouble: Option<Trouble>,
}

impl Closed {
    /// Says in the results how cleaning went.
    pub(super) fn note_in(&self, results: &mut RunResults, keep: bool) {
        results.fixtures.cleaned = !keep && self.trouble.is_none();
        results.fixtures.note = self.trouble.as_ref().map(|trouble| trouble.message.clone());
    }
}

/// Reaches the plan's database: starts a throw-away server, or connects to the user's.
pub(super) async fn open(
    plan: &Plan,
    database: &Database,
    run_id: &str,
    options: &RunOptions,
    watcher: &mut dyn Watcher,
) -> Result<Opened, Trouble> {
    let dialect = database.location.dialect();
    let mut ledger = Ledger::create(run_id)?;
    let reached = own::reach(plan, database, &mut ledger, options, watcher).await;
    let (endpoint, own) = match reached {
        Ok(reached) => reached,
        Err(trouble) => {
            // What wasn't reached has left nothing behind.
            ledger.finish()?;
            return Err(trouble);
        }
    };
    let schema = match dialect {
        Dialect::Postgres | Dialect::MySql => {
            database.migrations.as_ref().map(|_| format!("deadheat_{run_id}"))
        }
        // The whole file is the run's own.
        Dialect::Sqlite => None,
    };
    let settings = SessionSettings {
        application_name: format!("deadheat/{run_id}/"),
        schema: schema.clone(),
        statement_timeout: database.statement_timeout,
        lock_timeout: database.lock_timeout,
        longest_answer: database.longest_answer,
        statements: plan.statements.len() + plan.invariants.len(),
    };
    let control = SessionSettings {
        application_name: format!("deadheat-control/{run_id}"),
        statement_timeout: None,
        lock_timeout: None,
        // Migrations and cleaning take their time.
        longest_answer: None,
        // MySQL's schemas are databases, and nobody connects to one that isn't made yet.
        schema: schema.clone().filter(|_| dialect == Dialect::Postgres),
        ..settings.clone()
    };
    let connected = match connect(plan, &endpoint, &control).await {
        Ok((mut session, facts)) if own.is_none() => {
            let allowed = &options.allowed_hosts;
            let mut checked = in_use::check(&mut session, &endpoint, allowed, watcher).await;
            // With migrations the tables are the run's own.
            if checked.is_ok() && database.migrations.is_none() {
                checked = in_use::check_emptied(&mut session, plan, &endpoint, allowed).await;
            }
            checked.map(|()| (session, facts))
        }
        connected => connected,
    };
    let (session, facts) = match connected {
        Ok(connected) => connected,
        Err(trouble) => {
            if let Some(own) = own {
                own.remove(watcher)?;
            }
            ledger.finish()?;
            return Err(trouble);
        }
    };
    let info =
        TargetInfo { kind: facts.product, version: facts.version, location: endpoint.describe(), schema };
    Ok(Opened {
        endpoint,
        session,
        settings,
        info,
        ledger: Arc::new(Mutex::new(ledger)),
        run_id: run_id.to_owned(),
        seed: options.seed.unwrap_or_default(),
        migrations: database.migrations.clone(),
        own,
    })
}

/// The control session, and what the server says of itself.
async fn connect(
    plan: &Plan,
    endpoint: &Endpoint,
    control: &SessionSettings,
) -> Result<(Session, ServerFacts), Trouble> {
    let mut session = Session::connect(endpoint, control).await?;
    let facts = ServerFacts::ask(&mut session)
        .await
        .map_err(|failure| Trouble::failure("the server doesn't tell about itself", &failure))?;
    bounds::check_connections(plan, &facts, endpoint.dialect())?;
    Ok((session, facts))
}

impl Opened {
    /// Writes down what is about to be made.
    pub fn record(&self, entry: &Entry) -> Result<(), Trouble> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger
            .record(entry)
            .map_err(|error| Trouble::new(format!("can't write {}: {error}", ledger.path().display())))
    }

    /// Makes the run's own schema and the tables in it, where the scenario brings migrations.
    pub async fn make_tables(&mut self) -> Result<(), Trouble> {
        let Some(folder) = self.migrations.clone() else { return Ok(()) };
        if let Some(schema) = self.info.schema.clone() {
            self.make_schema(&schema).await?;
        }
        migrate(&mut self.session, &folder).await?;
        Ok(())
    }

    async fn make_schema(&mut self, schema: &str) -> Result<(), Trouble> {
        // With a server of ours the schema goes too.
        if self.own.is_none() {
            let url = self.endpoint.url_without_password();
            self.record(&Entry::Schema { url, schema: schema.to_owned() })?;
        }
        create_schema(&mut self.session, schema)
            .await
            .map_err(|failure| Trouble::failure("can't make a schema for this run", &failure))
    }

    /// How a service under test finds this database: `DATABASE_URL`, and libpq's variables.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.endpoint.environment(self.info.schema.as_deref())
    }

    /// The folder of the migrations, where the scenario brings them.
    pub fn migrations(&self) -> Option<&Path> {
        self.migrations.as_deref()
    }

    /// True when the run works on tables that were there before.
    pub fn works_on_existing_tables(&self) -> bool {
        self.own.is_none() && self.info.schema.is_none()
    }

    /// The log of a server of ours that was started with one, or what a server of the user's may tell.
    pub fn statement_log(&self) -> Option<Result<StatementLog, StatementLogError>> {
        match &self.own {
            Some(own) => own.statement_log(),
            None => StatementLog::shared(self.endpoint.dialect()).map(Ok),
        }
    }

    /// The tables that fixture rows go into.
    pub fn tables(&self) -> Tables {
        if !self.works_on_existing_tables() {
            return Tables::Own;
        }
        let (ledger, url) = (Arc::clone(&self.ledger), self.endpoint.url_without_password());
        Tables::Existing(ExistingTables { ledger, url })
    }

    /// A fresh session for cleaning up, when the first one is lost or stuck.
    pub async fn fresh_session(&self) -> Result<Session, Trouble> {
        // The run's schema may be gone, and cleaning takes its time.
        let settings =
            SessionSettings { schema: None, longest_answer: None, ..self.side_settings("cleanup") };
        Ok(Session::connect(&self.endpoint, &settings).await?)
    }

    /// A session that samples the others while the load runs.
    pub async fn sampling_session(&self) -> Result<Session, Trouble> {
        Ok(Session::connect(&self.endpoint, &self.side_settings("watch")).await?)
    }

    /// Of a session in the run's schema beside the workers'.
    pub fn side_settings(&self, purpose: &str) -> SessionSettings {
        SessionSettings {
            application_name: format!("deadheat-{purpose}/{}", self.run_id),
            schema: self.settings.schema.clone(),
            longest_answer: self.settings.longest_answer,
            ..SessionSettings::default()
        }
    }

    /// Makes a lost control session anew, once the server is back: for as long as a restart takes. Where that
    /// isn't possible, what is asked for through the lost session fails and says so.
    pub async fn heal(&mut self, stop: &StopSignal) {
        let begun = Instant::now();
        let settings = self.side_settings("control");
        // Nobody hears of a broken connection before it is used; of one that has fallen silent, never.
        let limit = settings.longest_answer.unwrap_or(LONGEST_RESTART);
        let mut is_lost = timeout(limit, self.session.script("SELECT 1")).await.is_err();
        is_lost |= self.session.is_lost();
        while is_lost && begun.elapsed() < LONGEST_RESTART && !stop.is_stopped() {
            match Session::connect(&self.endpoint, &settings).await {
                Ok(session) => {
                    self.session = session;
                    is_lost = false;
                }
                Err(_) => sleep(RESTART_PAUSE).await,
            }
        }
    }

    /// Removes the run's schema and stops its server. What can't be removed stays in the ledger,
    /// where `clean` finds it.
    pub async fn close(mut self, keep: bool, watcher: &mut dyn Watcher) -> Closed {
        if keep {
            self.keep(watcher);
            return Closed::default();
        }
        let mut closed = if self.works_on_existing_tables() {
            self.remove_own_rows().await
        } else if self.own.is_none() && self.migrations.is_some() {
            self.drop_own_schema().await
        } else {
            Ok(Closed { gone: true, ..Closed::default() })
        }
        .unwrap_or_else(|trouble| Closed { trouble: Some(trouble), ..Closed::default() });
        let Self { session, own, ledger, .. } = self;
        session.close().await;
        if let Some(own) = own
            && let Err(trouble) = own.remove(watcher)
        {
            closed = Closed { trouble: Some(trouble), ..Closed::default() };
        }
        if closed.gone
            && let Some(ledger) = Arc::into_inner(ledger)
        {
            let ledger = ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = ledger.finish() {
                closed.trouble = Some(error.into());
            }
        }
        closed
    }

    async fn remove_own_rows(&mut self) -> Result<Closed, Trouble> {
        let entries = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).entries()?;
        let mut session = self.fresh_session().await?;
        let removal =
            remove_rows(&mut session, &entries).await.map_err(|error| Trouble::new(error.to_string()))?;
        session.close().await;
        Ok(Closed { gone: removal.left() == 0, remaining: removal.remaining, trouble: None })
    }

    async fn drop_own_schema(&mut self) -> Result<Closed, Trouble> {
        let Some(schema) = self.info.schema.clone() else { return Ok(Closed::default()) };
        if self.session.is_lost() {
            self.session = self.fresh_session().await?;
        }
        let failed = |failure| Trouble::failure("can't remove the schema of this run", &failure);
        drop_schema(&mut self.session, &schema).await.map_err(failed)?;
        let exists = schema_exists(&mut self.session, &schema).await.map_err(failed)?;
        Ok(Closed { gone: !exists, ..Closed::default() })
    }

    fn keep(self, watcher: &mut dyn Watcher) {
        watcher.stage(&format!("kept: {}", self.endpoint.url_without_password()));
        if let Some(schema) = &self.info.schema {
            watcher.stage(&format!("kept: schema {schema}"));
        }
        if let Some(own) = self.own {
            own.leave();
        }
        watcher.stage("remove it with `deadheat clean`");
    }
}
