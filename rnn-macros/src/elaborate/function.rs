//! The functions of the language.
//!
//! **Invariant:** every function the evaluator knows is in [`FUNCTIONS`] or [`AXIS_FUNCTIONS`] with its operands, so
//! arity is checked before evaluation and a misspelt name finds the right one.

use rnn_ir::op::Unary;
use rnn_ir::random::draw::Per;

/// A constant of a call and its default.
pub(super) type OptionDecl = (&'static str, Option<f64>);

/// A function of feature axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Elementwise(Unary),
    Square,
    Pow,
    LeakyRelu,
    Elu,
    Gelu,
    Silu,
    Softsign,
    HardSigmoid,
    HardTanh,
    Clamp,
    Modulo,
    Min,
    Max,
    Where,
    Outer,
    /// A matrix with a vector on its diagonal, beside `@` alone.
    Diag,
    Slice,
    OneHot,
    LayerNorm,
    RmsNorm,
    /// Of each step, or of all of them.
    BatchNorm(Per),
    CrossEntropy,
    SquaredError,
    BinaryCrossEntropy,
    ArgMax,
    StopGradient,
    Feedback,
    /// These draw at random in training.
    Dropout(Per),
    Zoneout(Per),
    Noise(Per),
    /// A reduction, or softmax, over the last feature axis.
    Last(AxisFunction),
}

impl Function {
    /// The same, as often as this says; `None` for what is not said to be for a step or a sequence.
    pub(super) fn each(self, per: Per) -> Option<Self> {
        match self {
            Self::BatchNorm(_) => Some(Self::BatchNorm(per)),
            Self::Dropout(_) => Some(Self::Dropout(per)),
            Self::Zoneout(_) => Some(Self::Zoneout(per)),
            Self::Noise(_) => Some(Self::Noise(per)),
            _ => None,
        }
    }

    /// Whether it draws at random in training.
    pub(super) fn draws(self) -> bool {
        matches!(self, Self::Dropout(_) | Self::Zoneout(_) | Self::Noise(_))
    }
}

/// How often a mask is drawn, or the statistics of a batch are taken, by name.
pub(super) const PERIODS: [(&str, Per); 2] = [("step", Per::Step), ("sequence", Per::Sequence)];

/// A function along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AxisFunction {
    Sum,
    Mean,
    Max,
    LogSumExp,
    Softmax,
    LogSoftmax,
    /// Of a static family alone: a vector of its members, one after the other.
    Concat,
}

impl AxisFunction {
    /// Whether the result still varies over the axis.
    pub(super) fn keeps_axis(self) -> bool {
        matches!(self, Self::Softmax | Self::LogSoftmax)
    }
}

/// How a function is called.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) function: Function,
    /// Names of its operands.
    pub(super) operands: &'static [&'static str],
    /// Names of its sizes, which follow the operands.
    pub(super) sizes: &'static [&'static str],
    /// Its constants with their defaults, which follow the sizes.
    pub(super) options: &'static [OptionDecl],
}

impl Signature {
    /// "write `f(..)`"
    pub(super) fn usage(&self) -> String {
        let plain = self
            .operands
            .iter()
            .chain(self.sizes)
            .map(|name| (*name).to_owned());
        let per = self
            .function
            .each(Per::Step)
            .map(|_| "per = step".to_owned());
        let options = self.options.iter().map(option_text);
        let all: Vec<String> = plain.chain(options).chain(per).collect();
        format!("write `{}({})`", self.name, all.join(", "))
    }
}

/// `slope = 0.01`
fn option_text((name, default): &OptionDecl) -> String {
    match default {
        Some(default) => format!("{name} = {default}"),
        None => (*name).to_owned(),
    }
}

/// "write `~ normal(mean, std)`"
pub(super) fn initialiser_usage(name: &str, options: &[OptionDecl]) -> String {
    let all: Vec<String> = options.iter().map(option_text).collect();
    if all.is_empty() {
        format!("write `~ {name}`")
    } else {
        format!("write `~ {name}({})`", all.join(", "))
    }
}

/// Functions along an axis, by name.
pub(super) const AXIS_FUNCTIONS: [(&str, AxisFunction); 7] = [
    ("sum", AxisFunction::Sum),
    ("mean", AxisFunction::Mean),
    ("max", AxisFunction::Max),
    ("logsumexp", AxisFunction::LogSumExp),
    ("softmax", AxisFunction::Softmax),
    ("log_softmax", AxisFunction::LogSoftmax),
    ("concat", AxisFunction::Concat),
];

