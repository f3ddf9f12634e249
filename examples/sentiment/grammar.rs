//! Sentences about films, whose polarity is decided by how they are made and not by their words alone.
//!
//! ```text
//! negation       not good, hardly boring, far from brilliant      the opposite
//! strength       very good, rather dull                           the same
//! excess         too clever                                       negative, whatever the word
//! claims         nobody would say that the cast was dull          the opposite, of all that it says
//! contrast       although the plot was dull , the film was good   of what is not conceded
//! irrelevance    and the weather was awful                        nothing: it is not about the film
//! ```
//!
//! These nest: "i doubt that the ending was not dull" is negative. Each judgement has combinations with negations, and with
//! subjects, that no training sentence has; every test sentence has one of them at the place that decides.

use rand::{Rng, RngExt};
use rnn::rng;

use crate::corpus::Sentence;

const JUDGEMENTS: [[&str; 16]; 2] = [
    [
        "awful",
        "bad",
        "bland",
        "boring",
        "clumsy",
        "dreadful",
        "dull",
        "flat",
        "forgettable",
        "lifeless",
        "messy",
        "poor",
        "predictable",
        "tedious",
        "terrible",
        "weak",
    ],
    [
        "brilliant",
        "charming",
        "clever",
        "delightful",
        "excellent",
        "fresh",
        "funny",
        "good",
        "gripping",
        "lovely",
        "memorable",
        "moving",
        "strong",
        "superb",
        "witty",
        "wonderful",
    ],
];
const PARTS: [&str; 10] = [
    "film", "plot", "cast", "music", "ending", "script", "acting", "story", "dialogue", "opening",
];
const OTHERS: [&str; 8] = [
    "weather", "popcorn", "traffic", "seat", "company", "dinner", "trip", "queue",
];
const NEGATIONS: [&str; 5] = ["not", "hardly", "never", "far from", "anything but"];
const STRENGTHS: [&str; 5] = ["very", "really", "rather", "quite", "simply"];
const EXCESS: [&str; 2] = ["too", "much too"];
const DENIALS: [&str; 4] = [
    "i doubt that",
    "nobody would say that",
    "it is not true that",
    "they failed to show that",
];
const CLAIMS: [&str; 4] = [
    "everybody agrees that",
    "i think that",
    "it is true that",
    "you can see that",
];

/// What a judgement is told with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Plain,
    Strong(usize),
    Negated(usize),
    /// A negation and a word of strength: "not very good".
    Both(usize, usize),
    Excess(usize),
}

/// Something that is said of a part of the film, or of something else.
#[derive(Clone, Copy, Debug)]
struct Clause {
    part: &'static str,
    polarity: usize,
    word: usize,
    way: Way,
    denial: Option<usize>,
    claim: Option<usize>,
}

