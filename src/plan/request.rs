//! HTTP: services, requests, signatures and deliveries, as they will be carried out.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json_path::JsonPath;

use super::{model::StatementIndex, retry::RetryPolicy};
pub use crate::scenario::{
    AlgorithmName as Algorithm, DeliveryOrder, EncodingName as Encoding, HttpVersion, TamperName as Tamper,
};
use crate::{
    expression::{Expression, JsonTemplate, Template},
    outcome::Cause,
};

/// Index into [`super::Plan::requests`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestIndex(pub usize);

/// An HTTP service that requests go to.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name among the targets.
    pub target: String,
    pub location: ServiceLocation,
    pub protocol: HttpVersion,
    /// Redirects followed at most, on the same host.
    pub redirects: u32,
    /// PEM file of the authority that signed its certificate.
    pub ca: Option<PathBuf>,
    /// Bytes of an answer that are read at most.
    pub largest_answer: u64,
    /// The plan's database is the service's, and what it does there is watched.
    pub watched: bool,
}

/// Where a service is.
#[derive(Debug, Clone)]
pub enum ServiceLocation {
    /// `http://`, `https://` or `unix:`, as written.
    Url(String),
    /// Started by the run.
    Start(Start),
}

/// How to start a service.
#[derive(Debug, Clone)]
pub struct Start {
    pub command: String,
    pub env: Vec<(String, String)>,
    /// Path that answers below 400 when it is ready; `None`: any answer to `/`.
    pub ready: Option<String>,
    pub timeout: Duration,
    /// Where the command runs.
    pub folder: PathBuf,
}

/// A request, and what becomes of its answers.
#[derive(Debug)]
pub struct Request {
    pub name: String,
    /// Index into [`super::Plan::services`].
    pub service: usize,
    /// `POST`
    pub method: String,
    pub path: Template,
    pub query: Vec<(String, Template)>,
    /// Of the service and of the step, those of the step last. Names in lower case.
    pub headers: Vec<(String, Template)>,
    /// One for each request that is delivered; at least one.
    pub bodies: Vec<Body>,
    pub sign: Option<Sign>,
    /// Longest wait for a whole answer.
    pub timeout: Duration,
    pub delivery: Delivery,
    /// Barrier at which the last byte is held back: index into [`super::Plan::barriers`].
    pub hold: Option<usize>,
    pub answer: AnswerSlots,
    pub captures: Vec<(usize, Captured)>,
    pub assertions: Vec<Expression>,
    /// What makes an answer a failure of this cause, in this order.
    pub causes: Vec<(Cause, Expression)>,
    /// Retries that the service says it made itself.
    pub service_retries: Option<Expression>,
    pub changes: Option<Changes>,
    /// Resends after a failure: redelivery, or the operation's policy.
    pub retry: RetryPolicy,
}

/// What a request sends.
#[derive(Debug)]
pub struct Body {
    pub content: Content,
    /// `None`: no such header.
    pub content_type: Option<String>,
    /// Evaluated first; for the names in a payload template.
    pub bindings: Vec<(usize, Template)>,
}

/// The bytes of a body.
#[derive(Debug)]
pub enum Content {
    Empty,
    /// `checked`: must be JSON after its expressions were put in.
    Text {
        template: Template,
        checked: bool,
    },
    Json(JsonTemplate),
    Form(Vec<(String, Template)>),
    Bytes(Arc<[u8]>),
}

/// A signature over the bytes sent.
#[derive(Debug, Clone)]
pub struct Sign {
    pub scheme: Scheme,
    /// At least one.
    pub secrets: Vec<String>,
    /// Added to the clock.
    pub skew_seconds: i64,
    pub tamper: Option<Tamper>,
    /// The message's id, where the scheme has one; drawn for each delivery when `None`.
    pub id: Option<Arc<Template>>,
}

impl Sign {
    /// True when what is signed has an id.
    pub fn has_id(&self) -> bool {
        match &self.scheme {
            Scheme::Stripe | Scheme::Github => false,
            Scheme::StandardWebhooks => true,
            Scheme::Custom { payload, format, .. } => {
                payload.contains(&SignedPart::Id) || format.contains(&SignedPart::Id)
            }
        }
    }
}

/// Rules of signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    Stripe,
    Github,
    StandardWebhooks,
    Custom {
        algorithm: Algorithm,
        /// In lower case.
        header: String,
        payload: Vec<SignedPart>,
        format: Vec<SignedPart>,
        encoding: Encoding,
    },
}

/// A part of what is signed, or of the header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedPart {
    Text(String),
    Timestamp,
    Body,
    Id,
    Method,
    Path,
    Signature,
}

/// How requests are delivered.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Of each body; at least 1.
    pub copies: u32,
    pub order: DeliveryOrder,
    /// `None`: all at once, the last byte of each held back until all are that far.
    pub spread: Option<Duration>,
    /// Copies are the same bytes.
    pub same_event_id: bool,
}

impl Delivery {
    /// True when more than one request is sent.
    pub fn is_several(&self, bodies: usize) -> bool {
        self.copies > 1 || bodies > 1
    }
}

/// Where expressions find an answer; `None` where none asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnswerSlots {
    pub status: Option<usize>,
    pub headers: Option<usize>,
    pub body: Option<usize>,
    pub json: Option<usize>,
    /// All answers of the step, in the order of delivery.
    pub answers: Option<usize>,
}

/// What is kept of an answer.
#[derive(Debug)]
pub enum Captured {
    /// Status, headers, body and JSON under one name.
    Answer,
    Status,
    Headers,
    Body,
    Json,
    /// What a JSONPath (RFC 9535) finds: the only match, a list of several, or null.
    JsonPath(JsonPath),
    /// A header's value, by its name in lower case; null when it isn't there.
    Header(String),
}

/// What an acknowledged request changes.
#[derive(Debug)]
pub struct Changes {
    pub statement: StatementIndex,
    /// Over the columns of the first row; `None`: at least one row.
    pub expect: Option<Expression>,
    /// How long after the answer the change may take.
    pub within: Duration,
}

/// A lock held until others wait for it.
#[derive(Debug)]
pub struct Gate {
    pub name: String,
    pub statement: StatementIndex,
    /// Sessions that must wait.
    pub blocked: u32,
    pub timeout: Duration,
}