/// Functions of features, by name.
pub(super) const FUNCTIONS: [Signature; 44] = [
    unary("abs", Unary::Abs),
    unary("sign", Unary::Sign),
    unary("floor", Unary::Floor),
    unary("exp", Unary::Exp),
    unary("ln", Unary::Ln),
    unary("log", Unary::Ln),
    unary("sqrt", Unary::Sqrt),
    unary("sin", Unary::Sin),
    unary("cos", Unary::Cos),
    unary("tanh", Unary::Tanh),
    unary("sigmoid", Unary::Sigmoid),
    unary("relu", Unary::Relu),
    unary("softplus", Unary::Softplus),
    plain("square", Function::Square, &["x"]),
    Signature {
        options: &[("n", None)],
        ..plain("pow", Function::Pow, &["x"])
    },
    Signature {
        options: &[("slope", Some(0.01))],
        ..plain("leaky_relu", Function::LeakyRelu, &["x"])
    },
    Signature {
        options: &[("alpha", Some(1.0))],
        ..plain("elu", Function::Elu, &["x"])
    },
    plain("gelu", Function::Gelu, &["x"]),
    plain("silu", Function::Silu, &["x"]),
    plain("softsign", Function::Softsign, &["x"]),
    plain("hard_sigmoid", Function::HardSigmoid, &["x"]),
    plain("hard_tanh", Function::HardTanh, &["x"]),
    plain("clamp", Function::Clamp, &["x", "low", "high"]),
    plain("min", Function::Min, &["a", "b"]),
    plain("mod", Function::Modulo, &["a", "b"]),
    plain("max", Function::Max, &["a", "b"]),
    plain("where", Function::Where, &["condition", "a", "b"]),
    plain("diag", Function::Diag, &["v"]),
    plain("outer", Function::Outer, &["a", "b"]),
    Signature {
        sizes: &["start", "len"],
        ..plain("slice", Function::Slice, &["x"])
    },
    Signature {
        sizes: &["size"],
        ..plain("one_hot", Function::OneHot, &["token"])
    },
    Signature {
        options: &[("epsilon", Some(1e-5))],
        ..plain("layer_norm", Function::LayerNorm, &["x"])
    },
    Signature {
        options: &[("epsilon", Some(1e-5))],
        ..plain("rms_norm", Function::RmsNorm, &["x"])
    },
    Signature {
        options: &[("momentum", Some(0.1)), ("epsilon", Some(1e-5))],
        ..plain(
            "batch_norm",
            Function::BatchNorm(Per::Step),
            &["x", "mean", "variance"],
        )
    },
    Signature {
        options: &[("smoothing", Some(0.0))],
        ..plain(
            "cross_entropy",
            Function::CrossEntropy,
            &["logits", "target"],
        )
    },
    plain("squared_error", Function::SquaredError, &["y", "target"]),
    plain(
        "binary_cross_entropy",
        Function::BinaryCrossEntropy,
        &["logit", "target"],
    ),
    plain("argmax", Function::ArgMax, &["x"]),
    plain("stop_gradient", Function::StopGradient, &["x"]),
    plain("feedback", Function::Feedback, &["target", "own"]),
    plain("dropout", Function::Dropout(Per::Step), &["x", "p"]),
    plain(
        "zoneout",
        Function::Zoneout(Per::Step),
        &["new", "old", "p"],
    ),
    plain("noise", Function::Noise(Per::Step), &["x", "std"]),
    plain("swish", Function::Silu, &["x"]),
];

/// How initialisers are called: the name and the names of the arguments with their defaults.
pub(super) const INITIALISERS: [(&str, &[OptionDecl]); 18] = [
    ("zeros", &[]),
    ("constant", &[("value", None)]),
    ("uniform", &[("low", None), ("high", None)]),
    ("normal", &[("mean", None), ("std", None)]),
    ("glorot_uniform", &[]),
    ("glorot_normal", &[]),
    ("he_uniform", &[]),
    ("he_normal", &[]),
    ("kaiming_uniform", &[]),
    ("kaiming_normal", &[]),
    ("lecun_uniform", &[]),
    ("lecun_normal", &[]),
    ("orthogonal", &[("gain", Some(1.0))]),
    ("identity", &[("gain", Some(1.0))]),
    ("identity_noise", &[("epsilon", None)]),
    ("spectral_radius", &[("radius", None)]),
    ("ring", &[("low", None), ("high", None)]),
    (
        "sigmoid_root",
        &[("low", None), ("high", None), ("power", None)],
    ),
];

