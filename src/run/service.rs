//! Reaches the plan's services: starts those that the run is to start, and waits until they answer.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexMap;

use super::{RunOptions, StopSignal, Trouble, Watcher, database::Opened, trouble::RunError};
use crate::{
    fixture::{Entry, Ledger},
    measure::TargetInfo,
    plan::{HttpVersion, Plan, Service, ServiceLocation, Start},
    target::{
        StartedService,
        http::{Connection, HttpEndpoint, HttpOptions, Outgoing, OutgoingBody},
    },
};

/// Pause between two attempts to reach a service that is starting.
const PAUSE: Duration = Duration::from_millis(25);
/// Pause between two lines of a starting service that are shown: one that is compiled has many.
const WORDS_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_ANSWER: Duration = Duration::from_secs(5);
/// Lines of a service's output that are shown when it doesn't start.
const SHOWN_LINES: usize = 12;

/// The services of a run.
#[derive(Debug, Default)]
pub(super) struct OpenedServices {
    /// In the order of the plan.
    pub endpoints: Vec<Arc<HttpEndpoint>>,
    started: Vec<StartedService>,
    /// Where there is no database, which has a ledger of its own.
    ledger: Option<Ledger>,
}

impl OpenedServices {
    /// True when the run has started every one, and ends it.
    pub fn are_all_started(&self) -> bool {
        !self.endpoints.is_empty() && self.started.len() == self.endpoints.len()
    }

    /// Ends those that were started.
    pub fn close(self, watcher: &mut dyn Watcher) {
        let mut all_ended = true;
        for service in self.started {
            watcher.stage("stopping the service");
            if !service.stop() {
                watcher.warning("the service that was started doesn't end");
                all_ended = false;
            }
        }
        if all_ended
            && let Some(ledger) = self.ledger
            && let Err(error) = ledger.finish()
        {
            watcher.warning(&error.to_string());
        }
    }

    /// What the report says of them.
    pub fn info(&self, plan: &Plan) -> IndexMap<String, TargetInfo> {
        let info = |(service, endpoint): (&Service, &Arc<HttpEndpoint>)| {
            let version = match service.protocol {
                HttpVersion::Http1 => "1.1",
                HttpVersion::Http2 => "2",
            };
            let info = TargetInfo {
                kind: "HTTP".to_owned(),
                version: version.to_owned(),
                location: endpoint.describe(),
                schema: None,
            };
            (service.target.clone(), info)
        };
        plan.services.iter().zip(&self.endpoints).map(info).collect()
    }
}

/// Reaches every service of the plan.
pub(super) async fn open(
    plan: &Plan,
    options: &RunOptions,
    run_id: &str,
    database: Option<&Opened>,
    stop: &StopSignal,
    watcher: &mut dyn Watcher,
) -> Result<OpenedServices, RunError> {
    let mut opened = OpenedServices::default();
    let starts = |service: &Service| matches!(service.location, ServiceLocation::Start(_));
    if database.is_none() && plan.services.iter().any(starts) {
        opened.ledger = Some(Ledger::create(run_id).map_err(Trouble::from)?);
    }
    for service in &plan.services {
        match reach(service, &mut opened, options, database, stop, watcher).await {
            Ok(endpoint) => opened.endpoints.push(Arc::new(endpoint)),
            Err(error) => {
                opened.close(watcher);
                return Err(error);
            }
        }
    }
    Ok(opened)
}

async fn reach(
    service: &Service,
    opened: &mut OpenedServices,
    options: &RunOptions,
    database: Option<&Opened>,
    stop: &StopSignal,
    watcher: &mut dyn Watcher,
) -> Result<HttpEndpoint, RunError> {
    let endpoint = match &service.location {
        ServiceLocation::Url(url) => resolve(service, url)?,
        ServiceLocation::Start(start) => {
            let started = start_process(service, start, database, opened.ledger.as_mut(), watcher)?;
            let endpoint = resolve(service, &started.url())?;
            opened.started.push(started);
            let started = opened.started.last().expect("one was just added");
            wait_until_ready((service, start), started, &endpoint, stop, watcher).await?;
            endpoint
        }
    };
    check_host(&endpoint, &options.allowed_hosts)?;
    Ok(endpoint)
}

