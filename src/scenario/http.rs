//! What HTTP steps hold, as the user wrote it. The doc comments are the language reference.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    choice::Quantity,
    model::{Literal, Named},
    spanned::{OneOrMany, Spanned},
    step::SqlText,
};
use crate::units;

/// What a request sends.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Text, as it is.
    Text(Spanned<String>),
    /// Exactly one of these.
    Structured(Box<StructuredBody>),
}

/// A body that isn't plain text: exactly one of `json`, `form`, `text`, `file`, `template`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StructuredBody {
    /// A JSON document whose texts may hold expressions.
    #[serde(default)]
    pub json: Option<Literal>,
    /// Fields of a form, `application/x-www-form-urlencoded`.
    #[serde(default)]
    pub form: Option<Named<Literal>>,
    /// Text with expressions; `content_type` says of what kind.
    #[serde(default)]
    pub text: Option<Spanned<String>>,
    /// A file beside the scenario, sent as it is.
    #[serde(default)]
    pub file: Option<Spanned<String>>,
    /// A JSON file below `templates`: `stripe/event/payment_intent.succeeded.json`.
    #[serde(default)]
    pub template: Option<Spanned<String>>,
    /// With `template`: values for the names in it.
    #[serde(default)]
    pub with: Named<Literal>,
    /// The header `Content-Type`, when it isn't the usual one.
    #[serde(default)]
    pub content_type: Option<Spanned<String>>,
}

/// A signature over the bytes that are sent.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// Whose rules.
    pub scheme: SchemeName,
    /// The secret.
    pub secret: Spanned<String>,
    /// More secrets, while one is being replaced by another: a signature with each.
    #[serde(default)]
    pub extra_secrets: Vec<Spanned<String>>,
    /// Added to the clock: `-10m` for a stale signature, `10m` for one from the future.
    #[serde(default)]
    pub timestamp: Option<Spanned<String>>,
    /// What is made wrong on purpose.
    #[serde(default)]
    pub tamper: Option<TamperName>,
    /// With `standard_webhooks`: the id of the message; one of the delivery's own when not given.
    #[serde(default)]
    pub id: Option<Literal>,
    /// With `custom`: `sha256` when not given.
    #[serde(default)]
    pub algorithm: Option<AlgorithmName>,
    /// With `custom`: the header that the signature goes into.
    #[serde(default)]
    pub header: Option<Spanned<String>>,
    /// With `custom`: what is signed, of `{{ timestamp }}`, `{{ body }}`, `{{ id }}`, `{{ method }}`,
    /// `{{ path }}`; `{{ body }}` when not given.
    #[serde(default)]
    pub payload: Option<Spanned<String>>,
    /// With `custom`: the header's value, of `{{ signature }}`, `{{ timestamp }}`, `{{ id }}`;
    /// `{{ signature }}` when not given.
    #[serde(default)]
    pub format: Option<Spanned<String>>,
    /// With `custom`: `hex` when not given.
    #[serde(default)]
    pub encoding: Option<EncodingName>,
}

/// Known rules of signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemeName {
    /// `Stripe-Signature: t=…,v1=…` over `t.body`.
    Stripe,
    /// `X-Hub-Signature-256: sha256=…` over the body.
    Github,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,…`.
    StandardWebhooks,
    /// As `algorithm`, `header`, `payload`, `format` and `encoding` say.
    Custom,
}

/// What is made wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TamperName {
    /// The body isn't the one that was signed.
    Body,
    /// The signature has a wrong last byte.
    Signature,
    /// Signed with another secret.
    Secret,
    /// The timestamp isn't the one that was signed.
    Timestamp,
    /// No signature at all.
    Missing,
}

/// The hash of the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlgorithmName {
    Sha1,
    Sha256,
    Sha512,
}

/// How the code is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EncodingName {
    Hex,
    Base64,
}

/// How a request is delivered.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deliver {
    /// How often each body is sent, at once and each on a connection of its own; 1 when not given.
    #[serde(default)]
    #[schemars(with = "Option<Quantity>")]
    pub copies: Option<Literal>,
    /// The order in which they start; `as_listed` when not given.
    #[serde(default)]
    pub order: Option<DeliveryOrder>,
    /// Their starts are spread evenly over this time. Without it the last byte of each is held back until
    /// all are that far, and all go at once.
    #[serde(default)]
    pub spread: Option<units::Span>,
    /// True when not given: copies are the same bytes, as a provider sends an event again. False: each
    /// copy is rendered anew, with ids of its own.
    #[serde(default)]
    pub same_event_id: Option<Spanned<bool>>,
    /// Causes after which the same bytes are sent again with a new timestamp and signature: `http_5xx`,
    /// `timeout`, `connection`, …; or, as Stripe does, `not_2xx`: any answer but 2xx, and none.
    #[serde(default)]
    pub redeliver_on: OneOrMany<Spanned<String>>,
    /// Redeliveries of one request at most; 3 when not given.
    #[serde(default)]
    pub max_redeliveries: Option<Spanned<u32>>,
    /// Pause before the first redelivery, doubled each time; 100ms when not given. (Stripe begins with
    /// minutes and goes on for three days.)
    #[serde(default)]
    pub redelivery_delay: Option<units::Span>,
}

/// The order in which deliveries start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOrder {
    /// As the bodies are listed.
    AsListed,
    /// The last one first.
    Reverse,
    /// At random, from the seed.
    Shuffle,
}

/// What an acknowledged request changes.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// A query for it, asked after an answer below 300.
    pub sql: SqlText,
    /// An expression over its first row, or `rows`: at least one row. `rows` when not given.
    #[serde(default)]
    pub expect: Option<Spanned<String>>,
    /// How long after the answer the change may take; none when not given.
    #[serde(default)]
    pub within: Option<units::Span>,
}
