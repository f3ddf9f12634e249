//! Patterns for the names of parameters.

/// Whether `*` in `pattern` can be replaced by text such that `pattern` is `name`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(prefix) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let suffix = parts.pop().unwrap_or_default();
    for part in parts {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_stands_for_any_characters() {
        for (pattern, name, expected) in [
            ("W", "W", true),
            ("W", "W_i", false),
            ("*", "", true),
            ("*", "lstm.W_i", true),
            ("lstm.*", "lstm.W_i", true),
            ("lstm.*", "lstm", false),
            ("*.U_*", "lstm.U_i", true),
            ("*.U_*", "U_i", false),
            ("a*b*a", "aba", true),
            ("a*b*a", "ab", false),
            ("a*a", "a", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} against {name}");
        }
    }
}
