//! A page about a training run: one file, which needs no network and no script, light or dark as its reader's machine is.
//!
//! ```no_run
//! let run = rnn_runtime::log::History::read("runs/first")?;
//! std::fs::write("runs/first/report.html", run.html()?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Invariant:** a page depends on the run alone: equal runs give equal bytes.

mod page;
mod panels;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::page::{Html, duration, figure};
use crate::error::PlotError;
use crate::log::{History, Table};
use crate::plot::{Panel, curves_svg};
use crate::train::StepRecord;

const STYLE: &str = include_str!("style.css");
/// Steps that a warning names.
const NAMED: usize = 5;

impl History {
    /// The run as a page.
    ///
    /// # Errors
    /// [`PlotError::Draw`] when a picture cannot be drawn.
    pub fn html(&self) -> Result<String, PlotError> {
        self.html_with(&[])
    }

    /// The run as a page with more pictures, such as of the norms of `dL/dh_t` by `t`.
    ///
    /// # Errors
    /// As [`html`](Self::html).
    pub fn html_with(&self, more: &[Panel]) -> Result<String, PlotError> {
        let mut page = Html::default();
        page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        page.element("title", "", &self.info.name)
            .raw("\n<style>\n");
        page.raw(STYLE).raw("</style>\n</head>\n<body>\n<main>\n");
        page.element("h1", "", &self.info.name);
        page.element("p", "soft", &self.extent()).raw("\n");
        for warning in self.warnings() {
            page.element("p", "warning", &warning).raw("\n");
        }
        self.write_cards(&mut page);
        let mut panels = self.panels();
        panels.extend(more.iter().cloned());
        if !panels.is_empty() {
            page.element("h2", "", "Curves").raw("\n");
            write_plots(&mut page, &panels)?;
        }
        self.write_epochs(&mut page);
        self.write_slices(&mut page)?;
        self.write_settings(&mut page);
        for table in &self.info.tables {
            write_table(&mut page, table);
        }
        page.raw("</main>\n</body>\n</html>\n");
        Ok(page.into_string())
    }

    // How long it was.
    fn extent(&self) -> String {
        let count = |count: u64, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        let steps = self.steps.last().map(|step| step.step);
        let steps = steps.or(self.epochs.last().map(|epoch| epoch.steps));
        let epochs = self.epochs.last().map_or(0, |epoch| epoch.epoch);
        let by_epochs: f64 = self.epochs.iter().map(|epoch| epoch.seconds).sum();
        let by_steps: f64 = self.steps.iter().map(|step| step.seconds).sum();
        let mut parts = vec![count(steps.unwrap_or(0), "step"), count(epochs, "epoch")];
        let seconds = by_epochs.max(by_steps);
        if seconds > 0.0 {
            parts.push(duration(seconds));
        }
        let seen: u64 = self.steps.iter().map(|step| step.seen).sum();
        if seen > 0 && by_steps > 0.0 {
            parts.push(format!(
                "{} seen, {} a second",
                figure(seen as f64),
                figure((seen as f64 / by_steps).round())
            ));
        }
        parts.join(" \u{b7} ")
    }

