//! Deliveries: one request each, sent again as its policy says, alone or together with others.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rand_chacha::ChaCha8Rng;
use tokio::sync::oneshot;

use super::{
    barrier::{BarrierGate, Passed},
    judge::Judged,
    request::{PreparedRequest, Rendered, unix_seconds},
    shared::StopSignal,
};
use crate::{
    outcome::Cause,
    plan::Request,
    target::{
        Failure,
        http::{Answer, Connection, HttpEndpoint, Message, Outgoing, OutgoingBody, hold},
    },
};

/// What the deliveries of one step share.
pub(super) struct Deliveries<'a> {
    pub request: &'a Request,
    pub endpoint: &'a HttpEndpoint,
    pub prepared: &'a PreparedRequest,
    pub jitter: &'a RefCell<&'a mut ChaCha8Rng>,
    /// Judges an answer, and tells the retries that the service made.
    pub judge: &'a dyn Fn(&Answer) -> (Judged, u64),
}

/// When a delivery starts.
pub(super) enum Start {
    Now,
    At(Instant),
    /// All but the last byte goes at once.
    Held(OutgoingBody),
    /// There is no byte to hold back.
    After(oneshot::Receiver<()>),
}

/// How a delivery went.
pub(super) struct Delivered {
    /// The last answer, or why there is none that counts.
    pub answer: Result<Answer, Failure>,
    /// The assertion that didn't hold.
    pub assertion: Option<String>,
    pub retries: Vec<Resent>,
    /// Each attempt's time.
    pub times: Vec<Duration>,
    /// Each answer's status.
    pub statuses: Vec<u16>,
    pub service_retries: u64,
    pub ended: Instant,
}

/// A delivery that was sent again.
pub(super) struct Resent {
    /// What had gone wrong.
    pub cause: Cause,
    /// The pause that the policy declares, before jitter.
    pub declared: Duration,
    pub measured: Duration,
}

impl Deliveries<'_> {
    /// One delivery, to its end.
    pub(super) async fn one(
        &self,
        connection: &mut Connection,
        rendered: &Rendered,
        start: Start,
    ) -> Delivered {
        let mut first = match start {
            Start::Now => None,
            Start::At(moment) => {
                tokio::time::sleep_until(moment.into()).await;
                None
            }
            Start::Held(body) => Some(body),
            Start::After(word) => {
                // A word that never comes means that the operation was given up.
                let _ = word.await;
                None
            }
        };
        let mut delivered = Delivered {
            answer: Err(Failure::http(Cause::Connection, "nothing was sent")),
            assertion: None,
            retries: Vec::new(),
            times: Vec::new(),
            statuses: Vec::new(),
            service_retries: 0,
            ended: Instant::now(),
        };
        loop {
            let body = first.take().unwrap_or_else(|| rendered.body.clone().into());
            let begun = Instant::now();
            let sent = match self.outgoing(rendered) {
                Ok(outgoing) => connection.send(self.endpoint, outgoing, body, self.request.timeout).await,
                Err(failure) => Err(failure),
            };
            delivered.ended = Instant::now();
            delivered.times.push(delivered.ended - begun);
            let failure = match sent {
                Ok(answer) => {
                    delivered.statuses.push(answer.status.as_u16());
                    let (judged, retries) = (self.judge)(&answer);
                    delivered.service_retries += retries;
                    match judged {
                        Judged::Failure(failure) => failure,
                        Judged::Fine | Judged::Assertion(_) => {
                            delivered.assertion = match judged {
                                Judged::Assertion(message) => Some(message),
                                _ => None,
                            };
                            delivered.answer = Ok(answer);
                            return delivered;
                        }
                    }
                }
                Err(failure) => failure,
            };
            let n = u32::try_from(delivered.retries.len()).unwrap_or(u32::MAX).saturating_add(1);
            let Some(declared) = self.request.retry.declared_delay(n, &failure.cause) else {
                delivered.answer = Err(failure);
                return delivered;
            };
            let pause = Instant::now();
            let varied = self.request.retry.vary(declared, &mut **self.jitter.borrow_mut());
            if !varied.is_zero() {
                tokio::time::sleep(varied).await;
            }
            let cause = failure.cause.clone();
            delivered.retries.push(Resent { cause, declared, measured: pause.elapsed() });
        }
    }

    /// The request, signed now.
    fn outgoing(&self, rendered: &Rendered) -> Result<Outgoing, Failure> {
        let mut headers = rendered.headers.clone();
        if let Some(signer) = &self.prepared.signer {
            let message = Message {
                body: &rendered.body,
                now: unix_seconds(),
                id: &rendered.id,
                method: self.prepared.method.as_str(),
                path: rendered.uri.path_and_query().map_or("/", |path| path.as_str()),
            };
            signer
                .sign(message, &mut headers)
                .map_err(|error| Failure::http(Cause::Value, error.to_string()))?;
        }
        Ok(Outgoing { method: self.prepared.method.clone(), uri: rendered.uri.clone(), headers })
    }

    /// Deliveries whose last byte is held back until all are that far, and until the barrier opens when
    /// there is one. Returns how far from the release each last byte went.
    ///
    /// # Errors
    /// When the barrier doesn't open.
    pub(super) async fn held(
        &self,
        connections: &mut [Connection],
        rendered: &[Rendered],
        gate: Option<&BarrierGate>,
        stop: &StopSignal,
    ) -> Result<(Vec<Delivered>, Vec<Duration>), Passed> {
        let (mut starts, mut armed, mut release, mut written) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for one in rendered {
            match hold(&one.body) {
                Some((body, held)) => {
                    starts.push(Start::Held(body));
                    armed.push(held.armed);
                    release.push(held.release);
                    written.push(held.written);
                }
                None => {
                    let (sender, receiver) = oneshot::channel();
                    starts.push(Start::After(receiver));
                    release.push(sender);
                }
            }
        }
        let sends = rendered.iter().zip(connections.iter_mut()).zip(starts);
        let sends = join_all(sends.map(|((one, connection), start)| self.one(connection, one, start)));
        let conduct = async {
            for one in armed {
                // One that failed before it was that far doesn't keep the others waiting.
                let _ = one.await;
            }
            let opened = match gate {
                Some(gate) => match gate.wait(stop).await {
                    (Passed::Opened, opened) => opened,
                    (passed, _) => return Err(passed),
                },
                None => Instant::now(),
            };
            for one in release {
                let _ = one.send(());
            }
            Ok(opened)
        };
        tokio::pin!(sends, conduct);
        let mut early = None;
        let opened = loop {
            tokio::select! {
                biased;
                delivered = &mut sends, if early.is_none() => early = Some(delivered),
                opened = &mut conduct => break opened?,
            }
        };
        let delivered = match early {
            Some(delivered) => delivered,
            None => sends.await,
        };
        let mut skews = Vec::with_capacity(written.len());
        for one in &mut written {
            if let Ok(moment) = one.try_recv() {
                skews.push(moment.saturating_duration_since(opened));
            }
        }
        Ok((delivered, skews))
    }
}
