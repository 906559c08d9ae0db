//! A specification, said in the language of scenarios: one race, in YAML.
//!
//! SQL is carried over to the letter, because a transcript shows it. Steps have names, errors don't end
//! a session, and the server's own isolation level is in force: what `isolationtester` does.

use std::collections::BTreeSet;

use super::{
    specification::{Block, Marker, Permutation, PermutationStep, Session, Specification, place},
    yaml,
};
use crate::scenario::{Problem, Spanned};

/// What PostgreSQL's own suite runs under, so that times are shown as in its expected results.
const SETTINGS: &str =
    "settings: {DateStyle: \"Postgres, MDY\", TimeZone: PST8PDT, IntervalStyle: postgres_verbose}";

/// Each session of a race has a connection.
const MOST_SESSIONS: usize = 32;

/// What begins an expression or a substitution in a step's SQL. Scripts have none.
const OPENINGS: [&str; 3] = ["{{", "{%", "@{"];

/// Interleavings that a race may have unless it says more.
const USUAL_LIMIT: u128 = 10_000;

/// Writes the scenario. What has no equal in a race is a problem; the text is of no use then.
pub(super) fn convert(
    mut specification: Specification,
    file: &str,
    name: &str,
    problems: &mut Vec<Problem>,
) -> String {
    refuse(&specification, problems);
    let mut writer = Writer { text: String::new() };
    let about = specification.take_first_comments();
    writer.head(&about, file, name);
    writer.key(4, "on_error", "continue");
    writer.key(4, "blocked", "wait");
    if specification.setups.is_empty() {
        writer.line(4, "setup: []");
    }
    writer.blocks("setup", &specification.setups, 4);
    writer.blocks("teardown", specification.teardown.as_slice(), 4);
    writer.line(4, "sessions:");
    for session in &specification.sessions {
        writer.session(session);
    }
    writer.schedules(&specification);
    writer.comments(&specification.closing, 0);
    writer.text
}

fn refuse(specification: &Specification, problems: &mut Vec<Problem>) {
    let mut sessions = BTreeSet::new();
    for session in &specification.sessions {
        if !sessions.insert(session.name.as_str()) {
            problems.push(
                Problem::error(format!("a second session `{}`", session.name))
                    .at(place(&session.name))
                    .hint("the sessions of a race have names of their own"),
            );
        }
    }
    if let [only] = specification.sessions.as_slice() {
        problems.push(
            Problem::error("a race has at least two sessions")
                .at(place(&only.name))
                .hint("with one session there is nothing to interleave"),
        );
    }
    if let Some(session) = specification.sessions.get(MOST_SESSIONS) {
        let message = format!("a race has at most {MOST_SESSIONS} sessions");
        problems.push(Problem::error(message).at(place(&session.name)));
    }
    for (_, step) in specification.steps() {
        refuse_name(&step.name, problems);
        refuse_sql(&step.sql, problems);
    }
}

/// A schedule has to be able to hold it.
fn refuse_name(name: &Spanned<String>, problems: &mut Vec<Problem>) {
    let is_fit = |c: char| !c.is_control() && (c == ' ' || !c.is_whitespace()) && !"\"(),".contains(c);
    if name.is_empty() || name.trim() != name.as_str() || !name.chars().all(is_fit) {
        problems.push(
            Problem::error("this is no name for a step of a race")
                .at(place(name))
                .hint("it can't be empty, begin or end with a blank, or hold `\"`, `(`, `)` or `,`"),
        );
    }
}

fn refuse_sql(sql: &Spanned<String>, problems: &mut Vec<Problem>) {
    if sql.trim().is_empty() {
        problems.push(
            Problem::error("a step of a race has SQL")
                .at(sql.span.clone())
                .hint("`SELECT;` does as little as nothing"),
        );
    }
    for opening in OPENINGS {
        if let Some(at) = sql.find(opening) {
            let from = sql.span.start + at;
            problems.push(
                Problem::error(format!("`{opening}` is more than text in the SQL of a race's step"))
                    .at(from..from + opening.len())
                    .hint("put the text together: `'{' || '{'`"),
            );
        }
    }
}

/// `${` is the environment in a scenario, and `$${` is the text.
fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

/// A script, which no transcript shows, without the indentation that it had in its braces, unless that
/// could be part of a literal.
fn script(sql: &str) -> String {
    let sql = sql.trim_start_matches('\n');
    let may_span_lines = |line: &str| ["'", "\""].iter().any(|quote| line.matches(quote).count() % 2 == 1);
    if sql.contains(['$', '\\', '\r']) || sql.lines().any(may_span_lines) {
        return sql.to_owned();
    }
    let lines = sql.lines().filter(|line| !line.trim_matches([' ', '\t']).is_empty());
    let indents = lines.map(|line| line.len() - line.trim_start_matches([' ', '\t']).len());
    let indent = indents.min().unwrap_or_default();
    let cut: Vec<&str> = sql.split('\n').map(|line| line.get(indent..).unwrap_or_default()).collect();
    cut.join("\n")
}

