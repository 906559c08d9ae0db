//! `--prometheus` and `--otlp`: starts what was asked for, towards this machine unless another is allowed.

use std::{net::SocketAddr, time::Duration};

use super::{args::RunArguments, console::Console, status};
use crate::{
    exporter::{ExporterError, Exporters, PushSettings, Pusher, Server},
    run::Trouble,
    target::http::{HeaderMap, HeaderName, HeaderValue, HttpEndpoint, HttpOptions},
};

/// Pause between two messages to a collector.
const INTERVAL: Duration = Duration::from_secs(10);
/// OpenTelemetry's own names.
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const MILLISECONDS: &str = "OTEL_METRIC_EXPORT_INTERVAL";

/// Why there is none: what is said, and the exit status.
type Refusal = (Trouble, u8);

/// Starts them, or says why not and returns the exit status.
pub(super) fn start(arguments: &RunArguments, console: &Console) -> Result<Exporters, u8> {
    let allowed = &arguments.shared.running.reach.allowed_hosts;
    let server = arguments.prometheus.map(|address| serve(address, allowed, console)).transpose();
    let pusher = |url: &String| push(url, allowed, console);
    let exporters = server.and_then(|server| {
        Ok(Exporters { server, pusher: arguments.otlp.as_ref().map(pusher).transpose()? })
    });
    exporters.map_err(|(trouble, status)| {
        console.error(&trouble);
        status
    })
}

fn could_not_run(error: ExporterError) -> Refusal {
    (Trouble::new(error.to_string()), status::COULD_NOT_RUN)
}

fn serve(address: SocketAddr, allowed: &[String], console: &Console) -> Result<Server, Refusal> {
    if !address.ip().to_canonical().is_loopback() && !allowed.contains(&address.ip().to_string()) {
        let trouble = Trouble::new(format!("--prometheus {address} can be reached from other machines"));
        let hint = format!("use 127.0.0.1:{}, or add `--allow-host {}`", address.port(), address.ip());
        return Err((trouble.hint(&hint), status::USAGE));
    }
    let server = Server::start(address).map_err(could_not_run)?;
    console.note(&format!("metrics at http://{}/metrics", server.address()));
    Ok(server)
}

fn push(url: &str, allowed: &[String], console: &Console) -> Result<Pusher, Refusal> {
    console.hide_passwords([url]);
    let usage = |message: String| (Trouble::new(message), status::USAGE);
    let base = url.trim_end_matches('/').trim_end_matches("/v1/metrics");
    let endpoint = HttpEndpoint::resolve(base, HttpOptions::default())
        .map_err(|error| usage(format!("--otlp: {error}")))
        .map_err(|(trouble, status)| (trouble.hint("it is like http://127.0.0.1:4318"), status))?;
    if !endpoint.is_allowed(allowed) {
        let host = endpoint.host_name();
        let (trouble, status) = usage(format!("--otlp sends to {host}, which is not this machine"));
        return Err((trouble.hint(format!("if you mean it: `--allow-host {host}`")), status));
    }
    let headers = std::env::var(HEADERS).unwrap_or_default();
    let headers = headers_of(&headers, console).map_err(usage)?;
    let interval = std::env::var(MILLISECONDS).ok();
    let interval = interval.map_or(Ok(INTERVAL), |text| interval_of(&text)).map_err(usage)?;
    let warner = console.clone();
    let warn = Box::new(move |text: &str| warner.warning(text));
    Pusher::start(PushSettings { endpoint, headers, interval, warn }).map_err(could_not_run)
}

/// Reads `name=value,name=value`, values percent-encoded; every value is a secret.
fn headers_of(text: &str, console: &Console) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (n, part) in text.split(',').map(str::trim).enumerate().filter(|(_, part)| !part.is_empty()) {
        // A part that can't be read isn't shown: it may hold the secret.
        let wrong = || format!("{HEADERS}: part {} is no `name=value`", n + 1);
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        let value =
            percent_encoding::percent_decode_str(value.trim()).decode_utf8().map_err(|_| wrong())?;
        console.hide(&[value.to_string()]);
        let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
        let mut value = HeaderValue::try_from(value.as_ref()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Reads milliseconds.
fn interval_of(text: &str) -> Result<Duration, String> {
    let millis = text.trim().parse().ok().filter(|millis| *millis > 0);
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{MILLISECONDS}: `{text}` is no number of milliseconds above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Global;

    #[test]
    fn headers_are_read_and_their_values_hidden() {
        let console = Console::new(&Global { quiet: false, no_color: true });
        let headers = headers_of(" x-key = ab%20cdef ,authorization=Bearer%20tok=n,", &console);
        let headers = headers.expect("headers");
        assert_eq!((headers.len(), &headers["x-key"]), (2, &HeaderValue::from_static("ab cdef")));
        assert_eq!(headers["authorization"], "Bearer tok=n");
        assert!(!console.masked("told: ab cdef, Bearer tok=n").contains("tok"));
        for wrong in ["geheim", "x-key=a,=geheim", "a b=geheim", "x=%0Ageheim", "x=%ff"] {
            let said = headers_of(wrong, &console).expect_err(wrong);
            assert!(said.ends_with("is no `name=value`") && !said.contains("geheim"), "{said}");
        }
        assert!(headers_of("", &console).expect("none").is_empty());
    }

    #[test]
    fn pauses_are_milliseconds() {
        assert_eq!(interval_of("1500"), Ok(Duration::from_millis(1500)));
        for wrong in ["0", "-1", "1s", ""] {
            assert!(interval_of(wrong).is_err(), "{wrong}");
        }
    }
}
