//! Cells of the literature, each written in [`rnn!`](macro@crate::rnn) as its paper writes it.
//!
//! A model instantiates one with `layer lstm = Lstm<E, H>;`, after `use rnn::cells::Lstm;` or by its path. What is true of
//! them is true of any cell of yours: they have no other way to be compiled. `cargo run --release --example zoo` checks and
//! times each of them.
//!
//! | cell | source | parameters | recurrence; `'` is the step before |
//! |---|---|---|---|
//! | [`Elman`] | Elman 1990 | `H*(I + H + 1)` | `h = tanh(W x + U h' + b)` |
//! | [`Jordan`] | Jordan 1986 | `H*(I + O + 1) + O*(H + 1)` | `s = mu s' + y'` |
//! | [`Irnn`] | Le et al. 2015 | `H*(I + H + 1)` | `h = relu(W x + U h' + b)` |
//! | [`IndRnn`] | Li et al. 2018 | `H*(I + 2)` | `h = relu(W x + u * h' + b)` |
//! | [`SkipElman`] | He et al. 2016, in time | `H*(I + H + 1) + 1` | `h = tanh(..) + alpha h'` |
//! | [`Scrn`] | Mikolov et al. 2015 | `S*I + H*(S + I + H)` | `s = (1 - alpha) B x + alpha s'` |
//! | [`Lstm`] | Hochreiter & Schmidhuber 1997 | `4*H*(I + H + 1)` | `c = f * c' + i * g` |
//! | [`PeepholeLstm`] | Gers & Schmidhuber 2000 | `4*H*(I + H + 1) + 3*H` | `c = f(c') * c' + i(c') * g` |
//! | [`CoupledLstm`] | Greff et al. 2017 | `3*H*(I + H + 1)` | `c = f * c' + (1 - f) * g` |
//! | [`ProjectedLstm`] | Sak et al. 2014 | `4*H*(I + P + 1) + P*H` | `r = W_r (o * tanh(c))` |
//! | [`LayerNormLstm`] | Ba et al. 2016 | `4*H*(I + H + 5) + 2*H` | `c = f * c' + i * g, normalised` |
//! | [`BatchNormLstm`] | Cooijmans et al. 2017 | `4*H*(I + H + 3) + 2*H` | `c = f * c' + i * g, normalised over the batch` |
//! | [`MultiplicativeLstm`] | Krause et al. 2016 | `5*H*(I + H) + 4*H` | `m = (W x) * (U h')` |
//! | [`MogrifierLstm`] | Melis et al. 2020 | `4*H*(I + H + 1) + 2*2*I*H` | `v_k = 2 sigmoid(R_k u_k) * v_k-1` |
//! | [`Gru`] | Cho et al. 2014 | `3*H*(I + H + 1)` | `h = (1 - z) * h' + z * n` |
//! | [`GruResetAfter`] | PyTorch, cuDNN | `3*H*(I + H + 2)` | `h = z * h' + (1 - z) * n` |
//! | [`LayerNormGru`] | Ba et al. 2016 | `3*H*(I + H + 4)` | `h = (1 - z) * h' + z * n, normalised` |
//! | [`Mgu`] | Zhou et al. 2016 | `2*H*(I + H + 1)` | `h = (1 - f) * h' + f * n` |
//! | [`Ugrnn`] | Collins et al. 2017 | `2*H*(I + H + 1)` | `h = g * h' + (1 - g) * c` |
//! | [`LiGru`] | Ravanelli et al. 2018 | `2*H*(I + H + 1)` | `h = z * h' + (1 - z) * relu(..)` |
//! | [`Rhn`] | Zilly et al. 2017 | `2*H*I + 2*3*H*(H + 1)` | `s_l = h * g + s_l-1 * (1 - g), s_0 = s_L'` |
//! | [`LinearStateSpace`] | Kalman 1960 | `N*N + N*I + O*N + O*I` | `x = A x' + B u` |
//! | [`Sru`] | Lei et al. 2018 | `3*H*H + 4*H` | `c = f * c' + (1 - f) * W x` |
//! | [`QrnnF`] | Bradbury et al. 2017 | `4*H*I` | `h = f * h' + (1 - f) * z` |
//! | [`QrnnFo`] | Bradbury et al. 2017 | `6*H*I` | `c = f * c' + (1 - f) * z` |
//! | [`MinGru`] | Feng et al. 2024 | `2*H*(I + 1)` | `h = (1 - z) * h' + z * n` |
//! | [`MinLstm`] | Feng et al. 2024 | `3*H*(I + 1)` | `h = f / (f + i) * h' + i / (f + i) * n` |
//! | [`Lru`] | Orvieto et al. 2023 | `2*N + 2*N*I + 2*O*N + O*I` | `x = lambda * x' + gamma * B u` |
//! | [`RgLru`] | De et al. 2024 | `2*H*(H + 1) + H` | `h = a * h' + sqrt(1 - a^2) * i * x` |
//! | [`Slstm`] | Beck et al. 2024 | `4*H*(I + H + 1)` | `c = f * c' + i * z, n = f * n' + i` |
//! | [`Mlstm`] | Beck et al. 2024 | `4*D*(I + 1) + 2*(I + 1)` | `C = f C' + i outer(v, k)` |
//! | [`Antisymmetric`] | Chang et al. 2019 | `H*(I + H + 1)` | `h = h' + eps tanh((W - W.T) h' - gamma h' + ..)` |
//! | [`GatedAntisymmetric`] | Chang et al. 2019 | `H*H + 2*H*(I + 1)` | `h = h' + eps z * tanh(..)` |
//! | [`CoRnn`] | Rusch & Mishra 2021 | `H*(I + 2*H + 1)` | `z = z' + dt (tanh(..) - gamma y' - eps z'), y = y' + dt z` |
//! | [`Unicornn`] | Rusch & Mishra 2021 | `H*(I + 3)` | `z = z' - dt (tanh(w * y' + ..) + alpha y'), y = y' + dt z` |
//! | [`Lem`] | Rusch et al. 2022 | `4*H*(I + H + 1)` | `y = (1 - dt_y) * y' + dt_y * tanh(W z + ..)` |
//! | [`Cfc`] | Hasani et al. 2022 | `K*(I + H + 1) + 3*H*(K + 1)` | `h = s * g + (1 - s) * k, s = sigmoid(-f dt)` |
//! | [`LeakyEsn`] | Jaeger et al. 2007 | `0` | `x = (1 - alpha) x' + alpha tanh(..)` |
//! | [`Clockwork`] | Koutnik et al. 2014 | `4*K*(I + 1) + K*K*(4 + 3 + 2 + 1)` | `h_g = tanh(..) every 2^(g-1) steps` |
//! | [`PhasedLstm`] | Neil et al. 2016 | `4*H*(I + H + 1) + 6*H` | `c = k * n + (1 - k) * c'` |
//! | [`Ntm`] | Graves et al. 2014 | `4*H*(I + D + H + 1) + 2*((D + 6)*(H + 1) + N) + 2*D*(H + 1) + N*D + D` | `M = M' * (1 - outer(w, e)) + outer(w, a)` |
//! | [`HmmForward`] | Rabiner 1989 | `S + S*S + S*V` | `alpha = logsumexp(alpha' + A.T) + B[y]` |
//! | [`BahdanauDecoder`] | Bahdanau et al. 2015 | `A*(H + M + 1) + 3*H*(E + M + H + 1)` | `e = v . tanh(W s' + U m)` |
//! | [`LuongDotDecoder`] | Luong et al. 2015 | `2*H*H + 4*H*(E + 2*H + 1)` | `e = h . m, s = tanh(W [c, h])` |
//! | [`LuongGeneralDecoder`] | Luong et al. 2015 | `H*M + H*(M + H) + 4*H*(E + 2*H + 1)` | `e = h . (W m), s = tanh(W [c, h])` |
//! | [`ScaledDotDecoder`] | Vaswani et al. 2017 | `K*(H + M) + H*M + 2*H*H + 4*H*(E + 2*H + 1)` | `e = q . k / sqrt(K), s = tanh(W [c, h])` |
//!
//! Parts that others are made of: [`GatesOf`] of [`MogrifierLstm`], [`NtmHead`] of [`Ntm`].
//!
//! A `fixed` scalar, such as `dt` or `alpha`, is a setting: it is a field of the parameters that training leaves alone. A size
//! that counts a family, such as the depth of [`Rhn`], is a number where the cell is used: `Rhn<I, H, 3>`.
//!
//! Where the literature disagrees:
//!
//! - *The GRU.* [`Gru`] resets the state before the product, as its paper does; [`GruResetAfter`] resets the product, as PyTorch,
//!   cuDNN and Keras 3 do, and [`LayerNormGru`] too. They are equal only where the reset gate is one.
//! - *What `z` keeps.* The old state where it is zero: [`Gru`], [`MinGru`], [`Mgu`] (`f`), [`LayerNormGru`]. Where it is one:
//!   [`GruResetAfter`], [`LiGru`], [`Ugrnn`] (`g`).
//! - *Peepholes.* [`PeepholeLstm`] and [`PhasedLstm`] have them; [`CoupledLstm`] and [`ProjectedLstm`], whose papers have them,
//!   are the forms without that libraries use.
//! - *Which state asks.* [`BahdanauDecoder`] scores with the state before the step, the decoders of Luong with the new one.
//!
//! **Invariant:** a name in an equation is the letter of the paper that the cell cites, or of its nearest neighbour here.

mod attention;
mod clocks;
mod continuous;
mod gru;
mod linear;
mod lstm;
mod markov;
mod memory;
mod simple;
mod xlstm;

pub use attention::{BahdanauDecoder, LuongDotDecoder, LuongGeneralDecoder, ScaledDotDecoder};
pub use clocks::{Clockwork, PhasedLstm};
pub use continuous::{Antisymmetric, Cfc, CoRnn, GatedAntisymmetric, LeakyEsn, Lem, Unicornn};
pub use gru::{Gru, GruResetAfter, LayerNormGru, LiGru, Mgu, Rhn, Ugrnn};
pub use linear::{LinearStateSpace, Lru, MinGru, MinLstm, QrnnF, QrnnFo, RgLru, Sru};
pub use lstm::{
    BatchNormLstm, CoupledLstm, GatesOf, LayerNormLstm, Lstm, MogrifierLstm, MultiplicativeLstm,
    PeepholeLstm, ProjectedLstm,
};
pub use markov::HmmForward;
pub use memory::{Ntm, NtmHead};
pub use simple::{Elman, IndRnn, Irnn, Jordan, Scrn, SkipElman};
pub use xlstm::{Mlstm, Slstm};
