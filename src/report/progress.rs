//! Live progress on stderr: one calm line in a terminal, a plain line every five seconds
//! elsewhere.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::cells::grouped;
use crate::{
    measure::{LiveBoard, LiveTotals},
    plan::Work,
    units::format_duration,
};

const REDRAW: Duration = Duration::from_millis(200);
const PLAIN_LINE: Duration = Duration::from_secs(5);

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

/// When the load is done.
#[derive(Debug, Clone, Copy)]
enum Length {
    Operations(u64),
    Time(Duration),
}

/// Shows how the load goes until it is finished.
#[derive(Debug)]
pub struct Progress {
    stop: mpsc::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to show.
    pub fn start(board: Arc<LiveBoard>, work: &Work, color: bool) -> Self {
        let (stop, stopped) = mpsc::channel();
        let length = match work {
            Work::Iterations(count) => Length::Operations(*count),
            Work::Duration(duration) => Length::Time(*duration),
            Work::Arrivals(arrivals) => Length::Time(arrivals.length()),
        };
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || {
                if std::io::stderr().is_terminal() {
                    draw(&board, length, color, &stopped);
                } else {
                    print_lines(&board, length, &stopped);
                }
            })
            .ok();
        Self { stop, thread }
    }

    /// Stops showing and leaves a clean line.
    pub fn finish(mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn draw(board: &LiveBoard, length: Length, color: bool, stopped: &mpsc::Receiver<()>) {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let steps = match length {
        Length::Operations(count) => count,
        Length::Time(time) => millis(time),
    };
    let bar = if color { "{bar:12.green}" } else { "{bar:12}" };
    let progress = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr_with_hz(8));
    let style = ProgressStyle::with_template(&format!("{bar} {{elapsed}} {{msg}}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─");
    progress.set_style(style);
    let mut speed = Speed::new();
    while stopped.recv_timeout(REDRAW) == Err(mpsc::RecvTimeoutError::Timeout) {
        let totals = board.totals();
        progress.set_position(match length {
            Length::Operations(_) => totals.ended,
            Length::Time(_) => millis(speed.begun.elapsed()),
        });
        progress.set_message(message(&totals, speed.of(&totals)));
    }
    progress.finish_and_clear();
}

fn print_lines(board: &LiveBoard, length: Length, stopped: &mpsc::Receiver<()>) {
    let mut speed = Speed::new();
    while stopped.recv_timeout(PLAIN_LINE) == Err(mpsc::RecvTimeoutError::Timeout) {
        let totals = board.totals();
        let of = match length {
            Length::Operations(count) => format!("of {} ", grouped(count)),
            Length::Time(_) => String::new(),
        };
        let line = format!(
            "{}: {} {of}operations, {}",
            format_duration(speed.begun.elapsed()),
            grouped(totals.ended),
            message(&totals, speed.of(&totals))
        );
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

fn message(totals: &LiveTotals, speed: f64) -> String {
    let failed = totals.ended - totals.committed;
    let mut parts = vec![format!("{}/s", grouped(speed.round() as u64)), format!("{failed} failed")];
    if totals.retries > 0 {
        parts.push(format!("{} retries", grouped(totals.retries)));
    }
    if totals.deadlocks > 0 {
        parts.push(format!("{} deadlocks", grouped(totals.deadlocks)));
    }
    parts.push(format!("{} waiting", totals.waiting));
    parts.join(", ")
}

/// Operations per second since the last look.
struct Speed {
    begun: Instant,
    at: Instant,
    ended: u64,
}

impl Speed {
    fn new() -> Self {
        let now = Instant::now();
        Self { begun: now, at: now, ended: 0 }
    }

    fn of(&mut self, totals: &LiveTotals) -> f64 {
        let seconds = self.at.elapsed().as_secs_f64().max(1e-3);
        let speed = (totals.ended - self.ended) as f64 / seconds;
        self.at = Instant::now();
        self.ended = totals.ended;
        speed
    }
}
