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
import zoo  # noqa: E402
from ours import STEPS, language, stacked  # noqa: E402

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


class Ops:
    """What the equations of the zoo are made of."""

    sigmoid, tanh, relu, softplus = jax.nn.sigmoid, jnp.tanh, jax.nn.relu, jax.nn.softplus
    exp, log, sqrt, cos, abs, floor = jnp.exp, jnp.log, jnp.sqrt, jnp.cos, jnp.abs, jnp.floor
    sin, maximum, where, zeros_like = jnp.sin, jnp.maximum, jnp.where, jnp.zeros_like
    softmax, log_softmax, logsumexp = jax.nn.softmax, jax.nn.log_softmax, jax.nn.logsumexp
    constant = jnp.asarray

    @staticmethod
    def zeros(*sizes):
        return jnp.zeros(sizes, jnp.float32)

    @staticmethod
    def split(x, parts):
        return jnp.split(x, parts, -1)

    @staticmethod
    def cat(parts, axis=-1):
        return jnp.concatenate(parts, axis)

    @staticmethod
    def sum(x):
        return x.sum(-1, keepdims=True)

    @staticmethod
    def norm(x):
        return norm(x, 1.0, 0.0)

    @staticmethod
    def batch_norm(x):
        mean = x.mean(-2, keepdims=True)
        variance = ((x - mean) ** 2).mean(-2, keepdims=True)
        return (x - mean) * lax.rsqrt(variance + 1e-5)

    @staticmethod
    def roll(x, by):
        return jnp.roll(x, by, -1)

    @staticmethod
    def swap(x):
        return x.swapaxes(0, 1)

    @staticmethod
    def pad_above(x, rows):
        return jnp.pad(x, ((rows, 0), (0, 0)))


def of_the_zoo(case, data):
    """A cell of the zoo: `lax.scan` over its step."""
    p, trained, d = zoo.given(case.cell, data)
    p, d = jax.device_put(p), jax.device_put(d)
    moving = {name: p.pop(name) for name in trained}

    def outputs(moving, p, d):
        scan = zoo.CELLS[case.cell](Ops, p | moving, d)

        def step(state, x):
            return scan.step(x, state, scan.reads)

        h = lax.scan(step, scan.start, scan.xs)[1]
        return scan.finish(h) if scan.finish else h

    def loss(moving, p, d):
        return zoo.loss(Ops, case.cell, outputs(moving, p, d), d.get("y"))

    forward, train = jax.jit(outputs), jax.jit(jax.grad(loss))
    call = forward if case.work == "forward" else train

    def results():
        found = zoo.compared(case.cell, lambda: forward(moving, p, d))
        if case.work == "train":
            found.update(train(moving, p, d))
        return {name: np.asarray(value) for name, value in found.items()}

    yield Entry("jax", lambda: jax.block_until_ready(call(moving, p, d)), results)


def training(data):
    """Whole steps of training the language model under one `jax.jit`; Adam as Kingma & Ba have it."""
    start = {name: value.T if name in ("W", "U") else value for name, value in language(data, "param").items()}
    now, following = (jax.device_put(data[name].astype(np.int32)) for name in ("now", "next"))
    norm, rate = float(data["norm"]), float(data["rate"])

    def loss(p):
        def step(state, g):
            state = lstm(p, g, state)
            return state, state[0]

        x = p["embed"][now]
        hidden = lax.scan(step, zeros("lstm", now.shape[1], p["U"].shape[0]), x @ p["W"] + p["b"])[1]
        scores = jax.nn.log_softmax(hidden @ p["W_y"].T + p["b_y"])
        return -jnp.take_along_axis(scores, following[..., None], -1).mean()

    def clipped(p):
        value, grads = jax.value_and_grad(loss)(p)
        length = jnp.sqrt(sum(jnp.vdot(g, g) for g in grads.values()))
        scale = jnp.minimum(1.0, norm / length)
        return value, {name: g * scale for name, g in grads.items()}

    def step(state):
        p, m, v, t = state
        value, grads = clipped(p)
        t = t + 1
        m = {name: 0.9 * m[name] + 0.1 * g for name, g in grads.items()}
        v = {name: 0.999 * v[name] + 0.001 * g * g for name, g in grads.items()}
        first, second = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
        p = {name: p[name] - rate * m[name] * first / (jnp.sqrt(v[name] * second) + 1e-8) for name in p}
        return (p, m, v, t), value

    run = jax.jit(step, donate_argnums=0)

    def fresh():
        nothing = lambda: {name: jnp.zeros_like(value) for name, value in start.items()}  # noqa: E731
        return {name: jnp.array(value) for name, value in start.items()}, nothing(), nothing(), jnp.float32(0)

    held = [fresh()]

    def call():
        held[0], value = run(held[0])
        jax.block_until_ready((held[0], value))

    def results():
        mine = lambda name, value: np.asarray(value).T if name in ("W", "U") else np.asarray(value)  # noqa: E731
        found = {f"grad.{name}": mine(name, g) for name, g in jax.jit(clipped)(fresh()[0])[1].items()}
        state = fresh()
        for at in range(STEPS):
            state, value = run(state)
            found[f"loss{at}"] = np.asarray(value)
        return found | {f"after.{name}": mine(name, value) for name, value in state[0].items()}

    yield Entry("jax", call, results)


def entries(case, data, threads, slow):
    if case.work == "step":
        yield from training(data)
        return
    if case.cell in zoo.CELLS:
        yield from of_the_zoo(case, data)
        return
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
