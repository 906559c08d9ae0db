//! The lines of a file that grows.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// A longer line is left out.
const LONGEST_LINE: usize = 4 << 20;
pub(super) const CHUNK: usize = 256 << 10;

/// What a line of a file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// There was one, longer than any that is kept.
    TooLong,
}

/// Lines that come in pieces.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end isn't written yet.
    begun: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// Adds what comes next, and hands over the lines that are whole now.
    pub fn add(&mut self, mut rest: &[u8], tell: &mut dyn FnMut(Line<'_>)) {
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            self.add_part(line);
            if std::mem::take(&mut self.is_too_long) {
                tell(Line::TooLong);
            } else {
                tell(Line::Whole(&self.begun));
            }
            self.begun.clear();
        }
        self.add_part(rest);
    }

    fn add_part(&mut self, part: &[u8]) {
        if self.is_too_long || self.begun.len() + part.len() > LONGEST_LINE {
            self.is_too_long = true;
            self.begun.clear();
        } else {
            self.begun.extend_from_slice(part);
        }
    }
}

/// A file and how far it was read.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    file: File,
    lines: Lines,
}

impl Tail {
    /// From the file's beginning.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: File::open(path)?, lines: Lines::default() })
    }

    /// From the file's end.
    pub fn at_end(path: &Path) -> io::Result<Self> {
        let mut tail = Self::open(path)?;
        tail.file.seek(SeekFrom::End(0))?;
        Ok(tail)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that are there and weren't read.
    pub fn unread(&mut self) -> io::Result<u64> {
        let read = self.file.stream_position()?;
        Ok(self.file.metadata()?.len().saturating_sub(read))
    }

    /// Leaves out what is there by now.
    pub fn skip(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::End(0))?;
        self.lines = Lines::default();
        Ok(())
    }

    /// Hands over all lines that are there by now.
    pub fn read(&mut self, tell: &mut dyn FnMut(Line<'_>)) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            match self.file.read(&mut chunk)? {
                0 => return Ok(()),
                read => self.lines.add(&chunk[..read], tell),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn lines(tail: &mut Tail) -> Vec<String> {
        let mut lines = Vec::new();
        let mut tell = |line: Line<'_>| {
            lines.push(match line {
                Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                Line::TooLong => "too long".to_owned(),
            });
        };
        tail.read(&mut tell).expect("read");
        lines
    }

    #[test]
    fn a_line_is_told_when_its_end_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut file = File::create(&path).expect("a file");
        let mut tail = Tail::open(&path).expect("opened");
        file.write_all(b"one\ntw").expect("written");
        assert_eq!(lines(&mut tail), ["one"]);
        file.write_all(b"o\n").expect("written");
        let mut late = Tail::at_end(&path).expect("opened");
        assert_eq!(lines(&mut tail), ["two"]);
        file.write_all(&vec![b'x'; LONGEST_LINE + 1]).expect("written");
        assert_eq!(lines(&mut tail), [""; 0]);
        file.write_all(b"x\nthree\n").expect("written");
        assert_eq!(lines(&mut tail), ["too long", "three"]);
        assert_eq!(lines(&mut late), ["too long", "three"]);
    }
}
