//! What the names of expressions stand for while something runs.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use minijinja::{Value, value::Object};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    data::{DataRows, Turn},
    payload::Payloads,
    row::{Entry, FixtureRows},
};

/// The names in scope, each with its slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    slots: Vec<Box<str>>,
    /// The columns of names that stand for rows of a data file.
    columns: Vec<(usize, Arc<[Box<str>]>)>,
    /// The columns of names that stand for data files: of each row that is drawn from them.
    files: Vec<(usize, Arc<[Box<str>]>)>,
}

impl Names {
    /// The slot of a name.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.slots.iter().position(|known| **known == *name)
    }

    /// The slot of a name, which is added when it isn't there.
    pub fn declare(&mut self, name: &str) -> usize {
        let Some(slot) = self.slot(name) else {
            self.slots.push(name.into());
            return self.slots.len() - 1;
        };
        // It may stand for something else from here on.
        self.columns.retain(|(known, _)| *known != slot);
        self.files.retain(|(known, _)| *known != slot);
        slot
    }

    /// The same for a row whose columns are known.
    pub fn declare_row(&mut self, name: &str, columns: Arc<[Box<str>]>) -> usize {
        let slot = self.declare(name);
        self.columns.push((slot, columns));
        slot
    }

    /// The same for a data file.
    pub fn declare_file(&mut self, name: &str, columns: Arc<[Box<str>]>) -> usize {
        let slot = self.declare(name);
        self.files.push((slot, columns));
        slot
    }

    /// True when there are rows whose columns are known.
    pub fn know_columns(&self) -> bool {
        !self.columns.is_empty() || !self.files.is_empty()
    }

    /// The columns of a row, where they are known.
    pub fn columns(&self, name: &str) -> Option<&[Box<str>]> {
        self.known(&self.columns, name)
    }

    /// The columns of the rows of a data file.
    pub fn columns_of_file(&self, name: &str) -> Option<&[Box<str>]> {
        self.known(&self.files, name)
    }

    fn known<'a>(&self, known: &'a [(usize, Arc<[Box<str>]>)], name: &str) -> Option<&'a [Box<str>]> {
        let mut known = known.iter();
        known.find(|(slot, _)| *self.slots[*slot] == *name).map(|(_, columns)| &**columns)
    }

    /// The name in a slot.
    pub fn name(&self, slot: usize) -> Option<&str> {
        self.slots.get(slot).map(|name| &**name)
    }

    /// How many slots a frame for these names needs.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True when no name is declared.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The known name or function that looks most like `name`, when one does.
    pub fn similar(&self, name: &str) -> Option<String> {
        let names = self.slots.iter().map(|known| (false, &**known));
        let functions = super::FUNCTIONS.iter().map(|known| (true, *known));
        names
            .chain(functions)
            .map(|(is_function, known)| (strsim::damerau_levenshtein(known, name), is_function, known))
            .filter(|(distance, _, known)| *distance <= 1 + known.len() / 4)
            .min()
            .map(|(_, _, known)| known.to_owned())
    }
}

/// Which random numbers: everything random in a run is one of these streams of its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomStream {
    /// The run's seed.
    pub seed: u64,
    /// The worker, or a number above all workers for fixtures and other single draws.
    pub worker: u32,
    /// Counted by the worker.
    pub iteration: u32,
}

impl RandomStream {
    /// Stream of the fixtures, above any worker's number.
    pub const FIXTURES: u32 = u32::MAX;
    /// Stream of the operations of an open load, which belong to no worker.
    pub const ARRIVALS: u32 = u32::MAX - 1;

    /// The generator at the start of the stream.
    pub fn generator(self) -> ChaCha8Rng {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(u64::from(self.worker) << 32 | u64::from(self.iteration));
        generator
    }
}

struct Slots {
    names: Arc<Names>,
    values: Vec<Value>,
    random: ChaCha8Rng,
    now: SystemTime,
    turn: Turn,
    payloads: Arc<Payloads>,
    draws: Vec<(Arc<FixtureRows>, usize, Entry)>,
    /// The kind of the operation that draws.
    kind: usize,
    crowd: Crowd,
}

/// Whom an operation met on the fixture rows that it drew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Crowd {
    /// Most operations on one of the rows, this one included; 0 when none was drawn.
    pub most: u32,
    /// True when another operation was on one of them at the same time.
    pub met: bool,
    /// The kinds of operations that were there when this one came; one may stand in it twice.
    pub kinds: Vec<usize>,
}

/// The context object that minijinja sees; `Frame` is the owner's handle on it.
struct Context(Mutex<Slots>);

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("frame")
    }
}

/// The name under which functions find the frame that they are called in.
pub(super) const FRAME_NAME: &str = "__frame__";

impl Object for Context {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == FRAME_NAME {
            return Some(Value::from_dyn_object(Arc::clone(self)));
        }
        let mut slots = self.lock();
        let slot = slots.names.slot(key)?;
        Some(slots.load(slot)).filter(|value| !value.is_undefined())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }
}