/// Refuses, before anything is made, services that aren't on this machine.
pub(super) fn check_hosts(plan: &Plan, options: &RunOptions) -> Result<(), Trouble> {
    for service in &plan.services {
        if let ServiceLocation::Url(url) = &service.location {
            check_host(&resolve(service, url)?, &options.allowed_hosts)?;
        }
    }
    Ok(())
}

fn resolve(service: &Service, url: &str) -> Result<HttpEndpoint, Trouble> {
    let options = HttpOptions {
        protocol: service.protocol,
        redirects: service.redirects,
        ca: service.ca.clone(),
        largest_answer: service.largest_answer,
    };
    HttpEndpoint::resolve(url, options)
        .map_err(|error| Trouble::new(format!("target {}: {error}", service.target)))
}

fn check_host(endpoint: &HttpEndpoint, allowed: &[String]) -> Result<(), Trouble> {
    if endpoint.is_allowed(allowed) {
        return Ok(());
    }
    let host = endpoint.host_name();
    Err(Trouble::new(format!("{host} is not this machine"))
        .hint(format!("stress tests damage what they run against; if you mean it: `--allow-host {host}`")))
}

/// Starts a service's process, and writes it down first.
fn start_process(
    service: &Service,
    start: &Start,
    database: Option<&Opened>,
    mut ledger: Option<&mut Ledger>,
    watcher: &mut dyn Watcher,
) -> Result<StartedService, Trouble> {
    let mut env = Vec::new();
    if let Some(database) = database {
        env.extend(database.environment());
    }
    env.extend(start.env.iter().cloned());
    watcher.stage(&format!("starting {}: {}", service.target, start.command));
    let mut record = |folder: &Path| {
        let entry = Entry::Service { folder: folder.to_owned() };
        match (database, ledger.as_deref_mut()) {
            (Some(database), _) => {
                database.record(&entry).map_err(|trouble| std::io::Error::other(trouble.message))
            }
            (None, Some(ledger)) => ledger.record(&entry),
            (None, None) => Ok(()),
        }
    };
    StartedService::start(&start.command, &start.folder, &env, &mut record)
        .map_err(|error| Trouble::new(format!("{} can't be started: {error}", service.target)))
}

async fn wait_until_ready(
    (service, start): (&Service, &Start),
    started: &StartedService,
    endpoint: &HttpEndpoint,
    stop: &StopSignal,
    watcher: &mut dyn Watcher,
) -> Result<(), RunError> {
    let mut connection = Connection::new(endpoint).map_err(|error| Trouble::new(error.to_string()))?;
    let path = start.ready.clone().unwrap_or_else(|| "/".to_owned());
    let begun = Instant::now();
    let (mut shown, mut shown_at) = (String::new(), begun);
    loop {
        if stop.is_stopped() {
            return Err(RunError::Interrupted);
        }
        if let Some(status) = started.ended() {
            return Err(not_ready(service, started, &format!("ended with status {status}")).into());
        }
        let outgoing = Outgoing::get(endpoint, path.clone())
            .map_err(|failure| Trouble::new(format!("{}: {failure}", service.target)))?;
        let body = OutgoingBody::from(bytes::Bytes::new());
        let answer = connection.send(endpoint, outgoing, body, LONGEST_ANSWER).await;
        let is_ready = answer.is_ok_and(|answer| start.ready.is_none() || answer.status.as_u16() < 400);
        if is_ready {
            let took = crate::units::format_duration(begun.elapsed());
            watcher.stage(&format!("started {} in {took}, at {}", service.target, endpoint.describe()));
            return Ok(());
        }
        if begun.elapsed() > start.timeout {
            let limit = crate::units::format_duration(start.timeout);
            return Err(not_ready(service, started, &format!("doesn't answer within {limit}")).into());
        }
        // A first start may have to compile: its own words show that something goes on.
        if shown_at.elapsed() >= WORDS_PAUSE
            && let Some(line) = started.last_lines(1).pop()
            && line != shown
        {
            watcher.stage(&format!("starting {}: {}", service.target, line.trim()));
            (shown, shown_at) = (line, Instant::now());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn not_ready(service: &Service, started: &StartedService, what: &str) -> Trouble {
    let lines = started.last_lines(SHOWN_LINES);
    Trouble {
        message: format!("{} {what}", service.target),
        detail: (!lines.is_empty()).then(|| format!("its last words:\n{}", lines.join("\n"))),
        hint: Some(
            "it must listen on 127.0.0.1 at the port in `PORT`; `start.timeout` says how long it may take"
                .to_owned(),
        ),
    }
}
