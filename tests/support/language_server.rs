//! The YAML language server that editors use, driven over its standard input and output.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use serde_json::{Value, json};

/// Longest wait for a message; a busy machine takes seconds to start the server.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where `scripts/test` puts it.
const SERVER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/yaml-language-server/node_modules/yaml-language-server/bin/yaml-language-server"
);

/// A server that knows no schema but those that a file names.
pub struct LanguageServer {
    child: Child,
    stdin: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
}

impl LanguageServer {
    /// Starts it.
    pub fn start() -> Self {
        assert!(Path::new(SERVER).exists(), "scripts/test installs the YAML language server");
        let mut child = Command::new("node")
            .args([SERVER, "--stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node is there");
        let stdin = child.stdin.take().expect("a pipe");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            while let Some(message) = read(&mut stdout) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut server = Self { child, stdin, messages, last_id: 0 };
        let capabilities = json!({"textDocument": {
            "hover": {"contentFormat": ["markdown"]},
            "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
        }});
        server.ask(
            "initialize",
            json!({"processId": std::process::id(), "rootUri": null, "capabilities": capabilities}),
        );
        server.tell("initialized", json!({}));
        // Without the store, or it would ask the network for a schema.
        let yaml = json!({"validate": true, "hover": true, "completion": true,
            "schemaStore": {"enable": false}, "kubernetesCRDStore": {"enable": false}});
        server.tell("workspace/didChangeConfiguration", json!({"settings": {"yaml": yaml}}));
        server
    }

    /// Opens a text as the content of a file, and gives what is wrong with it.
    pub fn open(&mut self, path: &Path, text: &str) -> Vec<String> {
        let uri = uri(path);
        let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text});
        self.tell("textDocument/didOpen", json!({"textDocument": document}));
        loop {
            let message = self.next();
            if message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri {
                let diagnostics = message["params"]["diagnostics"].as_array().expect("a list");
                return diagnostics
                    .iter()
                    .map(|one| {
                        let line = one["range"]["start"]["line"].as_u64().expect("a line") + 1;
                        format!("{line}: {}", one["message"].as_str().expect("a message"))
                    })
                    .collect();
            }
        }
    }

    /// What is offered at a place: labels, in the server's order.
    pub fn completions(&mut self, path: &Path, place: Value) -> Vec<String> {
        let answer = self.at("textDocument/completion", path, place);
        let items = answer["items"].as_array().or(answer.as_array()).cloned().unwrap_or_default();
        items.iter().map(|item| item["label"].as_str().expect("a label").to_owned()).collect()
    }

    /// What is said of the word at a place.
    pub fn hover(&mut self, path: &Path, place: Value) -> String {
        let answer = self.at("textDocument/hover", path, place);
        let said = answer["contents"]["value"].as_str().unwrap_or_default();
        // It ends in where the schema lies.
        said.split("\n\nSource:").next().unwrap_or_default().to_owned()
    }

    fn at(&mut self, method: &str, path: &Path, place: Value) -> Value {
        self.ask(method, json!({"textDocument": {"uri": uri(path)}, "position": place}))
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let message = self.next();
            if message["id"] == id && message["method"].is_null() {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.stdin, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("the server reads");
        self.stdin.flush().expect("the server reads");
    }

    fn next(&mut self) -> Value {
        let message = self.messages.recv_timeout(PATIENCE).expect("the server says something");
        // What it asks of the editor has the empty answer.
        if !message["id"].is_null() && message["method"].is_string() {
            self.send(&json!({"jsonrpc": "2.0", "id": message["id"], "result": null}));
        }
        message
    }
}

impl Drop for LanguageServer {
    fn drop(&mut self) {
        self.child.kill().expect("the server can be ended");
        self.child.wait().expect("the server ends");
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn read(stdout: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stdout.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?;
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut text = vec![0; length];
    stdout.read_exact(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}
