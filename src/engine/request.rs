//! Carries out HTTP steps: renders, signs, delivers, and judges the answers.
//!
//! Bodies are rendered once and copies share the bytes; a delivery that is sent again keeps them and
//! gets a new timestamp and signature.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::future::join_all;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{
    delivery::{Delivered, Deliveries, Start},
    judge::judge,
    step::Stop,
    worker::Worker,
};
use crate::{
    expression::{EvaluationError, Frame, Value, to_text},
    measure::Release,
    outcome::Cause,
    plan::{Body, Content, DeliveryOrder, Plan, Request, RequestIndex},
    target::{
        Failure,
        http::{
            Answer, CONTENT_LENGTH, CONTENT_TYPE, Connection, HeaderMap, HeaderName, HeaderValue,
            HttpEndpoint, HttpEndpointError, Method, Signer, Uri,
        },
    },
};

/// A request of the plan with what is prepared once: keys and names of headers.
pub(super) struct PreparedRequest {
    pub method: Method,
    pub signer: Option<Signer>,
    header_names: Vec<HeaderName>,
    content_types: Vec<Option<HeaderValue>>,
}

impl PreparedRequest {
    /// # Errors
    /// A header, content type or secret that can't be used.
    pub(super) fn new(request: &Request) -> Result<Self, String> {
        let name = |name: &str| {
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("`{name}` can't be the name of a header"))
        };
        let content_type = |body: &Body| {
            let Some(text) = &body.content_type else { return Ok(None) };
            HeaderValue::from_str(text).map(Some).map_err(|_| format!("`{text}` can't be a content type"))
        };
        Ok(Self {
            method: Method::from_bytes(request.method.as_bytes())
                .map_err(|_| format!("`{}` is no method", request.method))?,
            signer: request
                .sign
                .as_ref()
                .map(Signer::new)
                .transpose()
                .map_err(|error| error.to_string())?,
            header_names: request.headers.iter().map(|(known, _)| name(known)).collect::<Result<_, _>>()?,
            content_types: request.bodies.iter().map(content_type).collect::<Result<_, _>>()?,
        })
    }
}

/// A request, rendered: what is sent again and again.
#[derive(Clone)]
pub(super) struct Rendered {
    pub uri: Uri,
    /// All but the signature.
    pub headers: HeaderMap,
    pub body: Bytes,
    /// For schemes that sign an id.
    pub id: String,
}

/// A worker's connections to one service.
pub(super) struct ServiceConnections {
    pub endpoint: Arc<HttpEndpoint>,
    pub connections: Vec<Connection>,
}

impl ServiceConnections {
    pub(super) fn new(endpoint: &Arc<HttpEndpoint>) -> Result<Self, HttpEndpointError> {
        Ok(Self { endpoint: Arc::clone(endpoint), connections: vec![Connection::new(endpoint)?] })
    }

    /// As many as are used at once.
    fn at_least(&mut self, count: usize) {
        while self.connections.len() < count {
            let one = self.connections[0].beside();
            self.connections.push(one);
        }
    }
}

impl Worker {
    /// Carries out an HTTP step.
    pub(super) async fn request(&mut self, plan: &Plan, index: RequestIndex) -> Result<(), Stop> {
        let request = &plan.requests[index.0];
        let rendered = self.render(request, index).map_err(|failure| failed(request, failure))?;
        let mut delivered = self.deliver(plan, request, index, rendered).await?;
        self.account(request, &mut delivered);
        self.keep_answers(request, &delivered);
        let mut worst: Option<Stop> = None;
        for one in &delivered {
            if let Err(stop) = self.judged(request, one) {
                worst.get_or_insert(stop);
            }
        }
        if let Some(stop) = worst {
            return Err(stop);
        }
        if let Some(one) = delivered.iter().find_map(|one| one.answer.as_ref().ok()) {
            self.capture(request, one)?;
        }
        let acknowledged = delivered
            .iter()
            .filter_map(|one| one.answer.as_ref().ok().map(|answer| (answer, one.ended)))
            .find(|(answer, _)| answer.status.is_success());
        match (&request.changes, acknowledged) {
            (Some(changes), Some((answer, at))) => {
                let status = answer.status.as_u16();
                Box::pin(self.look_for_changes(plan, &request.name, changes, status, at)).await
            }
            _ => Ok(()),
        }
    }

