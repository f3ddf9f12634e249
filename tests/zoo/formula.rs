//! Numbers of parameters as formulas over sizes: `4*H*(I + H + 1)`.

/// The value of a formula of sums, products, brackets, numbers and sizes.
pub(crate) fn value(formula: &str, sizes: &[(&str, usize)]) -> usize {
    let mut rest: &[u8] = &formula
        .bytes()
        .filter(|byte| *byte != b' ')
        .collect::<Vec<_>>();
    let value = sum(&mut rest, sizes);
    assert!(
        rest.is_empty(),
        "`{formula}`: what is `{}`?",
        rest.escape_ascii()
    );
    value
}

fn sum(rest: &mut &[u8], sizes: &[(&str, usize)]) -> usize {
    let mut total = product(rest, sizes);
    while let Some(tail) = rest.strip_prefix(b"+") {
        *rest = tail;
        total += product(rest, sizes);
    }
    total
}

fn product(rest: &mut &[u8], sizes: &[(&str, usize)]) -> usize {
    let mut total = factor(rest, sizes);
    while let Some(tail) = rest.strip_prefix(b"*") {
        *rest = tail;
        total *= factor(rest, sizes);
    }
    total
}

fn factor(rest: &mut &[u8], sizes: &[(&str, usize)]) -> usize {
    if let Some(tail) = rest.strip_prefix(b"(") {
        *rest = tail;
        let inner = sum(rest, sizes);
        *rest = rest.strip_prefix(b")").expect("a closing bracket");
        return inner;
    }
    let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric());
    let (word, tail) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = tail;
    let word = word.escape_ascii().to_string();
    let size = sizes.iter().find(|(name, _)| *name == word);
    match size {
        Some((_, size)) => *size,
        None => word.parse().unwrap_or_else(|_| panic!("no size `{word}`")),
    }
}