impl Context {
    /// Only one task works on a frame at a time, so this never waits. A panic while it was held
    /// leaves plain data behind, which the next operation overwrites.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn load(&mut self, slot: usize) -> Value {
        let Some(value) = self.values.get(slot) else { return Value::UNDEFINED };
        let value = value.clone();
        // A fixture of one row is drawn by naming it.
        if value.downcast_object_ref::<FixtureRows>().is_some_and(|rows| rows.len() == 1)
            && let Some(rows) = value.downcast_object::<FixtureRows>()
        {
            self.draw(&rows, 0);
        }
        value
    }

    fn draw(&mut self, rows: &Arc<FixtureRows>, index: usize) {
        if self.draws.iter().any(|(known, at, _)| *at == index && Arc::ptr_eq(known, rows)) {
            return;
        }
        let entry = rows.enter(index, self.kind, &mut self.crowd.kinds);
        self.crowd.most = self.crowd.most.max(entry.crowd);
        self.draws.push((Arc::clone(rows), index, entry));
    }
}

/// What the names of expressions stand for in one worker, fixture or check.
pub struct Frame {
    context: Arc<Context>,
    value: Value,
}

impl Frame {
    /// A frame without any values.
    pub fn new(names: Arc<Names>, payloads: Arc<Payloads>, stream: RandomStream, now: SystemTime) -> Self {
        let values = vec![Value::UNDEFINED; names.len()];
        let random = stream.generator();
        let slots = Slots {
            names,
            values,
            random,
            now,
            turn: Turn::default(),
            payloads,
            draws: Vec::new(),
            kind: 0,
            crowd: Crowd::default(),
        };
        let context = Arc::new(Context(Mutex::new(slots)));
        let value = Value::from_dyn_object(Arc::clone(&context));
        Self { context, value }
    }

    /// Begins anew with the names of an operation of this kind: keeps the first `kept` values, forgets
    /// the rest.
    pub fn restart(
        &self,
        names: &Arc<Names>,
        kept: usize,
        kind: usize,
        random: ChaCha8Rng,
        now: SystemTime,
    ) {
        let mut slots = self.context.lock();
        slots.kind = kind;
        slots.values.truncate(kept);
        slots.values.resize(names.len(), Value::UNDEFINED);
        slots.names = Arc::clone(names);
        slots.random = random;
        slots.now = now;
    }

    /// Says which operation this is, for what `next` gives.
    pub fn set_turn(&self, turn: Turn) {
        self.context.lock().turn = turn;
    }

    /// Gives a name its value.
    pub fn store(&self, slot: usize, value: Value) {
        let mut slots = self.context.lock();
        if slot >= slots.values.len() {
            slots.values.resize(slot + 1, Value::UNDEFINED);
        }
        slots.values[slot] = value;
    }

    /// What a name stands for; undefined when it has no value yet.
    pub fn load(&self, slot: usize) -> Value {
        self.context.lock().load(slot)
    }

    /// One row of the fixture or of the data file in a slot, at random; `None` when it is neither or has no
    /// rows.
    pub(super) fn pick(&self, slot: usize) -> Option<Value> {
        let mut slots = self.context.lock();
        let value = slots.values.get(slot)?;
        if let Some(rows) = value.downcast_object::<DataRows>().filter(|rows| !rows.is_empty()) {
            let index = slots.random.random_range(0..rows.len());
            return rows.row(index).cloned();
        }
        let rows = value.downcast_object::<FixtureRows>().filter(|rows| !rows.is_empty())?;
        let index = slots.random.random_range(0..rows.len());
        slots.draw(&rows, index);
        rows.row(index).cloned()
    }

    /// The frame as the context of an evaluation.
    pub fn value(&self) -> Value {
        self.value.clone()
    }

    /// The moment of the frame, in seconds since 1970.
    pub(super) fn seconds(&self) -> Option<i64> {
        jiff::Timestamp::try_from(self.context.lock().now).ok().map(|moment| moment.as_second())
    }

    /// Where the random numbers stand, to draw the same ones again.
    pub fn random(&self) -> ChaCha8Rng {
        self.context.lock().random.clone()
    }

    /// Goes back to where the random numbers stood.
    pub fn set_random(&self, random: ChaCha8Rng) {
        self.context.lock().random = random;
    }

    /// Draws random numbers.
    pub fn with_random<R>(&self, draw: impl FnOnce(&mut ChaCha8Rng) -> R) -> R {
        draw(&mut self.context.lock().random)
    }

    /// Lets go of the fixture rows that were drawn, and tells whom the operation met on them.
    pub fn release_rows(&self) -> Crowd {
        let mut slots = self.context.lock();
        let kind = slots.kind;
        let mut crowd = std::mem::take(&mut slots.crowd);
        crowd.met = crowd.most > 1;
        for (rows, index, entry) in slots.draws.drain(..) {
            crowd.met |= rows.leave(index, kind, entry);
        }
        crowd
    }

    /// The frame that a function is called in.
    pub(super) fn of_state(state: &minijinja::State<'_, '_>) -> Option<FrameHandle> {
        state.lookup(FRAME_NAME)?.downcast_object::<Context>().map(FrameHandle)
    }
}

/// A frame as functions see it.
pub(super) struct FrameHandle(Arc<Context>);

impl FrameHandle {
    pub(super) fn with_random<R>(&self, draw: impl FnOnce(&mut ChaCha8Rng) -> R) -> R {
        draw(&mut self.0.lock().random)
    }

    pub(super) fn turn(&self) -> Turn {
        self.0.lock().turn
    }

    pub(super) fn payloads(&self) -> Arc<Payloads> {
        Arc::clone(&self.0.lock().payloads)
    }

    pub(super) fn now(&self) -> SystemTime {
        self.0.lock().now
    }

    pub(super) fn draw(&self, rows: &Arc<FixtureRows>, index: usize) {
        self.0.lock().draw(rows, index);
    }
}
