//! Compiles signatures.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    request::{Algorithm, Encoding, Scheme, Sign, SignedPart},
    scope::Scope,
};
use crate::{
    expression::{Names, Segment, split, to_text},
    scenario::{self, Node, NodeKind, SchemeName, Spanned},
    units,
};

/// Compiles the signature of a step; `None` after a problem.
pub(super) fn compile(
    scope: &mut Scope<'_>,
    written: &Spanned<scenario::Sign>,
    names: &Names,
) -> Option<Sign> {
    let sign = &written.value;
    let scheme = scheme(scope, written)?;
    let mut secrets = Vec::new();
    for secret in std::iter::once(&sign.secret).chain(&sign.extra_secrets) {
        let node = Node::new(secret.span.clone(), NodeKind::Text(secret.value.clone()));
        let text = to_text(&scope.evaluate(&node)?);
        if scheme == Scheme::StandardWebhooks
            && BASE64_STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(&text)).is_err()
        {
            // NB: the secret isn't repeated.
            scope.error(
                &secret.span,
                "the secret isn't base64, as standard_webhooks wants it",
                Some("`whsec_` and 24 to 64 bytes in base64".into()),
            );
        }
        secrets.push(text);
    }
    let skew_seconds = match &sign.timestamp {
        None => 0,
        Some(text) => skew(scope, text)?,
    };
    let id = match &sign.id {
        None => None,
        Some(node) => Some(Arc::new(scope.template(node, names)?)),
    };
    Some(Sign { scheme, secrets, skew_seconds, tamper: sign.tamper, id })
}

fn scheme(scope: &mut Scope<'_>, written: &Spanned<scenario::Sign>) -> Option<Scheme> {
    let sign = &written.value;
    let custom = [
        (sign.algorithm.is_some(), "algorithm"),
        (sign.header.is_some(), "header"),
        (sign.payload.is_some(), "payload"),
        (sign.format.is_some(), "format"),
        (sign.encoding.is_some(), "encoding"),
    ];
    if sign.scheme != SchemeName::Custom
        && let Some((_, key)) = custom.iter().find(|(there, _)| *there)
    {
        scope.error(&written.span, format!("`{key}` goes with `scheme: custom`"), None);
        return None;
    }
    Some(match sign.scheme {
        SchemeName::Stripe => Scheme::Stripe,
        SchemeName::Github => Scheme::Github,
        SchemeName::StandardWebhooks => Scheme::StandardWebhooks,
        SchemeName::Custom => {
            let Some(header) = &sign.header else {
                scope.error(&written.span, "`scheme: custom` needs `header`", None);
                return None;
            };
            if !super::http::is_header_name(&header.value) {
                scope.error(&header.span, format!("`{header}` can't be the name of a header"), None);
                return None;
            }
            let payload = parts(scope, sign.payload.as_ref(), SignedPart::Body, "signature");
            let format = parts(scope, sign.format.as_ref(), SignedPart::Signature, "body");
            Scheme::Custom {
                algorithm: sign.algorithm.unwrap_or(Algorithm::Sha256),
                header: header.value.to_ascii_lowercase(),
                payload: payload?,
                format: format?,
                encoding: sign.encoding.unwrap_or(Encoding::Hex),
            }
        }
    })
}

/// `{{ timestamp }}.{{ body }}`, without the one name that makes no sense there.
fn parts(
    scope: &mut Scope<'_>,
    text: Option<&Spanned<String>>,
    usual: SignedPart,
    without: &str,
) -> Option<Vec<SignedPart>> {
    let Some(text) = text else { return Some(vec![usual]) };
    let segments = match split(&text.value) {
        Ok(segments) => segments,
        Err(error) => {
            scope.template_error(&text.span, &text.value, &error);
            return None;
        }
    };
    let mut parts = Vec::new();
    for segment in segments {
        parts.push(match segment {
            Segment::Text(range) => SignedPart::Text(text.value[range].to_owned()),
            Segment::Expression(range) => {
                let name = &text.value[range.clone()];
                match name {
                    _ if name == without => None,
                    "timestamp" => Some(SignedPart::Timestamp),
                    "body" => Some(SignedPart::Body),
                    "id" => Some(SignedPart::Id),
                    "method" => Some(SignedPart::Method),
                    "path" => Some(SignedPart::Path),
                    "signature" => Some(SignedPart::Signature),
                    _ => None,
                }
                .or_else(|| {
                    let place = scope.place(&text.span, &text.value, range);
                    scope.error(&place, format!("`{name}` isn't known here"), None);
                    None
                })?
            }
        });
    }
    Some(parts)
}

/// `-10m`, `+1h`, `10s`.
fn skew(scope: &mut Scope<'_>, text: &Spanned<String>) -> Option<i64> {
    let written = text.value.trim();
    let (sign, length) = match written.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, written.strip_prefix('+').unwrap_or(written)),
    };
    match units::parse_duration(length) {
        Ok(length) => Some(sign * i64::try_from(length.as_secs()).ok()?),
        Err(error) => {
            scope.error(&text.span, error.to_string(), Some("write for example `-10m`".into()));
            None
        }
    }
}
