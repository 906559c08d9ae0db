//! `include`: the files that a scenario shares with others, put under it.
//!
//! A file and its tree come in, one tree goes out: included files first, in their order, then the
//! file itself over them. Every file lies in the scenario's folder or below it, links resolved.

use std::{
    collections::HashMap,
    fs,
    path::{Component, Path, PathBuf},
};

use super::{
    mask,
    merge::merge,
    node::{Node, NodeKind},
    problem::{Problem, Problems},
    reader::{self, LARGEST, MOST_NODES},
    source::Source,
    syntax_tree,
    yaml::too_many,
};

/// Inclusions of one scenario, those of included files among them.
const MOST_INCLUSIONS: usize = 32;

/// Puts the included files under a tree.
///
/// # Errors
/// What is wrong with the files, each problem at its place. `source` holds their texts even then.
pub(super) fn resolve(source: &mut Source, tree: Node, version: u32) -> Result<Node, Vec<Problem>> {
    if tree.get("include").is_none() {
        return Ok(tree);
    }
    let shown = source.path.clone();
    let folder = shown.parent().unwrap_or(Path::new("")).to_owned();
    let root = match fs::canonicalize(if folder.as_os_str().is_empty() { Path::new(".") } else { &folder })
    {
        Ok(root) => root,
        Err(error) => {
            let problem = Problem::error(format!("could not read the scenario's folder: {}", error.kind()));
            return Err(vec![problem]);
        }
    };
    let own = shown.file_name().map(|name| root.join(name)).unwrap_or_else(|| root.clone());
    let mut including = Including {
        source,
        folder,
        root,
        version,
        under_way: vec![(own, shown)],
        known: HashMap::new(),
        inclusions: 0,
        problems: Vec::new(),
    };
    let tree = including.put_under(tree);
    let problems = including.problems;
    let mut nodes = 0_usize;
    tree.walk(&mut |_| nodes += 1);
    match problems.is_empty() {
        true if nodes > MOST_NODES => Err(vec![too_many()]),
        true => Ok(tree),
        false => Err(problems),
    }
}

struct Including<'a> {
    source: &'a mut Source,
    /// The scenario's folder, as it was given and in fact.
    folder: PathBuf,
    root: PathBuf,
    version: u32,
    /// The files that are being read, each with its name as shown.
    under_way: Vec<(PathBuf, PathBuf)>,
    /// What was read already, with what it includes in it.
    known: HashMap<PathBuf, Node>,
    inclusions: usize,
    problems: Vec<Problem>,
}

