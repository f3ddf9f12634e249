//! Dates as people write them, and as ISO 8601 writes them.

use rand::{Rng, RngExt};
use rnn::rng;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
const ORDINALS: [&str; 20] = [
    "",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
];

/// A day of the years 1900 to 2099.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    year: usize,
    month: usize,
    day: usize,
}

/// Pairs of a text and its translation.
pub(crate) fn pairs(count: usize, seed: u64) -> Vec<(String, String)> {
    let mut rng = rng::stream(seed, "dates", "");
    let mut pair = || {
        let date = Date::draw(&mut rng);
        (date.said(&mut rng), date.iso())
    };
    (0..count).map(|_| pair()).collect()
}

impl Date {
    fn draw(rng: &mut impl Rng) -> Self {
        let (year, month) = (rng.random_range(1900..2100), rng.random_range(1..=12));
        let day = rng.random_range(1..=days(year, month));
        Self { year, month, day }
    }

    fn iso(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    // Monday is 0 (Zeller 1883).
    fn weekday(self) -> usize {
        let (year, month) = match self.month {
            1 | 2 => (self.year - 1, self.month + 12),
            month => (self.year, month),
        };
        let (century, rest) = (year / 100, year % 100);
        (self.day + 13 * (month + 1) / 5 + rest + rest / 4 + century / 4 + 5 * century + 5) % 7
    }

    /// The date in one of the ways in which people write it.
    fn said(self, rng: &mut impl Rng) -> String {
        let month = MONTHS[self.month - 1];
        let short = &month[..3];
        let (day, year) = (self.day, self.year);
        let text = match rng.random_range(0..10) {
            0 => format!("{day} {month} {year}"),
            1 => format!("{month} {day}, {year}"),
            2 => format!("{} {short} {year}", ordinal(day)),
            3 => format!("the {} of {month} {year}", ordinal(day)),
            4 => format!("{}.{}.{year}", day, self.month),
            5 => format!("{short} {day} '{:02}", year % 100),
            6 => format!("{month} the {}, {}", ordinal_words(day), year_words(year)),
            7 => format!(
                "the {} of {month}, {}",
                ordinal_words(day),
                year_words(year)
            ),
            8 => format!("{} {day} {month}", year_words(year)),
            _ => format!("day {day} of {month} in {year}"),
        };
        // A year of two digits is of the century that is told before it.
        let text = match text.contains('\'') {
            true if year < 2000 => format!("last century, {text}"),
            true => format!("this century, {text}"),
            false => text,
        };
        match rng.random_range(0..4) {
            0 => format!("{}, {text}", WEEKDAYS[self.weekday()]),
            1 => format!("on {text}"),
            _ => text,
        }
    }
}

fn days(year: usize, month: usize) -> usize {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn ordinal(day: usize) -> String {
    let ending = match (day / 10, day % 10) {
        (1, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{day}{ending}")
}

fn ordinal_words(day: usize) -> String {
    match (day / 10, day % 10) {
        (2, 0) => "twentieth".to_owned(),
        (3, 0) => "thirtieth".to_owned(),
        (tens @ (2 | 3), unit) => format!("{}-{}", TENS[tens], ORDINALS[unit]),
        _ => ORDINALS[day].to_owned(),
    }
}

fn words(number: usize) -> String {
    match (number / 10, number % 10) {
        (0 | 1, _) => UNITS[number].to_owned(),
        (tens, 0) => TENS[tens].to_owned(),
        (tens, unit) => format!("{}-{}", TENS[tens], UNITS[unit]),
    }
}

fn year_words(year: usize) -> String {
    match (year / 100, year % 100) {
        (20, rest @ 0..10) => match rest {
            0 => "two thousand".to_owned(),
            _ => format!("two thousand and {}", words(rest)),
        },
        (century, 0) => format!("{} hundred", words(century)),
        (century, rest @ 1..10) => format!("{} oh {}", words(century), words(rest)),
        (century, rest) => format!("{} {}", words(century), words(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_said_as_people_say_them() {
        let date = |year, month, day| Date { year, month, day };
        assert_eq!(date(2024, 2, 29).weekday(), 3);
        assert_eq!(date(1969, 7, 20).weekday(), 6);
        assert_eq!(days(1900, 2) + days(2000, 2), 28 + 29);
        assert_eq!(
            ordinal_words(31) + " " + &ordinal(22) + " " + &ordinal(11),
            "thirty-first 22nd 11th"
        );
        let said = [1900, 1907, 1987, 2000, 2003, 2046].map(year_words);
        assert_eq!(
            said.join(", "),
            "nineteen hundred, nineteen oh seven, nineteen eighty-seven, two thousand, two thousand and three, twenty forty-six"
        );
        assert_eq!(date(1987, 3, 4).iso(), "1987-03-04");
    }
}
