//! The example shop: built once, started by a test where it should be running already.
#![allow(dead_code, reason = "every test file uses another part of it")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

/// The built shop. Cargo builds examples only when it tests everything, so that it is asked for this one.
pub fn shop() -> &'static Path {
    static SHOP: OnceLock<PathBuf> = OnceLock::new();
    SHOP.get_or_init(|| {
        let test = std::env::current_exe().expect("the test's file");
        let folder = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
        let profile = match folder.file_name().and_then(|name| name.to_str()).expect("a name") {
            "debug" => "dev",
            other => other,
        };
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "build",
                "--quiet",
                "--locked",
                "--example",
                "shop",
                "--profile",
                profile,
                "--target-dir",
            ])
            .arg(folder.parent().expect("target"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo starts");
        assert!(status.success(), "the shop is built");
        folder.join("examples/shop")
    })
}

/// A shop that is running already; it ends with this value.
pub struct Shop {
    pub url: String,
    process: Child,
}

impl Shop {
    /// Starts it on a database that has its tables, and waits until it listens.
    pub fn start(database: &str) -> Self {
        let mut process = Command::new(shop())
            .env("DATABASE_URL", database)
            .env("PORT", "0")
            .env_remove("SHOP_BUGS")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the shop starts");
        let said = process.stderr.take().expect("its words");
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line).expect("a line");
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        Self { url, process }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.process.kill().expect("it is there");
        self.process.wait().expect("it ended");
    }
}

/// Processes that have a text among their arguments.
pub fn processes_of(text: &str) -> Vec<u32> {
    let is_one = |process: &u32| {
        let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    };
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_one).collect()
}
