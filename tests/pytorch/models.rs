//! The layers of PyTorch, each as a model: outputs and last states, weighed by cotangents.

use rnn::cells::{Elman, GruResetAfter, Irnn, Lstm, ProjectedLstm};
use rnn::prelude::*;

rnn! {
    /// `nn.RNN`.
    pub(crate) model RnnUni<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  h0: [H];
        target cot_y[t]: [H];
        target cot_h: [H];
        layer net = Elman<I, H>;
        y[t] = net(x[t]);
        net.h[0] = h0;
        h_n = net.h[T];
        output y, h_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n);
    }

    /// `nn.RNN` with `nonlinearity="relu"`.
    pub(crate) model ReluUni<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  h0: [H];
        target cot_y[t]: [H];
        target cot_h: [H];
        layer net = Irnn<I, H>;
        y[t] = net(x[t]);
        net.h[0] = h0;
        h_n = net.h[T];
        output y, h_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n);
    }

    /// `nn.LSTM` with `proj_size=2`.
    pub(crate) model ProjectedUni<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  h0: [2];
        input  c0: [H];
        target cot_y[t]: [2];
        target cot_h: [2];
        target cot_c: [H];
        layer net = ProjectedLstm<I, H, 2>;
        y[t] = net(x[t]);
        net.r[0] = h0;
        net.c[0] = c0;
        h_n = net.r[T];
        c_n = net.c[T];
        output y, h_n, c_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n) + sum(cot_c * c_n);
    }

    /// `nn.GRU`.
    pub(crate) model GruUni<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  h0: [H];
        target cot_y[t]: [H];
        target cot_h: [H];
        layer net = GruResetAfter<I, H>;
        y[t] = net(x[t]);
        net.h[0] = h0;
        h_n = net.h[T];
        output y, h_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n);
    }

    /// `nn.LSTM`.
    pub(crate) model LstmUni<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  h0, c0: [H];
        target cot_y[t]: [H];
        target cot_h, cot_c: [H];
        layer net = Lstm<I, H>;
        y[t] = net(x[t]);
        net.h[0] = h0;
        net.c[0] = c0;
        h_n = net.h[T];
        c_n = net.c[T];
        output y, h_n, c_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n) + sum(cot_c * c_n);
    }

    /// `nn.LSTM` that starts from a carried state.
    pub(crate) model LstmCarried<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        target cot_y[t]: [H];
        target cot_h, cot_c: [H];
        layer net = Lstm<I, H>;
        y[t] = net(x[t]);
        h_n = net.h[T];
        c_n = net.c[T];
        output y, h_n, c_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n) + sum(cot_c * c_n);
    }

    /// `nn.RNN` of two layers in both directions.
    pub(crate) model RnnBi<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  hf1, hb1, hf2, hb2: [H];
        target cot_y[t]: [2*H];
        target cot_h: [4*H];
        layer a = bi(Elman<I, H>);
        layer b = bi(Elman<2*H, H>);
        m[t] = a(x[t]);
        y[t] = b(m[t]);
        a.forward.h[0] = hf1;
        a.backward.h[T+1] = hb1;
        b.forward.h[0] = hf2;
        b.backward.h[T+1] = hb2;
        h_n = [a.forward.h[T], a.backward.h[1], b.forward.h[T], b.backward.h[1]];
        output y, h_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n);
    }

    /// `nn.GRU` of two layers in both directions.
    pub(crate) model GruBi<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  hf1, hb1, hf2, hb2: [H];
        target cot_y[t]: [2*H];
        target cot_h: [4*H];
        layer a = bi(GruResetAfter<I, H>);
        layer b = bi(GruResetAfter<2*H, H>);
        m[t] = a(x[t]);
        y[t] = b(m[t]);
        a.forward.h[0] = hf1;
        a.backward.h[T+1] = hb1;
        b.forward.h[0] = hf2;
        b.backward.h[T+1] = hb2;
        h_n = [a.forward.h[T], a.backward.h[1], b.forward.h[T], b.backward.h[1]];
        output y, h_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n);
    }

    /// `nn.LSTM` of two layers in both directions.
    pub(crate) model LstmBi<I, H> {
        time   t in 1..=T;
        input  x[t]: [I];
        input  hf1, hb1, hf2, hb2: [H];
        input  cf1, cb1, cf2, cb2: [H];
        target cot_y[t]: [2*H];
        target cot_h, cot_c: [4*H];
        layer a = bi(Lstm<I, H>);
        layer b = bi(Lstm<2*H, H>);
        m[t] = a(x[t]);
        y[t] = b(m[t]);
        a.forward.h[0] = hf1;
        a.forward.c[0] = cf1;
        a.backward.h[T+1] = hb1;
        a.backward.c[T+1] = cb1;
        b.forward.h[0] = hf2;
        b.forward.c[0] = cf2;
        b.backward.h[T+1] = hb2;
        b.backward.c[T+1] = cb2;
        h_n = [a.forward.h[T], a.backward.h[1], b.forward.h[T], b.backward.h[1]];
        c_n = [a.forward.c[T], a.backward.c[1], b.forward.c[T], b.backward.c[1]];
        output y, h_n, c_n;
        loss sum[t](sum(cot_y[t] * y[t])) + sum(cot_h * h_n) + sum(cot_c * c_n);
    }
}
