//! Templates written as JSON, straight into bytes.

use std::io::Write;

use minijinja::{Value, value::ValueKind};

use super::{
    Expression, Piece, Template,
    row::{to_json, to_text},
};

impl Template {
    /// Writes the value as JSON, with `evaluate` for each expression in it: what
    /// [`Template::evaluate_with`] gives, without the value in between.
    pub fn write_json<E>(
        &self,
        out: &mut Vec<u8>,
        evaluate: &mut dyn FnMut(&Expression) -> Result<Value, E>,
    ) -> Result<(), E> {
        match self {
            Self::Constant(value) => write_value(out, value),
            Self::Single(expression) => write_value(out, &evaluate(expression)?),
            Self::Mixed(pieces) => {
                out.push(b'"');
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => write_escaped(out, text),
                        Piece::Expression(expression) => {
                            let value = evaluate(expression)?;
                            match value.as_str() {
                                Some(text) => write_escaped(out, text),
                                None => write_escaped(out, &to_text(&value)),
                            }
                        }
                    }
                }
                out.push(b'"');
            }
            Self::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write_json(out, evaluate)?;
                }
                out.push(b']');
            }
            Self::Map(entries) => {
                out.push(b'{');
                for (index, (key, item)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_text(out, key);
                    out.push(b':');
                    item.write_json(out, evaluate)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
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
    use std::convert::Infallible;

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
            template.write_json::<Infallible>(&mut out, &mut |_| Ok(Value::from(()))).expect("infallible");
            let read: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
            let expected = serde_json::json!({"n": number, "l": [float, format!("{text}!")]});
            prop_assert_eq!(&read["n"], &expected["n"]);
            prop_assert_eq!(&read["l"], &expected["l"]);
            if text != "n" && text != "l" {
                prop_assert_eq!(read[&text].as_str(), Some(text.as_str()));
            }
        }
    }
}
