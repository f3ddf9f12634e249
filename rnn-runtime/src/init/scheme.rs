//! The named initialisers and their text form.
//!
//! For a shape `[m, n]` the fan-in is `n` and the fan-out `m`, as `W @ x` maps `n` inputs to `m` outputs. A vector
//! `[n]` is the row of a map to one output: fan-in `n`, fan-out 1.
//!
//! **Invariant:** `Init::parse(&init.to_string()) == Ok(init)`.

use std::fmt;
use std::str::FromStr;

use crate::error::InitError;

/// How a tensor gets its first value.
///
/// `U(a, b)` is uniform on the interval, `N(mean, std)` normal with that standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All zeros.
    Zeros,
    /// All equal to the number.
    Constant(f64),
    /// `U(low, high)`.
    Uniform {
        /// Lower end.
        low: f64,
        /// Upper end, not below `low`.
        high: f64,
    },
    /// `N(mean, std)`.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation, not negative.
        std: f64,
    },
    /// `U(-r, r)`, `r = sqrt(6 / (fan_in + fan_out))` (Glorot & Bengio 2010, eq. 16).
    GlorotUniform,
    /// `N(0, std)`, variance `2 / (fan_in + fan_out)` (Glorot & Bengio 2010, eq. 12).
    GlorotNormal,
    /// `U(-r, r)`, `r = sqrt(6 / fan_in)` (He et al. 2015).
    HeUniform,
    /// `N(0, std)`, variance `2 / fan_in` (He et al. 2015, eq. 10).
    HeNormal,
    /// `U(-1/sqrt(H), 1/sqrt(H))`, where `H` is the last dimension, the fan-in: for a recurrent matrix `[H, H]`, a
    /// readout `[V, H]` and a vector `[H]` it is the number of hidden units. The variance is `1 / (3 H)`.
    LecunUniform,
    /// `N(0, std)`, variance `1 / fan_in` (LeCun et al. 1998, eq. 16).
    LecunNormal,
    /// `gain` times a matrix with orthonormal rows or columns, whichever are fewer, uniform over such matrices
    /// (Saxe et al. 2014): all its singular values are `gain`.
    Orthogonal {
        /// Every singular value.
        gain: f64,
    },
    /// `gain` on the diagonal, zero elsewhere (Le, Jaitly & Hinton 2015).
    Identity {
        /// Value on the diagonal.
        gain: f64,
    },
    /// `I + epsilon N(0, 1)`: identity plus noise in every entry.
    IdentityNoise {
        /// Standard deviation of the noise, not negative.
        epsilon: f64,
    },
    /// A square matrix of `N(0, 1)` draws, scaled so that its largest eigenvalue modulus is `radius` (Jaeger 2001).
    SpectralRadius {
        /// The spectral radius, not negative.
        radius: f64,
    },
    /// `x = ln(-ln r)`, so that `e^(-e^x) = r`, with `r` the modulus of a point drawn uniformly from the ring between two
    /// radii: `r^2 ~ U(low^2, high^2)` (Orvieto et al. 2023, lemma 3.2).
    Ring {
        /// The inner radius, above 0.
        low: f64,
        /// The outer radius, not below the inner one and below 1.
        high: f64,
    },
    /// `x` with `sigmoid(x)^power ~ U(low, high)` (De et al. 2024, sec. 2.4, with a power of 8).
    SigmoidRoot {
        /// Lower end, above 0.
        low: f64,
        /// Upper end, not below `low` and below 1.
        high: f64,
        /// The power, above 0.
        power: f64,
    },
}

/// Name in the text form, and the fewest and most arguments.
const NAMES: [(&str, usize, usize); 18] = [
    ("zeros", 0, 0),
    ("constant", 1, 1),
    ("uniform", 2, 2),
    ("normal", 2, 2),
    ("glorot_uniform", 0, 0),
    ("glorot_normal", 0, 0),
    ("he_uniform", 0, 0),
    ("he_normal", 0, 0),
    ("kaiming_uniform", 0, 0),
    ("kaiming_normal", 0, 0),
    ("lecun_uniform", 0, 0),
    ("lecun_normal", 0, 0),
    ("orthogonal", 0, 1),
    ("identity", 0, 1),
    ("identity_noise", 1, 1),
    ("spectral_radius", 1, 1),
    ("ring", 2, 2),
    ("sigmoid_root", 3, 3),
];

