//! Classifies what went wrong with a request, by the kind of the error and never by its text.
//!
//! The question that matters to a test of transactions is whether the request may have been carried
//! out: [`Cause::Connection`] says that it certainly wasn't, [`Cause::Reset`] that nobody knows.

use std::error::Error;

use super::super::Failure;
use crate::outcome::Cause;

/// Of a connection of our own. `unsent`: the request certainly never left.
pub(super) fn of_hyper(error: &hyper::Error, unsent: bool) -> Failure {
    Failure::http(cause_of_hyper(error, unsent), with_sources(error))
}

/// Of reqwest's client.
pub(super) fn of_reqwest(error: &reqwest::Error) -> Failure {
    Failure::http(cause_of_reqwest(error), with_sources(error))
}

fn cause_of_hyper(error: &hyper::Error, unsent: bool) -> Cause {
    // A message that was cancelled was never given to a connection.
    let unsent = unsent || error.is_canceled();
    if error.is_parse() {
        Cause::Protocol
    } else if unsent {
        Cause::Connection
    } else {
        Cause::Reset
    }
}

fn cause_of_reqwest(error: &reqwest::Error) -> Cause {
    if error.is_redirect() {
        return Cause::Redirect;
    }
    if find::<rustls::Error>(error).is_some() {
        return Cause::Tls;
    }
    if let Some(inner) = find::<h2::Error>(error) {
        return cause_of_h2(inner);
    }
    if error.is_connect() {
        return Cause::Connection;
    }
    find::<hyper::Error>(error).map_or(Cause::Reset, |inner| cause_of_hyper(inner, false))
}

fn cause_of_h2(error: &h2::Error) -> Cause {
    match error.reason() {
        // RFC 9113, 8.7: the request was not processed.
        Some(h2::Reason::REFUSED_STREAM) => Cause::Connection,
        // Ended by us because what came breaks the protocol, or by a server that found that of us.
        Some(h2::Reason::PROTOCOL_ERROR | h2::Reason::FRAME_SIZE_ERROR | h2::Reason::COMPRESSION_ERROR) => {
            Cause::Protocol
        }
        _ => Cause::Reset,
    }
}

/// The first error of a type among an error's sources.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut current = Some(error);
    while let Some(error) = current {
        // NB: an I/O error doesn't give the error that it wraps as its source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(wrapped) = wrapped
            && let Some(found) = find(wrapped)
        {
            return Some(found);
        }
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        current = error.source();
    }
    None
}

/// The error and what it came from, in one line.
pub(super) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{
        fmt,
        io::{self, ErrorKind},
    };

    use super::*;

    #[derive(Debug)]
    struct Outer(io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_is_found_however_it_is_wrapped() {
        let inner = io::Error::new(ErrorKind::InvalidData, rustls::Error::DecryptError);
        let twice = Outer(io::Error::other(Outer(inner)));
        assert_eq!(find::<rustls::Error>(&twice), Some(&rustls::Error::DecryptError));
        assert!(find::<h2::Error>(&twice).is_none());
        assert_eq!(with_sources(&Outer(io::Error::other("why"))), "outer: why");
    }

    #[test]
    fn only_a_stream_that_was_refused_certainly_was_not_carried_out() {
        let cause = |reason: h2::Reason| cause_of_h2(&reason.into());
        assert_eq!(cause(h2::Reason::REFUSED_STREAM), Cause::Connection);
        assert_eq!(cause(h2::Reason::PROTOCOL_ERROR), Cause::Protocol);
        for reason in [h2::Reason::INTERNAL_ERROR, h2::Reason::CANCEL, h2::Reason::NO_ERROR] {
            assert_eq!(cause(reason), Cause::Reset, "{reason:?}");
        }
    }
}
