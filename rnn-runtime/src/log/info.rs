//! What is trained, and how: settings and tables.

use std::fmt::Display;
use std::path::Path;

use rnn_ir::op::ParamKind;
use rnn_ir::textbook::{Count, Summary, count_text, each_of};

use super::pairs::{Value, parse};
use crate::compiled::Compiled;
use crate::error::LogError;
use crate::model::Model;

/// A table of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What it is of.
    pub title: String,
    /// The names of its columns.
    pub head: Vec<String>,
    /// Its rows, as long as the head.
    pub rows: Vec<Vec<String>>,
}

/// What is trained, and how. It is the same for all steps of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunInfo {
    /// The model, or what else the run is called.
    pub name: String,
    /// Settings by name, in the order in which to show them.
    pub settings: Vec<(String, String)>,
    /// Tables, such as those of the model's summary.
    pub tables: Vec<Table>,
}

impl RunInfo {
    /// A run by its name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// A run of a model: its sizes are settings, its summary is tables.
    pub fn of<M: Model>(model: &Compiled<M>) -> Self {
        let sizes = model.spec().sizes().into_iter();
        let info = sizes.fold(Self::new(M::NAME), |info, (name, size)| {
            info.setting(name, size)
        });
        info.summary(&model.summary())
    }

    /// With a setting.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// With a table.
    #[must_use]
    pub fn table(mut self, table: Table) -> Self {
        self.tables.push(table);
        self
    }

    /// With the tables of a model's summary.
    #[must_use]
    pub fn summary(self, summary: &Summary) -> Self {
        tables(summary).into_iter().fold(self, Self::table)
    }

    pub(super) fn to_json(&self) -> String {
        let text = |text: &String| Value::Text(text.clone());
        let list = |texts: &Vec<String>| Value::List(texts.iter().map(text).collect());
        let settings = self.settings.iter();
        let settings = settings.map(|(name, value)| Value::List(vec![text(name), text(value)]));
        let tables = self.tables.iter().map(|table| {
            Value::Object(vec![
                ("title".into(), text(&table.title)),
                ("head".into(), list(&table.head)),
                (
                    "rows".into(),
                    Value::List(table.rows.iter().map(list).collect()),
                ),
            ])
        });
        let value = Value::Object(vec![
            ("name".into(), text(&self.name)),
            ("settings".into(), Value::List(settings.collect())),
            ("tables".into(), Value::List(tables.collect())),
        ]);
        let mut out = String::new();
        value.write(&mut out);
        out.push('\n');
        out
    }

    pub(super) fn from_json(path: &Path, text: &str) -> Result<Self, LogError> {
        let wrong = |reason: &str| LogError::Row {
            path: path.to_owned(),
            line: 1,
            reason: reason.to_owned(),
        };
        let value = parse(text).map_err(|reason| wrong(&reason))?;
        let texts = |value: &Value| -> Option<Vec<String>> {
            let texts = value.list().iter();
            texts.map(|value| value.text().map(str::to_owned)).collect()
        };
        let name = value.get("name").and_then(Value::text);
        let name = name.ok_or_else(|| wrong("expected a text in `name`"))?;
        let mut info = Self::new(name);
        for setting in value.get("settings").map(Value::list).unwrap_or_default() {
            match texts(setting).as_deref() {
                Some([name, value]) => info.settings.push((name.clone(), value.clone())),
                _ => return Err(wrong("expected pairs of texts in `settings`")),
            }
        }
        for table in value.get("tables").map(Value::list).unwrap_or_default() {
            let read = || {
                let head = texts(table.get("head")?)?;
                let rows = table.get("rows")?.list().iter();
                let rows: Vec<Vec<String>> = rows.map(texts).collect::<Option<_>>()?;
                let fits = rows.iter().all(|row| row.len() == head.len());
                let title = table.get("title")?.text()?.to_owned();
                fits.then_some(Table { title, head, rows })
            };
            let table = read();
            let reason = "expected tables of texts, with rows as long as their head, in `tables`";
            info.tables.push(table.ok_or_else(|| wrong(reason))?);
        }
        Ok(info)
    }
}

fn word(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::Trained => "trained",
        ParamKind::Orthonormal | ParamKind::Fixed | ParamKind::Running => kind.name(),
    }
}

fn tables(summary: &Summary) -> Vec<Table> {
    let head = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let count = |count: &Count| grouped(&count_text(count));
    let mut params: Vec<Vec<String>> = (summary.params.iter())
        .map(|row| {
            let (name, shape) = (row.name.clone(), row.shape.clone());
            vec![name, shape, count(&row.count), word(row.kind).to_owned()]
        })
        .collect();
    for kind in ParamKind::ALL {
        let total = summary.count(kind);
        if total.as_ref().and_then(rnn_ir::dim::Dim::as_constant) != Some(0) {
            params.push(vec![
                format!("all {}", word(kind)),
                String::new(),
                count(&total),
                String::new(),
            ]);
        }
    }
    let mut equations: Vec<Vec<String>> = (summary.equations.iter())
        .map(|row| {
            let (work, bytes) = (count(&row.multiply_adds), count(&row.bytes));
            let (name, shape) = (row.name.clone(), row.shape.clone());
            vec![
                name,
                shape,
                count(&row.params),
                work,
                bytes,
                row.results.join(", "),
            ]
        })
        .collect();
    for (axes, work, bytes) in summary.totals() {
        let none = String::new;
        equations.push(vec![
            format!("all, {}", each_of(&axes)),
            none(),
            none(),
            count(&work),
            count(&bytes),
            none(),
        ]);
    }
    let table = |title: &str, head: Vec<String>, rows| Table {
        title: title.to_owned(),
        head,
        rows,
    };
    vec![
        table(
            "Parameters",
            head(&["parameter", "shape", "count", "kind"]),
            params,
        ),
        table(
            "Equations, for one example at one step",
            head(&[
                "equation",
                "shape",
                "parameters",
                "multiply-adds",
                "bytes",
                "result",
            ]),
            equations,
        ),
    ]
}

// A number with a thin space between thousands.
fn grouped(number: &str) -> String {
    if number.len() < 5 || !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return number.to_owned();
    }
    let mut out = String::new();
    for (at, digit) in number.chars().enumerate() {
        if at > 0 && (number.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}
