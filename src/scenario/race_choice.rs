//! Parts of a race that may be written in several ways.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, IntoDeserializer, value::MapAccessDeserializer},
};

use super::{
    model::Named,
    race::{Expected, RaceAction, RaceExpect, RaceSession, RaceStep, Schedules, SessionParts},
    spanned::{MAP_OR_VALUE, ONE_ENTRY, OneOrMany, Spanned},
    step::{STEP_KEYS, Step},
};
use crate::outcome::Isolation;

impl<'de> Deserialize<'de> for RaceSession {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SessionVisitor;
        impl<'de> de::Visitor<'de> for SessionVisitor {
            type Value = RaceSession;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of steps, or a map with `steps`, `like` or `operation`")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<RaceSession, D::Error> {
                let steps = Vec::deserialize(value)?;
                Ok(RaceSession(SessionParts { steps: Some(steps), ..SessionParts::default() }))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RaceSession, A::Error> {
                SessionParts::deserialize(MapAccessDeserializer::new(map)).map(RaceSession)
            }
        }
        deserializer.deserialize_newtype_struct(MAP_OR_VALUE, SessionVisitor)
    }
}

impl JsonSchema for RaceSession {
    fn schema_name() -> Cow<'static, str> {
        "RaceSession".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let step = generator.subschema_for::<RaceStep>();
        json_schema!({
            "description": "A session of a race: its steps, or a map.",
            "anyOf": [
                {"type": "array", "items": step},
                generator.subschema_for::<SessionParts>(),
            ],
        })
    }
}

impl<'de> Deserialize<'de> for RaceStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StepVisitor;
        impl<'de> de::Visitor<'de> for StepVisitor {
            type Value = RaceStep;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`begin`, `commit`, `rollback` or a step")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<RaceStep, D::Error> {
                RaceAction::deserialize(value).map(|action| RaceStep { name: None, action })
            }
            /// A map of one entry: a step of one key, or a name with what it names.
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<RaceStep, A::Error> {
                let key: Spanned<String> =
                    map.next_key()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                if STEP_KEYS.contains(&key.value.as_str()) {
                    let again = Again { key: Some(key.value), map };
                    let step = Step::deserialize(MapAccessDeserializer::new(again))?;
                    return Ok(RaceStep { name: None, action: RaceAction::Step(Box::new(step)) });
                }
                let action = map.next_value()?;
                Ok(RaceStep { name: Some(key), action })
            }
        }
        deserializer.deserialize_newtype_struct(ONE_ENTRY, StepVisitor)
    }
}

/// A map whose first key has been looked at.
struct Again<A> {
    key: Option<String>,
    map: A,
}

impl<'de, A: de::MapAccess<'de>> de::MapAccess<'de> for Again<A> {
    type Error = A::Error;
    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.key.take() {
            Some(key) => seed.deserialize(key.into_deserializer()).map(Some),
            None => self.map.next_key_seed(seed),
        }
    }
    fn next_value_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

impl<'de> Deserialize<'de> for RaceAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ActionVisitor;
        impl<'de> de::Visitor<'de> for ActionVisitor {
            type Value = RaceAction;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`begin`, `commit`, `rollback` or a step")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<RaceAction, D::Error> {
                Spanned::deserialize(value).map(RaceAction::Word)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RaceAction, A::Error> {
                let step = Step::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RaceAction::Step(Box::new(step)))
            }
        }
        deserializer.deserialize_newtype_struct(MAP_OR_VALUE, ActionVisitor)
    }
}

impl JsonSchema for RaceStep {
    fn schema_name() -> Cow<'static, str> {
        "RaceStep".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let step = generator.subschema_for::<Step>();
        json_schema!({
            "description": "A step of a session, which may stand under a name of its own.",
            "anyOf": [
                {"enum": ["begin", "commit", "rollback"]},
                step,
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "not": {"anyOf": STEP_KEYS.iter().map(|key| json_schema!({"required": [key]})).collect::<Vec<_>>()},
                    "additionalProperties": {"anyOf": [{"enum": ["begin", "commit", "rollback"]}, step]},
                },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for Schedules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Sample {
            sample: Spanned<u64>,
        }
        struct SchedulesVisitor;
        impl<'de> de::Visitor<'de> for SchedulesVisitor {
            type Value = Schedules;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`all`, a list of schedules, or a map with `sample`")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Schedules, D::Error> {
                let listed: OneOrMany<Spanned<String>> = OneOrMany::deserialize(value)?;
                match listed.0.as_slice() {
                    [only] if only.value == "all" => Ok(Schedules::All),
                    _ => Ok(Schedules::Listed(listed.0)),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Schedules, A::Error> {
                let Sample { sample } = Sample::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Schedules::Sample(sample))
            }
        }
        deserializer.deserialize_newtype_struct(MAP_OR_VALUE, SchedulesVisitor)
    }
}

impl JsonSchema for Schedules {
    fn schema_name() -> Cow<'static, str> {
        "Schedules".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`all` interleavings, a list of them, or a number of them drawn at random.",
            "anyOf": [
                {"type": "string", "description": "`all`, or one schedule."},
                {"type": "array", "items": {"type": "string"}},
                {
                    "type": "object",
                    "properties": {"sample": {"type": "integer", "minimum": 1, "description": "How many are drawn."}},
                    "required": ["sample"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for RaceExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ExpectVisitor;
        impl<'de> de::Visitor<'de> for ExpectVisitor {
            type Value = RaceExpect;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`holds`, `violated`, `error`, `does_not_apply`, or a map of levels to them")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<RaceExpect, D::Error> {
                Spanned::deserialize(value).map(RaceExpect::Every)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RaceExpect, A::Error> {
                Named::deserialize(MapAccessDeserializer::new(map)).map(RaceExpect::Each)
            }
        }
        deserializer.deserialize_newtype_struct(MAP_OR_VALUE, ExpectVisitor)
    }
}

impl JsonSchema for RaceExpect {
    fn schema_name() -> Cow<'static, str> {
        "RaceExpect".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let outcome = generator.subschema_for::<Expected>();
        let level = generator.subschema_for::<Isolation>();
        json_schema!({
            "description": "What the race is known to do, at every level or by level.",
            "anyOf": [outcome, {"type": "object", "propertyNames": level, "additionalProperties": outcome}],
        })
    }
}
