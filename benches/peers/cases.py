"""What is measured, and the ratio that is asked for."""

from dataclasses import dataclass, replace

from zoo import CELLS

CUSTOM = ["lnlstm", "peephole", "resgru", "mingru", "indrnn"]


@dataclass(frozen=True)
class Case:
    cell: str
    work: str  # stream, forward, train, and those of bench_kernels that only some cells have
    B: int
    T: int
    I: int
    H: int

    @property
    def name(self):
        return f"{self.cell}_{self.work}_b{self.B}_t{self.T}_i{self.I}_h{self.H}"

    def request(self, **more):
        sizes = dict(B=self.B, T=self.T, I=self.I, H=self.H)
        return {"cell": self.cell, "pass": self.work, **sizes, **more}


@dataclass(frozen=True)
class Rival:
    """Another case of this project that a case is held against."""

    name: str
    case: Case
    threads: int | None = None
    # Whether both compute the same numbers.
    equal: bool = False


LIMIT = "limit of 20 ms"
LIMITS = {LIMIT: 20_000.0}


def rivals(case, threads):
    """What a case of this project is held against within it."""
    if case.work == "decay":
        return [Rival("ours, live state", replace(case, work="live"))]
    if case.cell == "own-lstm":
        return [Rival("ours, the zoo's lstm", replace(case, cell="lstm"), equal=True)]
    if threads > 1 and case.work in ("train", "forward", "step"):
        return [Rival("ours, one thread", case, threads=1)]
    return []


def limits(case):
    """Times in microseconds that a case is held against."""
    return LIMITS if case.work == "compile" else {}


def layer(cell, work, batches, hidden, steps=100):
    if work == "stream":
        steps = 1
    return [Case(cell, work, b, steps, h, h) for b in batches for h in hidden]


def groups(quick=False):
    """Cases by group; `quick` has one or two of each kind."""
    if quick:
        return {
            "stream": layer("lstm", "stream", [1], [64]) + layer("gru", "stream", [1], [64]),
            "forward": layer("lstm", "forward", [1, 32], [128]) + layer("gru", "forward", [32], [128]),
            "train": layer("lstm", "train", [32], [128]) + layer("gru", "train", [32], [128]),
            "custom": [case for cell in CUSTOM for case in layer(cell, "train", [32], [128])],
            "zoo": zoo(),
            **whole(),
        }
    rnns = ("lstm", "gru")
    return {
        "stream": [c for cell in rnns for c in layer(cell, "stream", [1], [16, 32, 64, 128, 256])],
        "forward": [
            c
            for cell in rnns
            for c in layer(cell, "forward", [1], [64, 128])
            + layer(cell, "forward", [8, 32, 128], [64, 128, 256])
        ],
        "train": layer("lstm", "train", [16, 32, 128], [64, 128, 256])
        + layer("gru", "train", [32], [64, 128, 256]),
        "custom": [
            c
            for cell in CUSTOM
            for c in layer(cell, "train", [32], [128, 256])
            + layer(cell, "forward", [1], [64])
            + layer(cell, "train", [1], [64])
        ],
        "zoo": zoo(),
        **whole(),
    }


def zoo():
    """Training every cell of the zoo."""
    return [case for cell in CELLS for case in layer(cell, "train", [32], [128])]


def whole():
    """Whole steps of training, and what this project holds against itself."""
    own = layer("own-lstm", "forward", [32], [128]) + layer("own-lstm", "train", [32], [128])
    return {
        "charlm": [Case("charlm", "step", 32, 64, 64, 256)],
        "own": own + layer("own-lstm", "stream", [1], [128]),
        "denormals": layer("lstm", "decay", [32], [128]),
        "compile": [Case("charlm", "compile", 1, 1, 32, 256)],
    }


READING = "reading weights"


def goal(case, peer=None):
    """The ratio ours / best peer that the project asks of itself, or None."""
    if peer in LIMITS:
        return 1.0
    if peer == "ours, live state":
        return 1.2
    if peer == "ours, the zoo's lstm":
        return 1.05
    if peer == "ours, one thread":
        return 0.58
    if case.work == "step":
        return 0.62
    if case.cell in CELLS:
        return 0.6
    if case.work == "stream":
        return 1.35 if peer == READING else 0.2
    if case.cell in CUSTOM:
        if case.B == 1:
            return 0.35
        return 0.6 if case.cell in ("mingru", "indrnn") else 0.4
    if case.work == "forward":
        if case.B == 1:
            return 0.5
        if case.cell == "gru":
            return 0.75
        return 0.9 if case.H >= 256 else 0.8
    if case.cell == "lstm":
        return 0.62
    return {64: 0.4, 128: 0.5, 256: 0.55}.get(case.H)
