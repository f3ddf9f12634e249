//! The curves of a run.
//!
//! **Invariant:** a panel has at least one value.

use std::collections::BTreeMap;

use crate::log::History;
use crate::plot::Panel;
use crate::train::StepRecord;

/// Steps from which on what each of them has is also shown smoothed.
const MANY: usize = 50;
/// Curves of how far gradients reach.
const SHOWN: usize = 6;
/// Figures of epochs that share the panel of the loss.
const LOSSES: [&str; 3] = ["loss", "validation", "validation_loss"];

type Points = Vec<(f64, f64)>;

impl History {
    /// Its curves: loss, figures of epochs, learning rate, gradient norms, how far gradients reach, as [`plot::curves`](crate::plot::curves) draws them.
    pub fn panels(&self) -> Vec<Panel> {
        let mut panels = Vec::new();
        let of_steps = |value: fn(&StepRecord) -> Option<f64>| -> Points {
            let values = self.steps.iter();
            values
                .filter_map(|step| Some((step.step as f64, value(step)?)))
                .collect()
        };
        let mut figures = self.figures();
        let losses = of_steps(|step| Some(step.loss));
        if !losses.is_empty() {
            let mut panel = Panel::new("loss", "step");
            panel = of_each_step(panel, losses);
            for name in LOSSES {
                if let Some(at) = figures.iter().position(|(known, _)| known == name) {
                    let (name, points) = figures.remove(at);
                    let name = if name == "loss" {
                        "each epoch".to_owned()
                    } else {
                        name
                    };
                    panel = panel.points(name, points);
                }
            }
            panels.push(panel);
        }
        for (name, points) in figures {
            panels.push(Panel::new(name.clone(), "step").points(name, points));
        }
        let rates = of_steps(|step| Some(step.learning_rate));
        if rates.iter().any(|(_, rate)| *rate != 0.0) {
            panels.push(Panel::new("learning rate", "step").points("learning rate", rates));
        }
        let norms = of_steps(|step| step.gradient_norm);
        if !norms.is_empty() {
            let title = "norm of the gradient before clipping";
            panels.push(of_each_step(Panel::new(title, "step").logarithmic(), norms));
        }
        let mut order: Vec<&str> = Vec::new();
        let mut each: BTreeMap<&str, Points> = BTreeMap::new();
        for step in &self.steps {
            for (name, norm) in &step.parameter_norms {
                let points = each.entry(name).or_default();
                if points.is_empty() {
                    order.push(name);
                }
                points.push((step.step as f64, *norm));
            }
        }
        if !order.is_empty() {
            let many = each.values().any(|points| points.len() >= MANY);
            let title = match many {
                true => "norm of the gradient of each parameter, smoothed",
                false => "norm of the gradient of each parameter",
            };
            let panel = Panel::new(title, "step").logarithmic();
            let panel = order.into_iter().fold(panel, |panel, name| {
                let points = each.remove(name).unwrap_or_default();
                panel.points(name, if many { smoothed(&points) } else { points })
            });
            panels.push(panel);
        }
        panels.extend(self.flow_panels());
        panels
    }

    /// `|dL/dh[t]|` against `t` for each state, from the first time it was looked at to the last, on a scale of powers of ten.
    pub fn flow_panels(&self) -> Vec<Panel> {
        // As many curves as can be told apart, evenly over the run.
        let (count, last) = (self.flow.len(), self.flow.len().saturating_sub(1));
        let shown: Vec<usize> = match count <= SHOWN {
            true => (0..count).collect(),
            false => (0..SHOWN).map(|at| at * last / (SHOWN - 1)).collect(),
        };
        let mut panels: Vec<(String, Panel)> = Vec::new();
        for record in shown.iter().filter_map(|at| self.flow.get(*at)) {
            for state in &record.states {
                let at = panels.iter().position(|(name, _)| *name == state.name);
                let at = at.unwrap_or_else(|| {
                    let title = format!("norm of dL/d {}[{}]", state.name, state.axis);
                    let panel = Panel::new(title, state.axis.clone()).logarithmic();
                    panels.push((state.name.clone(), panel));
                    panels.len() - 1
                });
                let (_, panel) = &mut panels[at];
                let name = format!("after step {}", record.step);
                *panel = panel.clone().curve(name, state.norms.clone());
            }
        }
        panels.into_iter().map(|(_, panel)| panel).collect()
    }

    // Figures of epochs by name, in the order in which they come, at the steps that were done.
    fn figures(&self) -> Vec<(String, Points)> {
        let mut figures: Vec<(String, Points)> = Vec::new();
        for epoch in &self.epochs {
            for (name, value) in &epoch.figures {
                let point = (epoch.steps as f64, *value);
                match figures.iter_mut().find(|(known, _)| known == name) {
                    Some((_, points)) => points.push(point),
                    None => figures.push((name.clone(), vec![point])),
                }
            }
        }
        figures
    }
}

// What each step has, and smoothed where it is many.
fn of_each_step(panel: Panel, points: Points) -> Panel {
    match points.len() >= MANY {
        true => {
            let smoothed = smoothed(&points);
            panel
                .background("each step", points)
                .points("smoothed", smoothed)
        }
        false => panel.points("each step", points),
    }
}

// A running mean over about a hundredth of the run; what is not finite is left out of it.
fn smoothed(points: &[(f64, f64)]) -> Points {
    let keep = 1.0 - 100.0 / points.len().max(200) as f64;
    let (mut mean, mut left) = (0.0, 1.0);
    let finite = points.iter().filter(|(_, value)| value.is_finite());
    finite
        .map(|(at, value)| {
            mean = keep * mean + (1.0 - keep) * value;
            left *= keep;
            (*at, mean / (1.0 - left))
        })
        .collect()
}
