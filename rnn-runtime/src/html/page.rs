//! HTML, written as text.
//!
//! **Invariant:** what is not markup of this module is escaped.

use std::fmt::Write;

/// A piece of a page.
#[derive(Clone, Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup, as it is.
    pub(super) fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// A text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // Not characters of HTML.
                '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' => self.0.push('\u{fffd}'),
                letter => self.0.push(letter),
            }
        }
        self
    }

    /// An element that holds a text.
    pub(super) fn element(&mut self, tag: &str, class: &str, text: &str) -> &mut Self {
        // Writing to a string does not fail.
        let _ = match class {
            "" => write!(self.0, "<{tag}>"),
            class => write!(self.0, "<{tag} class=\"{class}\">"),
        };
        self.text(text);
        let _ = write!(self.0, "</{tag}>");
        self
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// A number to read: four digits that say something.
pub(super) fn figure(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => value.to_string(),
        0.0 => "0".to_owned(),
        _ if value.fract() == 0.0 && size < 1e6 => format!("{value}"),
        _ if (1e-3..1e5).contains(&size) => {
            let decimals = (3.0 - size.log10().floor()).clamp(0.0, 6.0) as usize;
            format!("{value:.decimals$}")
        }
        _ => format!("{value:.3e}"),
    }
}

/// A time to read.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    match seconds {
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 100.0 => format!("{seconds:.1} s"),
        seconds => {
            let whole = seconds.round().min(1e15) as u64;
            let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
            match hours {
                0 => format!("{minutes} min {rest} s"),
                hours => format!("{hours} h {minutes} min"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_become_markup() {
        let mut html = Html::default();
        html.element("td", "", "<script>\"&\u{0}</td>");
        assert_eq!(
            html.into_string(),
            "<td>&lt;script&gt;&quot;&amp;\u{fffd}&lt;/td&gt;</td>"
        );
    }

    #[test]
    fn numbers_have_four_digits() {
        let all = [
            0.0,
            3.0,
            2.345_678,
            0.012_345,
            12_345.6,
            1.234e-7,
            -2.5e9,
            f64::NAN,
            f64::NEG_INFINITY,
        ];
        let all = all.map(figure).join(" ");
        assert_eq!(all, "0 3 2.346 0.01235 12346 1.234e-7 -2.500e9 NaN -inf");
        assert_eq!(
            [0.0123, 12.34, 754.2, 9000.0].map(duration).join(", "),
            "12 ms, 12.3 s, 12 min 34 s, 2 h 30 min"
        );
    }
}
