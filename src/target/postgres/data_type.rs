//! The types of PostgreSQL that values are bound to and decoded from.

use sqlx::{
    TypeInfo,
    postgres::{PgTypeInfo, PgTypeKind},
};

/// A type, as far as encoding and decoding tell types apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataType {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Uuid,
    Json,
    Timestamptz,
    Timestamp,
    Date,
    Time,
    Bytea,
    /// Text, and every type whose binary form is its text: varchar, name, enums, xml.
    Text,
    Void,
    BoolArray,
    Int4Array,
    Int8Array,
    Float8Array,
    NumericArray,
    UuidArray,
    TextArray,
    /// Of a type whose binary form is its text.
    TextLikeArray,
    TimestamptzArray,
    Other,
}

impl DataType {
    pub(super) fn of(info: &PgTypeInfo) -> Self {
        match info.name() {
            "BOOL" => Self::Bool,
            "INT2" => Self::Int2,
            "INT4" => Self::Int4,
            "INT8" => Self::Int8,
            "FLOAT4" => Self::Float4,
            "FLOAT8" => Self::Float8,
            "NUMERIC" => Self::Numeric,
            "UUID" => Self::Uuid,
            "JSON" | "JSONB" => Self::Json,
            "TIMESTAMPTZ" => Self::Timestamptz,
            "TIMESTAMP" => Self::Timestamp,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "BYTEA" => Self::Bytea,
            "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "XML" | "citext" => Self::Text,
            "VOID" => Self::Void,
            "BOOL[]" => Self::BoolArray,
            "INT4[]" => Self::Int4Array,
            "INT8[]" => Self::Int8Array,
            "FLOAT8[]" => Self::Float8Array,
            "NUMERIC[]" => Self::NumericArray,
            "UUID[]" => Self::UuidArray,
            "TEXT[]" => Self::TextArray,
            "VARCHAR[]" | "NAME[]" => Self::TextLikeArray,
            "TIMESTAMPTZ[]" => Self::TimestamptzArray,
            _ if matches!(info.kind(), PgTypeKind::Enum(_)) => Self::Text,
            _ => Self::Other,
        }
    }
}
