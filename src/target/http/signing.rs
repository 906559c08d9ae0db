//! Signatures of webhooks, over the exact bytes that are sent.
//!
//! Pure: clock and message id are arguments. Keys are prepared once; signing copies no body.
//! Sources of the rules: Stripe, "Verify webhook signatures manually"; GitHub, "Validating
//! webhook deliveries"; the Standard Webhooks specification, "Signature scheme".

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::plan::{Algorithm, Encoding, Scheme, Sign, SignedPart, Tamper};

/// Why something can't be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// Standard Webhooks secrets are base64, with or without `whsec_` before it.
    #[error("the secret isn't base64, as standard_webhooks wants it")]
    Secret,
    /// The name of a scheme of one's own.
    #[error("`{0}` can't be the name of a header")]
    Name(String),
    /// What an id or a format of one's own came to.
    #[error("the value of header {0} has characters that HTTP doesn't allow")]
    Value(HeaderName),
}

const STRIPE: HeaderName = HeaderName::from_static("stripe-signature");
const GITHUB: HeaderName = HeaderName::from_static("x-hub-signature-256");
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Signs the requests of one step.
#[derive(Debug, Clone)]
pub struct Signer {
    scheme: Scheme,
    /// Of a scheme of one's own.
    header: Option<HeaderName>,
    keys: Vec<Key>,
    /// Added to the clock, in seconds.
    skew: i64,
    tamper: Option<Tamper>,
}

#[derive(Clone)]
enum Key {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The request's body, as it is sent.
    pub body: &'a [u8],
    /// Seconds since 1970.
    pub now: i64,
    /// The same for every delivery of one event.
    pub id: &'a str,
    /// `POST`
    pub method: &'a str,
    /// Path and query, as the service sees them.
    pub path: &'a str,
}

impl Signer {
    /// Prepares the keys.
    ///
    /// # Errors
    /// When a secret isn't one of the scheme's, or the header has no name.
    pub fn new(sign: &Sign) -> Result<Self, SigningError> {
        let (algorithm, header) = match &sign.scheme {
            Scheme::Stripe | Scheme::Github | Scheme::StandardWebhooks => (Algorithm::Sha256, None),
            Scheme::Custom { algorithm, header, .. } => {
                let name = HeaderName::from_bytes(header.as_bytes());
                (*algorithm, Some(name.map_err(|_| SigningError::Name(header.clone()))?))
            }
        };
        let keys = sign
            .secrets
            .iter()
            .map(|secret| {
                let mut bytes = match sign.scheme {
                    Scheme::StandardWebhooks => BASE64_STANDARD
                        .decode(secret.strip_prefix("whsec_").unwrap_or(secret))
                        .map_err(|_| SigningError::Secret)?,
                    _ => secret.clone().into_bytes(),
                };
                if sign.tamper == Some(Tamper::Secret) {
                    bytes.push(b'x');
                }
                Ok(Key::new(algorithm, &bytes))
            })
            .collect::<Result<_, SigningError>>()?;
        let (scheme, skew, tamper) = (sign.scheme.clone(), sign.skew_seconds, sign.tamper);
        Ok(Self { scheme, header, keys, skew, tamper })
    }