/// Initialisers that draw a matrix as a whole.
pub(super) const OF_A_MATRIX: [&str; 4] = [
    "orthogonal",
    "identity",
    "identity_noise",
    "spectral_radius",
];

const fn plain(
    name: &'static str,
    function: Function,
    operands: &'static [&'static str],
) -> Signature {
    Signature {
        name,
        function,
        operands,
        sizes: &[],
        options: &[],
    }
}

const fn unary(name: &'static str, unary: Unary) -> Signature {
    plain(name, Function::Elementwise(unary), &["x"])
}

/// The function called like this with so many arguments.
pub(super) fn signature(name: &str, arguments: usize) -> Option<&'static Signature> {
    let of_name = || FUNCTIONS.iter().filter(|signature| signature.name == name);
    of_name()
        .find(|signature| signature.operands.len() == arguments)
        .or_else(|| of_name().next())
}

/// The function along an axis called like this.
pub(super) fn axis_function(name: &str) -> Option<AxisFunction> {
    AXIS_FUNCTIONS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, function)| *function)
}

/// The names of all functions.
pub(super) fn function_names() -> impl Iterator<Item = &'static str> {
    let plain = FUNCTIONS.iter().map(|signature| signature.name);
    plain.chain(AXIS_FUNCTIONS.iter().map(|(name, _)| *name))
}

/// Whether a function has this name.
pub(super) fn is_function(name: &str) -> bool {
    function_names().any(|known| known == name)
}

/// How the language writes what other libraries call by this name.
pub(super) fn written_here(name: &str) -> Option<&'static str> {
    Some(match name {
        "mse" | "mse_loss" | "l2_loss" => "`squared_error(y, target)`",
        "nll" | "nll_loss" | "softmax_cross_entropy" | "softmax_cross_entropy_with_logits" => {
            "`cross_entropy(logits, token)`"
        }
        "bce" | "bce_loss" | "bce_with_logits" => "`binary_cross_entropy(logits, target)`",
        "cat" | "concat" | "concatenate" | "stack" | "hstack" => "`[a, b]`",
        "matmul" | "dot" | "mv" | "mm" => "`a @ b`",
        "norm" | "l2_norm" => "`sqrt(sum(square(x)))`",
        "normalize" | "normalise" | "l2_normalize" => "`x / sqrt(x @ x + 1e-6)`",
        "diagonal" | "diag_embed" => "`diag(v) @ M`",
        "transpose" => "`W.T`",
        "mul" | "multiply" => "`a * b`",
        "embedding" | "lookup" | "gather" => "`embed[token[t]]`",
        "if_else" | "cond" | "select" => "`where(condition, a, b)`",
        "logistic" => "`sigmoid(x)`",
        "batchnorm" | "batch_normalization" | "bn" => "`batch_norm(x, mean, variance)`",
        "layernorm" | "layer_normalization" => "`layer_norm(x)`",
        "gaussian_noise" | "randn" | "normal" => "`noise(x, std)`",
        "variational_dropout" | "locked_dropout" => "`dropout(x, p, per = sequence)`",
        "dropconnect" | "weight_drop" => "`dropout(W, p)`",
        "ones" | "zeros" | "full" | "ones_like" | "zeros_like" => {
            "as a number of a declared shape, `one: [N] = 1;`"
        }
        "eye" => "as a parameter, `fixed eye: [N, N] ~ identity;`",
        "arange" | "range" | "linspace" => {
            "as a family, `index i in 1..=4;`, whose members are numbers"
        }
        "detach" | "no_grad" => "`stop_gradient(x)`",
        "round" => "`floor(x + 0.5)`",
        "ceil" => "`-floor(-x)`",
        "prod" => "`exp(sum(ln(x)))`, of what is above 0",
        "cumsum" => "as a recurrence, `s[t] = s[t-1] + x[t];`",
        "std" | "var" | "variance" => "`mean(square(x - mean(x)))` and its `sqrt`",
        "split" | "chunk" | "narrow" => "`slice(x, start, len)`",
        "flip" => "as a loop that looks ahead, `b[t+1]`, or `reverse(C)` of a cell",
        "roll" | "shift" | "lag" => "by an index, `x[t-1]`",
        "rsqrt" => "`1 / sqrt(x)`",
        "cosine" | "cosine_similarity" => "`a @ b / (sqrt(a @ a) * sqrt(b @ b) + 1e-6)`",
        "tensordot" | "einsum" => "`a @ b`, `outer(a, b)` and sums",
        _ => return None,
    })
}
