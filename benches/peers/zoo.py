"""The equations of every cell of `rnn::cells`, written once for all peers that compute with arrays.

A cell is a function of `o`, the operations of a peer (those of `jax_peer.Ops` and `torch_peer.Ops`), its parameters and its
inputs, time first. It answers with a `Scan`: what is computed for all steps at once, as a user of these libraries would write
it, and the step of the loop. Parameters are those of `stack`: matrices turned, so that they are multiplied from the right,
and gates that are read together side by side.
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np


@dataclass
class Scan:
    """A loop: `step(x, state, reads)` answers with the state and the output; all three are tuples of arrays."""

    xs: tuple
    start: tuple
    reads: tuple
    step: Callable
    # From the outputs of all steps to those of the cell; None if they are the same.
    finish: Callable | None = None


def gates(names, *bases):
    """`W_i`, `W_f`, .. side by side as `W`, for each of some bases."""
    return {base: [f"{base}_{gate}" for gate in names.split()] for base in bases}


LSTM = gates("i f g o", "lstm.W", "lstm.U", "lstm.b")
HEAD = {"w": ["W_k", "W_s", "w_beta", "w_g", "w_gamma"], "b": ["b_k", "b_s", "b_beta", "b_g", "b_gamma"]}

# What is read side by side.
STACKS = {
    "Lstm": gates("i f g o", "W", "U", "b"),
    "PeepholeLstm": gates("i f g o", "W", "U", "b") | gates("i f", "p"),
    "CoupledLstm": gates("f g o", "W", "U", "b"),
    "ProjectedLstm": gates("i f g o", "W", "U", "b"),
    "MultiplicativeLstm": {
        "W": ["W_i", "W_f", "W_g", "W_o", "W_m"],
        **gates("i f g o", "U", "b"),
    },
    "MogrifierLstm": LSTM,
    "Gru": gates("z r n", "W", "b") | gates("z r", "U"),
    "GruResetAfter": gates("r z n", "W", "U", "b", "c"),
    "Mgu": gates("f h", "W", "b"),
    "Ugrnn": gates("c g", "W", "U", "b"),
    "LiGru": gates("z h", "W", "U", "b"),
    "Rhn": {
        **gates("h t", "W"),
        **{f"{base}_{layer}": [f"{base}_h_{layer}", f"{base}_t_{layer}"] for base in "Rb" for layer in (1, 2, 3)},
    },
    "Sru": {"W": ["W_f", "W_r", "W"], "v": ["v_f", "v_r"], "b": ["b_f", "b_r"]},
    "QrnnF": gates("z f", "W", "V"),
    "QrnnFo": gates("z f o", "W", "V"),
    "MinGru": gates("z h", "W", "b"),
    "MinLstm": gates("f i h", "W", "b"),
    "Lru": {"B": ["B_re", "B_im"]},
    "RgLru": gates("a x", "W", "b"),
    "Slstm": gates("z i f o", "W", "R", "b"),
    "Mlstm": {
        "W": ["W_q", "W_k", "W_v", "W_o", "w_i", "w_f"],
        "b": ["b_q", "b_k", "b_v", "b_o", "b_i", "b_f"],
    },
    "GatedAntisymmetric": gates("h z", "V", "b"),
    "Lem": {"V": ["V_1", "V_2", "V_z", "V_y"], "W": ["W_1", "W_2", "W_z"], "b": ["b_1", "b_2", "b_z", "b_y"]},
    "Cfc": gates("f g k", "W") | {"heads": ["b_f", "b_g", "b_k"]},
    "Clockwork": gates("1 2 3 4", "W", "b"),
    "PhasedLstm": gates("i f g o", "W", "U", "b") | gates("i f", "p"),
    "Ntm": {
        **gates("i f g o", "controller.W", "controller.U", "controller.b"),
        **gates("e a", "W", "b"),
        **{f"{h}.{base}": [f"{h}.{name}" for name in HEAD[base]] for h in ("write", "read") for base in HEAD},
    },
    "BahdanauDecoder": gates("z r n", "gru.W", "gru.b") | gates("z r", "gru.U"),
    "LuongDotDecoder": LSTM,
    "LuongGeneralDecoder": LSTM,
    "ScaledDotDecoder": LSTM,
}

# Matrices that are not multiplied with, and vectors that are, to give one number.
KEPT = {"M_start"}
ROWS = {"w_i", "w_f", "w_beta", "w_g", "w_gamma"}


def stack(cell, tensors):
    """Parameters or gradients as the equations below read them."""
    rows = {name: value.reshape(1, -1) for name, value in tensors.items() if name.split(".")[-1] in ROWS}
    tensors = tensors | rows
    stacks = STACKS.get(cell, {})
    found = {}
    for name, parts in stacks.items():
        if all(part in tensors for part in parts):
            found[name] = np.concatenate([np.atleast_1d(tensors[part]) for part in parts])
    used = {part for name in found for part in stacks[name]}
    found |= {name: value for name, value in tensors.items() if name not in used}
    turned = lambda name, value: value.ndim == 2 and name not in KEPT  # noqa: E731
    return {n: np.ascontiguousarray(v.T if turned(n, v) else v) for n, v in found.items()}


def given(cell, data):
    """Parameters, the names of those that are trained, and inputs and targets."""
    p, grads = (stack(cell, named(data, kind)) for kind in ("param", "grad"))
    d = {name: value for name, value in data.items() if name in ("x", "y", "m", "dt", "at")}
    if cell == "HmmForward":
        d["x"] = d["x"].astype(np.int32)
    return p, list(grads), d


def named(data, kind):
    return {name[len(kind) + 1 :]: value for name, value in data.items() if name.startswith(kind + ".")}


def results(case, data):
    """What a peer has to find."""
    found = compared(case.cell, lambda: data[output(case.cell)])
    if case.work == "train":
        found.update(stack(case.cell, named(data, "grad")))
    return found


def zeros(o, d, *sizes):
    return tuple(o.zeros(d["x"].shape[1], size) for size in sizes)


# One nonlinear layer.


def Elman(o, p, d):
    def step(x, s, r):
        h = o.tanh(x[0] + s[0] @ r[0])
        return (h,), h

    return Scan((d["x"] @ p["W_xh"] + p["b_h"],), zeros(o, d, p["b_h"].shape[0]), (p["W_hh"],), step)


def Jordan(o, p, d):
    def step(x, s, r):
        W_sh, W_hy, b_y, mu = r
        context = mu * s[0] + s[1]
        h = o.tanh(x[0] + context @ W_sh)
        y = o.sigmoid(h @ W_hy + b_y)
        return (context, y), y

    outputs = p["b_y"].shape[0]
    reads = p["W_sh"], p["W_hy"], p["b_y"], p["mu"]
    return Scan((d["x"] @ p["W_xh"] + p["b_h"],), zeros(o, d, outputs, outputs), reads, step)


def Irnn(o, p, d):
    def step(x, s, r):
        h = o.relu(x[0] + s[0] @ r[0])
        return (h,), h

    return Scan((d["x"] @ p["W_xh"] + p["b_h"],), zeros(o, d, p["b_h"].shape[0]), (p["W_hh"],), step)


def IndRnn(o, p, d):
    def step(x, s, r):
        h = o.relu(x[0] + r[0] * s[0])
        return (h,), h

    return Scan((d["x"] @ p["W"] + p["b"],), zeros(o, d, p["b"].shape[0]), (p["u"],), step)


def SkipElman(o, p, d):
    def step(x, s, r):
        h = o.tanh(x[0] + s[0] @ r[0]) + r[1] * s[0]
        return (h,), h

    reads = p["W_hh"], p["alpha"]
    return Scan((d["x"] @ p["W_xh"] + p["b_h"],), zeros(o, d, p["b_h"].shape[0]), reads, step)


def Scrn(o, p, d):
    def step(x, s, r):
        P, R, alpha = r
        slow = (1 - alpha) * x[1] + alpha * s[1]
        h = o.sigmoid(slow @ P + x[0] + s[0] @ R)
        return (h, slow), o.cat([h, slow])

    xs = d["x"] @ p["A"], d["x"] @ p["B"]
    start = zeros(o, d, p["R"].shape[0], p["B"].shape[1])
    return Scan(xs, start, (p["P"], p["R"], p["alpha"]), step)


# Long short-term memory.


def cell(o, z, c):
    """Output and cell of an LSTM, from its gates side by side."""
    i, f, g, q = o.split(z, 4)
    c = o.sigmoid(f) * c + o.sigmoid(i) * o.tanh(g)
    return o.sigmoid(q) * o.tanh(c), c


def Lstm(o, p, d):
    def step(x, s, r):
        h, c = cell(o, x[0] + s[0] @ r[0], s[1])
        return (h, c), h

    size = p["U"].shape[0]
    return Scan((d["x"] @ p["W"] + p["b"],), zeros(o, d, size, size), (p["U"],), step)


def PeepholeLstm(o, p, d):
    def step(x, s, r):
        (h, c), (U, p_i, p_f, p_o) = s, r
        i, f, g, q = o.split(x[0] + h @ U, 4)
        i, f = o.sigmoid(i + p_i * c), o.sigmoid(f + p_f * c)
        c = f * c + i * o.tanh(g)
        h = o.sigmoid(q + p_o * c) * o.tanh(c)
        return (h, c), h

    size = p["U"].shape[0]
    p_i, p_f = o.split(p["p"], 2)
    return Scan((d["x"] @ p["W"] + p["b"],), zeros(o, d, size, size), (p["U"], p_i, p_f, p["p_o"]), step)


def CoupledLstm(o, p, d):
    def step(x, s, r):
        h, c = s
        f, g, q = o.split(x[0] + h @ r[0], 3)
        f = o.sigmoid(f)
        c = f * c + (1 - f) * o.tanh(g)
        h = o.sigmoid(q) * o.tanh(c)
        return (h, c), h

    size = p["U"].shape[0]
    return Scan((d["x"] @ p["W"] + p["b"],), zeros(o, d, size, size), (p["U"],), step)


def ProjectedLstm(o, p, d):
    def step(x, s, r):
        m, c = cell(o, x[0] + s[0] @ r[0], s[1])
        h = m @ r[1]
        return (h, c), h

    return Scan((d["x"] @ p["W"] + p["b"],), zeros(o, d, *reversed(p["W_r"].shape)), (p["U"], p["W_r"]), step)


def LayerNormLstm(o, p, d):
    def step(x, s, r):
        (h, c), (W_h, gain_h, gain_c, bias_c) = s, r
        f, i, q, g = o.split(x[0] + gain_h * o.norm(h @ W_h), 4)
        c = o.sigmoid(f) * c + o.sigmoid(i) * o.tanh(g)
        h = o.sigmoid(q) * o.tanh(gain_c * o.norm(c) + bias_c)
        return (h, c), h

    size = p["W_h"].shape[0]
    xs = p["gain_x"] * o.norm(d["x"] @ p["W_x"]) + (p["bias_h"] + p["bias_x"] + p["b"])
    return Scan((xs,), zeros(o, d, size, size), (p["W_h"], p["gain_h"], p["gain_c"], p["bias_c"]), step)


def BatchNormLstm(o, p, d):
    def step(x, s, r):
        (h, c), (W_h, gain_h, gain_c, bias_c) = s, r
        f, i, q, g = o.split(x[0] + gain_h * o.batch_norm(h @ W_h), 4)
        c = o.sigmoid(f) * c + o.sigmoid(i) * o.tanh(g)
        h = o.sigmoid(q) * o.tanh(gain_c * o.batch_norm(c) + bias_c)
        return (h, c), h

    size = p["W_h"].shape[0]
    xs = p["gain_x"] * o.batch_norm(d["x"] @ p["W_x"]) + p["b"]
    return Scan((xs,), zeros(o, d, size, size), (p["W_h"], p["gain_h"], p["gain_c"], p["bias_c"]), step)


def MultiplicativeLstm(o, p, d):
    def step(x, s, r):
        m = x[1] * (s[0] @ r[0])
        h, c = cell(o, x[0] + m @ r[1], s[1])
        return (h, c), h

    size = p["U_m"].shape[0]
    both = d["x"] @ p["W"]
    xs = both[..., : 4 * size] + p["b"], both[..., 4 * size :]
    return Scan(xs, zeros(o, d, size, size), (p["U_m"], p["U"]), step)


def MogrifierLstm(o, p, d):
    def step(x, s, r):
        W, U, b, *rounds = r
        u, v = x[0], s[0]
        for Q, R in zip(rounds[::2], rounds[1::2]):
            u = 2 * o.sigmoid(v @ Q) * u
            v = 2 * o.sigmoid(u @ R) * v
        h, c = cell(o, u @ W + v @ U + b, s[1])
        return (h, c), h

    size = p["lstm.U"].shape[0]
    rounds = p["Q_1"], p["R_1"], p["Q_2"], p["R_2"]
    return Scan((d["x"],), zeros(o, d, size, size), (p["lstm.W"], p["lstm.U"], p["lstm.b"], *rounds), step)


# Fewer gates.


def Gru(o, p, d):
    size = p["U_n"].shape[0]

    def step(x, s, r):
        h = s[0]
        z, reset = o.split(x[0] + h @ r[0], 2)
        z = o.sigmoid(z)
        n = o.tanh(x[1] + (o.sigmoid(reset) * h) @ r[1])
        h = (1 - z) * h + z * n
        return (h,), h

    g = d["x"] @ p["W"] + p["b"]
    return Scan((g[..., : 2 * size], g[..., 2 * size :]), zeros(o, d, size), (p["U"], p["U_n"]), step)


def GruResetAfter(o, p, d):
    def step(x, s, r):
        h = s[0]
        r1, z1, n1 = o.split(x[0], 3)
        r2, z2, n2 = o.split(h @ r[0] + r[1], 3)
        z = o.sigmoid(z1 + z2)
        h = (1 - z) * o.tanh(n1 + o.sigmoid(r1 + r2) * n2) + z * h
        return (h,), h

    return Scan((d["x"] @ p["W"] + p["b"],), zeros(o, d, p["U"].shape[0]), (p["U"], p["c"]), step)


def LayerNormGru(o, p, d):
    def step(x, s, r):
        h, (W_h, U, gain_h, gain_U, bias_U) = s[0], r
        z, reset = o.split(x[0] + gain_h * o.norm(h @ W_h), 2)
        z = o.sigmoid(z)
        n = o.tanh(x[1] + o.sigmoid(reset) * (gain_U * o.norm(h @ U) + bias_U))
        h = (1 - z) * h + z * n
        return (h,), h

    a = p["gain_x"] * o.norm(d["x"] @ p["W_x"]) + (p["bias_x"] + p["bias_h"])
    n = p["gain_W"] * o.norm(d["x"] @ p["W"]) + p["bias_W"]
    reads = p["W_h"], p["U"], p["gain_h"], p["gain_U"], p["bias_U"]
    return Scan((a, n), zeros(o, d, p["U"].shape[0]), reads, step)


def Mgu(o, p, d):
    def step(x, s, r):
        h = s[0]
        f = o.sigmoid(x[0] + h @ r[0])
        h = (1 - f) * h + f * o.tanh(x[1] + (f * h) @ r[1])
        return (h,), h

    xs = o.split(d["x"] @ p["W"] + p["b"], 2)
    return Scan(tuple(xs), zeros(o, d, p["U_f"].shape[0]), (p["U_f"], p["U_h"]), step)


def Ugrnn(o, p, d):
    def step(x, s, r):
        h = s[0]
        c, g = o.split(x[0] + h @ r[0], 2)
        g = o.sigmoid(g)
        h = g * h + (1 - g) * o.tanh(c)
        return (h,), h

    return Scan((d["x"] @ p["W"] + p["b"],), zeros(o, d, p["U"].shape[0]), (p["U"],), step)


def LiGru(o, p, d):
    def step(x, s, r):
        h = s[0]
        z, n = o.split(x[0] + h @ r[0], 2)
        z = o.sigmoid(z)
        h = z * h + (1 - z) * o.relu(n)
        return (h,), h

    return Scan((d["x"] @ p["W"] + p["b"],), zeros(o, d, p["U"].shape[0]), (p["U"],), step)


def Rhn(o, p, d):
    def step(x, s, r):
        state = s[0]
        for layer in range(3):
            z = state @ r[2 * layer] + (r[2 * layer + 1] if layer else x[0])
            h, g = o.split(z, 2)
            g = o.sigmoid(g)
            state = o.tanh(h) * g + state * (1 - g)
        return (state,), state

    reads = tuple(p[f"{base}_{layer}"] for layer in (1, 2, 3) for base in "Rb")
    return Scan((d["x"] @ p["W"] + p["b_1"],), zeros(o, d, p["R_1"].shape[0]), reads, step)


# Linear in the state.


def LinearStateSpace(o, p, d):
    def step(x, s, r):
        h = s[0] @ r[0] + x[0]
        return (h,), h

    finish = lambda hs: hs @ p["C"] + d["x"] @ p["D"]  # noqa: E731
    return Scan((d["x"] @ p["B"],), zeros(o, d, p["A"].shape[0]), (p["A"],), step, finish)


def Sru(o, p, d):
    def step(x, s, r):
        (f, reset, w, skip), (v_f, v_r), c = x, r, s[0]
        f, reset = o.sigmoid(f + v_f * c), o.sigmoid(reset + v_r * c)
        c = f * c + (1 - f) * w
        return (c,), reset * c + (1 - reset) * skip

    f, reset, w = o.split(d["x"] @ p["W"], 3)
    b_f, b_r = o.split(p["b"], 2)
    return Scan((f + b_f, reset + b_r, w, d["x"]), zeros(o, d, w.shape[-1]), tuple(o.split(p["v"], 2)), step)


def width_two(o, p, d):
    """A convolution over the step before and the step."""
    x = d["x"]
    before = o.cat([o.zeros_like(x[:1]), x[:-1]], 0)
    return before @ p["W"] + x @ p["V"]


def QrnnF(o, p, d):
    def step(x, s, r):
        z, f = x
        h = f * s[0] + (1 - f) * z
        return (h,), h

    z, f = o.split(width_two(o, p, d), 2)
    return Scan((o.tanh(z), o.sigmoid(f)), zeros(o, d, z.shape[-1]), (), step)


def QrnnFo(o, p, d):
    def step(x, s, r):
        z, f, q = x
        c = f * s[0] + (1 - f) * z
        return (c,), q * c

    z, f, q = o.split(width_two(o, p, d), 3)
    return Scan((o.tanh(z), o.sigmoid(f), o.sigmoid(q)), zeros(o, d, z.shape[-1]), (), step)


def MinGru(o, p, d):
    def step(x, s, r):
        z, n = x
        h = (1 - z) * s[0] + z * n
        return (h,), h

    z, n = o.split(d["x"] @ p["W"] + p["b"], 2)
    return Scan((o.sigmoid(z), n), zeros(o, d, n.shape[-1]), (), step)


def MinLstm(o, p, d):
    def step(x, s, r):
        h = x[0] * s[0] + x[1]
        return (h,), h

    f, i, n = o.split(d["x"] @ p["W"] + p["b"], 3)
    f, i = o.sigmoid(f), o.sigmoid(i)
    return Scan((f / (f + i), i / (f + i) * n), zeros(o, d, n.shape[-1]), (), step)


def Lru(o, p, d):
    def step(x, s, r):
        (re, im), (a, b), (h, q) = x, r, s
        h, q = a * h - b * q + re, b * h + a * q + im
        return (h, q), o.cat([h, q])

    radius = o.exp(-o.exp(p["nu"]))
    reads = radius * o.cos(p["theta"]), radius * o.sin(p["theta"])
    size = p["nu"].shape[0]
    scale = o.sqrt(1 - radius * radius)
    re, im = o.split(d["x"] @ p["B"], 2)
    readout = lambda hs: hs @ o.cat([p["C_re"], -p["C_im"]], 0) + d["x"] @ p["D"]  # noqa: E731
    return Scan((scale * re, scale * im), zeros(o, d, size, size), reads, step, readout)


def RgLru(o, p, d):
    def step(x, s, r):
        h = x[0] * s[0] + x[1]
        return (h,), h

    r, i = o.split(o.sigmoid(d["x"] @ p["W"] + p["b"]), 2)
    log_a = -8 * o.softplus(-p["Lambda"]) * r
    xs = o.exp(log_a), o.sqrt(1 - o.exp(2 * log_a)) * (i * d["x"])
    return Scan(xs, zeros(o, d, r.shape[-1]), (), step)


# Exponential gates.


def Slstm(o, p, d):
    def step(x, s, r):
        h, c, n, m = s
        z, i, f, q = o.split(x[0] + h @ r[0], 4)
        log_f = -o.softplus(-f) + m
        m = o.maximum(log_f, i)
        i, f = o.exp(i - m), o.exp(log_f - m)
        c = f * c + i * o.tanh(z)
        n = f * n + i
        h = o.sigmoid(q) * (c / n)
        return (h, c, n, m), h

    return Scan((d["x"] @ p["W"] + p["b"],), zeros(o, d, *[p["R"].shape[0]] * 4), (p["R"],), step)


def Mlstm(o, p, d):
    size = (p["b"].shape[0] - 2) // 4

    def step(x, s, r):
        (q, k, v, out, log_i, log_f), (C, n, m) = x, s
        log_f = log_f + m
        m = o.maximum(log_f, log_i)
        i, f = o.exp(log_i - m), o.exp(log_f - m)
        C = f[..., None] * C + (i * v)[..., None] * k[:, None, :]
        n = f * n + i * k
        found = (C @ q[..., None])[..., 0]
        below = o.maximum(o.abs(o.sum(n * q)), o.exp(-m))
        h = out * found / below
        return (C, n, m), h

    a = d["x"] @ p["W"]
    # The key is scaled before its bias.
    b_q, b_k, b_v, b_o = (p["b"][size * at : size * (at + 1)] for at in range(4))
    q, k, v, out = (a[..., size * at : size * (at + 1)] for at in range(4))
    log_i, log_f = a[..., 4 * size : 4 * size + 1] + p["b"][-2], a[..., 4 * size + 1 :] + p["b"][-1]
    xs = q + b_q, k / size**0.5 + b_k, v + b_v, o.sigmoid(out + b_o), log_i, -o.softplus(-log_f)
    batch = d["x"].shape[1]
    return Scan(xs, (o.zeros(batch, size, size), o.zeros(batch, size), o.zeros(batch, 1)), (), step)


# Differential equations.


def Antisymmetric(o, p, d):
    def step(x, s, r):
        A, epsilon, gamma = r
        h = s[0]
        h = h + epsilon * o.tanh(h @ A - gamma * h + x[0])
        return (h,), h

    reads = p["W"] - p["W"].T, p["epsilon"], p["gamma"]
    return Scan((d["x"] @ p["V"] + p["b"],), zeros(o, d, p["b"].shape[0]), reads, step)


def GatedAntisymmetric(o, p, d):
    def step(x, s, r):
        A, epsilon, gamma = r
        h = s[0]
        a = h @ A - gamma * h
        h = h + epsilon * o.sigmoid(a + x[1]) * o.tanh(a + x[0])
        return (h,), h

    reads = p["W"] - p["W"].T, p["epsilon"], p["gamma"]
    xs = o.split(d["x"] @ p["V"] + p["b"], 2)
    return Scan(tuple(xs), zeros(o, d, p["W"].shape[0]), reads, step)


def CoRnn(o, p, d):
    def step(x, s, r):
        (W, W_z, dt, gamma, epsilon), (y, z) = r, s
        z = z + dt * (o.tanh(y @ W + z @ W_z + x[0]) - gamma * y - epsilon * z)
        y = y + dt * z
        return (y, z), y

    size = p["b"].shape[0]
    reads = p["W"], p["W_z"], p["dt"], p["gamma"], p["epsilon"]
    return Scan((d["x"] @ p["V"] + p["b"],), zeros(o, d, size, size), reads, step)


def Unicornn(o, p, d):
    def step(x, s, r):
        (w, dt, alpha), (y, z) = r, s
        z = z - dt * (o.tanh(w * y + x[0]) + alpha * y)
        y = y + dt * z
        return (y, z), y

    size = p["b"].shape[0]
    reads = p["w"], p["dt"] * o.sigmoid(p["c"]), p["alpha"]
    return Scan((d["x"] @ p["V"] + p["b"],), zeros(o, d, size, size), reads, step)


def Lem(o, p, d):
    size = p["W_y"].shape[0]

    def step(x, s, r):
        (W, W_y, dt), (y, z) = r, s
        one, two, new = o.split(x[0] + y @ W, 3)
        one, two = dt * o.sigmoid(one), dt * o.sigmoid(two)
        z = (1 - one) * z + one * o.tanh(new)
        y = (1 - two) * y + two * o.tanh(z @ W_y + x[1])
        return (y, z), y

    g = d["x"] @ p["V"] + p["b"]
    xs = g[..., : 3 * size], g[..., 3 * size :]
    return Scan(xs, zeros(o, d, size, size), (p["W"], p["W_y"], p["dt"]), step)


def Cfc(o, p, d):
    def step(x, s, r):
        W_h, W, b = r
        z = 1.7159 * o.tanh(2 / 3 * (x[0] + s[0] @ W_h))
        f, g, k = o.split(z @ W + b, 3)
        gate = o.sigmoid(-f * x[1])
        h = gate * o.tanh(g) + (1 - gate) * o.tanh(k)
        return (h,), h

    xs = d["x"] @ p["W_x"] + p["b"], d["dt"][..., None]
    return Scan(xs, zeros(o, d, p["W_h"].shape[0]), (p["W_h"], p["W"], p["heads"]), step)


def LeakyEsn(o, p, d):
    def step(x, s, r):
        W, alpha = r
        h = (1 - alpha) * s[0] + alpha * o.tanh(x[0] + s[0] @ W)
        return (h,), h

    finish = lambda hs: hs @ p["W_out"]  # noqa: E731
    return Scan((d["x"] @ p["W_in"] + p["b"],), zeros(o, d, p["b"].shape[0]), (p["W"], p["alpha"]), step, finish)


# Clocks.


def Clockwork(o, p, d):
    groups, size = 4, p["b"].shape[0] // 4

    def step(x, s, r):
        h = o.where(x[1], o.tanh(x[0] + s[0] @ r[0]), s[0])
        return (h,), h

    # One matrix, in which what a group does not read is zero: rows are read, columns read them.
    columns = [o.pad_above(p[f"U_{g}"], (g - 1) * size) for g in range(1, groups + 1)]
    steps, batch = d["x"].shape[:2]
    periods = np.repeat(2 ** np.arange(groups), size)
    due = o.constant(np.broadcast_to((np.arange(steps)[:, None] % periods == 0)[:, None], (steps, batch, groups * size)))
    return Scan((d["x"] @ p["W"] + p["b"], due), zeros(o, d, groups * size), (o.cat(columns),), step)


def PhasedLstm(o, p, d):
    def step(x, s, r):
        (g, k), (h, c), (U, p_i, p_f, p_o) = x, s, r
        i, f, g, q = o.split(g + h @ U, 4)
        i, f = o.sigmoid(i + p_i * c), o.sigmoid(f + p_f * c)
        n = f * c + i * o.tanh(g)
        c = k * n + (1 - k) * c
        h = k * (o.sigmoid(q + p_o * n) * o.tanh(n)) + (1 - k) * h
        return (h, c), h

    size, open_for = p["U"].shape[0], p["r_on"]
    x = d["at"][..., None] / o.exp(p["log_tau"]) - p["shift"]
    phi = x - o.floor(x)
    closing = o.where(phi < open_for, 2 - 2 * phi / open_for, p["alpha"] * phi)
    k = o.where(phi < 0.5 * open_for, 2 * phi / open_for, closing)
    p_i, p_f = o.split(p["p"], 2)
    reads = p["U"], p_i, p_f, p["p_o"]
    return Scan((d["x"] @ p["W"] + p["b"], k), zeros(o, d, size, size), reads, step)


# Memory and probabilities.


def Ntm(o, p, d):
    rows, width = p["M_start"].shape
    size = p["controller.U"].shape[0]

    def head(h, M, w, W, b):
        z = h @ W + b
        k, s = o.tanh(z[:, :width]), o.softmax(z[:, width : width + 3])
        beta, g, gamma = o.split(z[:, width + 3 :], 3)
        lengths = o.sqrt(o.sum(M * M)[..., 0] + 1e-6) * o.sqrt(o.sum(k * k) + 1e-6)
        content = o.softmax(o.softplus(beta) * (M @ k[..., None])[..., 0] / lengths)
        g = o.sigmoid(g)
        v = g * content + (1 - g) * w
        u = s[:, :1] * o.roll(v, -1) + s[:, 1:2] * v + s[:, 2:] * o.roll(v, 1)
        return o.softmax((1 + o.softplus(gamma)) * o.log(u + 1e-12))

    def step(x, s, r):
        h, c, M, read, write_w, read_w = s
        W, U, W_write, b_write, W_read, b_read, W_ea, b_ea = r
        h, c = cell(o, x[0] + read @ W + h @ U, c)
        e, a = o.split(h @ W_ea + b_ea, 2)
        write_w = head(h, M, write_w, W_write, b_write)
        w = write_w[..., None]
        M = M * (1 - w * o.sigmoid(e)[:, None]) + w * o.tanh(a)[:, None]
        read_w = head(h, M, read_w, W_read, b_read)
        read = (read_w[:, None] @ M)[:, 0]
        return (h, c, M, read, write_w, read_w), o.cat([h, read])

    W, inputs, batch = p["controller.W"], d["x"].shape[2], d["x"].shape[1]
    alike = lambda value: o.zeros(batch, *value.shape) + value  # noqa: E731
    start = (
        *zeros(o, d, size, size),
        *(alike(value) for value in (p["M_start"], p["r_start"])),
        *(alike(o.softmax(p[f"{name}.w_start"])) for name in ("write", "read")),
    )
    heads = p["write.w"], p["write.b"], p["read.w"], p["read.b"]
    reads = W[inputs:], p["controller.U"], *heads, p["W"], p["b"]
    return Scan((d["x"] @ W[:inputs] + p["controller.b"],), start, reads, step)


def HmmForward(o, p, d):
    # Both are turned: from column to row.
    log_A, log_B = o.log_softmax(p["A"], 0), o.log_softmax(p["B"], 0)

    def step(x, s, r):
        alpha = o.logsumexp(s[0][:, None] + r[0], -1) + x[0]
        return (alpha,), alpha

    emitted = log_B[d["x"]]
    start = o.log_softmax(p["pi"], 0) + emitted[0]
    return Scan((emitted[1:],), (start,), (log_A,), step, lambda hs: o.cat([start[None], hs], 0))


# Attention. Memories are turned to `[B, J, M]`.


def attend(o, e, memory):
    return (o.softmax(e)[:, None] @ memory)[:, 0]


def BahdanauDecoder(o, p, d):
    size = p["gru.U_n"].shape[0]

    def step(x, s, r):
        memory, keys, W_a, v_a, W, U, U_n = r
        h = s[0]
        e = o.tanh((h @ W_a)[:, None] + keys) @ v_a
        g = x[0] + attend(o, e, memory) @ W
        z, reset = o.split(g[:, : 2 * size] + h @ U, 2)
        z = o.sigmoid(z)
        n = o.tanh(g[:, 2 * size :] + (o.sigmoid(reset) * h) @ U_n)
        h = (1 - z) * h + z * n
        return (h,), h

    memory, W, inputs = o.swap(d["m"]), p["gru.W"], d["x"].shape[2]
    reads = memory, memory @ p["U_a"], p["W_a"], p["v_a"], W[inputs:], p["gru.U"], p["gru.U_n"]
    return Scan((d["x"] @ W[:inputs] + p["gru.b"],), zeros(o, d, size), reads, step)


def luong(o, p, d, keys, values, query=None):
    """A decoder that takes the step first and asks with the new state."""
    size, inputs = p["lstm.U"].shape[0], d["x"].shape[2]

    def step(x, s, r):
        (keys, values, W, U, W_c), (h, c, out) = r[:5], s
        h, c = cell(o, x[0] + out @ W + h @ U, c)
        q = query(h, r[5]) if query else h
        e = (keys @ q[..., None])[..., 0]
        out = o.tanh(o.cat([attend(o, e, values), h]) @ W_c)
        return (h, c, out), out

    W = p["lstm.W"]
    reads = (keys, values, W[inputs:], p["lstm.U"], p["W_c"]) + ((p["W_q"],) if query else ())
    return Scan((d["x"] @ W[:inputs] + p["lstm.b"],), zeros(o, d, size, size, size), reads, step)


def LuongDotDecoder(o, p, d):
    memory = o.swap(d["m"])
    return luong(o, p, d, memory, memory)


def LuongGeneralDecoder(o, p, d):
    memory = o.swap(d["m"])
    return luong(o, p, d, memory @ p["W_a"], memory)


def ScaledDotDecoder(o, p, d):
    memory, scale = o.swap(d["m"]), p["W_q"].shape[1] ** -0.5
    return luong(o, p, d, memory @ p["W_k"] * scale, memory @ p["W_v"], lambda h, W_q: h @ W_q)


CELLS = {
    build.__name__: build
    for build in [
        *(Elman, Jordan, Irnn, IndRnn, SkipElman, Scrn),
        *(Lstm, PeepholeLstm, CoupledLstm, ProjectedLstm, LayerNormLstm, BatchNormLstm),
        *(MultiplicativeLstm, MogrifierLstm),
        *(Gru, GruResetAfter, LayerNormGru, Mgu, Ugrnn, LiGru, Rhn),
        *(LinearStateSpace, Sru, QrnnF, QrnnFo, MinGru, MinLstm, Lru, RgLru),
        *(Slstm, Mlstm),
        *(Antisymmetric, GatedAntisymmetric, CoRnn, Unicornn, Lem, Cfc, LeakyEsn),
        *(Clockwork, PhasedLstm),
        *(Ntm, HmmForward),
        *(BahdanauDecoder, LuongDotDecoder, LuongGeneralDecoder, ScaledDotDecoder),
    ]
}


def loss(o, cell, h, y):
    """What is minimised: the sum over examples, and the mean over steps, of squared errors; of the Markov model, minus the
    log-likelihood."""
    if cell == "HmmForward":
        return -o.logsumexp(h[-1], -1).sum()
    return ((h - y) ** 2).sum() / h.shape[0]


# Cells that training normalises by the batch, whose outputs in inference are others: their gradients alone are compared.
BY_BATCH = {"BatchNormLstm"}


def compared(cell, outputs):
    """Outputs by the name that they are compared by."""
    return {} if cell in BY_BATCH else {output(cell): outputs()}


def output(cell):
    """The name of the output that is compared."""
    return "o" if cell == "LeakyEsn" else "h"