    /// Adds the headers of one delivery. A scheme with one header for each signature gets one for each
    /// secret.
    ///
    /// # Errors
    /// When a value can't stand in a header.
    pub fn sign(&self, message: Message<'_>, headers: &mut HeaderMap) -> Result<(), SigningError> {
        if self.tamper == Some(Tamper::Missing) {
            return Ok(());
        }
        let shown = message.now.saturating_add(self.skew);
        // A tampered timestamp is another one than the signature was made over.
        let signed = if self.tamper == Some(Tamper::Timestamp) { shown - 1 } else { shown };
        let (shown, signed) = (shown.to_string(), signed.to_string());
        let body = message.body;
        match &self.scheme {
            Scheme::Stripe => {
                let mut value = String::with_capacity(16 + 68 * self.keys.len());
                value.push_str("t=");
                value.push_str(&shown);
                for key in &self.keys {
                    value.push_str(",v1=");
                    self.code(key, &[signed.as_bytes(), b".", body], Encoding::Hex, &mut value);
                }
                add(headers, STRIPE, value)
            }
            Scheme::Github => self.keys.iter().try_for_each(|key| {
                let mut value = "sha256=".to_owned();
                self.code(key, &[body], Encoding::Hex, &mut value);
                add(headers, GITHUB, value)
            }),
            Scheme::StandardWebhooks => {
                let parts = [message.id.as_bytes(), b".", signed.as_bytes(), b".", body];
                let mut value = String::with_capacity(48 * self.keys.len());
                for key in &self.keys {
                    value.push_str(if value.is_empty() { "v1," } else { " v1," });
                    self.code(key, &parts, Encoding::Base64, &mut value);
                }
                add(headers, WEBHOOK_ID, message.id.to_owned())?;
                add(headers, WEBHOOK_TIMESTAMP, shown)?;
                add(headers, WEBHOOK_SIGNATURE, value)
            }
            Scheme::Custom { payload, format, encoding, .. } => {
                let name = self.header.as_ref().expect("a scheme of one's own has its header");
                let parts: Vec<&[u8]> =
                    payload.iter().map(|part| part_bytes(part, &message, &signed, body, "")).collect();
                self.keys.iter().try_for_each(|key| {
                    let mut code = String::new();
                    self.code(key, &parts, *encoding, &mut code);
                    let value: Vec<&[u8]> =
                        format.iter().map(|part| part_bytes(part, &message, &shown, b"", &code)).collect();
                    add(headers, name.clone(), value.concat())
                })
            }
        }
    }

    /// Writes the code of these parts.
    fn code(&self, key: &Key, parts: &[&[u8]], encoding: Encoding, into: &mut String) {
        // The body that goes out differs by its last byte from the one that was signed.
        let more: &[u8] = if self.tamper == Some(Tamper::Body) { b" " } else { b"" };
        let mut code = key.code(parts.iter().copied().chain(std::iter::once(more)));
        if self.tamper == Some(Tamper::Signature)
            && let Some(last) = code.last_mut()
        {
            *last ^= 1;
        }
        match encoding {
            Encoding::Hex => {
                let mut written = [0; 128];
                let written = &mut written[..2 * code.len()];
                hex::encode_to_slice(&code, written).expect("no code is longer than 64 bytes");
                into.push_str(std::str::from_utf8(written).expect("hex digits are ASCII"));
            }
            Encoding::Base64 => BASE64_STANDARD.encode_string(code, into),
        }
    }
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: impl Into<Bytes>) -> Result<(), SigningError> {
    match HeaderValue::from_maybe_shared(value.into()) {
        Ok(value) => {
            headers.append(name, value);
            Ok(())
        }
        Err(_) => Err(SigningError::Value(name)),
    }
}

fn part_bytes<'a>(
    part: &'a SignedPart,
    message: &Message<'a>,
    timestamp: &'a str,
    body: &'a [u8],
    signature: &'a str,
) -> &'a [u8] {
    match part {
        SignedPart::Text(text) => text.as_bytes(),
        SignedPart::Timestamp => timestamp.as_bytes(),
        SignedPart::Body => body,
        SignedPart::Id => message.id.as_bytes(),
        SignedPart::Method => message.method.as_bytes(),
        SignedPart::Path => message.path.as_bytes(),
        SignedPart::Signature => signature.as_bytes(),
    }
}

impl Key {
    fn new(algorithm: Algorithm, secret: &[u8]) -> Self {
        const ANY_LENGTH: &str = "HMAC takes a key of any length";
        match algorithm {
            Algorithm::Sha1 => Self::Sha1(Hmac::new_from_slice(secret).expect(ANY_LENGTH)),
            Algorithm::Sha256 => Self::Sha256(Hmac::new_from_slice(secret).expect(ANY_LENGTH)),
            Algorithm::Sha512 => Self::Sha512(Hmac::new_from_slice(secret).expect(ANY_LENGTH)),
        }
    }

    fn code<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        fn run<'a, M: Mac + Clone>(key: &M, parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
            let mut mac = key.clone();
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha1(key) => run(key, parts),
            Self::Sha256(key) => run(key, parts),
            Self::Sha512(key) => run(key, parts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(scheme: Scheme, secrets: &[&str]) -> Sign {
        Sign {
            scheme,
            secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
            skew_seconds: 0,
            tamper: None,
            id: None,
        }
    }

    fn message(body: &str, now: i64) -> Message<'_> {
        Message {
            body: body.as_bytes(),
            now,
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            method: "POST",
            path: "/hook",
        }
    }

