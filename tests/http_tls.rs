//! TLS and HTTP/2 against a server on rustls and hyper, with certificates made by the test.

mod support;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Bytes, extract::Request, http::Version, routing::any};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use support::http::{
    Service, answer,
    scenario::{Ran, Scenario},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_rustls::{TlsAcceptor, rustls, server::TlsStream};

/// A server on a runtime of its own; ends when it is dropped.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// The version of each request.
    versions: Arc<Mutex<Vec<Version>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Connections of TLS; those that can't agree are forgotten.
struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    connections: Arc<AtomicUsize>,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.expect("a connection");
            self.connections.fetch_add(1, Ordering::AcqRel);
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Server {
    fn start(tls: Option<rustls::ServerConfig>) -> Self {
        let (connections, versions) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let (counted, noted) = (Arc::clone(&connections), Arc::clone(&versions));
        let (stop, stopped) = oneshot::channel();
        let (told, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            support::block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                told.send(listener.local_addr().expect("an address")).expect("somebody waits for it");
                let app = router(noted);
                let serve = async {
                    match tls {
                        None => axum::serve(listener, app).await,
                        Some(config) => {
                            let acceptor = TlsAcceptor::from(Arc::new(config));
                            axum::serve(TlsListener { listener, acceptor, connections: counted }, app).await
                        }
                    }
                };
                tokio::select! {
                    served = serve => served.expect("it serves"),
                    _ = stopped => {}
                }
            });
        });
        let address = address.recv().expect("an address");
        Self { address, connections, versions, stop: Some(stop), thread: Some(thread) }
    }

    fn versions(&self) -> Vec<Version> {
        self.versions.lock().expect("no panic").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server's thread");
        }
    }
}

fn router(versions: Arc<Mutex<Vec<Version>>>) -> Router {
    Router::new().fallback(any(move |request: Request| async move {
        versions.lock().expect("no panic").push(request.version());
        axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or_else(|_| Bytes::new())
    }))
}

/// An authority in a file, and a server's certificate that it signed.
struct Authority {
    folder: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { folder, issuer }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// For a server of this name that offers these protocols.
    fn config(&self, name: &str, protocols: &[&str]) -> rustls::ServerConfig {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a key that fits");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

#[track_caller]
fn expect_tls_failure(ran: &Ran, message: &str) {
    assert_eq!(ran.outcomes(), "failed 2", "{:#}", ran.results["errors"]);
    let (cause, words) = ran.error();
    assert_eq!(cause, "tls", "{words}");
    assert!(words.contains(message), "`{message}` isn't in `{words}`");
}

const TWO: &str = "concurrency: 1, iterations: 2";
const ECHO: &str = "- http: POST /echo\n  body: hello\n  assert: \"body == 'hello'\"";

#[test]
fn a_trusted_certificate_and_those_that_are_not() {
    let authority = Authority::new();
    let server = Server::start(Some(authority.config("127.0.0.1", &["http/1.1"])));
    let url = format!("https://{}", server.address);
    let ca = format!("ca: \"{}\"", authority.path().display());
    let run = |url: &str, target: &str| {
        Scenario { url, target, steps: ECHO, load: TWO, ..Scenario::default() }.run()
    };

    let ran = run(&url, &ca);
    assert_eq!(ran.outcomes(), "ok 2", "{:#}", ran.results["errors"]);
    assert_eq!(server.connections.load(Ordering::Acquire), 1, "it is kept");
    assert_eq!(server.versions(), [Version::HTTP_11; 2]);

    expect_tls_failure(&run(&url, ""), "UnknownIssuer");
    let other = Authority::new();
    expect_tls_failure(&run(&url, &format!("ca: \"{}\"", other.path().display())), "certificate");
    let by_name = url.replace("127.0.0.1", "localhost");
    expect_tls_failure(&run(&by_name, &ca), "not valid for name \"localhost\"");
}

#[test]
fn https_to_a_service_that_speaks_plain_http() {
    let service = Service::start(|_| answer(200, ""));
    let url = service.url().replace("http:", "https:");
    // The server takes the greeting for the begin of a request and says nothing.
    let plain = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent_url = format!("https://{}", plain.local_addr().expect("an address"));
    let answering = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for _ in 0..2 {
            let (mut stream, _) = plain.accept().expect("a connection");
            let _ = stream.read(&mut [0; 1024]).expect("a greeting");
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").expect("written");
        }
    });
    let ran = Scenario { url: &silent_url, steps: ECHO, load: TWO, ..Scenario::default() }.run();
    expect_tls_failure(&ran, "corrupt message");
    answering.join().expect("no panic");
    let ran =
        Scenario { url: &url, target: "timeout: 300ms", steps: ECHO, load: TWO, ..Scenario::default() }
            .run();
    assert_eq!(ran.outcomes(), "timeout 2", "one that waits for more is given up");
}

#[test]
fn a_file_that_holds_no_authority() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = support::file(folder.path(), "ca.pem", "nothing\n");
    for (ca, message) in [
        (empty.display().to_string(), "holds no authority: there is no certificate in it"),
        ("/nowhere/ca.pem".to_owned(), "can't read /nowhere/ca.pem"),
    ] {
        let target = format!("ca: \"{ca}\"");
        let path =
            Scenario { url: "https://127.0.0.1:9", target: &target, steps: ECHO, ..Scenario::default() }
                .write(folder.path());
        let arguments = ["run", "--quiet", path.to_str().expect("text")];
        support::Program::new().run(&arguments).expect_status(3).expect_stderr(message);
    }
}

