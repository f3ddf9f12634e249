//! People of a made-up country: what they are called, where they live, what they make and whom they think of.
//!
//! Who is who never changes, so that a reader gets to know them; few are spoken of often, and many seldom, as words are in any
//! language (Zipf 1949).

use std::collections::BTreeSet;

use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rnn::rng;

/// People that a country has.
const PEOPLE: usize = 1500;
/// Villages that it has.
const VILLAGES: usize = 48;
/// How much oftener one has to do with people of the same village.
const NEIGHBOURS: f64 = 20.0;

/// What somebody does for a living.
pub(crate) struct Trade {
    pub(crate) name: &'static str,
    /// As in "she bakes".
    pub(crate) does: &'static str,
    pub(crate) tool: &'static str,
    pub(crate) goods: [&'static str; 6],
}

pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) woman: bool,
    /// In [`TRADES`].
    pub(crate) trade: usize,
    /// In [`World::villages`].
    pub(crate) village: usize,
    /// In [`World::people`].
    pub(crate) beloved: usize,
    /// In [`World::people`].
    pub(crate) supplier: usize,
}

pub(crate) struct World {
    pub(crate) people: Vec<Person>,
    pub(crate) villages: Vec<String>,
    /// Adjectives of what each trade makes, the commonest first.
    pub(crate) adjectives: Vec<Vec<&'static str>>,
    /// How often each of the people is spoken of.
    pub(crate) known: Vec<f64>,
    /// How often each of the people has to do with somebody of a village.
    pub(crate) met: Vec<Vec<f64>>,
}

impl World {
    /// The country of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = rng::stream(seed, "world", "");
        let mut names = BTreeSet::new();
        let mut name = |ends: &[&str]| {
            loop {
                let mut name = String::new();
                for _ in 0..2 {
                    name += ONSETS.choose(&mut rng).copied().unwrap_or_default();
                    name += VOWELS.choose(&mut rng).copied().unwrap_or_default();
                }
                name += ends.choose(&mut rng).copied().unwrap_or_default();
                let name = name[..1].to_uppercase() + &name[1..];
                if names.insert(name.clone()) {
                    return name;
                }
            }
        };
        let villages: Vec<String> = (0..VILLAGES)
            .map(|_| name(&["ford", "ham", "wick", "stead"]))
            .collect();
        let called: Vec<(String, bool)> = (0..PEOPLE)
            .map(|at| match at % 2 == 0 {
                true => (name(&["ra", "na", "la", "tha"]), true),
                false => (name(&["n", "r", "ld", "mund"]), false),
            })
            .collect();
        let people: Vec<Person> = (called.into_iter())
            .map(|(name, woman)| Person {
                name,
                woman,
                trade: rng.random_range(0..TRADES.len()),
                village: rng.random_range(0..VILLAGES),
                beloved: rng.random_range(0..PEOPLE),
                supplier: rng.random_range(0..PEOPLE),
            })
            .collect();
        let adjectives = (TRADES.iter())
            .map(|_| {
                let mut own = ADJECTIVES.to_vec();
                own.shuffle(&mut rng);
                own
            })
            .collect();
        let known = by_rank(PEOPLE, 20.0);
        let met = (0..VILLAGES).map(|village| {
            let near = |(person, known): (&Person, &f64)| match person.village == village {
                true => NEIGHBOURS * known,
                false => *known,
            };
            people.iter().zip(&known).map(near).collect()
        });
        Self {
            met: met.collect(),
            people,
            villages,
            adjectives,
            known,
        }
    }

    /// The names of all people and villages: words that a text may say at any time.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let people = self.people.iter().map(|person| &person.name);
        people.chain(&self.villages).map(String::as_str)
    }
}

/// Weights that fall with the rank: `1 / (rank + start)`.
pub(crate) fn by_rank(count: usize, start: f64) -> Vec<f64> {
    (0..count).map(|rank| 1.0 / (rank as f64 + start)).collect()
}

