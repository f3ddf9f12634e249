"""PyTorch: its own layers for LSTM and GRU; loops over steps, eager, scripted or compiled, for other cells."""

import warnings
from typing import List, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from entry import STREAM_STEPS, Entry, SlowEntry
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
    if case.cell in ("lstm", "gru"):
        yield from library(case, data)
    elif case.work != "stream":
        yield from custom(case, data, slow)