#[test]
fn http2_over_tls_and_in_cleartext() {
    let authority = Authority::new();
    let load = "concurrency: 2, iterations: 20";
    let server = Server::start(Some(authority.config("127.0.0.1", &["h2", "http/1.1"])));
    let target = format!("protocol: http2, ca: \"{}\"", authority.path().display());
    let url = format!("https://{}", server.address);
    let ran = Scenario { url: &url, target: &target, steps: ECHO, load, ..Scenario::default() }.run();
    assert_eq!(ran.outcomes(), "ok 20", "{:#}", ran.results["errors"]);
    assert_eq!(server.versions(), [Version::HTTP_2; 20]);
    assert_eq!(server.connections.load(Ordering::Acquire), 2, "one for each worker");

    // What only speaks HTTP/1.1 isn't worked around.
    let old = Server::start(Some(authority.config("127.0.0.1", &["http/1.1"])));
    let url = format!("https://{}", old.address);
    let ran = Scenario { url: &url, target: &target, steps: ECHO, load: TWO, ..Scenario::default() }.run();
    expect_tls_failure(&ran, "");
    assert_eq!(old.versions(), []);

    let clear = Server::start(None);
    let url = format!("http://{}", clear.address);
    let ran =
        Scenario { url: &url, target: "protocol: http2", steps: ECHO, load, ..Scenario::default() }.run();
    assert_eq!(ran.outcomes(), "ok 20", "{:#}", ran.results["errors"]);
    assert_eq!(clear.versions(), [Version::HTTP_2; 20]);
}

#[test]
fn http2_to_a_service_that_only_speaks_http1() {
    // It answers the preface as a broken request, like nginx and others do.
    let plain = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", plain.local_addr().expect("an address"));
    let answering = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for _ in 0..2 {
            let (mut stream, _) = plain.accept().expect("a connection");
            let _ = stream.read(&mut [0; 1024]).expect("a preface");
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").expect("written");
            while matches!(stream.read(&mut [0; 1024]), Ok(1..)) {}
        }
    });
    let ran =
        Scenario { url: &url, target: "protocol: http2", steps: ECHO, load: TWO, ..Scenario::default() }
            .run();
    assert_eq!(ran.outcomes(), "failed 2", "{:#}", ran.results["errors"]);
    assert_eq!(ran.error().0, "protocol", "{}", ran.error().1);
    answering.join().expect("no panic");
}

/// Frames of HTTP/2 that a client sent: type, flags, and in which read each was complete.
async fn frames(
    mut client: impl AsyncRead + Unpin,
    mut server: impl tokio::io::AsyncWrite + Unpin,
) -> Vec<(u8, u8, usize)> {
    const PREFACE: usize = 24;
    let (mut frames, mut bytes, mut at, mut reads) = (Vec::new(), Vec::new(), PREFACE, 0);
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = client.read(&mut buffer).await {
        reads += 1;
        bytes.extend_from_slice(&buffer[..count]);
        if server.write_all(&buffer[..count]).await.is_err() {
            break;
        }
        while let Some(head) = bytes.get(at..at + 9) {
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            if bytes.len() < at + 9 + length {
                break;
            }
            frames.push((head[3], head[4], reads));
            at += 9 + length;
        }
    }
    frames
}

/// The copies of one delivery share the worker's connection. Their last frames are let go together and
/// leave in one write: a client between the two sees them in one read.
#[test]
fn the_last_frames_of_copies_over_http2_come_together() {
    const COPIES: usize = 6;
    let server = Server::start(None);
    let inner = server.address;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let between = std::thread::spawn(move || {
        support::block_on(async move {
            listener.set_nonblocking(true).expect("set");
            let listener = TcpListener::from_std(listener).expect("a listener");
            let (client, _) = listener.accept().await.expect("a connection");
            let server = TcpStream::connect(inner).await.expect("the server");
            let (from_client, mut to_client) = client.into_split();
            let (mut from_server, to_server) = server.into_split();
            let answers = async move { tokio::io::copy(&mut from_server, &mut to_client).await };
            let (frames, _) = tokio::join!(frames(from_client, to_server), answers);
            frames
        })
    });
    let steps = format!(
        "- http: POST /echo\n  body: hello\n  deliver: {{copies: {COPIES}}}\n  assert: \"body == 'hello'\""
    );
    let ran = Scenario { url: &url, target: "protocol: http2", steps: &steps, ..Scenario::default() }.run();
    assert_eq!(ran.outcomes(), "ok 1", "{:#}", ran.results["errors"]);
    let frames = between.join().expect("no panic");
    let (data, end_of_stream) = (0, 1);
    let last: Vec<usize> = frames
        .iter()
        .filter(|(kind, flags, _)| *kind == data && flags & end_of_stream != 0)
        .map(|(_, _, read)| *read)
        .collect();
    assert_eq!(last.len(), COPIES, "{frames:?}");
    assert!(last.iter().all(|read| *read == last[0]), "{frames:?}");
    // Whatever the time at which they were read: everything else had been written before.
    let is_last = |(kind, flags, _): &&(u8, u8, usize)| *kind == data && flags & end_of_stream != 0;
    let begun = frames.iter().position(|frame| is_last(&frame)).expect("one");
    let before = frames[..begun].iter().filter(|(kind, _, _)| *kind == data).count();
    assert!(
        before >= COPIES && frames[begun..][..COPIES].iter().all(|frame| is_last(&frame)),
        "{frames:?}"
    );
}