const ONSETS: [&str; 16] = [
    "b", "br", "d", "f", "g", "h", "k", "l", "m", "p", "r", "s", "st", "t", "v", "w",
];
const VOWELS: [&str; 6] = ["a", "e", "i", "o", "u", "ei"];

const ADJECTIVES: [&str; 32] = [
    "fine", "good", "cheap", "heavy", "small", "large", "round", "plain", "fresh", "old", "new",
    "rare", "lovely", "crooked", "smooth", "rough", "warm", "bright", "dark", "strong", "soft",
    "hard", "sweet", "bitter", "clean", "broken", "light", "thick", "thin", "long", "short",
    "green",
];

const fn trade(
    name: &'static str,
    does: &'static str,
    tool: &'static str,
    goods: [&'static str; 6],
) -> Trade {
    Trade {
        name,
        does,
        tool,
        goods,
    }
}

#[rustfmt::skip]
pub(crate) const TRADES: [Trade; 24] = [
    trade("baker", "bakes", "oven", ["bread", "cakes", "pies", "rolls", "buns", "biscuits"]),
    trade("weaver", "weaves", "loom", ["cloth", "linen", "blankets", "carpets", "shawls", "ribbons"]),
    trade("potter", "turns", "wheel", ["jugs", "bowls", "cups", "plates", "vases", "tiles"]),
    trade("smith", "forges", "hammer", ["nails", "horseshoes", "knives", "sickles", "hinges", "chains"]),
    trade("carpenter", "planes", "saw", ["tables", "chairs", "doors", "shelves", "ladders", "cradles"]),
    trade("tailor", "sews", "needle", ["coats", "shirts", "trousers", "gowns", "waistcoats", "capes"]),
    trade("cobbler", "mends", "awl", ["boots", "shoes", "slippers", "sandals", "saddles", "belts"]),
    trade("fisher", "catches", "net", ["trout", "pike", "eels", "carp", "perch", "crayfish"]),
    trade("gardener", "grows", "spade", ["beans", "peas", "carrots", "leeks", "onions", "radishes"]),
    trade("beekeeper", "gathers", "smoker", ["honey", "wax", "candles", "mead", "combs", "salve"]),
    trade("brewer", "brews", "kettle", ["beer", "ale", "stout", "cider", "porter", "vinegar"]),
    trade("cheesemaker", "stirs", "vat", ["cheese", "butter", "cream", "curds", "whey", "yoghurt"]),
    trade("miller", "grinds", "millstone", ["flour", "bran", "oats", "barley", "rye", "malt"]),
    trade("glazier", "blows", "pipe", ["bottles", "windows", "lenses", "beads", "mirrors", "lamps"]),
    trade("basketmaker", "plaits", "knife", ["baskets", "mats", "hampers", "hats", "fences", "sieves"]),
    trade("printer", "prints", "press", ["books", "almanacs", "maps", "posters", "cards", "letters"]),
    trade("painter", "paints", "brush", ["portraits", "landscapes", "icons", "murals", "signboards", "fans"]),
    trade("clockmaker", "repairs", "file", ["clocks", "watches", "dials", "bells", "sundials", "barometers"]),
    trade("roper", "twists", "hook", ["ropes", "cords", "strings", "hammocks", "lines", "reins"]),
    trade("butcher", "cuts", "cleaver", ["sausages", "hams", "bacon", "chops", "ribs", "tripe"]),
    trade("apothecary", "mixes", "mortar", ["ointments", "syrups", "powders", "pills", "drops", "teas"]),
    trade("stonecutter", "carves", "chisel", ["gravestones", "fountains", "steps", "statues", "troughs", "arches"]),
    trade("lutemaker", "glues", "clamp", ["lutes", "fiddles", "flutes", "harps", "drums", "horns"]),
    trade("furrier", "stitches", "shears", ["furs", "muffs", "gloves", "collars", "hoods", "mittens"]),
];
