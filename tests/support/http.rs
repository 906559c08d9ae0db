//! A little HTTP/1.1 server on a thread for each connection, for tests that must see and decide every
//! byte, and the scenarios that are run against it.

pub mod scenario;

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Connections are counted from 1.
    pub connection: usize,
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// When the byte before the last one had come; the same as `complete` when they came together.
    pub all_but_last: Instant,
    pub complete: Instant,
}

impl Seen {
    /// How long the last byte came after the one before it.
    pub fn held(&self) -> Duration {
        self.complete - self.all_but_last
    }

    /// Every value of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a header.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {:?}", self.headers);
        all[0]
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body that is text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a body that is JSON")
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Exactly these bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, then those again and again until nobody takes them.
    Endless(Vec<u8>, Vec<u8>),
    /// Nothing, for as long as the client waits.
    Silence,
}

/// An answer with a text.
pub fn answer(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply::Answer { status, headers: Vec::new(), body: body.into() }
}

type Behaviour = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

#[derive(Default)]
struct Facts {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

/// The server; ends when it is dropped.
pub struct Service {
    address: Option<SocketAddr>,
    facts: Arc<Facts>,
    wake: Box<dyn Fn()>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// On a free port of the loopback interface.
    pub fn start(behaviour: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_slow(Duration::ZERO, behaviour)
    }

    /// Reads nothing from its first connection for so long.
    pub fn start_slow(pause: Duration, behaviour: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let accept = move || listener.accept().map(|(stream, _)| stream);
        let wake = move || drop(TcpStream::connect(address));
        Self::serve(Some(address), accept, wake, pause, Arc::new(behaviour))
    }

    /// On a Unix socket.
    pub fn start_unix(path: &Path, behaviour: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let accept = move || listener.accept().map(|(stream, _)| stream);
        let path = path.to_owned();
        let wake = move || drop(UnixStream::connect(&path));
        Self::serve(None, accept, wake, Duration::ZERO, Arc::new(behaviour))
    }

    fn serve<S: Stream>(
        address: Option<SocketAddr>,
        accept: impl Fn() -> io::Result<S> + Send + 'static,
        wake: impl Fn() + 'static,
        pause: Duration,
        behaviour: Behaviour,
    ) -> Self {
        let facts = Arc::new(Facts::default());
        let shared = Arc::clone(&facts);
        let thread = std::thread::spawn(move || {
            let mut connections = Vec::new();
            while let Ok(stream) = accept() {
                if shared.stopped.load(Ordering::Acquire) {
                    break;
                }
                let number = shared.connections.fetch_add(1, Ordering::AcqRel) + 1;
                let (facts, behaviour) = (Arc::clone(&shared), Arc::clone(&behaviour));
                connections.push(std::thread::spawn(move || {
                    if number == 1 {
                        // No wait for something: this server is slow on purpose.
                        std::thread::sleep(pause);
                    }
                    converse(stream, number, &facts, &behaviour);
                }));
            }
            for connection in connections {
                connection.join().expect("a connection's thread");
            }
        });
        Self { address, facts, wake: Box::new(wake), thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address.expect("a server with a port"))
    }

    pub fn port(&self) -> u16 {
        self.address.expect("a server with a port").port()
    }

    /// The requests so far, in the order in which they were complete.
    pub fn seen(&self) -> Vec<Seen> {
        self.facts.seen().clone()
    }

    /// Connections that were made so far.
    pub fn connections(&self) -> usize {
        self.facts.connections.load(Ordering::Acquire)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.facts.stopped.store(true, Ordering::Release);
        (self.wake)();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server panicked");
        }
    }
}

impl Facts {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

trait Stream: Read + Write + Send + 'static {
    fn limit_reads(&self, time: Duration);
}

impl Stream for TcpStream {
    fn limit_reads(&self, time: Duration) {
        self.set_read_timeout(Some(time)).expect("a limit");
    }
}

impl Stream for UnixStream {
    fn limit_reads(&self, time: Duration) {
        self.set_read_timeout(Some(time)).expect("a limit");
    }
}

/// One request after the other.
fn converse<S: Stream>(mut stream: S, number: usize, facts: &Facts, behaviour: &Behaviour) {
    // Short, so that a server that is stopped doesn't wait for a client that stays.
    stream.limit_reads(Duration::from_millis(20));
    let mut pending = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut pending, number, facts) {
        facts.seen().push(seen.clone());
        let reply = behaviour(&seen);
        if !write_reply(&mut stream, &reply, facts) {
            return;
        }
    }
}

/// `None` when the client or the server is done.
fn read_request(
    stream: &mut impl Stream,
    pending: &mut Vec<u8>,
    connection: usize,
    facts: &Facts,
) -> Option<Seen> {
    let head_end = loop {
        if let Some(at) = pending.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, pending, facts)?;
    };
    let head = String::from_utf8(pending[..head_end].to_vec()).expect("a head that is text");
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next().expect("a request line").split(' ').map(str::to_owned);
    let (method, path) = (words.next().expect("a method"), words.next().expect("a path"));
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").expect("a header"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().expect("a length"));
    let end = head_end + length;
    let mut all_but_last = None;
    while pending.len() < end {
        if pending.len() + 1 == end {
            all_but_last = Some(Instant::now());
        }
        more(stream, pending, facts)?;
    }
    let complete = Instant::now();
    let body = pending[head_end..end].to_vec();
    pending.drain(..end);
    let all_but_last = all_but_last.unwrap_or(complete);
    Some(Seen { connection, method, path, headers, body, all_but_last, complete })
}

fn more(stream: &mut impl Stream, pending: &mut Vec<u8>, facts: &Facts) -> Option<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return None,
            Ok(count) => {
                pending.extend_from_slice(&buffer[..count]);
                return Some(());
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if facts.stopped.load(Ordering::Acquire) {
                    return None;
                }
            }
            Err(_) => return None,
        }
    }
}

/// False at the end of the connection.
fn write_reply(stream: &mut impl Stream, reply: &Reply, facts: &Facts) -> bool {
    match reply {
        Reply::Answer { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Some\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str("\r\n");
            let mut bytes = head.into_bytes();
            bytes.extend_from_slice(body);
            stream.write_all(&bytes).is_ok()
        }
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(bytes);
            false
        }
        Reply::Endless(first, again) => {
            let mut going = stream.write_all(first).is_ok();
            while going && !facts.stopped.load(Ordering::Acquire) {
                going = stream.write_all(again).is_ok();
            }
            false
        }
        Reply::Silence => {
            // Until the client gives up.
            while more(stream, &mut Vec::new(), facts).is_some() {}
            false
        }
    }
}
