//! Compiles bodies: text, JSON, forms, files and payload templates.

use std::sync::Arc;

use super::{
    beside,
    operation::declare,
    request::{Body, Content},
    scope::Scope,
};
use crate::{
    expression::Names,
    scenario::{self, Spanned, StructuredBody},
};

/// Bytes of a file that is sent as a body.
const LARGEST_FILE: u64 = 64 << 20;

/// What a step sends: at least one body.
pub(super) fn bodies(
    scope: &mut Scope<'_>,
    one: &scenario::Step,
    line: &Spanned<String>,
    names: &mut Names,
) -> Option<Vec<Body>> {
    let written: Vec<&Spanned<scenario::Body>> = match (&one.body, &one.bodies) {
        (Some(_), Some(_)) => {
            scope.error(&line.span, "`body` and `bodies` together", Some("leave one of them out".into()));
            return None;
        }
        (Some(one), None) => vec![one],
        (None, Some(several)) => several.iter().collect(),
        (None, None) => Vec::new(),
    };
    if written.is_empty() {
        return Some(vec![Body { content: Content::Empty, content_type: None, bindings: Vec::new() }]);
    }
    let compiled: Vec<_> = written.into_iter().map(|written| body(scope, written, names)).collect();
    compiled.into_iter().collect()
}

fn body(scope: &mut Scope<'_>, written: &Spanned<scenario::Body>, names: &mut Names) -> Option<Body> {
    let structured = match &written.value {
        scenario::Body::Text(text) => {
            StructuredBody { text: Some(text.clone()), ..StructuredBody::default() }
        }
        scenario::Body::Structured(structured) => (**structured).clone(),
    };
    let StructuredBody { json, form, text, file, template, with, content_type } = structured;
    let mut bindings = Vec::new();
    let content_type = content_type.map(|given| given.value);
    let is_json = content_type.as_deref().is_some_and(|given| given.contains("json"));
    if let (None, Some((name, _))) = (&template, with.first()) {
        scope.error(&name.span, "`with` goes with `template`", None);
    }
    let (content, usual) = match (json, form, text, file, template) {
        (Some(json), None, None, None, None) => {
            (Content::Json(scope.template(&json, names)?.into()), "application/json")
        }
        (None, Some(form), None, None, None) => {
            let fields: Vec<_> = form
                .iter()
                .map(|(name, literal)| Some((name.value.clone(), scope.template(literal, names)?)))
                .collect();
            let fields = fields.into_iter().collect::<Option<_>>()?;
            (Content::Form(fields), "application/x-www-form-urlencoded")
        }
        (None, None, Some(text), None, None) => {
            let node = scenario::Node::new(text.span.clone(), scenario::NodeKind::Text(text.value.clone()));
            let template = scope.template(&node, names)?;
            (Content::Text { template, checked: is_json }, "text/plain; charset=utf-8")
        }
        (None, None, None, Some(file), None) => {
            let bytes = beside::read(scope, &file, "a body's file", LARGEST_FILE)?;
            (Content::Bytes(bytes.into()), "application/octet-stream")
        }
        (None, None, None, None, Some(file)) => {
            for (name, literal) in &with {
                let value = scope.template(literal, names);
                // The same name may stand in several bodies.
                let slot = match names.slot(&name.value) {
                    Some(slot) if scope.globals.slot(&name.value).is_none() => slot,
                    _ => declare(scope, name, names),
                };
                bindings.push((slot, value?));
            }
            let payloads = Arc::clone(&scope.payloads);
            match payloads.compile(&file.value, names) {
                Ok(template) => (Content::Json(template.into()), "application/json"),
                Err(error) => {
                    let hint = matches!(error, crate::expression::PayloadError::Template { .. })
                        .then(|| "give its names their values: `with: {NAME: \"{{ … }}\"}`".to_owned());
                    scope.error(&file.span, error.to_string(), hint);
                    return None;
                }
            }
        }
        _ => {
            scope.error(
                &written.span,
                "a body is exactly one of `json`, `form`, `text`, `file` and `template`",
                None,
            );
            return None;
        }
    };
    Some(Body { content, content_type: Some(content_type.unwrap_or_else(|| usual.to_owned())), bindings })
}
