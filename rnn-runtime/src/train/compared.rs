//! The settings that a step depends on, as text in a checkpoint, so that a run is not taken up with others by mistake.
//!
//! A schedule is any function, so it is compared by its values: at every count up to 64, and then at counts that grow by about a
//! half each time. What watches a run, reports it or ends it may differ.
//!
//! **Invariant:** settings that give the same steps have the same text.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::settings::{AnySchedule, Clip, Rate, Settings};
use crate::error::SettingDiffers;
use crate::optim::Optimizer;
use crate::options::Reduction;

/// First part of the metadata keys of settings, behind that of the run.
pub(super) const SETTING: &str = "setting.";
/// Names of the settings that have a state of their own.
pub(super) const CLIP: &str = "clip";
pub(super) const RATE: &str = "rate";
/// Counts at which schedules are compared one by one.
const EACH: u64 = 64;
/// The last count at which they are.
const LAST: u64 = 2_000_000;

/// The settings of a run by name.
pub(super) fn settings_of<O: Optimizer>(
    settings: &Settings,
    optimizer: &O,
    reduction: Reduction,
) -> BTreeMap<String, String> {
    let clip = match &settings.clip {
        Clip::Adaptive(clip) => format!("Adaptive(smoothing {})", clip.smoothing()),
        other => format!("{other:?}"),
    };
    let rate = match &settings.rate {
        Rate::PerStep(schedule) => values("after updates", schedule),
        Rate::PerEpoch(schedule) => values("after epochs", schedule),
        Rate::Plateau(plateau) => {
            format!("plateau of {} by {}", plateau.patience(), plateau.factor())
        }
    };
    let sampling = settings.sampling.as_ref();
    let sampling = sampling.map(|sampling| values("after updates", &sampling.0));
    let mut all: BTreeMap<String, String> = [
        ("seed", settings.seed.to_string()),
        (CLIP, clip),
        (RATE, rate),
        ("sampling", sampling.unwrap_or_else(|| "none".to_owned())),
        ("accumulate", settings.accumulate.to_string()),
        ("reduction", format!("{reduction:?}")),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into();
    for (name, text) in optimizer.settings() {
        all.insert(format!("optimizer.{name}"), text);
    }
    all
}

fn counts() -> impl Iterator<Item = u64> {
    let more = std::iter::successors(Some(EACH + EACH / 2), |count| Some(count + count / 2));
    (0..=EACH).chain(more.take_while(|count| *count <= LAST))
}

fn values(by: &str, schedule: &AnySchedule) -> String {
    let mut text = by.to_owned();
    for count in counts() {
        // Writing to a string does not fail.
        let _ = write!(text, " {}", schedule.at(count));
    }
    text
}

/// What differs between the settings given and those of a checkpoint.
pub(super) fn differences(
    given: &BTreeMap<String, String>,
    saved: &BTreeMap<String, String>,
) -> Vec<SettingDiffers> {
    let mut names: Vec<&String> = given.keys().chain(saved.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let differ = names
        .into_iter()
        .filter(|name| given.get(*name) != saved.get(*name));
    let of = |all: &BTreeMap<String, String>, name: &String| {
        all.get(name)
            .map_or_else(|| "none".to_owned(), String::clone)
    };
    differ
        .map(|name| {
            let (given, saved) = shown(&of(given, name), &of(saved, name));
            SettingDiffers {
                name: name.clone(),
                given,
                saved,
            }
        })
        .collect()
}

// Two texts to read: of the values of two schedules, those that differ first.
fn shown(given: &str, saved: &str) -> (String, String) {
    let values = |text: &str| -> Option<Vec<String>> {
        let (by, values) = text.split_once("after ")?.1.split_once(' ')?;
        let value = |(count, value)| format!("{value} after {count} {by}");
        Some(counts().zip(values.split(' ')).map(value).collect())
    };
    match (values(given), values(saved)) {
        (Some(given), Some(saved)) => {
            let mut pairs = given.into_iter().zip(saved);
            pairs.find(|(own, other)| own != other).unwrap_or_default()
        }
        (given_values, saved_values) => {
            let first = |values: Option<Vec<String>>, text: &str| {
                let first = values.and_then(|values| values.into_iter().next());
                first.unwrap_or_else(|| text.to_owned())
            };
            (first(given_values, given), first(saved_values, saved))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Cosine, Plateau};

    #[test]
    fn schedules_differ_where_their_values_do() {
        let of = |rate| {
            let settings = Settings::default().rate(rate);
            let sgd = crate::optim::Sgd::new(&[], Default::default()).unwrap();
            settings_of(&settings, &sgd, Reduction::Mean)
        };
        let cosine = |steps| Rate::per_step(Cosine::new(3e-3, 1e-5, steps).unwrap());
        assert_eq!(of(cosine(20_000)), of(cosine(20_000)));
        let only = |given, saved| {
            let mut all = differences(&of(given), &of(saved));
            assert_eq!(all.len(), 1);
            let first = all.remove(0);
            assert_eq!(first.name, "rate");
            (first.given, first.saved)
        };
        let (given, saved) = only(cosine(20_000), cosine(30_000));
        assert!(
            given.ends_with("updates") && given != saved,
            "{given}, {saved}"
        );
        // A rate that falls at another epoch, up to the 64th.
        let falls = |at| Rate::per_epoch(move |epoch| if epoch < at { 0.1 } else { 0.01 });
        assert_eq!(
            only(falls(40), falls(41)),
            (
                "0.01 after 40 epochs".to_owned(),
                "0.1 after 40 epochs".to_owned()
            )
        );
        let plateau = Rate::Plateau(Plateau::new(0.1, 0.5, 3).unwrap());
        assert_eq!(
            only(plateau, Rate::constant(0.1)),
            (
                "plateau of 3 by 0.5".to_owned(),
                "0.1 after 0 updates".to_owned()
            )
        );
    }
}
