//! What may differ between kinds of databases.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer},
};

use super::spanned::PER_DATABASE;
use crate::dialect::Dialect;

/// Keys of [`ByDatabase`]: a map that begins with one of them is one.
pub(super) const DATABASES: [&str; 4] = ["postgres", "mysql", "sqlite", "default"];

/// One for every kind of database, or one for each.
#[derive(Debug, Clone, PartialEq)]
pub enum PerDatabase<T> {
    /// For all.
    Same(T),
    /// By kind.
    Each(Box<ByDatabase<T>>),
}

/// By kind of database.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ByDatabase<T> {
    /// On PostgreSQL.
    pub postgres: Option<T>,
    /// On MySQL and MariaDB.
    pub mysql: Option<T>,
    /// On SQLite.
    pub sqlite: Option<T>,
    /// On those that aren't named.
    pub default: Option<T>,
}

impl<T> PerDatabase<T> {
    /// The one for a kind of database.
    pub fn of(&self, dialect: Dialect) -> Option<&T> {
        match self {
            Self::Same(one) => Some(one),
            Self::Each(each) => {
                let own = match dialect {
                    Dialect::Postgres => &each.postgres,
                    Dialect::MySql => &each.mysql,
                    Dialect::Sqlite => &each.sqlite,
                };
                own.as_ref().or(each.default.as_ref())
            }
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PerDatabase<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PerDatabaseVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for PerDatabaseVisitor<T> {
            type Value = PerDatabase<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, or a map with `postgres`, `mysql`, `sqlite` and `default`")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
                T::deserialize(value).map(PerDatabase::Same)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let each = ByDatabase::deserialize(MapAccessDeserializer::new(map))?;
                Ok(PerDatabase::Each(Box::new(each)))
            }
        }
        deserializer.deserialize_newtype_struct(PER_DATABASE, PerDatabaseVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for PerDatabase<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("PerDatabase_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "For every kind of database, or by kind.",
            "anyOf": [generator.subschema_for::<T>(), generator.subschema_for::<ByDatabase<T>>()],
        })
    }
}