impl Clause {
    fn draw(parts: &[&'static str], rng: &mut impl Rng) -> Self {
        let way = match rng.random_range(0..10) {
            0..3 => Way::Plain,
            3..6 => Way::Strong(rng.random_range(0..STRENGTHS.len())),
            6..8 => Way::Negated(rng.random_range(0..NEGATIONS.len())),
            8 => Way::Both(
                rng.random_range(0..NEGATIONS.len()),
                rng.random_range(0..STRENGTHS.len()),
            ),
            _ => Way::Excess(rng.random_range(0..EXCESS.len())),
        };
        let (denial, claim) = match rng.random_range(0..10) {
            0..2 => (Some(rng.random_range(0..DENIALS.len())), None),
            2..4 => (None, Some(rng.random_range(0..CLAIMS.len()))),
            _ => (None, None),
        };
        Self {
            part: parts[rng.random_range(0..parts.len())],
            polarity: rng.random_range(0..2),
            word: rng.random_range(0..JUDGEMENTS[0].len()),
            way,
            denial,
            claim,
        }
    }

    fn words(&self) -> String {
        let word = JUDGEMENTS[self.polarity][self.word];
        let judged = match self.way {
            Way::Plain => word.to_owned(),
            Way::Strong(strength) => format!("{} {word}", STRENGTHS[strength]),
            Way::Negated(negation) => format!("{} {word}", NEGATIONS[negation]),
            Way::Both(negation, strength) => {
                format!("{} {} {word}", NEGATIONS[negation], STRENGTHS[strength])
            }
            Way::Excess(excess) => format!("{} {word}", EXCESS[excess]),
        };
        let clause = format!("the {} was {judged}", self.part);
        match (self.denial, self.claim) {
            (Some(denial), _) => format!("{} {clause}", DENIALS[denial]),
            (None, Some(claim)) => format!("{} {clause}", CLAIMS[claim]),
            (None, None) => clause,
        }
    }

    /// 1 if it speaks well of its part, else 0.
    fn label(&self) -> usize {
        let own = match self.way {
            Way::Plain | Way::Strong(_) => self.polarity,
            Way::Negated(_) | Way::Both(..) => 1 - self.polarity,
            Way::Excess(_) => 0,
        };
        match self.denial {
            Some(_) => 1 - own,
            None => own,
        }
    }

    /// Whether no training sentence has this judgement with this negation, or with this part: a fifth of each.
    fn is_held_out(&self) -> bool {
        let word = self.word + JUDGEMENTS[0].len() * self.polarity;
        let negation = match self.way {
            Way::Negated(negation) | Way::Both(negation, _) => Some(negation),
            Way::Plain | Way::Strong(_) | Way::Excess(_) => None,
        };
        let part = PARTS.iter().position(|part| *part == self.part);
        negation.is_some_and(|negation| (3 * word + negation).is_multiple_of(5))
            || part.is_some_and(|part| (3 * word + part).is_multiple_of(5))
    }
}

/// Sentences of the grammar: those of training have no combination that is held out, and those of the test decide by one.
pub(crate) fn sentences(count: usize, seed: u64, test: bool) -> Vec<Sentence> {
    let name = if test { "test" } else { "training" };
    let mut rng = rng::stream(seed, "grammar", name);
    let mut sentences = Vec::new();
    while sentences.len() < count {
        let (decides, other) = (
            Clause::draw(&PARTS, &mut rng),
            Clause::draw(&PARTS, &mut rng),
        );
        let wanted = match test {
            true => decides.is_held_out(),
            false => !decides.is_held_out() && !other.is_held_out(),
        };
        if wanted {
            sentences.push(sentence(decides, other, &mut rng));
        }
    }
    sentences
}

fn sentence(decides: Clause, other: Clause, rng: &mut impl Rng) -> Sentence {
    let (first, second) = (decides.words(), other.words());
    let mut text = match rng.random_range(0..8) {
        0..3 => first,
        3 => format!("{second} , but {first}"),
        4 => format!("although {second} , {first}"),
        5 => format!("{first} , although {second}"),
        6 => format!("{second} . nevertheless , {first}"),
        _ => format!("{first} , even if {second}"),
    };
    if rng.random_bool(0.4) {
        let mut aside = Clause::draw(&OTHERS, rng);
        while aside.is_held_out() {
            aside = Clause::draw(&OTHERS, rng);
        }
        let aside = aside.words();
        text = match rng.random_range(0..3) {
            0 => format!("{aside} , and {text}"),
            1 => format!("{text} , and {aside}"),
            _ => format!("{text} . by the way , {aside}"),
        };
    }
    Sentence {
        words: text.split(' ').map(str::to_owned).collect(),
        label: ["negative", "positive"][decides.label()].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DULL: Clause = Clause {
        part: "ending",
        polarity: 0,
        word: 6,
        way: Way::Negated(0),
        denial: Some(0),
        claim: None,
    };

    #[test]
    fn negations_of_negations_count() {
        assert_eq!(DULL.words(), "i doubt that the ending was not dull");
        let label = |way, denial| {
            Clause {
                way,
                denial,
                ..DULL
            }
            .label()
        };
        assert_eq!(label(DULL.way, DULL.denial), 0);
        assert_eq!(label(Way::Both(1, 2), None), 1);
        assert_eq!(label(Way::Strong(0), Some(1)), 1);
        assert_eq!(label(Way::Excess(0), None), 0);
    }

    #[test]
    fn no_training_sentence_has_a_combination_that_is_held_out() {
        let training = sentences(3000, 1, false);
        let has = |sentence: &Sentence, pair: [&str; 2]| {
            let text = sentence.words.join(" ");
            text.contains(&pair.join(" "))
        };
        // 3 * 6 + 2 is a multiple of five: "never" and "cast" are held out from "dull".
        let with = |negation: &str| {
            training
                .iter()
                .filter(|own| has(own, [negation, "dull"]))
                .count()
        };
        assert_eq!(with("never"), 0);
        assert!(with("not") > 0 && with("far from") > 0);
        let known = |pair| training.iter().any(|own| has(own, pair));
        assert!(!known(["the cast was", "dull"]) && known(["the plot was", "dull"]));
        for label in ["negative", "positive"] {
            let share = training.iter().filter(|own| own.label == label).count();
            assert!((1200..1800).contains(&share), "{label} {share}");
        }
    }
}