    /// Every body, copied and put in order.
    fn render(&mut self, request: &Request, index: RequestIndex) -> Result<Vec<Rendered>, Failure> {
        let shared = Arc::clone(&self.shared);
        let prepared = &shared.requests[index.0];
        let delivery = &request.delivery;
        let mut all: Vec<Rendered> = Vec::with_capacity(request.bodies.len() * delivery.copies as usize);
        for (body, content_type) in request.bodies.iter().zip(&prepared.content_types) {
            let mut first: Option<usize> = None;
            for _ in 0..delivery.copies {
                let one = match first.filter(|_| delivery.same_event_id) {
                    Some(at) => all[at].clone(),
                    None => self.render_one(request, prepared, body, content_type.as_ref())?,
                };
                first.get_or_insert(all.len());
                all.push(one);
            }
        }
        match delivery.order {
            DeliveryOrder::AsListed => {}
            DeliveryOrder::Reverse => all.reverse(),
            DeliveryOrder::Shuffle => self.frame.with_random(|random| all.shuffle(random)),
        }
        Ok(all)
    }

    fn render_one(
        &mut self,
        request: &Request,
        prepared: &PreparedRequest,
        body: &Body,
        content_type: Option<&HeaderValue>,
    ) -> Result<Rendered, Failure> {
        let frame = &self.frame;
        // The names of a payload are its own: what they stood for before, they stand for afterwards.
        let before: Vec<Value> = body.bindings.iter().map(|(slot, _)| frame.load(*slot)).collect();
        for (slot, template) in &body.bindings {
            frame.store(*slot, template.evaluate(frame).map_err(|error| value(&error))?);
        }
        let bytes = content(&body.content, frame, self.body_size)?;
        for ((slot, _), before) in body.bindings.iter().zip(before) {
            frame.store(*slot, before);
        }
        self.body_size = self.body_size.max(bytes.len());
        let text = |template: &crate::expression::Template| {
            template.evaluate(frame).map(|value| to_text(&value)).map_err(|error| value(&error))
        };
        let mut path = text(&request.path)?;
        if !request.query.is_empty() {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (name, template) in &request.query {
                query.append_pair(name, &text(template)?);
            }
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(&query.finish());
        }
        let endpoint = &self.services[request.service].endpoint;
        let usual = endpoint.headers();
        // One more for the signature.
        let mut headers = HeaderMap::with_capacity(usual.len() + prepared.header_names.len() + 2);
        headers.extend(usual.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Some(value) = content_type {
            headers.insert(CONTENT_TYPE, value.clone());
        }
        for (name, (_, template)) in prepared.header_names.iter().zip(&request.headers) {
            let value = HeaderValue::try_from(text(template)?).map_err(|_| {
                let message = format!("the value of header {name} has characters that HTTP doesn't allow");
                Failure::http(Cause::Value, message)
            })?;
            headers.insert(name.clone(), value);
        }
        // A service may insist on a length, even of nothing (RFC 9110, 8.6).
        if bytes.is_empty() && matches!(prepared.method.as_str(), "POST" | "PUT" | "PATCH") {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let uri = endpoint.uri(path)?;
        let id = match request.sign.as_ref().and_then(|sign| sign.id.as_ref()) {
            Some(template) => text(template)?,
            None if request.sign.as_ref().is_some_and(crate::plan::Sign::has_id) => {
                frame.with_random(|random| {
                    use rand::Rng;
                    let mut bytes = [0; 12];
                    random.fill_bytes(&mut bytes);
                    bytes.iter().fold("msg_".to_owned(), |id, byte| format!("{id}{byte:02x}"))
                })
            }
            None => String::new(),
        };
        Ok(Rendered { uri, headers, body: bytes, id })
    }

    async fn deliver(
        &mut self,
        plan: &Plan,
        request: &Request,
        index: RequestIndex,
        rendered: Vec<Rendered>,
    ) -> Result<Vec<Delivered>, Stop> {
        let shared = Arc::clone(&self.shared);
        let count = rendered.len();
        let service = &mut self.services[request.service];
        service.at_least(count);
        let ServiceConnections { endpoint, connections } = service;
        let jitter: RefCell<&mut ChaCha8Rng> = RefCell::new(&mut self.jitter);
        let frame = &self.frame;
        let deliveries = Deliveries {
            request,
            endpoint,
            prepared: &shared.requests[index.0],
            jitter: &jitter,
            judge: &|answer: &Answer| judge(request, frame, answer),
        };
        let begun = Instant::now();
        let together = count > 1 && request.delivery.spread.is_none();
        if request.hold.is_none() && !together {
            let spread = request.delivery.spread.unwrap_or_default();
            let pause = |n: usize| match count {
                1 => Duration::ZERO,
                _ => spread.mul_f64(n as f64 / (count - 1) as f64),
            };
            if let ([one], [connection, ..]) = (rendered.as_slice(), connections.as_mut_slice()) {
                return Ok(vec![deliveries.one(connection, one, Start::Now).await]);
            }
            let all =
                rendered.iter().zip(connections.iter_mut()).enumerate().map(|(n, (one, connection))| {
                    deliveries.one(connection, one, Start::At(begun + pause(n)))
                });
            return Ok(Box::pin(join_all(all)).await);
        }
        let gate = request.hold.map(|barrier| &shared.barriers[barrier]);
        // Boxed, as everything rare is: it would make the future of every worker larger.
        let (delivered, skews) =
            Box::pin(deliveries.held(connections, &rendered, gate, &shared.settings.stop)).await.map_err(
                |passed| match passed {
                    super::barrier::Passed::Stopped => Stop::Skipped,
                    _ => too_few(plan, request.hold),
                },
            )?;
        if self.measured {
            let release = request.hold.map_or(Release::Copies, Release::Barrier);
            let mut recorder = self.recorder.borrow_mut();
            skews.into_iter().for_each(|skew| recorder.released(release, skew));
        }
        Ok(delivered)
    }
}

/// The bytes of a body.
fn content(content: &Content, frame: &Frame, size: usize) -> Result<Bytes, Failure> {
    let text = |template: &crate::expression::Template| {
        template.evaluate(frame).map(|value| to_text(&value)).map_err(|error| value(&error))
    };
    Ok(match content {
        Content::Empty => Bytes::new(),
        Content::Bytes(bytes) => Bytes::from_owner(Arc::clone(bytes)),
        Content::Text { template, checked } => {
            let text = text(template)?;
            if *checked && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text) {
                let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
                let message =
                    format!("the body isn't JSON after its expressions were put in: {error}: {line}");
                return Err(Failure::http(Cause::Payload, message));
            }
            Bytes::from(text)
        }
        Content::Json(template) => {
            let mut out = Vec::with_capacity(size);
            template
                .write(&mut out, &mut |expression| expression.evaluate(frame))
                .map_err(|error| value(&error))?;
            Bytes::from(out)
        }
        Content::Form(fields) => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (name, template) in fields {
                form.append_pair(name, &text(template)?);
            }
            Bytes::from(form.finish())
        }
    })
}

fn value(error: &EvaluationError) -> Failure {
    Failure::value(error.to_string())
}

pub(super) fn failed(request: &Request, failure: Failure) -> Stop {
    Stop::Failure { step: request.name.clone(), failure }
}

fn too_few(plan: &Plan, hold: Option<usize>) -> Stop {
    let barrier = hold.map(|index| &plan.barriers[index]);
    Stop::Timeout {
        step: barrier.map_or_else(|| "deliver".to_owned(), |barrier| format!("barrier {}", barrier.name)),
        message: barrier.map_or_else(
            || "the copies didn't come together in time".to_owned(),
            |barrier| format!("fewer than {} workers came in time", barrier.parties),
        ),
    }
}

/// Seconds since 1970.
pub(super) fn unix_seconds() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}
