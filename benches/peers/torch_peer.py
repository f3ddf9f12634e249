"""PyTorch: its own layers for LSTM and GRU; loops over steps, eager, scripted or compiled, for other cells."""

import warnings
from typing import List, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from entry import STREAM_STEPS, Entry, SlowEntry
import zoo
from ours import STEPS, language, stacked

# It says that scripts are deprecated; they are still the fastest of its forms for some of these cells.
warnings.filterwarnings("ignore", message=".*torch.jit.script.*")

VERSION = f"torch {torch.__version__}"


def setup(threads):
    torch.set_num_threads(threads)


# One step of each cell: the input's share of the gates, the state, the weights that the loop reads.


def lnlstm(g: Tensor, h: Tensor, c: Tensor, w: List[Tensor]) -> Tuple[Tensor, Tensor]:
    z = g + F.layer_norm(h @ w[0], [w[0].shape[1]], w[1], w[2])
    i, f, n, o = z.chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(n)
    return torch.sigmoid(o) * torch.tanh(F.layer_norm(c, [c.shape[1]], w[3], w[4])), c


def peephole(g: Tensor, h: Tensor, c: Tensor, w: List[Tensor]) -> Tuple[Tensor, Tensor]:
    f, n, o = (g + h @ w[0]).chunk(3, 1)
    f = torch.sigmoid(f + w[1] * c)
    c = f * c + (1 - f) * torch.tanh(n)
    return torch.sigmoid(o + w[2] * c) * torch.tanh(c), c


def resgru(g: Tensor, h: Tensor, c: Tensor, w: List[Tensor]) -> Tuple[Tensor, Tensor]:
    r1, z1, n1 = g.chunk(3, 1)
    r2, z2, n2 = torch.addmm(w[1], h, w[0]).chunk(3, 1)
    r = torch.sigmoid(r1 + r2)
    z = torch.sigmoid(z1 + z2)
    return (1 - z) * torch.tanh(n1 + r * n2) + z * h + w[2] * h, c


def mingru(g: Tensor, h: Tensor, c: Tensor, w: List[Tensor]) -> Tuple[Tensor, Tensor]:
    z, v = g.chunk(2, 1)
    return h + z * (v - h), c


def indrnn(g: Tensor, h: Tensor, c: Tensor, w: List[Tensor]) -> Tuple[Tensor, Tensor]:
    return torch.tanh(g + w[0] * h), c


def hoisted(cell, x, p):
    """What does not depend on the state, for all steps at once."""
    if cell == "lnlstm":
        return F.layer_norm(x @ p["W"], [p["W"].shape[1]], p["g1"])
    g = torch.addmm(p["b"], x.flatten(0, 1), p["W"]).view(x.shape[0], x.shape[1], -1)
    if cell == "mingru":
        z, v = g.chunk(2, 2)
        return torch.cat([torch.sigmoid(z), v], 2)
    return g


STEP = dict(lnlstm=lnlstm, peephole=peephole, resgru=resgru, mingru=mingru, indrnn=indrnn)
READS = dict(
    lnlstm=["U", "g2", "b", "g3", "b3"],
    peephole=["U", "p_f", "p_o"],
    resgru=["U", "c", "alpha"],
    mingru=[],
    indrnn=["u"],
)


def eager_loop(step):
    def loop(g, h, w):
        c, ys = h, []
        for now in g.unbind(0):
            h, c = step(now, h, c, w)
            ys.append(h)
        return torch.stack(ys)

    return loop


def scripted_loop(step):
    fn = torch.jit.script(step)

    @torch.jit.script
    def loop(g: Tensor, h: Tensor, w: List[Tensor]):
        c = h
        ys: List[Tensor] = []
        for now in g.unbind(0):
            h, c = fn(now, h, c, w)
            ys.append(h)
        return torch.stack(ys)

    return loop


def numpy(tensors):
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def custom(case, data, slow):
    p = {k: torch.from_numpy(v.copy()).requires_grad_() for k, v in stacked(data, "param", case.cell).items()}
    x, dy = torch.from_numpy(data["x"]), torch.from_numpy(data["dy"])
    loops = {"torch": eager_loop(STEP[case.cell]), "torch.jit": scripted_loop(STEP[case.cell])}
    if slow:
        torch._dynamo.reset()
        loops["torch.compile"] = eager_loop(torch.compile(STEP[case.cell]))
    for name, loop in loops.items():

        def outputs(loop=loop):
            h = torch.zeros(case.B, case.H)
            return loop(hoisted(case.cell, x, p), h, [p[key] for key in READS[case.cell]])

        def forward(outputs=outputs):
            with torch.no_grad():
                return outputs()

        def train(outputs=outputs):
            return torch.autograd.grad(outputs(), list(p.values()), dy)

        def results(outputs=outputs, train=train):
            if case.work == "forward":
                return {"h": forward(outputs).numpy()}
            return numpy({"h": outputs(), **dict(zip(p, train(outputs)))})

        kind = SlowEntry if name == "torch.compile" else Entry
        yield kind(name, forward if case.work == "forward" else train, results)


