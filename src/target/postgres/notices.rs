//! Notices, which the driver only logs.
//!
//! The driver hands a notice to `tracing` while the session's future is polled. Within [`collecting`]
//! such an event goes into the list of the future that is polled, so that every session gets its own.

use std::{
    cell::RefCell,
    fmt,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

/// Where the driver logs notices.
const TARGET: &str = "sqlx::postgres::notice";

tokio::task_local! {
    static COLLECTED: Notices;
}

/// Lets this thread's futures collect notices, until the guard is dropped.
#[derive(Debug)]
pub struct NoticeGuard {
    _guard: DefaultGuard,
}

/// Collects notices on this thread as long as the guard lives.
pub fn listen_for_notices() -> NoticeGuard {
    NoticeGuard { _guard: tracing::subscriber::set_default(Collector::default()) }
}

/// Notices in the order in which they came, like `NOTICE:  text`.
pub type Notices = Rc<RefCell<Vec<String>>>;

/// Runs a future; the notices that its session gets go into `notices` as they come.
pub async fn collecting<F: Future>(notices: Notices, future: F) -> F::Output {
    COLLECTED.scope(notices, future).await
}

#[derive(Debug, Default)]
struct Collector {
    spans: AtomicU64,
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let severity = match *event.metadata().level() {
            Level::ERROR => "ERROR",
            Level::WARN => "WARNING",
            Level::INFO => "NOTICE",
            Level::DEBUG | Level::TRACE => return,
        };
        let mut message = Message(String::new());
        event.record(&mut message);
        // Outside of `collecting` nobody wants to know.
        let _ = COLLECTED.try_with(|list| list.borrow_mut().push(format!("{severity}:  {}", message.0)));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
