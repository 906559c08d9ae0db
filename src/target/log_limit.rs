//! Keeps a log that another process writes from filling the disk.
//!
//! The writer has opened the file to append to it, so that what it writes next goes to the end of what is left.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

/// Bytes that a log may have.
const MOST: u64 = 16 << 20;
/// Bytes of its end that are kept when it has more.
const KEPT: u64 = 64 << 10;
const PAUSE: Duration = Duration::from_millis(200);
const MARK: &[u8] = b"[the beginning of this log was cut off]\n";

/// Looks after one log until it is dropped.
#[derive(Debug)]
pub(super) struct LogLimit {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LogLimit {
    /// Begins to look after the log at `path`.
    pub(super) fn start(path: PathBuf) -> Self {
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                // A log that is gone, or can't be cut, is no reason to end what is logged.
                let _ = cut(&path, MOST);
            }
        });
        Self { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for LogLimit {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Leaves the end of a log that has grown beyond `most` bytes.
fn cut(path: &Path, most: u64) -> io::Result<()> {
    let length = std::fs::metadata(path)?.len();
    if length <= most {
        return Ok(());
    }
    let mut kept = Vec::new();
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(length.saturating_sub(KEPT)))?;
    file.take(KEPT).read_to_end(&mut kept)?;
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.set_len(0)?;
    file.write_all(&[MARK, &kept].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_log_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut writer = OpenOptions::new().create(true).append(true).open(&path).expect("a log");
        writer.write_all(&vec![b'a'; 100_000]).expect("written");
        writer.write_all(b"the end").expect("written");
        cut(&path, 200_000).expect("looked at");
        assert_eq!(std::fs::metadata(&path).expect("there").len(), 100_007);
        cut(&path, 100_000).expect("cut");
        writer.write_all(b" goes on").expect("written");
        let text = std::fs::read(&path).expect("there");
        assert!(text.starts_with(MARK) && text.ends_with(b"aathe end goes on"));
        assert_eq!(text.len() as u64, MARK.len() as u64 + KEPT + 8);
    }
}
