//! The body of a request, whose last byte may be held back.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

/// What is sent: all at once, or all but the last byte, then the last byte on a word.
#[derive(Debug)]
pub struct OutgoingBody {
    first: Option<Bytes>,
    /// Boxed, because most bodies aren't held and requests are kept in rows of 32.
    held: Option<Box<Held>>,
}

#[derive(Debug)]
struct Held {
    last: Bytes,
    armed: Option<oneshot::Sender<()>>,
    release: oneshot::Receiver<()>,
    written: Option<oneshot::Sender<Instant>>,
}

/// The other end of a body that is held back.
#[derive(Debug)]
pub struct HeldBody {
    /// All but the last byte are on their way.
    pub armed: oneshot::Receiver<()>,
    /// Lets the last byte go.
    pub release: oneshot::Sender<()>,
    /// The moment at which the last byte was handed to the connection.
    pub written: oneshot::Receiver<Instant>,
}

impl From<Bytes> for OutgoingBody {
    fn from(bytes: Bytes) -> Self {
        Self { first: Some(bytes).filter(|bytes| !bytes.is_empty()), held: None }
    }
}

impl OutgoingBody {
    /// The bytes of a body that isn't held back.
    ///
    /// # Errors
    /// The body itself, when it is.
    pub(super) fn into_bytes(self) -> Result<Bytes, Self> {
        match self.held {
            None => Ok(self.first.unwrap_or_default()),
            Some(_) => Err(self),
        }
    }
}

/// A body whose last byte waits. `None` when there is no byte to hold.
pub fn hold(bytes: &Bytes) -> Option<(OutgoingBody, HeldBody)> {
    let last = bytes.len().checked_sub(1)?;
    let (armed_sender, armed) = oneshot::channel();
    let (release, release_receiver) = oneshot::channel();
    let (written_sender, written) = oneshot::channel();
    let held = Held {
        last: bytes.slice(last..),
        armed: Some(armed_sender),
        release: release_receiver,
        written: Some(written_sender),
    };
    let first = Some(bytes.slice(..last)).filter(|first| !first.is_empty());
    let body = OutgoingBody { first, held: Some(Box::new(held)) };
    Some((body, HeldBody { armed, release, written }))
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(held) = &mut self.held else { return Poll::Ready(None) };
        if let Some(armed) = held.armed.take() {
            // Nobody waits any more when the operation was given up.
            let _ = armed.send(());
        }
        // NB: a release that is gone lets go as well, or the connection would hang.
        let Poll::Ready(_) = Pin::new(&mut held.release).poll(context) else { return Poll::Pending };
        if let Some(written) = held.written.take() {
            let _ = written.send(Instant::now());
        }
        let last = std::mem::take(&mut held.last);
        self.held = None;
        Poll::Ready(Some(Ok(Frame::data(last))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        let last = u64::from(self.held.is_some());
        SizeHint::with_exact(first + last)
    }
}
