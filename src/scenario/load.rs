//! The life of a scenario file: read, parse, override, put the environment in, type, check the
//! version, and hand over the model with every problem found on the way.

use std::{collections::BTreeSet, path::Path};

use super::{
    environment, include, mask,
    model::ScenarioFile,
    node::{Node, NodeKind},
    overrides,
    problem::{Problem, Problems},
    profile, reader,
    recover::{self, Broken},
    source::{Source, Syntax},
    toml, yaml,
};

/// The only version of the language so far.
const VERSION: u32 = 1;

/// What comes from outside the file.
pub struct LoadOptions<'a> {
    /// The value of an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// `--var NAME=VALUE`: replaces an entry of `vars`. The value is read as a YAML scalar.
    pub vars: &'a [(String, String)],
    /// `--target NAME=URL`: replaces `database` of a target.
    pub targets: &'a [(String, String)],
    /// `--profile NAME`: what stands under it is put over the scenario.
    pub profile: Option<&'a str>,
}

/// A scenario as far as it could be read.
#[derive(Debug)]
pub struct Loaded {
    /// The file.
    pub source: Source,
    /// What it says, without the parts that have problems.
    pub file: ScenarioFile,
    /// The profile that was put over it.
    pub profile: Option<String>,
    /// The problems of its structure.
    pub problems: Problems,
    /// The names of what was left out because of a problem, so that their absence elsewhere
    /// isn't reported as another one.
    pub broken: BTreeSet<String>,
    /// Texts that no output may hold: those under `secrets`, passwords of URLs, and values whose names say
    /// that they are secret.
    pub secrets: Vec<String>,
}

impl Loaded {
    /// Takes the secrets out of what is said about the file later.
    pub fn hide_secrets(&self, problems: &mut Problems) {
        problems.edit_texts(|text| mask::hide(text, &self.secrets));
    }
}

/// Reads a scenario file. Errors are those after which there is no model at all.
pub fn load(path: &Path, options: &LoadOptions<'_>) -> Result<Loaded, Problems> {
    let (source, syntax) = reader::read(path)?;
    finish(source, syntax, options)
}

/// Reads a text as if it were the content of the file at `path`.
pub fn load_str(path: &Path, text: &str, options: &LoadOptions<'_>) -> Result<Loaded, Problems> {
    let (source, syntax) = reader::from_text(path, text)?;
    finish(source, syntax, options)
}

/// Reads a scenario file as a tree: what it includes under it, the profile over it, without the
/// environment in it.
///
/// # Errors
/// The problems of its syntax, and of what it includes.
pub fn read_tree(path: &Path, profile: Option<&str>) -> Result<(Source, Node), Problems> {
    let (mut source, syntax) = reader::read(path)?;
    let (tree, problems) = whole_tree(&mut source, syntax, profile)?;
    match problems.is_empty() {
        true => Ok((source, tree)),
        false => Err(Problems::from(problems).with_source(source)),
    }
}

/// Reads a text in its language.
pub(super) fn syntax_tree(text: &str, syntax: Syntax) -> (Option<Node>, Vec<Problem>) {
    match syntax {
        Syntax::Yaml => yaml::parse(text),
        Syntax::Toml => toml::parse(text),
    }
}

/// The tree with included files and the profile in it, when there is one to go on with.
fn whole_tree(
    source: &mut Source,
    syntax: Syntax,
    profile: Option<&str>,
) -> Result<(Node, Vec<Problem>), Problems> {
    let (tree, mut problems) = syntax_tree(&source.text, syntax);
    source.masked = mask::places(&source.text, syntax, tree.as_ref());
    let Some(tree) = tree else { return Err(Problems::from(problems).with_source(source.clone())) };
    let NodeKind::Map(_) = &tree.kind else {
        let problem = Problem::error(format!("a scenario is a map, not {}", tree.kind.describe()))
            .at(tree.span.clone())
            .hint("start with `version: 1`");
        return Err(Problems::from(problem).with_source(source.clone()));
    };
    let mut tree = match include::resolve(source, tree, VERSION) {
        Ok(tree) => tree,
        Err(found) => {
            problems.extend(found);
            return Err(Problems::from(problems).with_source(source.clone()));
        }
    };
    if let Some(name) = profile {
        profile::apply(&mut tree, name, &mut problems);
    }
    Ok((tree, problems))
}

fn finish(mut source: Source, syntax: Syntax, options: &LoadOptions<'_>) -> Result<Loaded, Problems> {
    let (mut tree, mut problems) = whole_tree(&mut source, syntax, options.profile)?;
    let overrides = overrides::take(&mut tree, options, &mut problems);
    let mut broken = Broken::default();
    environment::substitute(&mut tree, &source, options.environment, &mut problems, &mut broken);
    overrides.put(&mut tree);
    let secrets = mask::texts(&tree);

    let file: Option<ScenarioFile> = recover::read(&mut tree, &stand_in, &mut problems, &mut broken);
    if let Some(file) = &file
        && *file.version != VERSION
    {
        problems.push(
            Problem::error(format!("version {} of the language is not known", file.version))
                .at(file.version.span.clone())
                .hint(format!("this deadheat reads version {VERSION}")),
        );
    }
    let mut problems = Problems::from(problems);
    problems.edit_texts(|text| mask::hide(text, &secrets));
    match file {
        Some(file) => {
            let profile = options.profile.map(str::to_owned);
            Ok(Loaded { source, file, profile, problems, broken: broken.names, secrets })
        }
        None => Err(problems.with_source(source)),
    }
}

/// What stands for a required key at the top that is missing, so that the rest can be checked.
fn stand_in(key: &str) -> Option<NodeKind> {
    match key {
        "version" => Some(NodeKind::Int(i64::from(VERSION))),
        "name" => Some(NodeKind::Text(String::new())),
        "targets" => Some(NodeKind::Map(Vec::new())),
        _ => None,
    }
}
