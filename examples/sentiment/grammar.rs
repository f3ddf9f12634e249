//! Sentences about films, whose polarity is decided by how they are made and not by their words alone, and by how much they say.
//!
//! ```text
//! strength       superb 2, good 1, fresh 1/2; very good 3/2, rather dull -1/2
//! negation       not good -3/4, hardly boring 1/2, far from brilliant -5/2
//! excess         too clever                                       negative, whatever the word
//! claims         nobody would say that the cast was dull          the opposite, of all that it says
//! contrast       although the plot was dull , the film was good   what is conceded counts half
//! more           and the music was also superb                    counts, too
//! irrelevance    and the weather was awful                        counts nothing: it is not about the film
//! ```
//!
//! These nest: "i doubt that the ending was not dull" is negative. What a sentence says is the sum of what its parts say, and whoever
//! labels it takes it for positive with the probability `sigmoid(2 sum)`: mild and mixed sentences get either label, so that no one
//! can find all of them. Each judgement has combinations with negations, and with subjects, that no training sentence has; every test
//! sentence has one of them in its main clause.

use rand::{Rng, RngExt};
use rnn::rng;

use crate::corpus::Sentence;

/// A word, and by how much it changes what is said.
type Word = (&'static str, f64);

const JUDGEMENTS: [Word; 32] = [
    ("awful", -2.0),
    ("bad", -1.0),
    ("bland", -0.5),
    ("boring", -1.0),
    ("clumsy", -0.5),
    ("dreadful", -2.0),
    ("dull", -1.0),
    ("flat", -0.5),
    ("forgettable", -0.5),
    ("lifeless", -1.0),
    ("messy", -0.5),
    ("poor", -1.0),
    ("predictable", -0.5),
    ("tedious", -1.0),
    ("terrible", -2.0),
    ("weak", -1.0),
    ("brilliant", 2.0),
    ("charming", 1.0),
    ("clever", 0.5),
    ("delightful", 1.0),
    ("excellent", 2.0),
    ("fresh", 0.5),
    ("funny", 1.0),
    ("good", 1.0),
    ("gripping", 1.0),
    ("lovely", 0.5),
    ("memorable", 0.5),
    ("moving", 0.5),
    ("strong", 1.0),
    ("superb", 2.0),
    ("witty", 0.5),
    ("wonderful", 2.0),
];
const PARTS: [&str; 10] = [
    "film", "plot", "cast", "music", "ending", "script", "acting", "story", "dialogue", "opening",
];
const OTHERS: [&str; 8] = [
    "weather", "popcorn", "traffic", "seat", "company", "dinner", "trip", "queue",
];
const NEGATIONS: [Word; 5] = [
    ("not", -0.75),
    ("hardly", -0.5),
    ("never", -1.0),
    ("far from", -1.25),
    ("anything but", -1.5),
];
const STRENGTHS: [Word; 5] = [
    ("very", 1.5),
    ("really", 1.5),
    ("rather", 0.5),
    ("quite", 0.75),
    ("simply", 1.25),
];
/// Whatever the word, it is one of blame.
const EXCESS: [Word; 2] = [("too", 1.0), ("much too", 1.5)];
const CLAIMS: [Word; 8] = [
    ("i doubt that", -0.5),
    ("nobody would say that", -1.0),
    ("it is not true that", -1.0),
    ("they failed to show that", -0.75),
    ("everybody agrees that", 1.25),
    ("i think that", 0.75),
    ("it is true that", 1.0),
    ("you can see that", 1.0),
];
/// What is conceded counts so much.
const CONCEDED: f64 = 0.5;
/// How sure a label is.
const CERTAINTY: f64 = 2.0;

fn any(words: &[Word], rng: &mut impl Rng) -> Word {
    words[rng.random_range(0..words.len())]
}

/// What a judgement is told with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Plain,
    Strong(Word),
    /// By position.
    Negated(usize),
    /// A negation and a word of strength: "not very good".
    Both(usize, Word),
    Excess(Word),
}

/// Something that is said of a part of the film, or of something else.
#[derive(Clone, Copy, Debug)]
struct Clause {
    part: &'static str,
    /// By position.
    judgement: usize,
    way: Way,
    claim: Option<Word>,
}

