//! What people of a made-up country do, a paragraph each, and how much of it nobody could have foreseen.
//!
//! Whom somebody thinks of, who makes what with which tool, who lives where and whether it is he or she is always the same; whom a
//! paragraph is about is said in its first sentence, and every choice is seen in the text.

use rnn::rng;

use crate::teller::{Teller, by_chance};
use crate::world::{Person, TRADES, World, by_rank};

/// Paragraphs, with an empty line behind each.
pub(crate) struct Chronicle {
    pub(crate) text: String,
    /// `-log2` of their probability.
    pub(crate) bits: f64,
}

/// As many paragraphs; the same ones for a world, a seed and a name.
pub(crate) fn tell(world: &World, paragraphs: usize, seed: u64, name: &str) -> Chronicle {
    let mut teller = Teller::new(by_chance(rng::stream(seed, "chronicle", name)));
    for _ in 0..paragraphs {
        teller.paragraph(world);
    }
    Chronicle {
        text: teller.text,
        bits: teller.bits,
    }
}

const TIMES: [&str; 16] = [
    "On Monday",
    "At noon",
    "In spring",
    "Before the fair",
    "On Friday",
    "At dawn",
    "After the rain",
    "In autumn",
    "On Saturday",
    "At dusk",
    "In the first snow",
    "On Tuesday",
    "After the harvest",
    "On Thursday",
    "In summer",
    "On Wednesday",
];
const NUMBERS: [&str; 8] = [
    "two",
    "three",
    "four",
    "six",
    "a dozen",
    "eight",
    "seven",
    "a hundred",
];
const WAYS: [&str; 10] = [
    "better", "faster", "worse", "slower", "cheaper", "oftener", "later", "louder", "earlier",
    "longer",
];
const WEATHER: [&str; 6] = ["rains", "snows", "thunders", "drizzles", "hails", "freezes"];
const CALLED: [&str; 8] = [
    "a fool",
    "a friend",
    "a thief",
    "a genius",
    "a liar",
    "an angel",
    "a miser",
    "a dreamer",
];
const ANSWERS: [&str; 5] = ["laughs", "is silent", "blushes", "sighs", "shuts the door"];

/// Sentences that follow the first one at the most.
const EVENTS: usize = 8;

