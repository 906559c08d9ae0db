//! The functions of the language.
//!
//! Everything random comes from the frame that the function is called in.

use minijinja::{Environment, Error, ErrorKind, State, Value, value::Rest};
use rand::{Rng, RngExt, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    data::DataRows,
    fake::Fake,
    frame::{Frame, FrameHandle},
    row::FixtureRows,
};

/// Names of the functions and of `fake`, and of minijinja's that are kept.
pub const FUNCTIONS: [&str; 11] =
    ["pick", "next", "random", "choice", "uuid", "now", "iso_now", "fake", "payload", "range", "dict"];

/// True for a name that is a function.
pub fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_function("pick", pick);
    environment.add_function("next", next);
    environment.add_function("random", random);
    environment.add_function("choice", choice);
    environment.add_function("uuid", uuid);
    environment.add_function("now", now);
    environment.add_function("iso_now", iso_now);
    environment.add_function("payload", super::payload::payload);
    environment.add_global("fake", Value::from_object(Fake));
}

pub(super) fn frame_of(state: &State<'_, '_>) -> Result<FrameHandle, Error> {
    Frame::of_state(state)
        .ok_or_else(|| invalid("this function can't be used here: nothing random is at hand"))
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// `next(data)`: the row whose turn it is; the same wherever one operation asks for it.
fn next(state: &mut State<'_, '_>, from: Value) -> Result<Value, Error> {
    let frame = frame_of(state)?;
    let Some(rows) = from.downcast_object::<DataRows>() else {
        return Err(invalid("next() takes the name of a data file"));
    };
    rows.next(frame.turn()).cloned().ok_or_else(|| {
        let (name, count) = (rows.name(), rows.len());
        invalid(format!("the data `{name}` is used up: it has {count} rows, each of them used once"))
    })
}

/// `pick(data, n)` and, where the rest of an expression needs it, `pick(data)`.
fn pick_data(frame: &FrameHandle, rows: &DataRows, count: Option<usize>) -> Result<Value, Error> {
    let take = |index: usize| rows.row(index).cloned().unwrap_or_default();
    match count {
        None => Ok(take(frame.with_random(|random| random.random_range(0..rows.len())))),
        Some(count) if count > rows.len() => Err(invalid(format!(
            "pick({}, {count}): the data file has only {} rows",
            rows.name(),
            rows.len()
        ))),
        Some(count) => {
            let chosen = frame.with_random(|random| rand::seq::index::sample(random, rows.len(), count));
            Ok(chosen.into_iter().map(take).collect())
        }
    }
}

/// `pick(fixture)`: one of its rows; `pick(fixture, n)`: a list of n different ones.
fn pick(state: &mut State<'_, '_>, from: Value, count: Option<usize>) -> Result<Value, Error> {
    let frame = frame_of(state)?;
    if let Some(rows) = from.downcast_object::<DataRows>() {
        return pick_data(&frame, &rows, count);
    }
    let Some(rows) = from.downcast_object::<FixtureRows>() else {
        return Err(invalid("pick() takes a fixture or a data file; use choice() for a list"));
    };
    if rows.is_empty() {
        return Err(invalid(format!("the fixture `{}` has no rows to pick from", rows.name())));
    }
    let take = |index: usize| {
        frame.draw(&rows, index);
        rows.row(index).cloned().unwrap_or_default()
    };
    match count {
        None => Ok(take(frame.with_random(|random| random.random_range(0..rows.len())))),
        Some(count) if count > rows.len() => Err(invalid(format!(
            "pick({}, {count}): the fixture has only {} rows",
            rows.name(),
            rows.len()
        ))),
        Some(count) => {
            let chosen = frame.with_random(|random| rand::seq::index::sample(random, rows.len(), count));
            Ok(chosen.into_iter().map(take).collect())
        }
    }
}

/// `random(a, b)`: an integer from a to b, both included.
fn random(state: &mut State<'_, '_>, low: i64, high: i64) -> Result<Value, Error> {
    if low > high {
        return Err(invalid(format!("random({low}, {high}): the first number is the larger one")));
    }
    Ok(Value::from(frame_of(state)?.with_random(|random| random.random_range(low..=high))))
}

/// `choice(list)`: one element; `choice(a, b, …)`: one of the arguments.
fn choice(state: &mut State<'_, '_>, from: Rest<Value>) -> Result<Value, Error> {
    let frame = frame_of(state)?;
    let mut candidates: Vec<Value> = match from.as_slice() {
        [list] => list.try_iter()?.collect(),
        several => several.to_vec(),
    };
    if candidates.is_empty() {
        return Err(invalid("choice() has nothing to choose from"));
    }
    let (chosen, _) = frame.with_random(|random| {
        let (chosen, rest) = candidates.partial_shuffle(random, 1);
        (chosen.first().cloned().unwrap_or_default(), rest.len())
    });
    Ok(chosen)
}

/// `uuid()`: a version 4 UUID.
fn uuid(state: &mut State<'_, '_>) -> Result<Value, Error> {
    let mut bytes = [0; 16];
    frame_of(state)?.with_random(|random| random.fill_bytes(&mut bytes));
    Ok(Value::from(format_uuid(bytes)))
}

/// RFC 9562, section 5.4: version and variant bits over random ones.
fn format_uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// `now()`: seconds since 1970 at the start of the operation, the same for every retry.
fn now(state: &mut State<'_, '_>) -> Result<Value, Error> {
    Ok(Value::from(timestamp(state)?.as_second()))
}

/// `iso_now()`: the same moment as `2026-01-31T12:00:00Z`.
fn iso_now(state: &mut State<'_, '_>) -> Result<Value, Error> {
    Ok(Value::from(timestamp(state)?.to_string()))
}

fn timestamp(state: &State<'_, '_>) -> Result<jiff::Timestamp, Error> {
    jiff::Timestamp::try_from(frame_of(state)?.now())
        .map_err(|error| invalid(format!("the clock can't be read: {error}")))
}

/// Methods that people expect of a text.
pub(super) fn text_method(
    _: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let unknown = || Error::new(ErrorKind::UnknownMethod, format!("there is no method `{method}` here"));
    let text = value.as_str().ok_or_else(unknown)?;
    let argument = || args.first().and_then(Value::as_str).ok_or_else(unknown);
    Ok(match method {
        "contains" => Value::from(text.contains(argument()?)),
        "startswith" => Value::from(text.starts_with(argument()?)),
        "endswith" => Value::from(text.ends_with(argument()?)),
        "lower" => Value::from(text.to_lowercase()),
        "upper" => Value::from(text.to_uppercase()),
        "strip" => Value::from(text.trim()),
        _ => return Err(unknown()),
    })
}

const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `prefix_` and 24 letters and digits, as payment providers write their ids.
pub(super) fn provider_id(random: &mut ChaCha8Rng, prefix: &str) -> String {
    let mut id = String::with_capacity(prefix.len() + 25);
    id.push_str(prefix);
    id.push('_');
    let mut bytes = [0; 24];
    random.fill_bytes(&mut bytes);
    // Some characters come a little more often than others, which an id may.
    let letters = bytes.map(|byte| ALPHANUMERIC[usize::from(byte) * ALPHANUMERIC.len() / 256]);
    id.push_str(std::str::from_utf8(&letters).expect("letters and digits are ASCII"));
    id
}