def library(case, data):
    p = {k: torch.from_numpy(v) for k, v in stacked(data, "param", case.cell).items()}
    x, dy = torch.from_numpy(data["x"]), torch.from_numpy(data["dy"])
    bias = p.get("c", torch.zeros_like(p["b"]))
    weights = [p["W"].T.contiguous(), p["U"].T.contiguous(), p["b"], bias]
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[case.cell](case.I, case.H)
    params = list(layer.parameters())
    with torch.no_grad():
        for param, weight in zip(params, weights):
            param.copy_(weight)

    def forward():
        with torch.inference_mode():
            return layer(x)[0]

    def train():
        return torch.autograd.grad(layer(x)[0], params, dy)

    def results():
        if case.work != "train":
            return {"h": forward().numpy()}
        w, u, b, c = train()
        named = {"h": layer(x)[0], "W": w.T, "U": u.T, "b": b}
        return numpy({**named, "c": c} if "c" in p else named)

    if case.work != "stream":
        yield Entry("torch", forward if case.work == "forward" else train, results)
        return

    def layer_steps():
        with torch.inference_mode():
            state = None
            for _ in range(STREAM_STEPS):
                _, state = layer(x, state)

    cell = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}[case.cell](case.I, case.H)
    with torch.no_grad():
        for param, weight in zip(cell.parameters(), weights):
            param.copy_(weight)

    def cell_steps():
        with torch.inference_mode():
            state = None
            for _ in range(STREAM_STEPS):
                state = cell(x[0], state)

    def cell_results():
        with torch.inference_mode():
            state = cell(x[0])
        return {"h": (state[0] if case.cell == "lstm" else state)[None].numpy()}

    yield Entry("torch", layer_steps, results, STREAM_STEPS)
    yield Entry("torch cell", cell_steps, cell_results, STREAM_STEPS)


class Ops:
    """What the equations of the zoo are made of."""

    sigmoid, tanh, relu, softplus = torch.sigmoid, torch.tanh, torch.relu, F.softplus
    exp, log, sqrt, cos, abs, floor = torch.exp, torch.log, torch.sqrt, torch.cos, torch.abs, torch.floor
    sin, maximum, where, zeros_like, zeros = torch.sin, torch.maximum, torch.where, torch.zeros_like, torch.zeros
    logsumexp = torch.logsumexp

    @staticmethod
    def constant(values):
        return torch.from_numpy(values.copy())

    @staticmethod
    def split(x, parts):
        return x.chunk(parts, -1)

    @staticmethod
    def cat(parts, axis=-1):
        return torch.cat(parts, axis)

    @staticmethod
    def sum(x):
        return x.sum(-1, keepdim=True)

    @staticmethod
    def norm(x):
        return F.layer_norm(x, [x.shape[-1]])

    @staticmethod
    def batch_norm(x):
        mean = x.mean(-2, keepdim=True)
        variance = ((x - mean) ** 2).mean(-2, keepdim=True)
        return (x - mean) * torch.rsqrt(variance + 1e-5)

    @staticmethod
    def softmax(x):
        return torch.softmax(x, -1)

    @staticmethod
    def log_softmax(x, axis):
        return torch.log_softmax(x, axis)

    @staticmethod
    def roll(x, by):
        return torch.roll(x, by, -1)

    @staticmethod
    def swap(x):
        return x.transpose(0, 1).contiguous()

    @staticmethod
    def pad_above(x, rows):
        return F.pad(x, (0, 0, rows, 0))


def traced(scan):
    """The step of a loop as a graph, which PyTorch's own interpreter runs."""
    sizes = len(scan.xs), len(scan.start)

    def flat(*values):
        x, state, reads = values[: sizes[0]], values[sizes[0] : sum(sizes)], values[sum(sizes) :]
        state, out = scan.step(x, state, reads)
        return (*state, out)

    values = (*(x[0] for x in scan.xs), *scan.start, *scan.reads)
    graph = torch.jit.trace(flat, tuple(value.detach() for value in values), check_trace=False)

    def step(x, state, reads):
        *state, out = graph(*x, *state, *reads)
        return tuple(state), out

    return step


