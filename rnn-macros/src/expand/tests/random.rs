//! Damaged models through the whole expansion: no panic, no hang, and always items that are Rust.

use std::str::FromStr;

use proc_macro2::TokenStream;

use super::super::expand;

const WORDS: [&str; 56] = [
    "x",
    "h",
    "y",
    "W",
    "b",
    "k",
    "q",
    "t",
    "j",
    "T",
    "H",
    "E",
    "V",
    "l",
    "1",
    "0",
    "2",
    "- 1",
    "+ 1",
    "+",
    "-",
    "*",
    "/",
    "@",
    "=",
    "~",
    ";",
    ";",
    ",",
    ".",
    ".T",
    ":",
    "tanh",
    "sum",
    "softmax",
    "where",
    "argmax",
    "cross_entropy",
    "feedback",
    "slice",
    "one_hot",
    "mean",
    "max",
    "param",
    "input",
    "target",
    "output",
    "loss",
    "layer",
    "lstm",
    "Cell",
    "bi",
    "stack",
    "index",
    "normal",
    "<",
];

const MODEL: &str = "cell Cell < I , H > ( x : [ I ] ) -> h : [ H ] , c : [ H ] { param U : [ H , I ] ~ glorot_uniform ; \
    param R : [ H , H ] ~ orthogonal ; c [ t ] = U @ x [ t ] + R @ h [ t - 1 ] ; h [ t ] = tanh ( c [ t ] ) ; h [ 0 ] = 1 ; } \
    model M < V , E , H > { time t in 1 ..= T ; time j in 1 ..= 3 ; index l in 1 ..= 2 ; input k [ t ] : token < V > , x [ t ] : [ E ] , \
    m [ j ] : [ H ] ; target y [ t ] : token < V > ; param W [ l ] : [ H , H ] = 0 ; param b : [ H ] = 1 ; param Y : [ V , H ] ~ \
    normal ( 0.0 , 0.1 ) ; layer lstm = bi ( Cell < E , H > ) ; layer two = stack ( 2 , residual ( Cell < H , H > ) ) ; \
    s [ t ] = lstm ( x [ t ] ) ; h [ 0 , t ] = slice ( s [ t ] , 0 , H ) ; h [ l , t ] = tanh ( W [ l ] @ h [ l - 1 , t ] + b * h [ l , t - 1 ] ) ; \
    a [ t , j ] = softmax [ j ] ( m [ j ] @ h [ 2 , t - 1 ] ) ; c [ t ] = sum [ j ] ( a [ t , j ] * m [ j ] ) ; \
    z [ t ] = two ( c [ t ] + Y [ p [ t ] ] + Y [ k [ t ] ] ) ; p [ t ] = feedback ( y [ t - 1 ] , argmax ( o [ t - 1 ] ) ) ; y [ 0 ] = 1 ; \
    o [ t ] = Y @ z [ t ] + where ( t == 1 , 0 , 0.5 ) ; output o , lstm . backward . c ; loss mean [ t ] ( cross_entropy ( o [ t ] , y [ t ] ) ) ; }";

/// SplitMix64 (Steele, Lea & Flood 2014); the seed is the test's.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 33).expect("31 bits") % bound
    }
}

fn expanded(source: &str) -> String {
    let tokens = expand(TokenStream::from_str(source).expect("brackets match"));
    if let Err(error) = syn::parse2::<syn::File>(tokens.clone()) {
        panic!("{error}\n{source}\n{tokens}");
    }
    let text = tokens.to_string();
    assert!(
        !text.contains("no valid model"),
        "a violation that no check names:\n{source}\n{text}"
    );
    text
}

#[test]
fn the_undamaged_model_is_right() {
    let text = expanded(MODEL);
    assert!(!text.contains("compile_error"), "{text}");
}

#[test]
fn damaged_models_are_expanded_or_refused() {
    let words: Vec<&str> = MODEL.split(' ').collect();
    let is_bracket = |word: &str| matches!(word, "(" | ")" | "[" | "]" | "{" | "}");
    let (mut right, mut refused) = (0, 0);
    for seed in 0..3_000 {
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
        if expanded(&damaged.join(" ")).contains("compile_error") {
            refused += 1;
        } else {
            right += 1;
        }
    }
    assert!(
        right > 50 && refused > 1_000,
        "{right} right, {refused} refused"
    );
}

#[test]
fn damaged_headers_are_expanded_or_refused() {
    let model =
        "model M { time t in 1..=T; input x[t]: []; layer a = C; y[t] = a(x[t]); output y; }";
    for header in [
        "",
        "()",
        "(::rnn)",
        "[::rnn]",
        "(::rnn) @",
        "(::rnn) @known",
        "(::rnn) @known {}",
        "(::rnn) @known { {C} }",
        "(::rnn) @known { {C} {} {} {D} }",
        "(::rnn) @known { {C} {model M {}} {} }",
        "(::rnn) @known { {C} {cell C(x: []) -> h: [] { h[t] = x[t]; }} { {} {} } }",
        "(::rnn) @known { {C} {cell C(x: []) -> h: [] { layer c = C; h[t] = c(x[t]); }} { {C} {cell C(x: []) -> h: [] { h[t] = x[t]; }} {} } }",
        "(::rnn) @collect { {C} {} {} }",
    ] {
        expanded(&format!("{header} {model}"));
    }
}
