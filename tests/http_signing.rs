//! Signatures as they arrive: judged by Stripe's own package, and recomputed for the other schemes
//! from what the service saw.

mod support;

use std::{io::Write, path::Path, process::Stdio};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use support::{
    http::{Seen, Service, answer, scenario::Scenario},
    python,
};

/// What the service sees of a step with this signature.
#[track_caller]
fn send(sign: &str) -> Seen {
    let service = Service::start(|_| answer(200, ""));
    let steps = format!(
        "- let: {{order: {{id: 7, total: 19.19}}}}\n- http: POST /webhook/stripe/?a=b\n  \
         body: {{template: stripe/event/payment_intent.succeeded.json}}\n  sign: {{{sign}}}"
    );
    let more = "secrets: {hook: whsec_test}";
    let url = service.url();
    let ran = Scenario { url: &url, steps: &steps, more, ..Scenario::default() }.run();
    assert_eq!(ran.outcomes(), "ok 1", "{:#}", ran.results["errors"]);
    service.seen().remove(0)
}

/// What Stripe's package says of each: an event's id, or the refusal.
#[track_caller]
fn judged(webhooks: &[(&Seen, &str)]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let input: Vec<serde_json::Value> = webhooks
        .iter()
        .map(|(seen, secret)| {
            let header = seen.all("stripe-signature").first().copied().unwrap_or_default();
            serde_json::json!({"header": header, "body": seen.text(), "secret": secret})
        })
        .collect();
    let mut process = python()
        .arg(root.join("tests/support/stripe_webhook.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut stdin = process.stdin.take().expect("an input");
    stdin.write_all(&serde_json::to_vec(&input).expect("JSON")).expect("written");
    drop(stdin);
    let output = process.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "Python failed");
    serde_json::from_slice(&output.stdout).expect("an answer in JSON")
}

#[test]
fn stripes_package_accepts_what_is_signed_and_refuses_what_is_tampered_with() {
    const SECRET: &str = "whsec_test";
    const NO_MATCH: &str = "No signatures found matching";
    let good = "scheme: stripe, secret: \"{{ secrets.hook }}\"";
    let cases = [
        (good.to_owned(), SECRET, "evt_"),
        // While a secret is being replaced both receivers are content.
        (format!("{good}, extra_secrets: [whsec_old]"), SECRET, "evt_"),
        (format!("{good}, extra_secrets: [whsec_old]"), "whsec_old", "evt_"),
        (format!("{good}, timestamp: -4m"), SECRET, "evt_"),
        (format!("{good}, timestamp: -10m"), SECRET, "Timestamp outside the tolerance zone"),
        // The package looks only at the past; a service of one's own may be stricter.
        (format!("{good}, timestamp: 10m"), SECRET, "evt_"),
        (good.to_owned(), "whsec_other", NO_MATCH),
        (format!("{good}, tamper: body"), SECRET, NO_MATCH),
        (format!("{good}, tamper: signature"), SECRET, NO_MATCH),
        (format!("{good}, tamper: secret"), SECRET, NO_MATCH),
        (format!("{good}, tamper: timestamp"), SECRET, NO_MATCH),
        (format!("{good}, tamper: missing"), SECRET, "No Stripe-Signature header"),
        ("scheme: stripe, secret: whsec_other".to_owned(), SECRET, NO_MATCH),
    ];
    let seen: Vec<Seen> = cases.iter().map(|(sign, _, _)| send(sign)).collect();
    let webhooks: Vec<(&Seen, &str)> =
        seen.iter().zip(&cases).map(|(seen, (_, secret, _))| (seen, *secret)).collect();
    for ((sign, secret, expected), told) in cases.iter().zip(judged(&webhooks)) {
        if *expected == "evt_" {
            assert!(told.starts_with("evt_"), "{sign}, verified with {secret}: {told}");
        } else {
            assert!(told.starts_with("SignatureVerificationError: "), "{sign}: {told}");
            assert!(told.contains(expected), "{sign}: {told}");
        }
    }
    // Every byte counts, also one that changes on the way.
    let mut changed = seen[0].clone();
    changed.body.push(b'\n');
    assert!(judged(&[(&changed, SECRET)])[0].contains(NO_MATCH));
}

/// The code of these parts, by another path than deadheat's own.
fn code(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(&parts.concat());
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn github_signs_the_body() {
    let seen = send("scheme: github, secret: \"It's a Secret\"");
    let expected = format!("sha256={}", hex::encode(code(b"It's a Secret", &[&seen.body])));
    assert_eq!(seen.header("x-hub-signature-256"), expected);
}

#[test]
fn standard_webhooks_sign_id_timestamp_and_body() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let key = BASE64_STANDARD.decode(&secret[6..]).expect("base64");
    let expected = |seen: &Seen| {
        let (id, timestamp) = (seen.header("webhook-id"), seen.header("webhook-timestamp"));
        let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &seen.body];
        format!("v1,{}", BASE64_STANDARD.encode(code(&key, &parts)))
    };
    let seen = send(&format!("scheme: standard_webhooks, secret: {secret}"));
    assert!(seen.header("webhook-id").starts_with("msg_"));
    assert_eq!(seen.header("webhook-signature"), expected(&seen));
    let rotated = format!(
        "scheme: standard_webhooks, secret: b3RoZXI=, extra_secrets: [{secret}], id: \"msg_{{{{ order.id }}}}\""
    );
    let seen = send(&rotated);
    assert_eq!(seen.header("webhook-id"), "msg_7");
    let (first, second) = seen.header("webhook-signature").split_once(' ').expect("two signatures");
    assert!(first.starts_with("v1,") && second == expected(&seen));
}

#[test]
fn a_scheme_of_ones_own() {
    let seen = send(
        "scheme: custom, secret: k, header: X-Signature, encoding: base64, \
         payload: \"{{ method }} {{ path }} {{ timestamp }} {{ body }}\", format: \"t={{ timestamp }};s={{ signature }}\"",
    );
    let (timestamp, signature) = seen.header("x-signature").split_once(";s=").expect("two parts");
    let timestamp = timestamp.strip_prefix("t=").expect("a timestamp");
    let parts = [b"POST /webhook/stripe/?a=b ".as_slice(), timestamp.as_bytes(), b" ", &seen.body];
    assert_eq!(signature, BASE64_STANDARD.encode(code(b"k", &parts)));
    let seen = send("scheme: custom, secret: k, header: X-Sha1, algorithm: sha1");
    assert_eq!(seen.header("x-sha1").len(), 40, "hex of the body's code when nothing else is said");
}

#[test]
fn secrets_are_not_shown() {
    let service = Service::start(|_| answer(500, "the secret is whsec_very_secret"));
    let steps = "- http: POST /\n  body: x\n  sign: {scheme: stripe, secret: \"{{ secrets.hook }}\"}";
    let url = service.url();
    let more = "secrets: {hook: whsec_very_secret}";
    let ran = Scenario { url: &url, steps, more, ..Scenario::default() }.run();
    let shown = format!("{}{}{}", ran.results, ran.ended.stdout, ran.ended.stderr);
    assert_eq!(ran.outcomes(), "failed 1");
    assert!(!shown.contains("whsec_very_secret"), "{shown}");
}