impl Init {
    /// The initialiser called `name` with `arguments`; `kaiming_*` are other names of `he_*`.
    ///
    /// # Errors
    /// [`InitError`] for an unknown name, a wrong number of arguments or one outside its range.
    pub fn from_call(name: &str, arguments: &[f64]) -> Result<Self, InitError> {
        let Some(&(_, fewest, most)) = NAMES.iter().find(|(known, ..)| *known == name) else {
            let known: Vec<&str> = NAMES.iter().map(|(known, ..)| *known).collect();
            return Err(InitError::Unknown {
                name: name.to_owned(),
                known: known.join(", "),
            });
        };
        if !(fewest..=most).contains(&arguments.len()) {
            let expected = match (fewest, most) {
                (0, 0) => "no argument".to_owned(),
                (a, b) if a == b => format!("{a}"),
                (a, b) => format!("{a} to {b}"),
            };
            return Err(InitError::Arity {
                name: name.to_owned(),
                expected,
                found: arguments.len(),
            });
        }
        let first = arguments.first().copied();
        let second = arguments.get(1).copied().unwrap_or_default();
        let third = arguments.get(2).copied().unwrap_or_default();
        let gain = first.unwrap_or(1.0);
        let first = first.unwrap_or_default();
        let init = match name {
            "zeros" => Self::Zeros,
            "constant" => Self::Constant(first),
            "uniform" => Self::Uniform {
                low: first,
                high: second,
            },
            "normal" => Self::Normal {
                mean: first,
                std: second,
            },
            "glorot_uniform" => Self::GlorotUniform,
            "glorot_normal" => Self::GlorotNormal,
            "he_uniform" | "kaiming_uniform" => Self::HeUniform,
            "he_normal" | "kaiming_normal" => Self::HeNormal,
            "lecun_uniform" => Self::LecunUniform,
            "lecun_normal" => Self::LecunNormal,
            "orthogonal" => Self::Orthogonal { gain },
            "identity" => Self::Identity { gain },
            "identity_noise" => Self::IdentityNoise { epsilon: first },
            "spectral_radius" => Self::SpectralRadius { radius: first },
            "ring" => Self::Ring {
                low: first,
                high: second,
            },
            "sigmoid_root" => Self::SigmoidRoot {
                low: first,
                high: second,
                power: third,
            },
            _ => unreachable!("every name of the table has an arm"),
        };
        init.check()?;
        Ok(init)
    }

    /// Parses `name`, `name(a, b)`, `constant c` or a number, which means `constant`.
    ///
    /// ```
    /// use rnn_runtime::Init;
    ///
    /// assert_eq!(Init::parse("normal(0.0, 0.1)"), Ok(Init::Normal { mean: 0.0, std: 0.1 }));
    /// assert_eq!(Init::parse("constant 1"), Ok(Init::Constant(1.0)));
    /// assert!(Init::parse("normal(0.0)").is_err());
    /// ```
    ///
    /// # Errors
    /// [`InitError`] for text of another form, and as [`Init::from_call`].
    pub fn parse(text: &str) -> Result<Self, InitError> {
        let syntax = || InitError::Syntax {
            text: text.chars().take(80).collect(),
        };
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| syntax());
        let trimmed = text.trim();
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if let Some((name, rest)) = trimmed.split_once('(') {
            let name = name.trim();
            let inner = rest.strip_suffix(')').ok_or_else(syntax)?;
            if !is_name(name) {
                return Err(syntax());
            }
            if inner.trim().is_empty() {
                return Self::from_call(name, &[]);
            }
            let arguments: Vec<f64> = inner.split(',').map(number).collect::<Result<_, _>>()?;
            return Self::from_call(name, &arguments);
        }
        if let Some(value) = trimmed.strip_prefix("constant ") {
            return Self::from_call("constant", &[number(value)?]);
        }
        if trimmed.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
            return Self::from_call("constant", &[number(trimmed)?]);
        }
        if is_name(trimmed) {
            Self::from_call(trimmed, &[])
        } else {
            Err(syntax())
        }
    }

    /// Checks the ranges of the arguments, which matters for values not made by [`Init::parse`].
    ///
    /// # Errors
    /// [`InitError::Argument`] for an argument outside its range.
    pub fn check(&self) -> Result<(), InitError> {
        let argument = |expected, found| {
            Err(InitError::Argument {
                init: self.to_string(),
                expected,
                found,
            })
        };
        let (values, not_negative) = match *self {
            Self::Constant(value) => ([value, 0.0], 0.0),
            Self::Uniform { low, high }
            | Self::Ring { low, high }
            | Self::SigmoidRoot { low, high, .. } => ([low, high], 0.0),
            Self::Normal { mean, std } => ([mean, std], std),
            Self::Orthogonal { gain } | Self::Identity { gain } => ([gain, 0.0], 0.0),
            Self::IdentityNoise { epsilon } => ([epsilon, 0.0], epsilon),
            Self::SpectralRadius { radius } => ([radius, 0.0], radius),
            Self::Zeros
            | Self::GlorotUniform
            | Self::GlorotNormal
            | Self::HeUniform
            | Self::HeNormal
            | Self::LecunUniform
            | Self::LecunNormal => ([0.0, 0.0], 0.0),
        };
        if let Some(&found) = values.iter().find(|value| !(**value as f32).is_finite()) {
            return argument("numbers that are finite in f32", found);
        }
        if not_negative < 0.0 {
            return argument("a number that is not negative", not_negative);
        }
        match *self {
            Self::Uniform { low, high } if low > high => {
                argument("an upper end not below the lower end", high)
            }
            Self::Ring { low, high } | Self::SigmoidRoot { low, high, .. }
                if !(0.0 < low && low <= high && high < 1.0) =>
            {
                let found = if 0.0 < low { high } else { low };
                argument("0 < low <= high < 1", found)
            }
            Self::SigmoidRoot { power, .. } if !(power > 0.0 && (power as f32).is_finite()) => {
                argument("a finite power above 0", power)
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Zeros => f.write_str("zeros"),
            Self::Constant(value) => write!(f, "constant {value}"),
            Self::Uniform { low, high } => write!(f, "uniform({low}, {high})"),
            Self::Normal { mean, std } => write!(f, "normal({mean}, {std})"),
            Self::GlorotUniform => f.write_str("glorot_uniform"),
            Self::GlorotNormal => f.write_str("glorot_normal"),
            Self::HeUniform => f.write_str("he_uniform"),
            Self::HeNormal => f.write_str("he_normal"),
            Self::LecunUniform => f.write_str("lecun_uniform"),
            Self::LecunNormal => f.write_str("lecun_normal"),
            Self::Orthogonal { gain: 1.0 } => f.write_str("orthogonal"),
            Self::Orthogonal { gain } => write!(f, "orthogonal({gain})"),
            Self::Identity { gain: 1.0 } => f.write_str("identity"),
            Self::Identity { gain } => write!(f, "identity({gain})"),
            Self::IdentityNoise { epsilon } => write!(f, "identity_noise({epsilon})"),
            Self::SpectralRadius { radius } => write!(f, "spectral_radius({radius})"),
            Self::Ring { low, high } => write!(f, "ring({low}, {high})"),
            Self::SigmoidRoot { low, high, power } => {
                write!(f, "sigmoid_root({low}, {high}, {power})")
            }
        }
    }
}

