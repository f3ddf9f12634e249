//! JSON objects whose members keep their order.
//!
//! JSON has no number that is not finite, so those are the texts `NaN`, `Infinity` and `-Infinity`, as protocol buffers have it.
//!
//! **Invariant:** what [`Value::write`] writes, [`parse`] reads as the same value.

use std::fmt::{self, Write};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The member called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => match text.as_str() {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                _ => None,
            },
            _ => None,
        }
    }

    /// A count.
    pub(crate) fn count(&self) -> Option<u64> {
        let number = self.number()?;
        // Larger counts are not those of anything that was done.
        let is_count = number.fract() == 0.0 && (0.0..=2.0_f64.powi(53)).contains(&number);
        is_count.then_some(number as u64)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> &[Self] {
        match self {
            Self::List(values) => values,
            _ => &[],
        }
    }

    pub(crate) fn members(&self) -> &[(String, Self)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::None => out.push_str("null"),
            Self::Number(number) => write_number(out, *number),
            Self::Text(text) => write_text(out, text),
            Self::List(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    value.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    write_text(out, name);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// The shortest digits that give the number back.
pub(super) fn write_number(out: &mut String, number: f64) {
    // Writing to a string does not fail.
    let _ = match number {
        number if number.is_nan() => out.write_str("\"NaN\""),
        f64::INFINITY => out.write_str("\"Infinity\""),
        f64::NEG_INFINITY => out.write_str("\"-Infinity\""),
        number if number.fract() == 0.0 && number.abs() < 1e15 => write!(out, "{number}"),
        number => write!(out, "{number:e}"),
    };
}

pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        // Writing to a string does not fail.
        let _ = match letter {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            letter if letter < ' ' => write!(out, "\\u{:04x}", u32::from(letter)),
            letter => out.write_char(letter),
        };
    }
    out.push('"');
}

/// The value that a text is. Nesting is bounded by the reader.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a text, a list or an object")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Text(truth.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_in_its_order() {
        let value = Value::Object(vec![
            ("z \"\\\n".into(), Value::Number(0.1)),
            (
                "a".into(),
                Value::List(vec![Value::None, Value::Number(-1e300), Value::Number(3.0)]),
            ),
            ("text".into(), Value::Text("\u{1} é \t".into())),
        ]);
        let mut text = String::new();
        value.write(&mut text);
        assert_eq!(parse(&text), Ok(value));
        assert!(!text.contains('\n'));
    }

    #[test]
    fn numbers_come_back_bit_for_bit() {
        for number in [
            0.0,
            -0.0,
            1.0,
            0.1,
            1.0 / 3.0,
            5e-324,
            f64::MAX,
            1e15,
            123_456_789.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ] {
            let mut text = String::new();
            write_number(&mut text, number);
            let found = parse(&text).unwrap().number().unwrap();
            assert_eq!(found.to_bits(), number.to_bits(), "{text}");
        }
        assert_eq!(parse("1.5").unwrap().count(), None);
        assert_eq!(parse("-1").unwrap().count(), None);
    }
}
