//! The built program in a terminal of 80 columns: keys go in, the screen comes out.

use std::{
    io::{Read, Write},
    process::{Child, ExitStatus},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::Program;

/// A running program and what its terminal shows.
pub struct Terminal {
    pty: Arc<pty_process::blocking::Pty>,
    child: Child,
    parser: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    pub const COLUMNS: u16 = 80;

    pub fn start(program: &Program, arguments: &[&str]) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("a terminal");
        pty.resize(pty_process::Size::new(24, Self::COLUMNS)).expect("its size");
        let command = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_deadheat"))
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_remove("DATABASE_URL")
            .env_remove("NO_COLOR")
            .env_remove("COLUMNS")
            .env("TERM", "xterm-256color")
            .env("DEADHEAT_STATE_DIR", program.state.path());
        let child = command.spawn(pts).expect("it starts");
        let pty = Arc::new(pty);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(24, Self::COLUMNS, 0)));
        let (reader, fed) = (Arc::clone(&pty), Arc::clone(&parser));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The terminal is gone once the program has ended.
            while let Ok(count @ 1..) = (&*reader).read(&mut bytes) {
                fed.lock().expect("no panic").process(&bytes[..count]);
            }
        });
        Self { pty, child, parser }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Row by row: a line that fills its row isn't joined with the next one.
    pub fn screen(&self) -> String {
        let parser = self.parser.lock().expect("no panic");
        parser.screen().rows(0, Self::COLUMNS).collect::<Vec<_>>().join("\n")
    }

    pub fn is_cursor_shown(&self) -> bool {
        !self.parser.lock().expect("no panic").screen().hide_cursor()
    }

    pub fn send(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("keys are taken");
    }

    /// Waits until the screen is so, and returns it.
    #[track_caller]
    pub fn wait_for(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain for {what}:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            if begun.elapsed() > Duration::from_secs(60) {
                let screen = self.screen();
                let _ = self.child.kill();
                panic!("it doesn't end:\n{screen}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
