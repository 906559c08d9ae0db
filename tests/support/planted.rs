//! Secrets that a test plants, and the search for them in whatever comes out.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};

/// A secret, and where it was planted.
#[derive(Debug, Clone)]
pub struct Planted {
    pub place: &'static str,
    pub text: String,
}

impl Planted {
    pub fn new(place: &'static str, text: &str) -> Self {
        Self { place, text: text.to_owned() }
    }

    /// Its spellings, written down by other means than those that hide it.
    fn spellings(&self) -> Vec<(&'static str, String)> {
        let text = &self.text;
        let percent = |upper: bool| -> String {
            let escape = |byte: u8| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
            text.bytes()
                .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { escape(byte) })
                .collect()
        };
        let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let json = serde_json::to_string(text).expect("text is JSON");
        let json = json.trim_matches('"').to_owned();
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut spellings = vec![
            ("raw", text.clone()),
            ("percent-encoded", percent(true)),
            ("percent-encoded in lower case", percent(false)),
            ("in JSON", json.clone()),
            ("in JSON in JSON", json.replace('\\', "\\\\").replace('"', "\\\"")),
            ("in HTML", html.replace('"', "&quot;").replace('\'', "&#39;")),
            ("in HTML, with all escapes", {
                html.replace('"', "&quot;").replace('\'', "&#x27;").replace('/', "&#x2f;")
            }),
            ("in XML", html.replace('"', "&quot;").replace('\'', "&apos;")),
            ("in hex", hex.to_uppercase()),
            ("in hex in lower case", hex),
            ("in upper case", text.to_uppercase()),
            ("in lower case", text.to_lowercase()),
            ("in Base64", BASE64_STANDARD.encode(text)),
        ];
        for user in ["u:", "me:", "user:", "postgres:"] {
            // The letters that belong to the secret alone.
            let whole = BASE64_STANDARD_NO_PAD.encode(format!("{user}{text}"));
            let first = (user.len() * 8).div_ceil(6);
            let last = (user.len() + text.len()) * 8 / 6;
            spellings.push(("in Basic authentication", whole[first..last].to_owned()));
        }
        if text.len() > 40 {
            spellings.push(("cut off", text[..32].to_owned()));
        }
        // Changed case is a spelling of hex only.
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        spellings.retain(|(how, _)| is_hex || !matches!(*how, "in upper case" | "in lower case"));
        spellings
    }

    /// How it shows in these bytes.
    fn found_in(&self, bytes: &[u8]) -> Option<String> {
        self.spellings().into_iter().find_map(|(how, spelling)| {
            let at = bytes.windows(spelling.len()).position(|window| window == spelling.as_bytes())?;
            let around = &bytes[at.saturating_sub(80)..(at + spelling.len() + 80).min(bytes.len())];
            let around = String::from_utf8_lossy(around).into_owned();
            Some(format!("the secret of {} shows {how}: …{around}…", self.place))
        })
    }
}

/// Fails where one of the secrets shows in an output.
#[track_caller]
pub fn assert_hidden(planted: &[Planted], name: &str, bytes: &[u8]) {
    let found: Vec<String> = planted.iter().filter_map(|secret| secret.found_in(bytes)).collect();
    assert!(found.is_empty(), "in {name}:\n{}", found.join("\n"));
}

/// That the search finds what is there, whatever it looks like.
#[track_caller]
pub fn assert_search_works(planted: &[Planted]) {
    for secret in planted {
        for (how, spelling) in secret.spellings() {
            assert!(secret.found_in(format!("a{spelling}b").as_bytes()).is_some(), "{how}");
        }
        assert!(secret.found_in(b"nothing of it").is_none());
    }
}
