//! The functions, comparisons and reductions that operations apply, and the steps that they read.
//!
//! **Invariant:** each function, comparison and reduction has one name, and stands in the list `ALL` of its kind.

/// Elementwise functions of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unary {
    /// `-x`
    Neg,
    /// `|x|`
    Abs,
    /// `-1`, `0` or `1`
    Sign,
    /// the largest whole number that is not above `x`
    Floor,
    /// `e^x`
    Exp,
    /// natural logarithm
    Ln,
    /// square root
    Sqrt,
    /// sine
    Sin,
    /// cosine
    Cos,
    /// hyperbolic tangent
    Tanh,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// `max(x, 0)`
    Relu,
    /// `ln(1 + e^x)`
    Softplus,
}

impl Unary {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Neg,
        Self::Abs,
        Self::Sign,
        Self::Floor,
        Self::Exp,
        Self::Ln,
        Self::Sqrt,
        Self::Sin,
        Self::Cos,
        Self::Tanh,
        Self::Sigmoid,
        Self::Relu,
        Self::Softplus,
    ];
    /// Its name in source and text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Neg => "neg",
            Self::Abs => "abs",
            Self::Sign => "sign",
            Self::Floor => "floor",
            Self::Exp => "exp",
            Self::Ln => "ln",
            Self::Sqrt => "sqrt",
            Self::Sin => "sin",
            Self::Cos => "cos",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Relu => "relu",
            Self::Softplus => "softplus",
        }
    }
    /// What it is by definition, in `f64`. Softplus is `max(x, 0) + ln(1 + e^-|x|)`, and the sigmoid of a negative number
    /// `e^x / (1 + e^x)`, so that neither overflows.
    pub fn of(self, x: f64) -> f64 {
        match self {
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Sign if x > 0.0 => 1.0,
            Self::Sign if x < 0.0 => -1.0,
            // Either zero, or NaN.
            Self::Sign => x,
            Self::Floor => x.floor(),
            Self::Exp => x.exp(),
            Self::Ln => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => {
                let small = (-x.abs()).exp();
                (if x < 0.0 { small } else { 1.0 }) / (1.0 + small)
            }
            Self::Relu => Binary::Max.of(x, 0.0),
            Self::Softplus => Binary::Max.of(x, 0.0) + (-x.abs()).exp().ln_1p(),
        }
    }
}

/// Elementwise functions of two operands of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
    /// the smaller; NaN if either is
    Min,
    /// the larger; NaN if either is
    Max,
}

impl Binary {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Min,
        Self::Max,
    ];
    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
    /// What it is by definition, in `f64`.
    pub fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Min | Self::Max if a.is_nan() || b.is_nan() => f64::NAN,
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }
}

/// Comparisons; their result is a truth value for [`Op::Select`](super::Op::Select). All but `Ne` are false when an operand is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Compare {
    /// `a < b`
    Lt,
    /// `a <= b`
    Le,
    /// `a > b`
    Gt,
    /// `a >= b`
    Ge,
    /// `a == b`
    Eq,
    /// `a != b`
    Ne,
}

impl Compare {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Lt, Self::Le, Self::Gt, Self::Ge, Self::Eq, Self::Ne];
    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lt => "lt",
            Self::Le => "le",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Eq => "eq",
            Self::Ne => "ne",
        }
    }
}

/// Reductions over one feature axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reduction {
    /// sum
    Sum,
    /// largest
    Max,
    /// `ln(sum(e^x))`, computed without overflow
    LogSumExp,
}

impl Reduction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sum, Self::Max, Self::LogSumExp];
    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Max => "max",
            Self::LogSumExp => "logsumexp",
        }
    }
}

/// Reductions over axes of the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Over {
    /// sum; zero over nothing
    Sum,
    /// largest; minus infinity over nothing
    Max,
}

impl Over {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sum, Self::Max];
    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Max => "max",
        }
    }
}

/// A step of a time axis, for each example by its own length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Position {
    /// Step 1.
    First,
    /// The example's last step, `T`.
    Last,
    /// Step `k`, counted from 1.
    Step(u32),
}
