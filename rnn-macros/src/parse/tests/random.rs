//! Any tokens at all: no panic, no hang, every error inside the input.

use super::parse_text;

/// Words the generator joins: everything the grammar knows, and some it does not.
const WORDS: [&str; 80] = [
    "cell",
    "model",
    "pub",
    "time",
    "index",
    "input",
    "target",
    "param",
    "orthonormal",
    "fixed",
    "running",
    "layer",
    "output",
    "loss",
    "in",
    "token",
    "t",
    "T",
    "H",
    "x",
    "h",
    "W",
    "W_i",
    "lstm",
    "tanh",
    "sum",
    "mean",
    "softmax",
    "bi",
    "stack",
    "reverse",
    "residual",
    "if",
    "let",
    "for",
    "where",
    "self",
    "crate",
    "_",
    "r#fn",
    "0",
    "1",
    "2",
    "0.5",
    "1e-3",
    "7u8",
    "\"s\"",
    "'c'",
    "'life",
    "1e999",
    "+",
    "-",
    "*",
    "/",
    "@",
    "<",
    "<=",
    ">",
    ">=",
    "==",
    "!=",
    "=",
    "~",
    ":",
    "::",
    ";",
    ";",
    ";",
    ",",
    ",",
    ".",
    "..=",
    "..",
    "->",
    "=>",
    "#",
    "!",
    "&&",
    "^",
    "$",
];

const LSTM: &str = "/// doc\npub cell Lstm < I , H > ( x : [ I ] ) -> h : [ H ] { param W , U : [ H , I + 2 * H ] ~ normal ( 0.0 , 0.1 ) ; \
    i [ t ] = sigmoid ( W @ x [ t ] + U @ h [ t - 1 ] + b ) ; h [ 0 ] = 0 ; } \
    model M < H > { time t in 1 ..= T ; input x [ t ] : token < H > ; layer l = bi ( stack ( 2 , a :: Lstm < H , H > ) ) ; \
    y [ t ] = sum [ j ] ( E [ l ( x [ t ] ) ] . T ) ; output y , l . c ; loss mean [ t ] ( y [ t ] ) ; }";

/// A small generator (Steele, Lea & Flood 2014, SplitMix64); the seed is the test's.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 33).expect("31 bits") % bound
    }

    /// `length` words, groups closed.
    fn source(&mut self, length: usize) -> String {
        let mut text = String::new();
        let mut open = Vec::new();
        for _ in 0..length {
            match self.below(10) {
                0 => {
                    let (left, right) = [("(", ")"), ("[", "]"), ("{", "}")][self.below(3)];
                    text.push_str(left);
                    open.push(right);
                }
                1 if !open.is_empty() => text.push_str(open.pop().unwrap_or_default()),
                _ => {
                    text.push_str(WORDS[self.below(WORDS.len())]);
                    text.push(if self.below(4) == 0 { '\n' } else { ' ' });
                }
            }
        }
        open.into_iter()
            .rev()
            .for_each(|right| text.push_str(right));
        text
    }
}

#[test]
fn random_tokens_are_read_or_refused() {
    let mut errors = 0;
    for seed in 0..4_000 {
        let mut random = Random(seed);
        let length = 1 + random.below(60);
        let (program, diagnostics) = parse_text(&random.source(length));
        errors += diagnostics.count();
        drop(program);
    }
    assert!(
        errors > 4_000,
        "the generator makes nothing but right programs"
    );
}

#[test]
fn random_statements_are_read_or_refused() {
    for seed in 0..4_000 {
        let mut random = Random(seed);
        let length = 1 + random.below(60);
        parse_text(&format!("model M {{ {} }}", random.source(length)));
        parse_text(&format!(
            "cell C<H>(x: [H]) -> h: [H] {{ y[t] = {}; }}",
            random.source(length)
        ));
    }
}

#[test]
fn damaged_programs_are_read_or_refused() {
    let words: Vec<&str> = LSTM.split(' ').collect();
    let is_bracket = |word: &str| matches!(word, "(" | ")" | "[" | "]" | "{" | "}");
    for seed in 0..4_000 {
        let mut random = Random(seed);
        let mut damaged = words.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(damaged.len());
            if is_bracket(damaged[at]) {
                continue;
            }
            match random.below(3) {
                0 => drop(damaged.remove(at)),
                1 => damaged[at] = WORDS[random.below(WORDS.len())],
                _ => damaged.insert(at, WORDS[random.below(WORDS.len())]),
            }
        }
        parse_text(&damaged.join(" "));
    }
}

#[test]
fn expansion_of_the_same_tokens_is_the_same() {
    for seed in 0..200 {
        let source = Random(seed).source(40);
        let (_, first) = parse_text(&source);
        let (_, second) = parse_text(&source);
        assert_eq!(
            first.to_compile_errors().to_string(),
            second.to_compile_errors().to_string()
        );
    }
}