/// A step's name as a schedule has it.
fn word(name: &str, specification: &Specification) -> String {
    // `a.b` is step `b` of session `a` before it is a step `a.b`.
    let session =
        specification.steps().find(|(_, step)| step.name.as_str() == name).map(|(session, _)| session);
    let full = match session.filter(|_| name.contains('.')) {
        Some(session) => format!("{}.{name}", specification.sessions[session].name),
        None => name.to_owned(),
    };
    let is_plain = full.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    if is_plain { full } else { format!("\"{full}\"") }
}

fn scheduled(step: &PermutationStep, specification: &Specification) -> String {
    let markers: Vec<String> = step
        .markers
        .iter()
        .map(|marker| match marker {
            Marker::Once => "*".to_owned(),
            Marker::Step(other) => word(other, specification),
            Marker::Notices(other, count) => format!("{} notices {count}", word(other, specification)),
        })
        .collect();
    let name = word(&step.name, specification);
    if markers.is_empty() { name } else { format!("{name}({})", markers.join(", ")) }
}

/// True when a permutation has every step once, in its session's order.
fn is_whole(permutation: &Permutation, specification: &Specification) -> bool {
    let mut left: Vec<_> =
        specification.sessions.iter().map(|session| session.steps.iter().peekable()).collect();
    let in_order = permutation.steps.iter().all(|scheduled| {
        left.iter_mut().any(|steps| steps.next_if(|step| step.name == scheduled.name).is_some())
    });
    in_order && left.iter_mut().all(|steps| steps.peek().is_none())
}

/// How many orders keep each session's own; none when it doesn't fit.
fn interleavings(specification: &Specification) -> Option<u128> {
    let (mut count, mut taken) = (1_u128, 0_u128);
    for session in &specification.sessions {
        for step in 1..=session.steps.len() {
            taken += 1;
            // A binomial, factor by factor, so that every division is whole.
            count = count.checked_mul(taken)? / u128::try_from(step).ok()?;
        }
    }
    Some(count)
}

struct Writer {
    text: String,
}

impl Writer {
    fn line(&mut self, indent: usize, line: &str) {
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn key(&mut self, indent: usize, key: &str, text: &str) {
        self.line(indent, &format!("{key}: {}", yaml::value(&escaped(text), indent)));
    }

    fn item(&mut self, indent: usize, text: &str) {
        self.line(indent, &format!("- {}", yaml::value(&escaped(text), indent)));
    }

    fn comments(&mut self, comments: &[String], indent: usize) {
        self.text.push_str(&yaml::comments(comments, indent));
    }

    fn head(&mut self, about: &[String], file: &str, name: &str) {
        self.comments(&[format!(" Made from {file} by `deadheat import`.")], 0);
        if !about.is_empty() {
            self.comments(&[String::new()], 0);
            self.comments(about, 0);
        }
        self.line(0, "version: 1");
        self.key(0, "name", name);
        self.line(0, "\ntargets:\n  db:\n    database: ${DATABASE_URL:-embedded}");
        self.line(4, SETTINGS);
        self.line(0, "\nraces:");
        self.line(2, &format!("{}:", yaml::inline(name)));
    }

    /// Scripts under one key: one as a text, several as a list.
    fn blocks(&mut self, key: &str, blocks: &[Block], indent: usize) {
        if let [only] = blocks {
            self.comments(&only.comments, indent);
            self.key(indent, key, &script(&only.sql));
        } else if !blocks.is_empty() {
            self.line(indent, &format!("{key}:"));
            for block in blocks {
                self.comments(&block.comments, indent + 2);
                self.item(indent + 2, &script(&block.sql));
            }
        }
    }

    fn session(&mut self, session: &Session) {
        self.comments(&session.comments, 6);
        self.line(6, &format!("{}:", yaml::inline(&session.name)));
        self.blocks("setup", session.setup.as_slice(), 8);
        self.line(8, "steps:");
        for step in &session.steps {
            self.comments(&step.comments, 10);
            self.line(10, &format!("- name: {}", yaml::inline(&escaped(&step.name))));
            self.key(12, "sql", &step.sql);
        }
        self.blocks("teardown", session.teardown.as_slice(), 8);
    }

    fn schedules(&mut self, specification: &Specification) {
        let permutations = &specification.permutations;
        if permutations.is_empty() {
            self.line(4, "schedules: all");
            if let Some(count) = interleavings(specification).filter(|count| *count > USUAL_LIMIT) {
                self.line(4, &format!("limit: {count}"));
            }
            return;
        }
        if !permutations.iter().all(|permutation| is_whole(permutation, specification)) {
            self.line(4, "partial: true");
        }
        self.line(4, "schedules:");
        for permutation in permutations {
            self.comments(&permutation.comments, 6);
            let words: Vec<String> =
                permutation.steps.iter().map(|step| scheduled(step, specification)).collect();
            // Alone and without quotes it would mean all interleavings.
            let text = if words == ["all"] { "\"all\"".to_owned() } else { words.join(" ") };
            self.item(6, &text);
        }
    }
}
