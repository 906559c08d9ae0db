//! Keeps secrets out of every output: the last step before text leaves.

use std::{borrow::Cow, fmt};

const MASKED: &str = "***";

/// Shorter texts aren't hidden: they would turn up everywhere.
const SHORTEST: usize = 4;

/// The texts to hide, and the forms that they take in JSON, XML and URLs.
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
    /// Hides a text from now on; of a URL only its password.
    pub fn add(&mut self, secret: &str) {
        let secret = match password_of(secret) {
            Some(password) => password,
            None if secret.contains("://") => return,
            None => secret,
        };
        if secret.chars().count() < SHORTEST {
            return;
        }
        let json = serde_json::Value::from(secret).to_string();
        let xml = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let quoted = xml.replace('"', "&quot;").replace('\'', "&apos;");
        let decoded = percent_decoded(secret);
        for form in [
            secret.to_owned(),
            json[1..json.len() - 1].to_owned(),
            xml,
            quoted,
            percent_encoded(secret),
            decoded,
        ] {
            if !self.secrets.contains(&form) {
                self.secrets.push(form);
            }
        }
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// Replaces every secret.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(text);
        for secret in &self.secrets {
            if masked.contains(secret.as_str()) {
                masked = Cow::Owned(masked.replace(secret.as_str(), MASKED));
            }
        }
        masked
    }
}

fn password_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (credentials, _) = rest.split(['/', '?']).next()?.rsplit_once('@')?;
    credentials.split_once(':').map(|(_, password)| password)
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

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex =
            (*first == b'%').then(|| tail.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_every_form() {
        let mut mask = Mask::default();
        mask.add("s3\"c&ret");
        for text in ["s3\"c&ret", "s3\\\"c&ret", "s3&quot;c&amp;ret", "s3%22c%26ret"] {
            assert_eq!(mask.apply(&format!("a {text} b")), "a *** b", "{text}");
        }
    }

    #[test]
    fn of_a_url_only_the_password_is_hidden() {
        let mut mask = Mask::default();
        mask.add("postgres://user:hunter%402@127.0.0.1/shop");
        mask.add("postgres://user@127.0.0.1/shop");
        assert_eq!(mask.apply("user hunter%402 hunter@2 127.0.0.1/shop"), "user *** *** 127.0.0.1/shop");
    }
}
