//! The live view on stderr: a block that redraws in a terminal, a plain line every five seconds elsewhere.

use std::{
    collections::VecDeque,
    io::{IsTerminal, Write},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    live_view::{Length, LoadMoment, RaceMoment},
    table::Style,
};
use crate::{
    measure::{LiveBoard, LiveSnapshot, RaceBoard},
    plan::{Plan, Work},
};

const REDRAW: Duration = Duration::from_millis(250);
const PLAIN_LINE: Duration = Duration::from_secs(5);
/// Rate and percentiles are those of so long a time.
const RECENT: Duration = Duration::from_secs(3);
const HEIGHT: u16 = 24;

/// Width of the terminal at stdout; 80 when there is none, at most 120 for the sake of the eye.
pub fn terminal_width() -> u16 {
    let width = console_width().unwrap_or(80);
    width.clamp(40, 120)
}

fn console_width() -> Option<u16> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok())
        .or_else(|| comfy_table::Table::new().width())
}

/// What is shown.
pub enum Watched<'a> {
    /// A load, with the plan that it carries out.
    Load(Arc<LiveBoard>, &'a Plan),
    /// A race of this name.
    Race(Arc<RaceBoard>, &'a str),
}

/// Tells whether the run has been told to end.
pub type IsEnding = Box<dyn Fn() -> bool + Send>;

/// The block of the live view on the screen. What is said meanwhile goes above it.
#[derive(Debug, Clone)]
pub struct LiveBlock(ProgressBar);

impl LiveBlock {
    /// Takes the block away, says something, and puts it back.
    pub fn above(&self, say: impl FnOnce()) {
        self.0.suspend(say);
    }
}

/// Shows how a load or a race goes until it is finished.
#[derive(Debug)]
pub struct Progress {
    stop: mpsc::Sender<()>,
    thread: Option<JoinHandle<()>>,
    block: Option<LiveBlock>,
}

impl Progress {
    /// Begins to show.
    pub fn start(watched: Watched<'_>, color: bool, is_ending: IsEnding) -> Self {
        let (stop, stopped) = mpsc::channel();
        let mut view = View::new(watched, is_ending);
        let block = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        let drawn = block.clone();
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || match drawn {
                Some(bar) => {
                    while stopped.recv_timeout(REDRAW) == Err(mpsc::RecvTimeoutError::Timeout) {
                        bar.set_message(view.block(color));
                        bar.tick();
                    }
                    bar.finish_and_clear();
                }
                None => {
                    while stopped.recv_timeout(PLAIN_LINE) == Err(mpsc::RecvTimeoutError::Timeout) {
                        let _ = writeln!(std::io::stderr().lock(), "{}", view.line());
                    }
                }
            })
            .ok();
        Self { stop, thread, block: block.map(LiveBlock) }
    }

    /// The block on the screen; `None` where there is no terminal.
    pub fn block(&self) -> Option<&LiveBlock> {
        self.block.as_ref()
    }

    /// Stops showing and leaves a clean line.
    pub fn finish(mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread needs to take a look.
struct View {
    begun: Instant,
    is_ending: IsEnding,
    subject: Subject,
}

enum Subject {
    Load {
        board: Arc<LiveBoard>,
        scenario: String,
        operations: Vec<String>,
        length: Length,
        recent: Recent,
    },
    Race {
        board: Arc<RaceBoard>,
        race: String,
    },
}

impl View {
    fn new(watched: Watched<'_>, is_ending: IsEnding) -> Self {
        let subject = match watched {
            Watched::Load(board, plan) => Subject::Load {
                board,
                scenario: plan.name.clone(),
                operations: plan.operation_names(),
                length: match &plan.load.work {
                    Work::Iterations(count) => Length::Operations(*count),
                    Work::Duration(duration) => Length::Time(plan.load.warmup + *duration),
                    Work::Arrivals(arrivals) => Length::Time(arrivals.length()),
                },
                recent: Recent::default(),
            },
            Watched::Race(board, race) => Subject::Race { board, race: race.to_owned() },
        };
        Self { begun: Instant::now(), is_ending, subject }
    }

    fn block(&mut self, color: bool) -> String {
        let (height, width) = console::Term::stderr().size_checked().unwrap_or((HEIGHT, 80));
        let style = Style { color, width: width.clamp(40, 120) };
        self.look(|moment| moment.block(&style, height.into()), |moment| moment.block(&style))
    }

    fn line(&mut self) -> String {
        self.look(|moment| moment.line(), |moment| moment.line())
    }

    fn look(
        &mut self,
        of_load: impl FnOnce(&LoadMoment<'_>) -> String,
        of_race: impl FnOnce(&RaceMoment<'_>) -> String,
    ) -> String {
        let (elapsed, ending) = (self.begun.elapsed(), (self.is_ending)());
        match &mut self.subject {
            Subject::Load { board, scenario, operations, length, recent } => {
                let snapshot = board.snapshot(operations.len());
                let named = operations.iter().map(String::as_str).zip(snapshot.operations.iter().copied());
                let mut moment = LoadMoment {
                    scenario,
                    elapsed,
                    length: *length,
                    rate: 0.0,
                    latency: None,
                    totals: snapshot.totals,
                    operations: named.collect(),
                    ending,
                };
                recent.fill(&mut moment, snapshot);
                of_load(&moment)
            }
            Subject::Race { board, race } => {
                of_race(&RaceMoment { race, elapsed, totals: board.totals(), ending })
            }
        }
    }
}

/// The last few snapshots, oldest first.
#[derive(Default)]
struct Recent(VecDeque<(Duration, LiveSnapshot)>);

impl Recent {
    /// Adds what the last seconds tell.
    fn fill(&mut self, moment: &mut LoadMoment<'_>, snapshot: LiveSnapshot) {
        let now = moment.elapsed;
        // One that is older than the time looked at stays, so that it is covered whole.
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= RECENT) {
            self.0.pop_front();
        }
        let nothing = (Duration::ZERO, LiveSnapshot::default());
        let (at, before) = self.0.front().unwrap_or(&nothing);
        let seconds = now.saturating_sub(*at).as_secs_f64().max(1e-3);
        moment.rate = snapshot.totals.ended.saturating_sub(before.totals.ended) as f64 / seconds;
        let latency = snapshot.latency.since(&before.latency);
        moment.latency = latency.percentile(50.0).zip(latency.percentile(95.0));
        self.0.push_back((now, snapshot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        measure::{LiveTotals, OutcomeCounts},
        outcome::Outcome,
    };

    #[test]
    fn rate_and_percentiles_are_those_of_the_last_seconds() {
        let board = LiveBoard::new(1, 1).with_operations(1);
        let mut recent = Recent::default();
        let mut look = |seconds: u64| {
            let snapshot = board.snapshot(1);
            let mut moment = LoadMoment {
                scenario: "x",
                elapsed: Duration::from_secs(seconds),
                length: Length::Operations(1000),
                rate: 0.0,
                latency: None,
                totals: LiveTotals::default(),
                operations: vec![("a", OutcomeCounts::default())],
                ending: false,
            };
            recent.fill(&mut moment, snapshot);
            (moment.rate, moment.latency.map(|(median, _)| median.as_millis()))
        };
        let work = |count: u64, millis: u64| {
            for _ in 0..count {
                board.begin(0, 0, 0);
                board.end(0, true, 0, 0);
                board.tell(0, 0, &Outcome::Ok, Duration::from_millis(millis));
            }
        };
        assert_eq!(look(0).1, None);
        work(100, 1);
        assert!((look(1).0 - 100.0).abs() < 1e-9);
        for second in 2..=6 {
            work(10, 100);
            look(second);
        }
        work(10, 100);
        let (rate, median) = look(7);
        assert!((rate - 10.0).abs() < 1e-9, "the quick beginning is forgotten: {rate}");
        assert!((93..=107).contains(&median.expect("some ended")), "{median:?}");
    }
}
