//! Sentences about people, places and companies whose names are made of the same words.
//!
//! `Jordan Mills` may be anyone, anywhere and any firm. What a name is, is told by words before it or after it, which are up to six
//! words away from its other end, and one in ten is not told at all. Whatever it is, its words have to agree.

use rand::{Rng, RngExt};
use rnn::rng;

use crate::corpus::Sentence;

const NAMES: [&str; 24] = [
    "Jordan", "Paris", "Chelsea", "Austin", "Lincoln", "Florence", "Madison", "Sydney", "Hudson",
    "Carter", "Dakota", "Savannah", "Logan", "Kent", "Preston", "Ashton", "Camden", "Devon",
    "Mills", "Hill", "Stone", "Field", "Ford", "West",
];
const OPENINGS: [&str; 8] = [
    "yesterday",
    "in the end",
    "as everybody knows",
    "last year",
    "of course",
    "it is said that",
    "today",
    "we read that",
];
const FILLERS: [&str; 6] = [
    "again",
    "once more",
    "with a smile",
    "for a while",
    "in spring",
    "at last",
];

/// What a name can be, and what may stand around it.
struct Kind {
    label: &'static str,
    before: &'static [&'static str],
    after: &'static [&'static str],
}

const KINDS: [Kind; 3] = [
    Kind {
        label: "person",
        before: &[
            "we met",
            "a letter from",
            "she married",
            "he thanked",
            "my friend",
        ],
        after: &[
            "smiled",
            "was born",
            "wrote a book",
            "laughed",
            "told a story",
        ],
    },
    Kind {
        label: "place",
        before: &[
            "we drove to",
            "rain over",
            "he lives near",
            "the streets of",
            "a map of",
        ],
        after: &[
            "was flooded",
            "has two bridges",
            "is far away",
            "lies by a river",
        ],
    },
    Kind {
        label: "company",
        before: &[
            "shares of",
            "she works for",
            "the chairman of",
            "a loan to",
            "products by",
        ],
        after: &[
            "was sold",
            "made a loss",
            "hired workers",
            "pays a dividend",
        ],
    },
];
/// These tell nothing.
const NEUTRAL_BEFORE: [&str; 5] = [
    "we saw",
    "she knew",
    "he wrote about",
    "news about",
    "we heard of",
];
const NEUTRAL_AFTER: [&str; 4] = [
    "was mentioned",
    "is well known",
    "came to mind",
    "made headlines",
];

/// Sentences of the grammar.
pub(crate) fn sentences(count: usize, seed: u64, name: &str) -> Vec<Sentence> {
    let mut rng = rng::stream(seed, "grammar", name);
    (0..count).map(|_| sentence(&mut rng)).collect()
}

fn sentence(rng: &mut impl Rng) -> Sentence {
    let mut sentence = Sentence::new();
    if rng.random_bool(0.5) {
        say(&mut sentence, one_of(&OPENINGS, rng));
    }
    for clause in 0..rng.random_range(1..=3) {
        if clause > 0 {
            say(&mut sentence, one_of(&["and", ",", "but", "while"], rng));
        }
        let kind = &KINDS[rng.random_range(0..KINDS.len())];
        // A name is told by what is before it, by what is after it, or not at all.
        let (before, after) = match rng.random_range(0..20) {
            0..9 => (one_of(kind.before, rng), one_of(&NEUTRAL_AFTER, rng)),
            9..18 => (one_of(&NEUTRAL_BEFORE, rng), one_of(kind.after, rng)),
            _ => (one_of(&NEUTRAL_BEFORE, rng), one_of(&NEUTRAL_AFTER, rng)),
        };
        say(&mut sentence, before);
        name(&mut sentence, kind.label, rng);
        if rng.random_bool(0.3) {
            say(&mut sentence, one_of(&FILLERS, rng));
        }
        say(&mut sentence, after);
    }
    say(&mut sentence, ".");
    sentence
}

// One to four words, any of them.
fn name(sentence: &mut Sentence, label: &str, rng: &mut impl Rng) {
    for word in 0..rng.random_range(1..=4) {
        let tag = if word == 0 { "B" } else { "I" };
        let own = one_of(&NAMES, rng).to_owned();
        sentence.push((own, format!("{tag}-{label}")));
    }
}

fn say(sentence: &mut Sentence, words: &str) {
    let outside = words
        .split(' ')
        .map(|word| (word.to_owned(), "O".to_owned()));
    sentence.extend(outside);
}

fn one_of<'w>(words: &[&'w str], rng: &mut impl Rng) -> &'w str {
    words[rng.random_range(0..words.len())]
}