impl Including<'_> {
    fn put_under(&mut self, tree: Node) -> Node {
        let Some(include) = tree.get("include").cloned() else { return tree };
        let files = match &include.kind {
            NodeKind::List(files) => files.as_slice(),
            _ => std::slice::from_ref(&include),
        };
        let mut under = Node::new(tree.span.clone(), NodeKind::Map(Vec::new()));
        for file in files {
            // What isn't text is a matter of the model.
            let Some(written) = file.as_text() else { continue };
            match self.included(written) {
                Ok(Some(included)) => merge(&mut under, included),
                Ok(None) => {}
                Err(problem) => self.problems.push(problem.at(file.span.clone())),
            }
        }
        merge(&mut under, tree);
        under
    }

    /// The tree of an included file; none when its own problems were noted.
    fn included(&mut self, written: &str) -> Result<Option<Node>, Problem> {
        self.inclusions += 1;
        if self.inclusions > MOST_INCLUSIONS {
            return Err(Problem::error(format!("a scenario includes at most {MOST_INCLUSIONS} files")));
        }
        let path = self.path(written)?;
        let file = real_path(&path, &self.root, written)?;
        if let Some(at) = self.under_way.iter().position(|(known, _)| *known == file) {
            let round = self.under_way[at..].iter().map(|(_, shown)| shown).chain([&path]);
            let round: Vec<String> = round.map(|shown| format!("`{}`", self.short(shown))).collect();
            return Err(Problem::error(format!(
                "`{written}` includes itself: {}",
                round.join(" includes ")
            )));
        }
        if let Some(known) = self.known.get(&file) {
            return Ok(Some(known.clone()));
        }
        let Some(tree) = self.read(&path)? else { return Ok(None) };
        self.under_way.push((file.clone(), path));
        let mut tree = self.put_under(tree);
        self.under_way.pop();
        tree.remove("include");
        self.known.insert(file, tree.clone());
        Ok(Some(tree))
    }

    /// Where a file is that the file being read names, as long as the name stays in the folder.
    fn path(&self, written: &str) -> Result<PathBuf, Problem> {
        let including = self.under_way.last().map_or(Path::new(""), |(_, shown)| shown);
        let mut below: Vec<&std::ffi::OsStr> = Vec::new();
        let inside = including.parent().and_then(|folder| folder.strip_prefix(&self.folder).ok());
        for part in inside.unwrap_or(Path::new("")).components().chain(Path::new(written).components()) {
            match part {
                Component::Normal(name) => below.push(name),
                Component::CurDir => {}
                Component::ParentDir if below.pop().is_some() => {}
                _ => return Err(outside(written)),
            }
        }
        Ok(below.iter().fold(self.folder.clone(), |path, part| path.join(part)))
    }

    fn short(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).display().to_string()
    }

    fn read(&mut self, path: &Path) -> Result<Option<Node>, Problem> {
        let (mut read, syntax) = reader::read(path).map_err(|problems| first(&problems))?;
        if (self.source.text.len() + read.text.len()) as u64 > LARGEST {
            return Err(Problem::error("the scenario and what it includes are together larger than 4 MB"));
        }
        let (tree, problems) = syntax_tree(&read.text, syntax);
        read.masked = mask::places(&read.text, syntax, tree.as_ref());
        let start = self.source.append(read);
        let moved = |mut problem: Problem| {
            problem.span =
                Some(problem.span.map_or(start..start, |span| span.start + start..span.end + start));
            problem
        };
        let is_whole = problems.is_empty();
        self.problems.extend(problems.into_iter().map(moved));
        let Some(mut tree) = tree.filter(|_| is_whole) else { return Ok(None) };
        tree.shift(start);
        if !matches!(tree.kind, NodeKind::Map(_)) {
            let problem = format!("an included file is a map, not {}", tree.kind.describe());
            self.problems.push(Problem::error(problem).at(tree.span));
            return Ok(None);
        }
        if let Some(written) = tree.remove("version")
            && written.kind != NodeKind::Int(i64::from(self.version))
        {
            let problem = Problem::error("an included file is written in another version of the language");
            let hint = format!("this deadheat reads version {}", self.version);
            self.problems.push(problem.at(written.span).hint(hint));
        }
        Ok(Some(tree))
    }
}

fn outside(written: &str) -> Problem {
    Problem::error(format!("`{written}` lies outside the scenario's folder")).hint(
        "what a scenario reads lies beside it or below it, so that running one can't show other files",
    )
}

/// Refuses a file that a link leads out of a folder.
///
/// # Errors
/// A problem that isn't placed yet.
pub fn check_inside(path: &Path, folder: &Path, written: &str) -> Result<(), Problem> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match fs::canonicalize(folder) {
        Ok(root) => real_path(path, &root, written).map(drop),
        // Reading the file says what is the matter.
        Err(_) => Ok(()),
    }
}

/// Where a path really leads, as long as that is below `root`, itself a real path.
fn real_path(path: &Path, root: &Path, written: &str) -> Result<PathBuf, Problem> {
    let Ok(real) = fs::canonicalize(path) else {
        // Reading it says what is the matter.
        return Ok(path.to_owned());
    };
    match real.starts_with(root) {
        true => Ok(real),
        false => Err(Problem::error(format!("`{written}` is a link out of the scenario's folder"))
            .hint("copy the file, or move the scenario to a folder that holds both")),
    }
}

fn first(problems: &Problems) -> Problem {
    problems.iter().next().cloned().unwrap_or_else(|| Problem::error("the file can't be read"))
}
