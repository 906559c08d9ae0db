//! A network that fails: a TCP port before a server's Unix socket, with faults that are switched on and off.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// What is wrong with the network now.
#[derive(Debug, Default)]
struct Faults {
    /// Milliseconds that each piece of data is late, each way.
    latency: AtomicU64,
    /// Bytes per second, each way; 0: as fast as it goes.
    bandwidth: AtomicU64,
    /// How many more commits reach the server, while their answers don't come back.
    cut_commits: AtomicU64,
    ended: AtomicBool,
}

/// Both ends of one connection.
struct Pair {
    client: TcpStream,
    server: UnixStream,
    /// Nothing comes through any more, and nobody hears of it.
    silent: Arc<AtomicBool>,
    /// The server's next answer is lost, and the connection with it.
    cutting: Arc<AtomicBool>,
}

/// The network before one server.
pub struct Proxy {
    port: u16,
    faults: Arc<Faults>,
    pairs: Arc<Mutex<Vec<Pair>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Before the server that listens on a Unix socket.
    pub fn before(socket: PathBuf) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (faults, pairs) = (Arc::new(Faults::default()), Arc::new(Mutex::new(Vec::new())));
        let accepting = {
            let (faults, pairs) = (Arc::clone(&faults), Arc::clone(&pairs));
            std::thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    if faults.ended.load(Ordering::SeqCst) {
                        return;
                    }
                    connect(client, &socket, &faults, &pairs);
                }
            })
        };
        Self { port, faults, pairs, accepting: Some(accepting) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes every piece of data late.
    pub fn set_latency(&self, latency: Duration) {
        self.faults.latency.store(latency.as_millis() as u64, Ordering::SeqCst);
    }

    /// Limits the bytes per second of each connection and direction.
    pub fn set_bandwidth(&self, bytes_per_second: u64) {
        self.faults.bandwidth.store(bytes_per_second, Ordering::SeqCst);
    }

    /// Cuts the connections of the next commits once the server has them.
    pub fn cut_commits(&self, count: u64) {
        self.faults.cut_commits.store(count, Ordering::SeqCst);
    }

    /// How many of these are still to come.
    pub fn commits_to_cut(&self) -> u64 {
        self.faults.cut_commits.load(Ordering::SeqCst)
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for pair in self.pairs.lock().expect("pairs").drain(..) {
            pair.close();
        }
    }

    /// Lets all connections that are there now fall silent: neither side hears that anything is wrong.
    pub fn silence(&self) {
        for pair in self.pairs.lock().expect("pairs").iter() {
            pair.silent.store(true, Ordering::SeqCst);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.faults.ended.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().expect("it ended");
        }
    }
}

impl Pair {
    fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

fn connect(client: TcpStream, socket: &Path, faults: &Arc<Faults>, pairs: &Mutex<Vec<Pair>>) {
    // A server that is down: the client sees a closed connection.
    let Ok(server) = UnixStream::connect(socket) else { return };
    let (silent, cutting) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let clone = |client: &TcpStream, server: &UnixStream| Pair {
        client: client.try_clone().expect("a socket"),
        server: server.try_clone().expect("a socket"),
        silent: Arc::clone(&silent),
        cutting: Arc::clone(&cutting),
    };
    pairs.lock().expect("pairs").push(clone(&client, &server));
    for to_server in [true, false] {
        let (pair, faults) = (clone(&client, &server), Arc::clone(faults));
        std::thread::spawn(move || {
            pump(&pair, &faults, to_server);
            pair.close();
        });
    }
}

/// Moves data one way until either side closes.
fn pump(pair: &Pair, faults: &Faults, to_server: bool) {
    let mut buffer = [0; 16_384];
    loop {
        let read =
            if to_server { (&pair.client).read(&mut buffer) } else { (&pair.server).read(&mut buffer) };
        let Ok(length @ 1..) = read else { return };
        let data = &buffer[..length];
        if pair.silent.load(Ordering::SeqCst) {
            continue;
        }
        if !to_server && pair.cutting.load(Ordering::SeqCst) {
            return;
        }
        if to_server && is_commit(data) && take(&faults.cut_commits) {
            pair.cutting.store(true, Ordering::SeqCst);
        }
        wait(faults, length);
        let written =
            if to_server { (&pair.server).write_all(data) } else { (&pair.client).write_all(data) };
        if written.is_err() {
            return;
        }
    }
}

/// As both protocols send it: PostgreSQL's ends with a zero byte.
fn is_commit(data: &[u8]) -> bool {
    data.strip_suffix(b"\0").unwrap_or(data).ends_with(b"COMMIT")
}

fn take(count: &AtomicU64) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

/// NB: the delays are what is simulated; nothing is waited for.
fn wait(faults: &Faults, length: usize) {
    let mut delay = Duration::from_millis(faults.latency.load(Ordering::SeqCst));
    let bandwidth = faults.bandwidth.load(Ordering::SeqCst);
    if bandwidth > 0 {
        delay += Duration::from_secs_f64(length as f64 / bandwidth as f64);
    }
    if !delay.is_zero() {
        std::thread::sleep(delay);
    }
}
