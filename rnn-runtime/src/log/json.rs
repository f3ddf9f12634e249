//! Records as lines of JSON.
//!
//! ```text
//! {"record":"step","step":1,"epoch":1,"loss":2.5,"learning_rate":1e-3,"gradient_norm":0.7,"seen":640,"seconds":0.01}
//! {"record":"epoch","epoch":1,"steps":100,"seconds":1.2,"figures":{"loss":2.1,"validation":2.3}}
//! ```
//!
//! **Invariant:** [`read`] gives back the record that was written.

use std::fmt::Write;

use super::pairs::{Value, parse, write_number, write_text};
use crate::train::{EpochRecord, StepRecord};

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Record {
    Step(StepRecord),
    Epoch(EpochRecord),
}

impl Record {
    /// The steps done when it was written.
    pub(super) fn steps(&self) -> u64 {
        match self {
            Self::Step(record) => record.step,
            Self::Epoch(record) => record.steps,
        }
    }
}

/// The line of a step, instead of what `out` holds.
pub(super) fn write_step(out: &mut String, record: &StepRecord) {
    out.clear();
    let (step, epoch) = (record.step, record.epoch);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "{{\"record\":\"step\",\"step\":{step},\"epoch\":{epoch},\"loss\":"
    );
    write_number(out, record.loss);
    out.push_str(",\"learning_rate\":");
    write_number(out, record.learning_rate);
    out.push_str(",\"gradient_norm\":");
    match record.gradient_norm {
        Some(norm) => write_number(out, norm),
        None => out.push_str("null"),
    }
    let _ = write!(out, ",\"seen\":{},\"seconds\":", record.seen);
    write_number(out, record.seconds);
    if !record.parameter_norms.is_empty() {
        out.push_str(",\"parameter_norms\":");
        write_pairs(out, &record.parameter_norms);
    }
    out.push('}');
}

/// The line of an epoch, instead of what `out` holds.
pub(super) fn write_epoch(out: &mut String, record: &EpochRecord) {
    out.clear();
    let (epoch, steps) = (record.epoch, record.steps);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "{{\"record\":\"epoch\",\"epoch\":{epoch},\"steps\":{steps},\"seconds\":"
    );
    write_number(out, record.seconds);
    out.push_str(",\"figures\":");
    write_pairs(out, &record.figures);
    out.push('}');
}

fn write_pairs(out: &mut String, pairs: &[(String, f64)]) {
    out.push('{');
    for (at, (name, value)) in pairs.iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        write_text(out, name);
        out.push(':');
        write_number(out, *value);
    }
    out.push('}');
}

/// The record of a line, or what is wrong with it.
pub(super) fn read(line: &str) -> Result<Record, String> {
    let value = parse(line)?;
    let member = |name: &str| {
        value
            .get(name)
            .ok_or_else(|| format!("expected a member `{name}`"))
    };
    let number = |name: &str| {
        let found = member(name)?.number();
        found.ok_or_else(|| format!("expected a number in `{name}`"))
    };
    let count = |name: &str| {
        let found = member(name)?.count();
        found.ok_or_else(|| format!("expected a count in `{name}`"))
    };
    let pairs = |name: &str| {
        let members = value.get(name).map(Value::members).unwrap_or_default();
        let pairs = members.iter().map(|(own, value)| {
            let value = value.number();
            let value = value.ok_or_else(|| format!("expected a number in `{name}.{own}`"))?;
            Ok((own.clone(), value))
        });
        pairs.collect::<Result<Vec<_>, String>>()
    };
    match member("record")?.text() {
        Some("step") => Ok(Record::Step(StepRecord {
            step: count("step")?,
            epoch: count("epoch")?,
            loss: number("loss")?,
            learning_rate: number("learning_rate")?,
            gradient_norm: value.get("gradient_norm").and_then(Value::number),
            parameter_norms: pairs("parameter_norms")?,
            seen: count("seen")?,
            seconds: number("seconds")?,
        })),
        Some("epoch") => Ok(Record::Epoch(EpochRecord {
            epoch: count("epoch")?,
            steps: count("steps")?,
            figures: pairs("figures")?,
            seconds: number("seconds")?,
        })),
        _ => Err("expected `\"record\":\"step\"` or `\"record\":\"epoch\"`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let step = StepRecord {
            step: 7,
            epoch: 2,
            loss: 0.1,
            learning_rate: 1e-3,
            gradient_norm: None,
            parameter_norms: vec![("lstm.W_i".into(), 0.3), ("a \"b\"".into(), f64::INFINITY)],
            seen: 640,
            seconds: 0.25,
        };
        let mut line = String::new();
        write_step(&mut line, &step);
        assert_eq!(read(&line), Ok(Record::Step(step)));
        let epoch = EpochRecord {
            epoch: 2,
            steps: 8,
            figures: vec![("validation".into(), 2.5), ("loss".into(), -0.0)],
            seconds: 3.0,
        };
        write_epoch(&mut line, &epoch);
        assert_eq!(read(&line), Ok(Record::Epoch(epoch)));
        for (line, expected) in [
            ("{", "EOF"),
            ("{}", "`record`"),
            (r#"{"record":"else"}"#, "\"record\":\"step\""),
            (r#"{"record":"epoch","epoch":-1}"#, "a count in `epoch`"),
            (
                r#"{"record":"epoch","epoch":1,"steps":2,"seconds":0,"figures":{"loss":"low"}}"#,
                "`figures.loss`",
            ),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
