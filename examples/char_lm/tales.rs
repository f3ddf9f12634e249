//! Tales of a small grammar, whose choices are seen: a name, how many geese are sold.
//!
//! All the rest follows: how many are left, whether it is he or she, which brackets are open, who it was and where it happened.

use rnn::rng;

use crate::teller::{Teller, by_chance};

/// Tales, one a line.
pub(crate) struct Tales {
    pub(crate) text: String,
    /// `-log2` of their probability.
    pub(crate) bits: f64,
}

/// Tales of as many characters, or a few more; the same ones for a seed and a name.
pub(crate) fn tell(characters: usize, seed: u64, name: &str) -> Tales {
    let mut teller = Teller::new(by_chance(rng::stream(seed, "tales", name)));
    while teller.text.len() < characters {
        teller.tale();
    }
    Tales {
        text: teller.text,
        bits: teller.bits,
    }
}

const ADJECTIVES: [&str; 12] = [
    "an old",
    "a young",
    "a poor",
    "a clever",
    "a lonely",
    "a merry",
    "a patient",
    "an idle",
    "an honest",
    "a proud",
    "a shy",
    "a busy",
];
const TRADES: [&str; 12] = [
    "miller",
    "shepherd",
    "weaver",
    "baker",
    "potter",
    "fisher",
    "smith",
    "tailor",
    "carpenter",
    "gardener",
    "innkeeper",
    "organist",
];
const WHERE: [&str; 5] = ["by", "behind", "near", "above", "beside"];
const THINGS: [&str; 8] = [
    "bridge", "hill", "harbour", "mill", "orchard", "river", "tower", "wall",
];
const HERDS: [&str; 8] = [
    "geese", "goats", "hens", "sheep", "cows", "cats", "pigs", "doves",
];
const BEASTS: [&str; 8] = [
    "fox", "wolf", "bear", "raven", "owl", "hare", "badger", "stork",
];
const TIMES: [&str; 10] = [
    "One morning",
    "In spring",
    "After the harvest",
    "On a cold night",
    "When snow fell",
    "Before the fair",
    "Late in summer",
    "At noon",
    "The year after",
    "Under a full moon",
];
const BUYERS: [&str; 8] = [
    "a stranger",
    "the mayor",
    "two sisters",
    "a sailor",
    "the priest",
    "a soldier",
    "the doctor",
    "a widow",
];
const ENDS: [&str; 4] = [
    "was never lonely again",
    "told this tale to whoever came by",
    "sang on every feast",
    "slept well",
];
/// Names, and what is said in their place.
const NAMES: [(&str, &str); 16] = [
    ("Ada", "she"),
    ("Berta", "she"),
    ("Clara", "she"),
    ("Greta", "she"),
    ("Lena", "she"),
    ("Marta", "she"),
    ("Nora", "she"),
    ("Rosa", "she"),
    ("Anton", "he"),
    ("Bruno", "he"),
    ("Caspar", "he"),
    ("Emil", "he"),
    ("Jakob", "he"),
    ("Otto", "he"),
    ("Paul", "he"),
    ("Viktor", "he"),
];
const NUMBERS: [&str; 13] = [
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];

/// Events that a tale has at the most.
const EVENTS: usize = 8;
/// Beasts that fear each other.
const DEPTH: usize = 4;

/// Who a tale is about.
struct Hero {
    name: &'static str,
    pronoun: &'static str,
    trade: &'static str,
    place: String,
    herd: &'static str,
    /// Of the herd.
    count: usize,
}

impl<C: FnMut(&[f64]) -> usize> Teller<C> {
    fn tale(&mut self) {
        let mut hero = self.hero();
        for _ in 0..EVENTS {
            if !self.happens(0.75) {
                break;
            }
            self.say(" ");
            self.event(&mut hero);
        }
        let Hero {
            name,
            trade,
            place,
            herd,
            count,
            ..
        } = &hero;
        let count = NUMBERS[*count];
        let end = self.one_of(&ENDS);
        self.say(&format!(
            " And so {name} the {trade} lived {place} with {count} {herd}, and {end}.\n"
        ));
    }

    fn hero(&mut self) -> Hero {
        let start = self.one_of(&["Once upon a time", "Long ago", "When wishes still helped,"]);
        let adjective = self.one_of(&ADJECTIVES);
        let trade = self.one_of(&TRADES);
        let (name, pronoun) = self.one_of(&NAMES);
        let place = format!("{} the {}", self.one_of(&WHERE), self.one_of(&THINGS));
        let (herd, count) = (self.one_of(&HERDS), self.number(3, 9));
        let number = NUMBERS[count];
        self.say(&format!(
            "{start} there was {adjective} {trade} called {name} who lived {place}, and {pronoun} had {number} {herd}."
        ));
        Hero {
            name,
            pronoun,
            trade,
            place,
            herd,
            count,
        }
    }

