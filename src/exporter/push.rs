//! Messages to a collector: now and then, and once more when a load gives way to the next or everything ends.

use std::{
    fmt::{self, Debug},
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{MissedTickBehavior, interval},
};

use super::{Exported, ExporterError, on_a_thread};
use crate::{
    report::{self, Moment},
    target::http::{
        CONTENT_TYPE, Connection, HeaderMap, HeaderValue, HttpEndpoint, Method, Outgoing, OutgoingBody,
    },
};

/// Where collectors take metrics over HTTP, below their address.
const PATH: &str = "/v1/metrics";
/// How long a collector may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Characters of a collector's own words that are shown.
const SHOWN: usize = 200;

/// How a collector is reached.
pub struct PushSettings {
    /// The collector, without `/v1/metrics`.
    pub endpoint: HttpEndpoint,
    /// Sent along, like what lets us in.
    pub headers: HeaderMap,
    /// Pause between two messages.
    pub interval: Duration,
    /// Is told when messages begin to fail.
    pub warn: Box<dyn Fn(&str) + Send>,
}

impl Debug for PushSettings {
    /// Without the headers, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, headers: _, interval, warn: _ } = self;
        f.debug_struct("PushSettings").field("endpoint", endpoint).field("interval", interval).finish()
    }
}

/// Sends, until it is dropped.
#[derive(Debug)]
pub struct Pusher {
    loads: Option<UnboundedSender<(Exported, SystemTime)>>,
    thread: Option<JoinHandle<()>>,
}

impl Pusher {
    /// Sends an empty message at once, so that what is wrong is known before the load.
    ///
    /// # Errors
    /// When there is no HTTP client or no thread. What happens to messages is told to
    /// [`PushSettings::warn`]: a run isn't ended for a collector's sake.
    pub fn start(settings: PushSettings) -> Result<Self, ExporterError> {
        let connection = Connection::new(&settings.endpoint)?;
        let instance = format!("{:032x}", rand::random::<u128>());
        let (loads, next) = unbounded_channel();
        let thread = on_a_thread(Link { settings, connection, instance, is_failing: false }.push(next))?;
        Ok(Self { loads: Some(loads), thread: Some(thread) })
    }

    /// Sends what this load counts from now on, and the last of the one before it.
    pub fn show(&self, exported: Exported) {
        if let Some(loads) = &self.loads {
            // A thread that is gone has printed why.
            let _ = loads.send((exported, SystemTime::now()));
        }
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        drop(self.loads.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and the run has ended.
            let _ = thread.join();
        }
    }
}

struct Link {
    settings: PushSettings,
    connection: Connection,
    instance: String,
    is_failing: bool,
}

impl Link {
    /// Sends until the other end of `loads` is gone.
    async fn push(mut self, mut loads: UnboundedReceiver<(Exported, SystemTime)>) {
        self.send(Vec::new()).await;
        let mut current = None;
        let mut ticks = interval(self.settings.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (is_over, next) = tokio::select! {
                biased;
                load = loads.recv() => (load.is_none(), load),
                _ = ticks.tick() => (false, None),
            };
            self.send_load(current.as_ref()).await;
            if is_over {
                return;
            }
            if next.is_some() {
                current = next;
            }
        }
    }

    async fn send_load(&mut self, load: Option<&(Exported, SystemTime)>) {
        let Some((exported, started)) = load else { return };
        let Exported { scenario, operations, .. } = exported;
        let moment = Moment { instance: &self.instance, started: *started, now: SystemTime::now() };
        let message = report::otlp(scenario, operations, &exported.snapshot(), moment);
        self.send(message).await;
    }

    /// Sends a message, and tells when that has begun to fail.
    async fn send(&mut self, message: Vec<u8>) {
        let trouble = self.attempt(message).await.err();
        if let Some(trouble) = trouble.as_ref().filter(|_| !self.is_failing) {
            let to = self.settings.endpoint.describe();
            let pause = crate::units::format_duration(self.settings.interval);
            (self.settings.warn)(&format!(
                "metrics don't reach {to}: {trouble}; tried again every {pause}"
            ));
        }
        self.is_failing = trouble.is_some();
    }

    async fn attempt(&mut self, message: Vec<u8>) -> Result<(), String> {
        let endpoint = &self.settings.endpoint;
        let uri = endpoint.uri(PATH.to_owned()).map_err(|failure| failure.to_string())?;
        let mut headers = endpoint.headers().clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(report::OTLP_CONTENT_TYPE));
        headers.extend(self.settings.headers.clone());
        let outgoing = Outgoing { method: Method::POST, uri, headers };
        let body = OutgoingBody::from(Bytes::from(message));
        let answer = self.connection.send(endpoint, outgoing, body, PATIENCE).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("it answers {}", answer.status));
        }
        let plain = |words: String| words.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        report::otlp_refusal(&answer.body).map_or(Ok(()), |words| Err(plain(words)))
    }
}
