//! Templates written as JSON, straight into bytes.

use std::io::Write;

use minijinja::{Value, value::ValueKind};

use super::{
    EvaluationError, Expression, Piece, Template,
    row::{to_json, to_text},
};

/// A document as JSON, compiled: what never changes was written once, and the rest is put between.
#[derive(Debug)]
pub struct JsonTemplate(Vec<Part>);

#[derive(Debug)]
enum Part {
    /// Bytes of JSON.
    Written(Vec<u8>),
    /// A value of its own.
    Value(Expression),
    /// Within a text.
    Text(Expression),
}

impl From<Template> for JsonTemplate {
    fn from(template: Template) -> Self {
        let mut document = Self(Vec::new());
        document.add(template);
        document
    }
}

impl JsonTemplate {
    /// Writes the value as JSON, with `evaluate` for each expression in it: what
    /// [`Template::evaluate_with`] gives, without the value in between.
    ///
    /// # Errors
    /// Those of `evaluate`, or that the document gets too long.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        evaluate: &mut dyn FnMut(&Expression) -> Result<Value, EvaluationError>,
    ) -> Result<(), EvaluationError> {
        for part in &self.0 {
            match part {
                Part::Written(bytes) => out.extend_from_slice(bytes),
                Part::Value(expression) => {
                    write_value(out, &evaluate(expression)?);
                    expression.check_length(out.len())?;
                }
                Part::Text(expression) => {
                    let value = evaluate(expression)?;
                    match value.as_str() {
                        Some(text) => write_escaped(out, text),
                        None => write_escaped(out, &to_text(&value)),
                    }
                    expression.check_length(out.len())?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, template: Template) {
        match template {
            Template::Constant(value) => write_value(self.written(), &value),
            Template::Single(expression) => self.0.push(Part::Value(expression)),
            Template::Mixed(pieces) => {
                self.written().push(b'"');
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => write_escaped(self.written(), &text),
                        Piece::Expression(expression) => self.0.push(Part::Text(expression)),
                    }
                }
                self.written().push(b'"');
            }
            Template::List(items) => {
                self.written().push(b'[');
                for (index, item) in items.into_iter().enumerate() {
                    if index > 0 {
                        self.written().push(b',');
                    }
                    self.add(item);
                }
                self.written().push(b']');
            }
            Template::Map(entries) => {
                self.written().push(b'{');
                for (index, (key, item)) in entries.into_iter().enumerate() {
                    if index > 0 {
                        self.written().push(b',');
                    }
                    write_text(self.written(), &key);
                    self.written().push(b':');
                    self.add(item);
                }
                self.written().push(b'}');
            }
        }
    }

    /// Where what is known now goes.
    fn written(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0.last(), Some(Part::Written(_))) {
            self.0.push(Part::Written(Vec::new()));
        }
        match self.0.last_mut() {
            Some(Part::Written(bytes)) => bytes,
            _ => unreachable!("it was pushed just now"),
        }
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    const TO_MEMORY: &str = "writing to memory can't fail";
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.extend_from_slice(b"null"),
        ValueKind::String => write_text(out, value.as_str().unwrap_or_default()),
        ValueKind::Bool => out.extend_from_slice(if value.is_true() { b"true" } else { b"false" }),
        ValueKind::Number if value.is_integer() => write!(out, "{value}").expect(TO_MEMORY),
        _ => serde_json::to_writer(out, &to_json(value)).expect(TO_MEMORY),
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// RFC 8259, section 7: quotation mark, backslash and control characters must be escaped.
fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (index, byte) in bytes.iter().copied().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[plain..index]);
        plain = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => write!(out, "\\u{other:04x}").expect("writing to memory can't fail"),
        }
    }
    out.extend_from_slice(&bytes[plain..]);
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_reads_back(text in ".*", number in any::<i64>(), float in -1e9..1e9_f64) {
            let template = Template::Map(vec![
                (text.clone(), Template::Constant(Value::from(text.as_str()))),
                ("n".into(), Template::Constant(Value::from(number))),
                ("l".into(), Template::List(vec![
                    Template::Constant(Value::from(float)),
                    Template::Mixed(vec![Piece::Text(text.clone()), Piece::Text("!".into())]),
                ])),
            ]);
            let mut out = Vec::new();
            let document = JsonTemplate::from(template);
            prop_assert!(matches!(document.0.as_slice(), [Part::Written(_)]), "there is nothing to evaluate");
            document.write(&mut out, &mut |_| Ok(Value::from(()))).expect("infallible");
            let read: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
            let expected = serde_json::json!({"n": number, "l": [float, format!("{text}!")]});
            prop_assert_eq!(&read["n"], &expected["n"]);
            prop_assert_eq!(&read["l"], &expected["l"]);
            if text != "n" && text != "l" {
                prop_assert_eq!(read[&text].as_str(), Some(text.as_str()));
            }
        }
    }

    #[test]
    fn values_are_put_between_what_is_written() {
        let expression = || Expression::compile_open("1").expect("compiles");
        let template = Template::Map(vec![
            ("a".into(), Template::Single(expression())),
            ("b".into(), Template::Mixed(vec![Piece::Text("x\"".into()), Piece::Expression(expression())])),
            (
                "c".into(),
                Template::List(vec![Template::Single(expression()), Template::Constant(Value::from(2))]),
            ),
        ]);
        let document = JsonTemplate::from(template);
        let written = |value: Value| {
            let mut out = Vec::new();
            document.write(&mut out, &mut |_| Ok(value.clone())).expect("infallible");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(written(Value::from(7)), r#"{"a":7,"b":"x\"7","c":[7,2]}"#);
        assert_eq!(written(Value::from("\n")), r#"{"a":"\n","b":"x\"\n","c":["\n",2]}"#);
        assert_eq!(written(Value::from(())), r#"{"a":null,"b":"x\"null","c":[null,2]}"#);
    }
}