    // What a reader should not overlook.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |what: &str, is: fn(&StepRecord) -> bool| {
            let found: Vec<u64> = self
                .steps
                .iter()
                .filter(|step| is(step))
                .map(|step| step.step)
                .collect();
            if found.is_empty() {
                return;
            }
            let mut named: Vec<String> = found.iter().take(NAMED).map(u64::to_string).collect();
            if found.len() > NAMED {
                named.push("..".to_owned());
            }
            let steps = if found.len() == 1 { "step" } else { "steps" };
            warnings.push(format!(
                "{what} in {} {steps}: {}",
                found.len(),
                named.join(", ")
            ));
        };
        warn("The loss is not a finite number", |step| {
            !step.loss.is_finite()
        });
        warn("The gradient is not a finite number", |step| {
            step.gradient_norm.is_some_and(|norm| !norm.is_finite())
        });
        warn("No update was made", |step| step.gradient_norm.is_none());
        if self.steps.is_empty() && self.epochs.is_empty() {
            warnings.push("The run has no step and no epoch yet.".to_owned());
        }
        warnings
    }

    // The figures of the last epoch that has them, and the lowest and highest of all.
    fn write_cards(&self, page: &mut Html) {
        let mut names: Vec<&str> = Vec::new();
        let mut values: BTreeMap<&str, Vec<(u64, f64)>> = BTreeMap::new();
        for epoch in &self.epochs {
            for (name, value) in &epoch.figures {
                if !values.contains_key(name.as_str()) {
                    names.push(name);
                }
                values.entry(name).or_default().push((epoch.epoch, *value));
            }
        }
        if let (true, Some(step)) = (names.is_empty(), self.steps.last()) {
            names.push("loss");
            values.insert("loss", vec![(step.step, step.loss)]);
        }
        if names.is_empty() {
            return;
        }
        page.raw("<div class=\"cards\">\n");
        for name in names {
            let values = values.get(name).map(Vec::as_slice).unwrap_or_default();
            let Some((_, last)) = values.last() else {
                continue;
            };
            let finite = || values.iter().filter(|(_, value)| value.is_finite());
            let low = finite().min_by(|a, b| a.1.total_cmp(&b.1));
            let high = finite().max_by(|a, b| a.1.total_cmp(&b.1));
            page.raw("<div class=\"card\">")
                .element("div", "name", name);
            let class = if last.is_finite() {
                "value"
            } else {
                "value bad"
            };
            page.element("div", class, &figure(*last));
            if let (Some((at_low, low)), Some((at_high, high)), true) =
                (low, high, values.len() > 1)
            {
                let range = format!(
                    "{} (epoch {at_low}) to {} (epoch {at_high})",
                    figure(*low),
                    figure(*high)
                );
                page.element("div", "best", &range);
            }
            page.raw("</div>\n");
        }
        page.raw("</div>\n");
    }

    fn write_epochs(&self, page: &mut Html) {
        if self.epochs.is_empty() {
            return;
        }
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.epochs.iter().flat_map(|epoch| &epoch.figures) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        page.element("h2", "", "Epochs")
            .raw("\n<div class=\"scroll\"><table>\n<thead><tr>");
        for head in ["epoch", "steps"].iter().chain(&names).chain(&["time"]) {
            page.element("th", "number", head);
        }
        page.raw("</tr></thead>\n<tbody>\n");
        for epoch in &self.epochs {
            page.raw("<tr>");
            page.element("td", "number", &epoch.epoch.to_string());
            page.element("td", "number", &epoch.steps.to_string());
            for name in &names {
                match epoch.figure(name) {
                    Some(value) if value.is_finite() => {
                        page.element("td", "number", &figure(value))
                    }
                    Some(value) => page.element("td", "number bad", &figure(value)),
                    None => page.element("td", "number", ""),
                };
            }
            page.element("td", "number", &duration(epoch.seconds))
                .raw("</tr>\n");
        }
        page.raw("</tbody>\n</table></div>\n");
    }

    // Measures in slices, of the last epoch that has some.
    fn write_slices(&self, page: &mut Html) -> Result<(), PlotError> {
        let Some(epoch) = self
            .epochs
            .iter()
            .rev()
            .find(|epoch| !epoch.slices.is_empty())
        else {
            return Ok(());
        };
        for sliced in &epoch.slices {
            let mut table = sliced.table();
            table.title = format!("{} in slices, epoch {}", sliced.name, epoch.epoch);
            write_table(page, &table);
            write_plots(page, &sliced.panels())?;
        }
        Ok(())
    }

    fn write_settings(&self, page: &mut Html) {
        if self.info.settings.is_empty() {
            return;
        }
        page.element("h2", "", "Settings")
            .raw("\n<div class=\"scroll\"><table>\n<tbody>\n");
        for (name, value) in &self.info.settings {
            page.raw("<tr>").element("th", "", name);
            page.element("td", "wrap code", value).raw("</tr>\n");
        }
        page.raw("</tbody>\n</table></div>\n");
    }
}

// A column is of numbers when every cell that is not empty begins with a digit.
fn is_numbers(table: &Table, column: usize) -> bool {
    let mut cells = table.rows.iter().filter_map(|row| row.get(column));
    let is_number =
        |cell: &String| cell.is_empty() || cell.starts_with(|letter: char| letter.is_ascii_digit());
    let any = cells.clone().any(|cell| !cell.is_empty());
    any && cells.all(is_number)
}

fn write_plots(page: &mut Html, panels: &[Panel]) -> Result<(), PlotError> {
    page.raw("<div class=\"plots\">\n");
    for panel in panels {
        page.raw("<figure role=\"img\" aria-label=\"")
            .text(panel.title())
            .raw("\">");
        page.raw(&curves_svg(std::slice::from_ref(panel))?);
        page.raw("</figure>\n");
    }
    page.raw("</div>\n");
    Ok(())
}

fn write_table(page: &mut Html, table: &Table) {
    let classes: Vec<&str> = (0..table.head.len())
        .map(|column| {
            if is_numbers(table, column) {
                "number"
            } else {
                "code"
            }
        })
        .collect();
    page.element("h2", "", &table.title)
        .raw("\n<div class=\"scroll\"><table>\n<thead><tr>");
    for (head, class) in table.head.iter().zip(&classes) {
        page.element("th", if *class == "number" { class } else { "" }, head);
    }
    page.raw("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        page.raw("<tr>");
        for (cell, class) in row.iter().zip(&classes) {
            page.element("td", class, cell);
        }
        page.raw("</tr>\n");
    }
    page.raw("</tbody>\n</table></div>\n");
}