impl Clause {
    fn draw(parts: &[&'static str], rng: &mut impl Rng) -> Self {
        let way = match rng.random_range(0..10) {
            0..3 => Way::Plain,
            3..6 => Way::Strong(any(&STRENGTHS, rng)),
            6..8 => Way::Negated(rng.random_range(0..NEGATIONS.len())),
            8 => Way::Both(rng.random_range(0..NEGATIONS.len()), any(&STRENGTHS, rng)),
            _ => Way::Excess(any(&EXCESS, rng)),
        };
        Self {
            part: parts[rng.random_range(0..parts.len())],
            judgement: rng.random_range(0..JUDGEMENTS.len()),
            way,
            claim: rng.random_bool(0.4).then(|| any(&CLAIMS, rng)),
        }
    }

    /// One that training may have.
    fn draw_known(parts: &[&'static str], rng: &mut impl Rng) -> Self {
        loop {
            let clause = Self::draw(parts, rng);
            if !clause.is_held_out() {
                return clause;
            }
        }
    }

    fn words(&self) -> String {
        let word = JUDGEMENTS[self.judgement].0;
        let judged = match self.way {
            Way::Plain => word.to_owned(),
            Way::Strong((strength, _)) => format!("{strength} {word}"),
            Way::Negated(negation) => format!("{} {word}", NEGATIONS[negation].0),
            Way::Both(negation, (strength, _)) => {
                format!("{} {strength} {word}", NEGATIONS[negation].0)
            }
            Way::Excess((excess, _)) => format!("{excess} {word}"),
        };
        let clause = format!("the {} was {judged}", self.part);
        match self.claim {
            Some((claim, _)) => format!("{claim} {clause}"),
            None => clause,
        }
    }

    /// How well it speaks of its part.
    fn says(&self) -> f64 {
        let word = JUDGEMENTS[self.judgement].1;
        let own = match self.way {
            Way::Plain => word,
            Way::Strong((_, strength)) => strength * word,
            Way::Negated(negation) => NEGATIONS[negation].1 * word,
            Way::Both(negation, (_, strength)) => NEGATIONS[negation].1 * strength * word,
            Way::Excess((_, excess)) => -excess * word.abs(),
        };
        own * self.claim.map_or(1.0, |(_, claim)| claim)
    }

    /// Whether no training sentence has this judgement with this negation, or with this part: a fifth of each.
    fn is_held_out(&self) -> bool {
        let negation = match self.way {
            Way::Negated(negation) | Way::Both(negation, _) => Some(negation),
            Way::Plain | Way::Strong(_) | Way::Excess(_) => None,
        };
        let part = PARTS.iter().position(|part| *part == self.part);
        let with = |other: usize| (3 * self.judgement + other).is_multiple_of(5);
        negation.is_some_and(with) || part.is_some_and(with)
    }
}

/// Labelled sentences, and what can be known of their labels.
pub(crate) struct Drawn {
    pub(crate) sentences: Vec<Sentence>,
    /// The share of the labels that who knows the grammar finds.
    pub(crate) knowable: f64,
}

/// Sentences of the grammar: those of training have no combination that is held out, and those of the test have one in their main
/// clause.
pub(crate) fn sentences(count: usize, seed: u64, test: bool) -> Drawn {
    let name = if test { "test" } else { "training" };
    let mut rng = rng::stream(seed, "grammar", name);
    let (mut sentences, mut knowable) = (Vec::new(), 0.0);
    while sentences.len() < count {
        let main = Clause::draw(&PARTS, &mut rng);
        if main.is_held_out() == test {
            let (text, says) = sentence(main, &mut rng);
            let positive = 1.0 / (1.0 + (-CERTAINTY * says).exp());
            knowable += positive.max(1.0 - positive) / count as f64;
            sentences.push(Sentence {
                words: text.split(' ').map(str::to_owned).collect(),
                label: ["negative", "positive"][usize::from(rng.random_bool(positive))].to_owned(),
            });
        }
    }
    Drawn {
        sentences,
        knowable,
    }
}

fn sentence(main: Clause, rng: &mut impl Rng) -> (String, f64) {
    let other = Clause::draw_known(&PARTS, rng);
    let (first, second) = (main.words(), other.words());
    let both = main.says() + CONCEDED * other.says();
    let (mut text, mut says) = match rng.random_range(0..8) {
        0..3 => (first, main.says()),
        3 => (format!("{second} , but {first}"), both),
        4 => (format!("although {second} , {first}"), both),
        5 => (format!("{first} , although {second}"), both),
        6 => (format!("{second} . nevertheless , {first}"), both),
        _ => (format!("{first} , even if {second}"), both),
    };
    if rng.random_bool(0.3) {
        let more = Clause::draw_known(&PARTS, rng);
        text = format!("{text} , and {} as well", more.words());
        says += more.says();
    }
    if rng.random_bool(0.4) {
        let aside = Clause::draw_known(&OTHERS, rng).words();
        text = match rng.random_range(0..3) {
            0 => format!("{aside} , and {text}"),
            1 => format!("{text} , and {aside}"),
            _ => format!("{text} . by the way , {aside}"),
        };
    }
    (text, says)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DULL: Clause = Clause {
        part: "ending",
        judgement: 6,
        way: Way::Negated(0),
        claim: Some(CLAIMS[0]),
    };

    #[test]
    fn negations_of_negations_count() {
        assert_eq!(DULL.words(), "i doubt that the ending was not dull");
        let says = |way, claim| Clause { way, claim, ..DULL }.says();
        assert_eq!(says(DULL.way, DULL.claim), -0.375);
        assert_eq!(says(Way::Both(1, STRENGTHS[0]), None), 0.75);
        assert_eq!(says(Way::Strong(STRENGTHS[2]), Some(CLAIMS[1])), 0.5);
        assert_eq!(says(Way::Excess(EXCESS[0]), None), -1.0);
        let superb = Clause {
            judgement: 29,
            ..DULL
        };
        assert_eq!(superb.words(), "i doubt that the ending was not superb");
        assert_eq!(superb.says(), 0.75);
    }

    #[test]
    fn no_training_sentence_has_a_combination_that_is_held_out() {
        let Drawn {
            sentences: training,
            knowable,
        } = sentences(3000, 1, false);
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
            assert!((1000..2000).contains(&share), "{label} {share}");
        }
        assert!((0.8..0.95).contains(&knowable), "{knowable}");
    }
}
