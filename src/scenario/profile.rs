//! Profiles: parts of a scenario under a name, put over it by `--profile NAME`.
//!
//! The doc comments are the language reference. What a profile says is typed once it stands in the
//! scenario; by itself only its keys are.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

use super::{
    data::Data,
    load_model::Load,
    merge::merge,
    model::{Band, Fixture, Invariant, Literal, Named, Operation, Retry},
    node::{Node, NodeKind},
    problem::Problem,
    race::Race,
    spanned::{OneOrMany, Spanned},
    suggest,
    target::Target,
};

/// What a profile changes: maps are merged key by key, anything else replaces what it meets, an
/// empty value (`key:`) takes the key away.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Replaces the description.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub description: Option<Node>,
    /// Replaces the tags.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub tags: Option<Node>,
    /// Variables to change or add; `--var` comes after.
    #[serde(default)]
    #[schemars(with = "Named<Literal>")]
    pub vars: Option<Node>,
    /// Secrets to change or add.
    #[serde(default)]
    #[schemars(with = "Named<Spanned<String>>")]
    pub secrets: Option<Node>,
    /// Targets to change or add; `--target` comes after.
    #[serde(default)]
    #[schemars(with = "Named<Changed<Target>>")]
    pub targets: Option<Node>,
    /// Data files to change or add.
    #[serde(default)]
    #[schemars(with = "Named<Changed<Data>>")]
    pub data: Option<Node>,
    /// Fixtures to change or add.
    #[serde(default)]
    #[schemars(with = "Named<Changed<Fixture>>")]
    pub fixtures: Option<Node>,
    /// Changes the retries.
    #[serde(default)]
    #[schemars(with = "Changed<Retry>")]
    pub retry: Option<Node>,
    /// Operations to change or add, like `weight: 0` to leave one out.
    #[serde(default)]
    #[schemars(with = "Named<Changed<Operation>>")]
    pub operations: Option<Node>,
    /// Changes the load.
    #[serde(default)]
    #[schemars(with = "Changed<Load>")]
    pub load: Option<Node>,
    /// Races to change or add.
    #[serde(default)]
    #[schemars(with = "Named<Changed<Race>>")]
    pub races: Option<Node>,
    /// Invariants to change or add.
    #[serde(default)]
    #[schemars(with = "Named<Changed<Invariant>>")]
    pub invariants: Option<Node>,
    /// Thresholds to change, add or, with an empty value, take away.
    #[serde(default)]
    #[schemars(with = "Named<Changed<OneOrMany<Spanned<String>>>>")]
    pub thresholds: Option<Node>,
    /// Conditions of `require` to change, add or take away.
    #[serde(default)]
    #[schemars(with = "Named<Changed<OneOrMany<Spanned<String>>>>")]
    pub require: Option<Node>,
    /// Grades to change, add or take away.
    #[serde(default)]
    #[schemars(with = "Named<Changed<Vec<Band>>>")]
    pub grades: Option<Node>,
}

/// Not part of a profile: they say which scenario it is and what it is made of.
const OF_THE_FILE: [&str; 4] = ["version", "name", "include", "profiles"];

/// Puts the profile of a name over the scenario.
pub(super) fn apply(tree: &mut Node, name: &str, problems: &mut Vec<Problem>) {
    let profiles = tree.get("profiles").map(Node::entries).unwrap_or_default();
    let Some((_, profile)) = profiles.iter().find(|(known, _)| known.value == name) else {
        let known: Vec<&str> = profiles.iter().map(|(known, _)| known.as_str()).collect();
        let problem =
            Problem::error(format!("--profile names `{name}`, but the scenario has no such profile"));
        let hint = suggest::did_you_mean(name, known)
            .unwrap_or_else(|| "profiles stand under `profiles`, each under its name".to_owned());
        problems.push(problem.hint(hint));
        return;
    };
    // What isn't a map is a matter of the model.
    let NodeKind::Map(mut entries) = profile.kind.clone() else { return };
    entries.retain(|(key, _)| !OF_THE_FILE.contains(&key.as_str()));
    merge(tree, Node::new(tree.span.clone(), NodeKind::Map(entries)));
}

/// For the schema alone: any part of a `T`, or nothing at all.
struct Changed<T>(PhantomData<T>);

impl<'de, T> Deserialize<'de> for Changed<T> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Changed<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Changed{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        schema.remove("required");
        let Some(kind) = schema.get("type").and_then(|kind| kind.as_str()).map(str::to_owned) else {
            return schema;
        };
        schema.insert("type".to_owned(), serde_json::json!([kind, "null"]));
        schema.insert(super::schema::MAY_BE_EMPTY.to_owned(), true.into());
        schema
    }
}
