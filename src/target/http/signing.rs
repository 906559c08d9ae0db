//! Signatures of webhooks, over the exact bytes that are sent.
//!
//! Pure: clock and message id are arguments. Keys are prepared once; signing copies no body.
//! Sources of the rules: Stripe, "Verify webhook signatures manually"; GitHub, "Validating
//! webhook deliveries"; the Standard Webhooks specification, "Signature scheme".

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::plan::{Algorithm, Encoding, Scheme, Sign, SignedPart, Tamper};

/// Why a secret can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// Standard Webhooks secrets are base64, with or without `whsec_` before it.
    #[error("the secret isn't base64, as standard_webhooks wants it")]
    Secret,
}

/// Signs the requests of one step.
#[derive(Debug, Clone)]
pub struct Signer {
    scheme: Scheme,
    keys: Vec<Key>,
    /// Added to the clock, in seconds.
    skew: i64,
    tamper: Option<Tamper>,
}

/// A header of a signature.
pub type SignatureHeader = (String, String);

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
    /// Path and query.
    pub path: &'a str,
}

impl Signer {
    /// Prepares the keys.
    ///
    /// # Errors
    /// When a secret isn't one of the scheme's.
    pub fn new(sign: &Sign) -> Result<Self, SigningError> {
        let algorithm = match &sign.scheme {
            Scheme::Stripe | Scheme::Github | Scheme::StandardWebhooks => Algorithm::Sha256,
            Scheme::Custom { algorithm, .. } => *algorithm,
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
        Ok(Self { scheme: sign.scheme.clone(), keys, skew: sign.skew_seconds, tamper: sign.tamper })
    }

    /// The headers of one delivery.
    pub fn headers(&self, message: Message<'_>) -> Vec<SignatureHeader> {
        if self.tamper == Some(Tamper::Missing) {
            return Vec::new();
        }
        let shown = message.now.saturating_add(self.skew);
        // A tampered timestamp is another one than the signature was made over.
        let signed = if self.tamper == Some(Tamper::Timestamp) { shown - 1 } else { shown };
        let (shown, signed) = (shown.to_string(), signed.to_string());
        let sign = |key: &Key, parts: &[&[u8]], encoding: Encoding| self.code(key, parts, encoding);
        let body = message.body;
        match &self.scheme {
            Scheme::Stripe => {
                let mut value = format!("t={shown}");
                for key in &self.keys {
                    value.push_str(",v1=");
                    value.push_str(&sign(key, &[signed.as_bytes(), b".", body], Encoding::Hex));
                }
                vec![("stripe-signature".to_owned(), value)]
            }
            Scheme::Github => {
                let codes = self.keys.iter().map(|key| sign(key, &[body], Encoding::Hex));
                codes.map(|code| ("x-hub-signature-256".to_owned(), format!("sha256={code}"))).collect()
            }
            Scheme::StandardWebhooks => {
                let parts = [message.id.as_bytes(), b".", signed.as_bytes(), b".", body];
                let codes: Vec<String> = self
                    .keys
                    .iter()
                    .map(|key| format!("v1,{}", sign(key, &parts, Encoding::Base64)))
                    .collect();
                vec![
                    ("webhook-id".to_owned(), message.id.to_owned()),
                    ("webhook-timestamp".to_owned(), shown),
                    ("webhook-signature".to_owned(), codes.join(" ")),
                ]
            }
            Scheme::Custom { header, payload, format, encoding, .. } => {
                let parts: Vec<&[u8]> =
                    payload.iter().map(|part| part_bytes(part, &message, &signed, body, "")).collect();
                self.keys
                    .iter()
                    .map(|key| {
                        let code = sign(key, &parts, *encoding);
                        let value: Vec<u8> = format
                            .iter()
                            .flat_map(|part| part_bytes(part, &message, &shown, b"", &code).to_vec())
                            .collect();
                        (header.clone(), String::from_utf8_lossy(&value).into_owned())
                    })
                    .collect()
            }
        }
    }

    fn code(&self, key: &Key, parts: &[&[u8]], encoding: Encoding) -> String {
        // The body that goes out differs by its last byte from the one that was signed.
        let more: &[u8] = if self.tamper == Some(Tamper::Body) { b" " } else { b"" };
        let mut code = key.code(parts.iter().copied().chain(std::iter::once(more)));
        if self.tamper == Some(Tamper::Signature)
            && let Some(last) = code.last_mut()
        {
            *last ^= 1;
        }
        match encoding {
            Encoding::Hex => hex::encode(code),
            Encoding::Base64 => BASE64_STANDARD.encode(code),
        }
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

    fn headers(sign: &Sign, message: Message<'_>) -> Vec<SignatureHeader> {
        Signer::new(sign).expect("keys").headers(message)
    }

    /// The example of GitHub's documentation.
    #[test]
    fn github_as_documented() {
        let sign = sign(Scheme::Github, &["It's a Secret to Everybody"]);
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let header = ("x-hub-signature-256".to_owned(), expected.to_owned());
        assert_eq!(headers(&sign, message("Hello, World!", 0)), [header]);
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
