//! The zoo, a line a cell: its name, its source, its parameters, its recurrence, and a model of it, small and of the size that
//! is timed.

use super::formula;
use super::models::*;
use rnn::Model;

/// What is said of a cell.
pub(crate) struct Cell {
    /// Its name in [`rnn::cells`].
    pub(crate) name: &'static str,
    /// Where it is from.
    pub(crate) source: &'static str,
    /// How many parameters are trained, over the sizes of its model.
    pub(crate) parameters: &'static str,
    /// What is carried, in one line.
    pub(crate) recurrence: &'static str,
}

impl Cell {
    /// The number of its trained parameters at some sizes.
    pub(crate) fn count<M: Model>(&self, spec: &M) -> usize {
        formula::value(self.parameters, &spec.sizes())
    }
}

/// The width that the sizes of models which are timed are given for.
pub(crate) const WIDTH: usize = 128;

/// What is done with every cell.
pub(crate) trait Visitor {
    /// `small` is for checks, `sized` is timed: at [`WIDTH`] it has the sizes of the table, at other widths sizes in proportion.
    /// Not to be inlined: a function of all cells takes long to compile.
    fn cell<M: Sample>(&mut self, cell: &Cell, small: M, sized: fn(usize) -> M);
}

/// Visits all cells.
#[rustfmt::skip]
pub(crate) fn visit(visitor: &mut impl Visitor) {
    let v = visitor;
    macro_rules! cell {
        ($name:literal, $source:literal, $parameters:literal, $recurrence:literal, $model:ident { $($size:ident: $small:literal $large:literal),* }) => {
            v.cell(
                &Cell { name: $name, source: $source, parameters: $parameters, recurrence: $recurrence },
                $model { $($size: $small),* },
                |width| $model { $($size: $large * width / WIDTH),* },
            );
        };
    }
    cell!("Elman", "Elman 1990", "H*(I + H + 1)", "h = tanh(W x + U h' + b)", OverElman { I: 3 128, H: 5 128 });
    cell!("Jordan", "Jordan 1986", "H*(I + O + 1) + O*(H + 1)", "s = mu s' + y'", OverJordan { I: 3 128, H: 5 128, O: 4 128 });
    cell!("Irnn", "Le et al. 2015", "H*(I + H + 1)", "h = relu(W x + U h' + b)", OverIrnn { I: 3 128, H: 5 128 });
    cell!("IndRnn", "Li et al. 2018", "H*(I + 2)", "h = relu(W x + u * h' + b)", OverIndRnn { I: 3 128, H: 5 128 });
    cell!("SkipElman", "He et al. 2016, in time", "H*(I + H + 1) + 1", "h = tanh(..) + alpha h'", OverSkipElman { I: 3 128, H: 5 128 });
    cell!("Scrn", "Mikolov et al. 2015", "S*I + H*(S + I + H)", "s = (1 - alpha) B x + alpha s'", OverScrn { I: 3 128, H: 5 128, S: 4 40 });

    cell!("Lstm", "Hochreiter & Schmidhuber 1997", "4*H*(I + H + 1)", "c = f * c' + i * g", OverLstm { I: 3 128, H: 5 128 });
    cell!("PeepholeLstm", "Gers & Schmidhuber 2000", "4*H*(I + H + 1) + 3*H", "c = f(c') * c' + i(c') * g", OverPeepholeLstm { I: 3 128, H: 5 128 });
    cell!("CoupledLstm", "Greff et al. 2017", "3*H*(I + H + 1)", "c = f * c' + (1 - f) * g", OverCoupledLstm { I: 3 128, H: 5 128 });
    cell!("ProjectedLstm", "Sak et al. 2014", "4*H*(I + P + 1) + P*H", "r = W_r (o * tanh(c))", OverProjectedLstm { I: 3 128, H: 5 128, P: 4 64 });
    cell!("LayerNormLstm", "Ba et al. 2016", "4*H*(I + H + 5) + 2*H", "c = f * c' + i * g, normalised", OverLayerNormLstm { I: 3 128, H: 5 128 });
    cell!("BatchNormLstm", "Cooijmans et al. 2017", "4*H*(I + H + 3) + 2*H", "c = f * c' + i * g, normalised over the batch", OverBatchNormLstm { I: 3 128, H: 5 128, S: 3 64 });
    cell!("MultiplicativeLstm", "Krause et al. 2016", "5*H*(I + H) + 4*H", "m = (W x) * (U h')", OverMultiplicativeLstm { I: 3 128, H: 5 128 });
    cell!("MogrifierLstm", "Melis et al. 2020", "4*H*(I + H + 1) + 2*2*I*H", "v_k = 2 sigmoid(R_k u_k) * v_k-1", OverMogrifierLstm { I: 3 128, H: 5 128 });

    cell!("Gru", "Cho et al. 2014", "3*H*(I + H + 1)", "h = (1 - z) * h' + z * n", OverGru { I: 3 128, H: 5 128 });
    cell!("GruResetAfter", "PyTorch, cuDNN", "3*H*(I + H + 2)", "h = z * h' + (1 - z) * n", OverGruResetAfter { I: 3 128, H: 5 128 });
    cell!("LayerNormGru", "Ba et al. 2016", "3*H*(I + H + 4)", "h = (1 - z) * h' + z * n, normalised", OverLayerNormGru { I: 3 128, H: 5 128 });
    cell!("Mgu", "Zhou et al. 2016", "2*H*(I + H + 1)", "h = (1 - f) * h' + f * n", OverMgu { I: 3 128, H: 5 128 });
    cell!("Ugrnn", "Collins et al. 2017", "2*H*(I + H + 1)", "h = g * h' + (1 - g) * c", OverUgrnn { I: 3 128, H: 5 128 });
    cell!("LiGru", "Ravanelli et al. 2018", "2*H*(I + H + 1)", "h = z * h' + (1 - z) * relu(..)", OverLiGru { I: 3 128, H: 5 128 });
    cell!("Rhn", "Zilly et al. 2017", "2*H*I + 2*3*H*(H + 1)", "s_l = h * g + s_l-1 * (1 - g), s_0 = s_L'", OverRhn { I: 3 128, H: 5 128 });

    cell!("LinearStateSpace", "Kalman 1960", "N*N + N*I + O*N + O*I", "x = A x' + B u", OverLinearStateSpace { I: 3 128, N: 5 128, O: 4 128 });
    cell!("Sru", "Lei et al. 2018", "3*H*H + 4*H", "c = f * c' + (1 - f) * W x", OverSru { H: 5 128 });
    cell!("QrnnF", "Bradbury et al. 2017", "4*H*I", "h = f * h' + (1 - f) * z", OverQrnnF { I: 3 128, H: 5 128 });
    cell!("QrnnFo", "Bradbury et al. 2017", "6*H*I", "c = f * c' + (1 - f) * z", OverQrnnFo { I: 3 128, H: 5 128 });
    cell!("MinGru", "Feng et al. 2024", "2*H*(I + 1)", "h = (1 - z) * h' + z * n", OverMinGru { I: 3 128, H: 5 128 });
    cell!("MinLstm", "Feng et al. 2024", "3*H*(I + 1)", "h = f / (f + i) * h' + i / (f + i) * n", OverMinLstm { I: 3 128, H: 5 128 });
    cell!("Lru", "Orvieto et al. 2023", "2*N + 2*N*I + 2*O*N + O*I", "x = lambda * x' + gamma * B u", OverLru { I: 3 128, N: 5 128, O: 4 128 });
    cell!("RgLru", "De et al. 2024", "2*H*(H + 1) + H", "h = a * h' + sqrt(1 - a^2) * i * x", OverRgLru { H: 5 128 });

    cell!("Slstm", "Beck et al. 2024", "4*H*(I + H + 1)", "c = f * c' + i * z, n = f * n' + i", OverSlstm { I: 3 128, H: 5 128 });
    cell!("Mlstm", "Beck et al. 2024", "4*D*(I + 1) + 2*(I + 1)", "C = f C' + i outer(v, k)", OverMlstm { I: 3 128, D: 4 64 });

    cell!("Antisymmetric", "Chang et al. 2019", "H*(I + H + 1)", "h = h' + eps tanh((W - W.T) h' - gamma h' + ..)", OverAntisymmetric { I: 3 128, H: 5 128 });
    cell!("GatedAntisymmetric", "Chang et al. 2019", "H*H + 2*H*(I + 1)", "h = h' + eps z * tanh(..)", OverGatedAntisymmetric { I: 3 128, H: 5 128 });
    cell!("CoRnn", "Rusch & Mishra 2021", "H*(I + 2*H + 1)", "z = z' + dt (tanh(..) - gamma y' - eps z'), y = y' + dt z", OverCoRnn { I: 3 128, H: 5 128 });
    cell!("Unicornn", "Rusch & Mishra 2021", "H*(I + 3)", "z = z' - dt (tanh(w * y' + ..) + alpha y'), y = y' + dt z", OverUnicornn { I: 3 128, H: 5 128 });
    cell!("Lem", "Rusch et al. 2022", "4*H*(I + H + 1)", "y = (1 - dt_y) * y' + dt_y * tanh(W z + ..)", OverLem { I: 3 128, H: 5 128 });
    cell!("Cfc", "Hasani et al. 2022", "K*(I + H + 1) + 3*H*(K + 1)", "h = s * g + (1 - s) * k, s = sigmoid(-f dt)", OverCfc { I: 3 128, K: 4 128, H: 5 128 });
    cell!("LeakyEsn", "Jaeger et al. 2007", "0", "x = (1 - alpha) x' + alpha tanh(..)", OverLeakyEsn { I: 3 128, H: 5 128, O: 4 128 });

    cell!("Clockwork", "Koutnik et al. 2014", "4*K*(I + 1) + K*K*(4 + 3 + 2 + 1)", "h_g = tanh(..) every 2^(g-1) steps", OverClockwork { I: 3 128, K: 2 32 });
    cell!("PhasedLstm", "Neil et al. 2016", "4*H*(I + H + 1) + 6*H", "c = k * n + (1 - k) * c'", OverPhasedLstm { I: 3 128, H: 5 128 });

    cell!("Ntm", "Graves et al. 2014", "4*H*(I + D + H + 1) + 2*((D + 6)*(H + 1) + N) + 2*D*(H + 1) + N*D + D", "M = M' * (1 - outer(w, e)) + outer(w, a)", OverNtm { I: 3 16, H: 4 100, N: 5 128, D: 2 20 });
    cell!("HmmForward", "Rabiner 1989", "S + S*S + S*V", "alpha = logsumexp(alpha' + A.T) + B[y]", OverHmmForward { S: 4 64, V: 6 96 });

    cell!("BahdanauDecoder", "Bahdanau et al. 2015", "A*(H + M + 1) + 3*H*(E + M + H + 1)", "e = v . tanh(W s' + U m)", OverBahdanau { E: 3 128, M: 4 128, H: 5 128, A: 2 64 });
    cell!("LuongDotDecoder", "Luong et al. 2015", "2*H*H + 4*H*(E + 2*H + 1)", "e = h . m, s = tanh(W [c, h])", OverLuongDot { E: 3 128, H: 5 128 });
    cell!("LuongGeneralDecoder", "Luong et al. 2015", "H*M + H*(M + H) + 4*H*(E + 2*H + 1)", "e = h . (W m), s = tanh(W [c, h])", OverLuongGeneral { E: 3 128, M: 4 128, H: 5 128 });
    cell!("ScaledDotDecoder", "Vaswani et al. 2017", "K*(H + M) + H*M + 2*H*H + 4*H*(E + 2*H + 1)", "e = q . k / sqrt(K), s = tanh(W [c, h])", OverScaledDot { E: 3 128, M: 4 128, H: 5 128, K: 2 64 });
}