impl<C: FnMut(&[f64]) -> usize> Teller<C> {
    /// The first ones are the likeliest.
    fn common<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.weighted(&by_rank(all.len(), 2.0))]
    }

    fn goods(&mut self, person: &Person) -> &'static str {
        self.common(&TRADES[person.trade].goods)
    }

    fn fine_goods(&mut self, world: &World, person: &Person) -> String {
        let adjective = self.common(&world.adjectives[person.trade]);
        format!("{adjective} {}", self.goods(person))
    }

    /// Somebody whom one meets in a village.
    fn met<'w>(&mut self, world: &'w World, village: usize) -> &'w Person {
        &world.people[self.weighted(&world.met[village])]
    }

    fn paragraph(&mut self, world: &World) {
        let hero = &world.people[self.weighted(&world.known)];
        self.opening(world, hero);
        for left in (0..EVENTS).rev() {
            self.say(" ");
            self.event(world, hero);
            if left == 0 || !self.happens(0.75) {
                break;
            }
        }
        self.say("\n\n");
    }

    fn opening(&mut self, world: &World, hero: &Person) {
        let (name, trade) = (&hero.name, &TRADES[hero.trade]);
        let village = &world.villages[hero.village];
        let text = match self.number(0, 2) {
            0 => format!("{name} the {} lives in {village}.", trade.name),
            1 => format!(
                "In {village} lives {name}, who {} {}.",
                trade.does,
                self.goods(hero)
            ),
            _ => format!(
                "{name} of {village} {} {}.",
                trade.does,
                self.fine_goods(world, hero)
            ),
        };
        self.say(&text);
    }

    fn event(&mut self, world: &World, hero: &Person) {
        let (he, him, his) = match hero.woman {
            true => ("she", "her", "her"),
            false => ("he", "him", "his"),
        };
        let (home, trade) = (&world.villages[hero.village], &TRADES[hero.trade]);
        let text = match self.number(0, 6) {
            0 => {
                let (time, number) = (self.common(&TIMES), self.common(&NUMBERS));
                let goods = self.goods(hero);
                let buyer = self.met(world, hero.village);
                let sold = format!(
                    "{time} {he} sells {number} {goods} to {} the {}.",
                    buyer.name, TRADES[buyer.trade].name
                );
                match self.happens(0.5) {
                    true => {
                        let (price, name) = (self.fine_goods(world, buyer), &buyer.name);
                        format!("{sold} {name} pays with {price}.")
                    }
                    false => sold,
                }
            }
            1 => {
                let (time, goods) = (self.common(&TIMES), self.fine_goods(world, hero));
                format!(
                    "{time} {he} {} {goods} with {his} {}.",
                    trade.does, trade.tool
                )
            }
            2 => {
                let supplier = &world.people[hero.supplier];
                let (goods, name) = (self.fine_goods(world, supplier), &supplier.name);
                let village = &world.villages[supplier.village];
                format!("For {goods} {he} goes to {name} in {village}.")
            }
            3 => {
                let beloved = &world.people[hero.beloved];
                let (does, name) = (TRADES[beloved.trade].does, &beloved.name);
                let (time, goods) = (self.common(&TIMES), self.goods(beloved));
                format!("{time} {he} thinks of {name}, who {does} {goods}.")
            }
            4 => {
                let at = self.number(0, world.villages.len() - 1);
                let (village, partner) = (&world.villages[at], &self.met(world, at).name);
                format!("At the feast of {village} {he} dances with {partner}.")
            }
            5 => {
                let (called, answer) = (self.common(&CALLED), self.common(&ANSWERS));
                let rival = self.met(world, hero.village);
                let (name, trade) = (&rival.name, TRADES[rival.trade].name);
                format!("{name} the {trade} calls {him} {called}, but {he} {answer}.")
            }
            _ => {
                let (way, weather) = (self.common(&WAYS), self.common(&WEATHER));
                let does = trade.does;
                format!("When it {weather}, nobody in {home} {does} {way} than {he}.")
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

    /// Sums of up to a million probabilities.
    const TOLERANCE: f64 = 1e-9;

    // A country of which everything can be told.
    fn small() -> World {
        let mut world = World::new(1);
        world.people.truncate(3);
        for (at, person) in world.people.iter_mut().enumerate() {
            (person.village, person.beloved, person.supplier) =
                (at % 2, (at + 1) % 3, (at + 2) % 3);
        }
        world.villages.truncate(2);
        world.adjectives.iter_mut().for_each(|own| own.truncate(3));
        world.known.truncate(3);
        world.met = vec![vec![3.0, 1.0, 2.0], vec![1.0, 2.0, 1.0]];
        world
    }

    #[test]
    fn nothing_is_told_in_two_ways_and_probabilities_are_one() {
        let world = small();
        let once = |told: Vec<(String, f64)>| {
            let texts: BTreeSet<&str> = told.iter().map(|(text, _)| text.as_str()).collect();
            assert_eq!(texts.len(), told.len());
            let sum: f64 = told.iter().map(|(_, probability)| probability).sum();
            assert!((sum - 1.0).abs() < TOLERANCE, "{sum}");
        };
        once(all(|teller| {
            let hero = &world.people[teller.weighted(&world.known)];
            teller.opening(&world, hero);
        }));
        for hero in &world.people {
            once(all(|teller| teller.event(&world, hero)));
        }
    }

    #[test]
    fn who_is_who_never_changes() {
        let world = World::new(7);
        let told = tell(&world, 300, 7, "test");
        assert_eq!(tell(&World::new(7), 300, 7, "test").text, told.text);
        assert_ne!(tell(&World::new(8), 300, 8, "test").text, told.text);
        assert!(told.bits > 1000.0 && told.bits.is_finite());
        let mut sold = 0;
        for paragraph in told.text.lines().filter(|line| !line.is_empty()) {
            let first = (paragraph.split([' ', ',']))
                .find_map(|word| world.people.iter().find(|person| person.name == word));
            let hero = first.expect("a paragraph is about somebody");
            let goods = &TRADES[hero.trade].goods;
            for sale in paragraph.split(". ").filter(|own| own.contains(" sells ")) {
                assert!(goods.iter().any(|own| sale.contains(own)), "{sale}");
                assert!(
                    sale.contains(if hero.woman { " she " } else { " he " }),
                    "{sale}"
                );
                sold += 1;
            }
        }
        assert!(sold > 50, "{sold}");
    }
}