    // Whom a beast fears stands in brackets behind it, and so on.
    fn beast(&mut self, depth: usize, feared_by: Option<&str>) -> String {
        let others: Vec<&str> = (BEASTS.iter().copied())
            .filter(|beast| Some(*beast) != feared_by)
            .collect();
        let beast = self.one_of(&others);
        if depth > 1 && self.happens(0.4) {
            let feared = self.beast(depth - 1, Some(beast));
            return format!("the {beast} (who feared {feared})");
        }
        format!("the {beast}")
    }

    fn event(&mut self, hero: &mut Hero) {
        // What cannot be happens never: a herd is from two to twelve.
        let some = f64::from(u8::from(hero.count >= 3));
        let few = f64::from(u8::from(hero.count <= 11));
        let kind = self.weighted(&[some, some, few, 1.0, 1.0]);
        let time = match kind {
            0..=2 => self.one_of(&TIMES),
            _ => "",
        };
        let (name, pronoun, herd) = (hero.name, hero.pronoun, hero.herd);
        let text = match kind {
            0 => {
                let fewer = self.number(1, 4.min(hero.count - 2));
                let buyer = self.one_of(&BUYERS);
                hero.count -= fewer;
                let (fewer, left) = (NUMBERS[fewer], NUMBERS[hero.count]);
                format!(
                    "{time} {pronoun} sold {fewer} of them to {buyer}, and {left} {herd} were left."
                )
            }
            1 => {
                let fewer = self.number(1, 4.min(hero.count - 2));
                let beast = self.beast(DEPTH, None);
                hero.count -= fewer;
                let (fewer, left) = (NUMBERS[fewer], NUMBERS[hero.count]);
                format!("{time} {beast} took {fewer} of the {herd}, so that {left} were left.")
            }
            2 => {
                let more = self.number(1, 4.min(12 - hero.count));
                hero.count += more;
                let (more, all) = (NUMBERS[more], NUMBERS[hero.count]);
                format!("{time} {name} bought {more} more, and then {pronoun} had {all} {herd}.")
            }
            3 => {
                let count = NUMBERS[hero.count];
                let said = match self.number(0, 3) {
                    0 => format!("You have {count} {herd}, {name}"),
                    1 => format!("Give me one of your {herd}, {name}"),
                    2 => "It will rain".to_owned(),
                    _ => "I know what you wish".to_owned(),
                };
                let beast = self.beast(DEPTH, None);
                let answer = self.one_of(&["laughed", "said nothing", "shut the door", "nodded"]);
                format!("\"{said},\" said {beast}, but {name} {answer}.")
            }
            _ => {
                let songs = self.number(2, 6);
                let sung = vec!["la"; songs].join(", ");
                format!(
                    "{name} sang {} songs to the {herd}: {sung}.",
                    NUMBERS[songs]
                )
            }
        };
        self.say(&text);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::teller::all;

    /// Sums of a few thousand probabilities.
    const TOLERANCE: f64 = 1e-9;

    fn hero(count: usize) -> Hero {
        Hero {
            name: "Lena",
            pronoun: "she",
            trade: "miller",
            place: "by the hill".to_owned(),
            herd: "geese",
            count,
        }
    }

    #[test]
    fn no_event_is_told_in_two_ways_and_their_probabilities_are_one() {
        for count in [2, 3, 7, 12] {
            let told = all(|teller| teller.event(&mut hero(count)));
            let texts: BTreeSet<&str> = told.iter().map(|(text, _)| text.as_str()).collect();
            assert_eq!(texts.len(), told.len(), "{count}");
            let sum: f64 = told.iter().map(|(_, probability)| probability).sum();
            assert!((sum - 1.0).abs() < TOLERANCE, "{count}: {sum}");
        }
    }

    #[test]
    fn tales_add_up_and_repeat_with_their_seed() {
        let tales = tell(20_000, 7, "test");
        assert_eq!(tell(20_000, 7, "test").text, tales.text);
        assert_ne!(tell(20_000, 8, "test").text, tales.text);
        assert!(tales.bits > 1000.0 && tales.bits.is_finite());
        for tale in tales.text.lines() {
            let number = |word: &str| NUMBERS.iter().position(|own| *own == word);
            let after = |sign: &str| {
                let (_, rest) = tale.rsplit_once(sign).expect("is in each tale");
                rest.split([' ', '.']).next().and_then(number)
            };
            let mut count = tale
                .split_once(" had ")
                .and_then(|(_, rest)| number(rest.split(' ').next().unwrap_or_default()));
            let words: Vec<&str> = tale.split(' ').collect();
            for pair in words.windows(2) {
                let by = number(pair[1]).unwrap_or_default();
                match pair[0] {
                    "sold" | "took" => count = count.map(|own| own - by),
                    "bought" => count = count.map(|own| own + by),
                    _ => {}
                }
            }
            assert_eq!(count, after(" with "), "{tale}");
            assert_eq!(tale.matches('(').count(), tale.matches(')').count());
        }
    }
}
