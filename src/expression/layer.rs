//! Names in front of a frame's: the arguments of a call, or the columns of a row.

use std::sync::Arc;

use minijinja::{Value, value::Object};

#[derive(Debug)]
struct Layer {
    named: Vec<(String, Value)>,
    frame: Value,
}

impl Object for Layer {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match self.named.iter().find(|(name, _)| name == key) {
            Some((_, value)) => Some(value.clone()),
            None => self.frame.get_attr(key).ok().filter(|value| !value.is_undefined()),
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }
}

/// A context in which `named` are found before what `frame` holds.
pub fn layered(named: Vec<(String, Value)>, frame: Value) -> Value {
    Value::from_object(Layer { named, frame })
}
