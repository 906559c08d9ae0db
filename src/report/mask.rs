//! Keeps secrets out of every output: the last step before text leaves.

use std::{borrow::Cow, fmt};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::secrets::passwords;

const MASKED: &str = "***";

/// Shorter texts aren't hidden: they would turn up everywhere.
const SHORTEST: usize = 4;
/// So many bytes of a secret's beginning are hidden even where the rest was cut off, as servers do with long
/// values that they repeat.
const BEGINNING: usize = 24;
/// Shorter pieces of Base64 could be part of anything.
const SHORTEST_BASE64: usize = 8;

/// The texts to hide, and the forms that they take in JSON, XML, URLs and headers.
#[derive(Default)]
pub struct Mask {
    /// Longest first, so that a secret inside another doesn't leave its rest behind.
    secrets: Vec<String>,
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mask of {} texts", self.secrets.len())
    }
}

impl Mask {
    /// Hides a text from now on.
    pub fn add(&mut self, secret: &str) {
        if secret.chars().count() < SHORTEST {
            return;
        }
        for form in forms(secret) {
            if !self.secrets.contains(&form) {
                self.secrets.push(form);
            }
        }
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// Hides the passwords of a URL from now on.
    pub fn add_passwords(&mut self, url: &str) {
        passwords(url).into_iter().for_each(|place| self.add(&url[place]));
    }

    /// Replaces every secret.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(text);
        for secret in &self.secrets {
            if masked.contains(secret.as_str()) {
                masked = Cow::Owned(masked.replace(secret.as_str(), MASKED));
            }
        }
        for secret in self.secrets.iter().filter(|secret| secret.len() > BEGINNING) {
            if let Some(cut) = without_beginnings(&masked, secret) {
                masked = Cow::Owned(cut);
            }
        }
        masked
    }
}

/// A text without the beginnings of a secret in it; `None` when there are none.
fn without_beginnings(text: &str, secret: &str) -> Option<String> {
    let beginning = &secret[..secret.floor_char_boundary(BEGINNING)];
    let mut rest = text;
    let mut masked = String::new();
    while let Some(at) = rest.find(beginning) {
        masked.push_str(&rest[..at]);
        masked.push_str(MASKED);
        let same = rest[at..].chars().zip(secret.chars()).take_while(|(one, other)| one == other);
        rest = &rest[at + same.map(|(c, _)| c.len_utf8()).sum::<usize>()..];
    }
    (!masked.is_empty()).then(|| masked + rest)
}

/// A secret in every spelling that something may have given it on its way.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let decoded = percent_decoded(secret);
    for plain in [secret, decoded.as_str()] {
        let json = json_escaped(plain);
        let xml = plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let quoted = xml.replace('"', "&quot;");
        let percent = percent_encoded(plain);
        forms.extend([
            plain.to_owned(),
            json_escaped(&json),
            plain.replace('\'', "''"),
            plain.replace('\\', "\\\\").replace('\'', "\\'"),
            plain.escape_debug().to_string(),
            quoted.replace('\'', "&apos;"),
            quoted.replace('\'', "&#39;"),
            quoted.replace('\'', "&#x27;").replace('/', "&#x2f;"),
            quoted,
            xml,
            percent.replace("%20", "+"),
            lower_case_escapes(&percent),
            percent,
            json,
        ]);
        if plain.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            forms.extend([plain.to_lowercase(), plain.to_uppercase()]);
        }
        let hex = hex::encode(plain);
        forms.extend([hex.to_uppercase(), hex]);
        forms.extend(base64_forms(plain.as_bytes()));
    }
    forms
}

/// What Base64 makes of a secret wherever it begins in what is encoded, as `user:password` in a header:
/// three bytes become four letters, and letters that its neighbours have a part in are left out.
fn base64_forms(secret: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3_usize {
        let mut bytes = vec![0; before];
        bytes.extend(secret);
        let first = (before * 8).div_ceil(6);
        let end = bytes.len() * 8 / 6;
        for encoded in [BASE64_STANDARD_NO_PAD.encode(&bytes), BASE64_URL_SAFE_NO_PAD.encode(&bytes)] {
            let own = &encoded[first..end];
            if own.len() >= SHORTEST_BASE64 {
                forms.push(own.to_owned());
            }
        }
    }
    forms
}

fn json_escaped(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// `%2f` for `%2F`.
fn lower_case_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escape, rest) = part.split_at(part.len().min(2));
        text.push('%');
        text.push_str(&escape.to_lowercase());
        text.push_str(rest);
    }
    text
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn masking(secret: &str) -> Mask {
        let mut mask = Mask::default();
        mask.add(secret);
        mask
    }

    #[test]
    fn a_secret_is_hidden_in_every_form() {
        let mask = masking("s3\"c&ret/'x");
        for text in [
            "s3\"c&ret/'x",
            "s3\\\"c&ret/'x",
            "s3\\\\\\\"c&ret/'x",
            "s3&quot;c&amp;ret/&apos;x",
            "s3&quot;c&amp;ret&#x2f;&#x27;x",
            "s3%22c%26ret%2F%27x",
            "s3%22c%26ret%2f%27x",
            "s3\"c&ret/''x",
        ] {
            assert_eq!(mask.apply(&format!("a {text} b")), "a *** b", "{text}");
        }
    }

    #[test]
    fn base64_is_hidden_wherever_the_secret_stands_in_it() {
        let mask = masking("hunter2-secret");
        for before in ["", "u:", "me:", "user:", "somebody:"] {
            for after in ["", "!", "!!"] {
                let encoded = BASE64_STANDARD.encode(format!("{before}hunter2-secret{after}"));
                let shown = mask.apply(&encoded).into_owned();
                assert!(shown.contains("***"), "{before}{after}: {shown}");
                // What is left beside the mask are letters of what stands beside it.
                assert!(shown.len() <= BASE64_STANDARD.encode(before).len() + 3 + 8, "{shown}");
            }
        }
    }

    #[test]
    fn the_beginning_of_a_long_secret_is_hidden_too() {
        let secret = "a-secret-of-many-letters-that-a-server-cuts-off-somewhere-".repeat(3);
        let mask = masking(&secret);
        assert_eq!(mask.apply(&format!("entry '{}…' twice", &secret[..64])), "entry '***…' twice");
        assert_eq!(mask.apply(&secret[..20]), &secret[..20]);
        assert_eq!(masking(&"é".repeat(40)).apply(&"é".repeat(30)), "***");
    }

    #[test]
    fn hex_is_hidden_in_both_cases() {
        let mask = masking("00ffAB12");
        assert_eq!(mask.apply("00FFAB12 00ffab12 00ffAB12"), "*** *** ***");
    }

    #[test]
    fn of_a_url_only_the_password_is_hidden() {
        let mut mask = Mask::default();
        mask.add_passwords("postgres://user:hunter%402@127.0.0.1/shop");
        mask.add_passwords("postgres://user@127.0.0.1/shop");
        assert_eq!(mask.apply("user hunter%402 hunter@2 127.0.0.1/shop"), "user *** *** 127.0.0.1/shop");
    }

    #[test]
    fn a_secret_that_is_a_url_is_hidden_whole() {
        let mask = masking("https://127.0.0.1/hooks/T0/B1");
        assert_eq!(mask.apply("to https://127.0.0.1/hooks/T0/B1!"), "to ***!");
    }
}
