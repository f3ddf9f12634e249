//! Records as lines of JSON.
//!
//! ```text
//! {"record":"step","step":1,"epoch":1,"loss":2.5,"learning_rate":1e-3,"gradient_norm":0.7,"seen":640,"seconds":0.01}
//! {"record":"flow","step":1,"epoch":1,"states":[{"name":"lstm.h","axis":"t","norms":[0.1,0.2]}]}
//! {"record":"epoch","epoch":1,"steps":100,"seconds":1.2,"figures":{"loss":2.1,"validation":2.3}}
//! ```
//!
//! **Invariant:** [`read`] gives back the record that was written.

use std::fmt::Write;

use super::pairs::{Value, parse, write_number, write_text};
use crate::metrics::{Sliced, SlicedRow};
use crate::train::{EpochRecord, FlowRecord, StateNorms, StepRecord};

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Record {
    Step(StepRecord),
    Epoch(EpochRecord),
    Flow(FlowRecord),
}

impl Record {
    /// The steps done when it was written.
    pub(super) fn steps(&self) -> u64 {
        match self {
            Self::Step(record) => record.step,
            Self::Epoch(record) => record.steps,
            Self::Flow(record) => record.step,
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
    if !record.slices.is_empty() {
        let slices = record.slices.iter().map(sliced_value);
        out.push_str(",\"slices\":");
        Value::List(slices.collect()).write(out);
    }
    out.push('}');
}

/// The line of how far gradients reach, instead of what `out` holds.
pub(super) fn write_flow(out: &mut String, record: &FlowRecord) {
    out.clear();
    let states = record.states.iter().map(|state| {
        let norms = state.norms.iter().map(|norm| Value::Number(*norm));
        Value::Object(vec![
            ("name".into(), Value::Text(state.name.clone())),
            ("axis".into(), Value::Text(state.axis.clone())),
            ("norms".into(), Value::List(norms.collect())),
        ])
    });
    let line = Value::Object(vec![
        ("record".into(), Value::Text("flow".into())),
        ("step".into(), Value::Number(record.step as f64)),
        ("epoch".into(), Value::Number(record.epoch as f64)),
        ("states".into(), Value::List(states.collect())),
    ]);
    line.write(out);
}

fn sliced_value(sliced: &Sliced) -> Value {
    let figures = sliced.figures.iter().cloned().map(Value::Text);
    let rows = sliced.rows.iter().map(|row| {
        let values = row.values.iter();
        let values = values.map(|value| value.map_or(Value::None, Value::Number));
        Value::Object(vec![
            ("slice".into(), Value::Text(row.slice.clone())),
            ("bucket".into(), Value::Text(row.bucket.clone())),
            ("from".into(), Value::Number(row.from as f64)),
            ("count".into(), Value::Number(row.count as f64)),
            ("values".into(), Value::List(values.collect())),
        ])
    });
    Value::Object(vec![
        ("name".into(), Value::Text(sliced.name.clone())),
        ("figures".into(), Value::List(figures.collect())),
        ("rows".into(), Value::List(rows.collect())),
    ])
}

fn sliced(value: &Value) -> Result<Sliced, String> {
    let mut rows = Vec::new();
    for row in value.get("rows").map(Value::list).unwrap_or_default() {
        let values = row.get("values").map(Value::list).unwrap_or_default();
        rows.push(SlicedRow {
            slice: text(row, "slice")?,
            bucket: text(row, "bucket")?,
            from: count(row, "from")?,
            count: count(row, "count")?,
            values: values.iter().map(Value::number).collect(),
        });
    }
    let figures = value.get("figures").map(Value::list).unwrap_or_default();
    let figures = figures
        .iter()
        .map(|figure| figure.text().map(str::to_owned));
    Ok(Sliced {
        name: text(value, "name")?,
        figures: (figures.collect::<Option<_>>()).ok_or("expected texts in `figures`")?,
        rows,
    })
}

fn norms(value: &Value) -> Result<StateNorms, String> {
    let norms = value.get("norms").map(Value::list).unwrap_or_default();
    let norms: Option<Vec<f64>> = norms.iter().map(Value::number).collect();
    Ok(StateNorms {
        name: text(value, "name")?,
        axis: text(value, "axis")?,
        norms: norms.ok_or("expected numbers in `norms`")?,
    })
}

fn text(value: &Value, name: &str) -> Result<String, String> {
    let found = value.get(name).and_then(Value::text).map(str::to_owned);
    found.ok_or_else(|| format!("expected a text in `{name}`"))
}

fn count(value: &Value, name: &str) -> Result<u64, String> {
    let found = value.get(name).and_then(Value::count);
    found.ok_or_else(|| format!("expected a count in `{name}`"))
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
    let list = |name: &str| value.get(name).map(Value::list).unwrap_or_default();
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
            slices: list("slices")
                .iter()
                .map(sliced)
                .collect::<Result<_, _>>()?,
            seconds: number("seconds")?,
        })),
        Some("flow") => Ok(Record::Flow(FlowRecord {
            step: count("step")?,
            epoch: count("epoch")?,
            states: list("states").iter().map(norms).collect::<Result<_, _>>()?,
        })),
        _ => Err("expected `\"record\":` and `\"step\"`, `\"epoch\"` or `\"flow\"`".to_owned()),
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
            slices: vec![Sliced {
                name: "validation".into(),
                figures: vec!["mean".into()],
                rows: vec![SlicedRow {
                    slice: "length".into(),
                    bucket: "8..=15".into(),
                    from: 8,
                    count: 3,
                    values: vec![None, Some(0.25)],
                }],
            }],
            seconds: 3.0,
        };
        write_epoch(&mut line, &epoch);
        assert_eq!(read(&line), Ok(Record::Epoch(epoch)));
        let flow = FlowRecord {
            step: 8,
            epoch: 2,
            states: vec![StateNorms {
                name: "lstm.h".into(),
                axis: "t".into(),
                norms: vec![0.0, 1e-9, f64::INFINITY],
            }],
        };
        write_flow(&mut line, &flow);
        assert_eq!(read(&line), Ok(Record::Flow(flow)));
        for (line, expected) in [
            ("{", "EOF"),
            ("{}", "`record`"),
            (
                r#"{"record":"else"}"#,
                "`\"step\"`, `\"epoch\"` or `\"flow\"`",
            ),
            (
                r#"{"record":"flow","step":1,"epoch":1,"states":[{"name":"h","axis":"t","norms":["low"]}]}"#,
                "numbers in `norms`",
            ),
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