def of_the_zoo(case, data):
    """A cell of the zoo: a loop over its step, eager or as a graph, and PyTorch's own layer if there is one."""
    arrays, trained, d = zoo.given(case.cell, data)
    p = {name: torch.from_numpy(value.copy()).requires_grad_(name in trained) for name, value in arrays.items()}
    d = {name: torch.from_numpy(value) for name, value in d.items()}

    def looped(kind):
        step = traced(zoo.CELLS[case.cell](Ops, p, d)) if kind == "torch.jit" else None

        def outputs():
            scan = zoo.CELLS[case.cell](Ops, p, d)
            one, state, hs = step or scan.step, scan.start, []
            for x in zip(*(x.unbind(0) for x in scan.xs)):
                state, h = one(x, state, scan.reads)
                hs.append(h)
            h = torch.stack(hs)
            return scan.finish(h) if scan.finish else h

        return outputs, [p[name] for name in trained], lambda grads: dict(zip(trained, grads))

    forms = {"torch": looped("torch"), "torch.jit": looped("torch.jit")}
    if case.cell in OWN_LAYERS:
        forms["torch layer"] = own_layer(case, p, d["x"])
    for name, (outputs, params, named) in forms.items():

        def forward(outputs=outputs):
            with torch.no_grad():
                return outputs()

        def train(outputs=outputs, params=params):
            return torch.autograd.grad(zoo.loss(Ops, case.cell, outputs(), d.get("y")), params)

        def results(forward=forward, train=train, named=named):
            found = named(train()) if case.work == "train" else {}
            return numpy({**zoo.compared(case.cell, forward), **found})

        yield Entry(name, forward if case.work == "forward" else train, results)


# Cells of the zoo that PyTorch has layers for, and the names of their parameters there.
OWN_LAYERS = {
    "Elman": (lambda p, i, h: torch.nn.RNN(i, h), ["W_xh", "W_hh", "b_h", None]),
    "Irnn": (lambda p, i, h: torch.nn.RNN(i, h, nonlinearity="relu"), ["W_xh", "W_hh", "b_h", None]),
    "Lstm": (lambda p, i, h: torch.nn.LSTM(i, h), ["W", "U", "b", None]),
    "ProjectedLstm": (lambda p, i, h: torch.nn.LSTM(i, h, proj_size=p["W_r"].shape[1]), ["W", "U", "b", None, "W_r"]),
    "GruResetAfter": (lambda p, i, h: torch.nn.GRU(i, h), ["W", "U", "b", "c"]),
}


def own_layer(case, p, x):
    make, names = OWN_LAYERS[case.cell]
    layer = make(p, case.I, case.H)
    params = list(layer.parameters())
    with torch.no_grad():
        for param, name in zip(params, names, strict=True):
            param.copy_(p[name].T if name else torch.zeros(()))
    # Ours has one bias.
    for param, name in zip(params, names):
        param.requires_grad_(name is not None)
    params = [param for param, name in zip(params, names) if name]
    named = lambda grads: {n: g.T if g.ndim == 2 else g for n, g in zip(filter(None, names), grads)}  # noqa: E731
    return lambda: layer(x)[0], params, named


def trainer(data, **how):
    """A step of training the language model as a function, and the parameters by our names."""
    p = {name: torch.from_numpy(value.copy()) for name, value in language(data, "param").items()}
    (characters, embedded), hidden = p["embed"].shape, p["U"].shape[1]
    embed, lstm = torch.nn.Embedding(characters, embedded), torch.nn.LSTM(embedded, hidden)
    linear = torch.nn.Linear(hidden, characters)
    named = dict(embed=embed.weight, W=lstm.weight_ih_l0, U=lstm.weight_hh_l0, b=lstm.bias_ih_l0)
    named.update(W_y=linear.weight, b_y=linear.bias)
    with torch.no_grad():
        for name, param in named.items():
            param.copy_(p[name])
        # Ours has one bias.
        lstm.bias_hh_l0.zero_().requires_grad_(False)
    now, following = (torch.from_numpy(data[name]).long() for name in ("now", "next"))
    params, norm = list(named.values()), float(data["norm"])
    adam = torch.optim.Adam(params, lr=float(data["rate"]), **how)

    def step():
        adam.zero_grad(set_to_none=True)
        logits = linear(lstm(embed(now))[0])
        loss = F.cross_entropy(logits.flatten(0, 1), following.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, norm, foreach=True)
        adam.step()
        return loss

    return step, named


def training(data):
    for how in ("fused", "foreach"):

        def results(how=how):
            step, named = trainer(data, **{how: True})
            found = {}
            for at in range(STEPS):
                found[f"loss{at}"] = step().detach().numpy()
                if at == 0:
                    found.update({f"grad.{name}": param.grad.numpy().copy() for name, param in named.items()})
            found.update({f"after.{name}": param.detach().numpy() for name, param in named.items()})
            return found

        yield Entry(f"torch, {how}", trainer(data, **{how: True})[0], results)


def entries(case, data, threads, slow):
    if case.work == "step":
        yield from training(data)
        return
    if case.cell in zoo.CELLS:
        yield from of_the_zoo(case, data)
    elif case.cell in ("lstm", "gru"):
        yield from library(case, data)
    elif case.work != "stream":
        yield from custom(case, data, slow)