    fn headers(sign: &Sign, message: Message<'_>) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        Signer::new(sign).expect("keys").sign(message, &mut headers).expect("plain values");
        let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
        headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    /// The example of GitHub's documentation.
    #[test]
    fn github_as_documented() {
        let sign = sign(Scheme::Github, &["It's a Secret to Everybody"]);
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let header = ("x-hub-signature-256".to_owned(), expected.to_owned());
        assert_eq!(headers(&sign, message("Hello, World!", 0)), std::slice::from_ref(&header));
        let rotated = Sign { secrets: vec!["new".into(), sign.secrets[0].clone()], ..sign };
        let both = headers(&rotated, message("Hello, World!", 0));
        assert!(both.len() == 2 && both[1] == header, "{both:?}");
    }

    /// The example of the Standard Webhooks specification.
    #[test]
    fn standard_webhooks_as_specified() {
        let sign = sign(Scheme::StandardWebhooks, &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
        let made = headers(&sign, message(r#"{"test": 2432232314}"#, 1_614_265_330));
        assert_eq!(made[1].1, "1614265330");
        assert_eq!(made[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let wrong = Signer::new(&Sign { secrets: vec!["not base64!".into()], ..sign });
        assert_eq!(wrong.map(drop), Err(SigningError::Secret));
    }

    /// `{t}.{body}`, a code for each secret while one is being replaced by another.
    #[test]
    fn stripe_signs_with_every_secret() {
        let made =
            headers(&sign(Scheme::Stripe, &["whsec_new", "whsec_old"]), message("{}", 1_700_000_000));
        let (name, value) = &made[0];
        assert_eq!(name, "stripe-signature");
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_new
        assert_eq!(
            value,
            "t=1700000000,v1=dfd0c4ddb107e3a391f1dc89c9ba0bec585e31e42f82d6c6673f3d9b3a3429a8,v1=2a630fb62d83c712b7c3b6fc1dec6df3ef803228a2223a912c109f39e17c6983"
        );
    }

    #[test]
    fn custom_schemes_say_what_is_signed_and_how_it_is_written() {
        let scheme = Scheme::Custom {
            algorithm: Algorithm::Sha512,
            header: "x-signature".into(),
            payload: vec![
                SignedPart::Method,
                SignedPart::Text(":".into()),
                SignedPart::Path,
                SignedPart::Body,
            ],
            format: vec![SignedPart::Timestamp, SignedPart::Text(";".into()), SignedPart::Signature],
            encoding: Encoding::Base64,
        };
        let made = headers(&sign(scheme, &["k"]), message("b", 7));
        let code = Key::new(Algorithm::Sha512, b"k").code([b"POST:/hookb".as_slice()].into_iter());
        assert_eq!(made, [("x-signature".to_owned(), format!("7;{}", BASE64_STANDARD.encode(code)))]);
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_told() {
        let broken = Message { id: "a\nb", ..message("{}", 0) };
        let signer = Signer::new(&sign(Scheme::StandardWebhooks, &["c2VjcmV0"])).expect("keys");
        let told = signer.sign(broken, &mut HeaderMap::new());
        assert_eq!(told, Err(SigningError::Value(WEBHOOK_ID)));
    }

    #[test]
    fn what_is_tampered_with_differs_where_it_says() {
        let right = sign(Scheme::Stripe, &["s"]);
        let good = headers(&right, message("{}", 100))[0].1.clone();
        let with = |tamper| headers(&Sign { tamper: Some(tamper), ..right.clone() }, message("{}", 100));
        assert!(with(Tamper::Missing).is_empty());
        for tamper in [Tamper::Body, Tamper::Secret, Tamper::Signature, Tamper::Timestamp] {
            let bad = with(tamper)[0].1.clone();
            assert!(bad.starts_with("t=100,v1=") && bad != good, "{tamper:?}");
        }
        let late = headers(&Sign { skew_seconds: -600, ..right }, message("{}", 1000))[0].1.clone();
        assert!(late.starts_with("t=400,"), "{late}");
    }
}