impl FromStr for Init {
    type Err = InitError;

    fn from_str(text: &str) -> Result<Self, InitError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let all = [
            Init::Zeros,
            Init::Constant(-1.5),
            Init::Uniform {
                low: -0.25,
                high: 1e-7,
            },
            Init::Normal {
                mean: 0.0,
                std: 0.1,
            },
            Init::GlorotUniform,
            Init::GlorotNormal,
            Init::HeUniform,
            Init::HeNormal,
            Init::LecunUniform,
            Init::LecunNormal,
            Init::Orthogonal { gain: 1.0 },
            Init::Orthogonal { gain: 0.95 },
            Init::Identity { gain: 1.0 },
            Init::Identity { gain: 0.5 },
            Init::IdentityNoise { epsilon: 0.01 },
            Init::SpectralRadius { radius: 0.9 },
            Init::Ring {
                low: 0.5,
                high: 0.75,
            },
            Init::SigmoidRoot {
                low: 0.5,
                high: 0.75,
                power: 8.0,
            },
        ];
        for init in all {
            assert_eq!(Init::parse(&init.to_string()), Ok(init));
        }
    }

    #[test]
    fn every_name_of_the_table_parses() {
        for (name, fewest, most) in NAMES {
            for count in fewest..=most {
                Init::from_call(name, &vec![0.5; count]).unwrap();
            }
            assert!(matches!(
                Init::from_call(name, &vec![0.5; most + 1]),
                Err(InitError::Arity { .. })
            ));
        }
    }

    #[test]
    fn mistakes_name_the_fix() {
        let message = |text: &str| Init::parse(text).unwrap_err().to_string();
        assert_eq!(
            message("normal(1)"),
            "initialiser `normal` takes 2, found 1 arguments"
        );
        assert!(
            message("xavier")
                .starts_with("unknown initialiser `xavier`, known are zeros, constant")
        );
        assert_eq!(
            message("normal(0, -1)"),
            "initialiser `normal(0, -1)`: expected a number that is not negative, found -1"
        );
        for bad in [
            "",
            "(",
            "normal(",
            "normal)",
            "normal(1,)",
            "normal(a, b)",
            "constant",
            "constant x",
            "1 2",
            "é",
        ] {
            assert!(Init::parse(bad).is_err(), "{bad}");
        }
        for bad in [
            "constant NaN",
            "constant 1e39",
            "uniform(1, 0)",
            "spectral_radius(-1)",
            "ring(0, 0.5)",
            "ring(0.5, 1)",
            "ring(0.9, 0.5)",
            "sigmoid_root(0.1, 0.5, 0)",
            "sigmoid_root(0.1, 1.5, 8)",
            "normal(inf, 1)",
        ] {
            assert!(
                matches!(Init::parse(bad), Err(InitError::Argument { .. })),
                "{bad}"
            );
        }
    }
}
