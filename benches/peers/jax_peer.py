"""JAX: `lax.scan` over the steps under `jax.jit`, the input's share of the gates computed for all steps before."""

import os


def setup(threads):
    # Read when the backend starts, after this module has been imported.
    if threads == 1:
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " " + flags
    os.environ.setdefault("JAX_PLATFORMS", "cpu")


import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax import lax  # noqa: E402

from entry import STREAM_STEPS, Entry  # noqa: E402
from ours import stacked  # noqa: E402

VERSION = f"jax {jax.__version__}"
sigmoid = jax.nn.sigmoid


def norm(x, gain, bias):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * gain + bias


def lstm(p, g, state):
    h, c = state
    i, f, n, o = jnp.split(g + h @ p["U"], 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(n)
    return sigmoid(o) * jnp.tanh(c), c


def gru(p, g, state):
    (h,) = state
    r1, z1, n1 = jnp.split(g, 3, -1)
    r2, z2, n2 = jnp.split(h @ p["U"] + p["c"], 3, -1)
    z = sigmoid(z1 + z2)
    return ((1 - z) * jnp.tanh(n1 + sigmoid(r1 + r2) * n2) + z * h,)


def lnlstm(p, g, state):
    h, c = state
    i, f, n, o = jnp.split(g + norm(h @ p["U"], p["g2"], p["b"]), 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(n)
    return sigmoid(o) * jnp.tanh(norm(c, p["g3"], p["b3"])), c


def peephole(p, g, state):
    h, c = state
    f, n, o = jnp.split(g + h @ p["U"], 3, -1)
    f = sigmoid(f + p["p_f"] * c)
    c = f * c + (1 - f) * jnp.tanh(n)
    return sigmoid(o + p["p_o"] * c) * jnp.tanh(c), c


def resgru(p, g, state):
    (h,) = state
    return (gru(p, g, state)[0] + p["alpha"] * h,)


def mingru(p, g, state):
    (h,) = state
    z, v = g
    return (h + z * (v - h),)


def indrnn(p, g, state):
    (h,) = state
    return (jnp.tanh(g + p["u"] * h),)


STEP = dict(lstm=lstm, gru=gru, lnlstm=lnlstm, peephole=peephole, resgru=resgru, mingru=mingru, indrnn=indrnn)
STATES = dict(lstm=2, lnlstm=2, peephole=2)


def hoisted(cell, p, x):
    if cell == "lnlstm":
        return norm(x @ p["W"], p["g1"], 0.0)
    g = x @ p["W"] + p["b"]
    if cell == "mingru":
        z, v = jnp.split(g, 2, -1)
        return sigmoid(z), v
    return g


def zeros(cell, batch, hidden):
    return tuple(jnp.zeros((batch, hidden), jnp.float32) for _ in range(STATES.get(cell, 1)))


def outputs(cell, hidden, p, x):
    def step(state, g):
        state = STEP[cell](p, g, state)
        return state, state[0]

    return lax.scan(step, zeros(cell, x.shape[1], hidden), hoisted(cell, p, x))[1]


def entries(case, data, threads, slow):
    p = jax.device_put(stacked(data, "param", case.cell))
    x, dy = jax.device_put(data["x"]), jax.device_put(data["dy"])
    forward = jax.jit(lambda p, x: outputs(case.cell, case.H, p, x))
    train = jax.jit(jax.grad(lambda p, x, dy: jnp.vdot(outputs(case.cell, case.H, p, x), dy)))
    step = jax.jit(lambda p, x, state: STEP[case.cell](p, hoisted(case.cell, p, x), state))
    start, row = zeros(case.cell, case.B, case.H), jax.device_put(data["x"][0])

    def stream():
        state = start
        for _ in range(STREAM_STEPS):
            state = step(p, row, state)
        jax.block_until_ready(state)

    calls = {
        "stream": stream,
        "forward": lambda: forward(p, x).block_until_ready(),
        "train": lambda: jax.block_until_ready(train(p, x, dy)),
    }

    def results():
        found = {"h": forward(p, x)}
        if case.work == "train":
            found.update(train(p, x, dy))
        return {name: np.asarray(value) for name, value in found.items()}

    yield Entry("jax", calls[case.work], results, STREAM_STEPS if case.work == "stream" else 1)
