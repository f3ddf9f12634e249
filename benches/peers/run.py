#!/usr/bin/env python3
"""This project beside other implementations of the same work, in one run on this machine.

    pip install torch onnx onnxruntime jax numpy     (each peer is optional)
    python3 benches/peers/run.py --quick
    python3 benches/peers/run.py --cases forward,train --only lstm --json rows.json

Every case is computed by all of them from the same weights and data. First their outputs and gradients are compared with
ours; then rounds of calls alternate, so that a drift of the machine's clock meets all of them, and the medians over all
calls are compared. What was called while the caches were slower than they have been at their best does not count and is repeated,
up to `--patience`. `ratio` is ours / peer: below 1 we are faster. `report.py` makes a table of the rows.

stream   one step of one example
forward  all outputs of a batch of sequences, weights prepared before
train    all outputs, and from a given gradient of each the gradients of all parameters; none for the inputs, no optimiser
step     a whole step of training the character language model: forward, backward, clipping by the global norm, Adam

Some cases are held against this project itself: states that decay into subnormal numbers against live ones, an LSTM as a
user writes it against the zoo's, two threads (`--threads 2`) against one, compiling against a limit.
"""

import argparse
import importlib
import json
import os
import statistics
import time
from dataclasses import dataclass

import cases

PEERS = ["torch", "onnx", "jax"]
# Cases that peers have; others are held against this project itself.
SHARED = ("stream", "forward", "train", "step")

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--cases", default=",".join(cases.groups()), help="groups of cases")
parser.add_argument("--only", default="", help="cases whose name contains one of these words")
parser.add_argument("--part", default="1/1", help="one of several parts of the cases, such as 2/8")
parser.add_argument("--peers", default=",".join(PEERS), help="peers to measure")
parser.add_argument("--quick", action="store_true", help="a few cases of each group, fewer rounds")
parser.add_argument("--slow", action="store_true", help="also torch.compile of custom cells, which compiles for long")
parser.add_argument("--slow-limit", type=float, default=60, help="seconds that one such compilation may take")
parser.add_argument("--threads", type=int, default=1, help="cores to pin to, and threads of each peer")
parser.add_argument("--rounds", type=int, help="rounds (default 6, 3 with --quick)")
parser.add_argument("--patience", type=float, default=4, help="rounds at most, as a multiple, until enough are calm")
parser.add_argument("--seconds", type=float, default=0.1, help="of calls in a round, for each peer")
parser.add_argument("--tool", help="a bench_kernels that has been built; otherwise cargo builds it")
parser.add_argument("--json", help="write rows to a file")
args = parser.parse_args()
if not 1 <= args.threads <= len(os.sched_getaffinity(0)):
    raise SystemExit(f"expected --threads 1 to {len(os.sched_getaffinity(0))}, found {args.threads}")

# Before a numeric library is loaded: each reads the number of cores when it starts.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-args.threads :])
for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[key] = str(args.threads)

try:
    import numpy as np
except ImportError:
    raise SystemExit("expected numpy: pip install numpy")

import zoo  # noqa: E402
from entry import SlowEntry  # noqa: E402
from ours import Ours, build, language_results, stacked  # noqa: E402

# Largest difference from ours, relative to the largest element: sums of thousands of products in another order, and after
# 100 steps of a state that grows (the residual GRU) or that is normalised in every step (the layer-norm LSTM) their differences
# with it: of the latter, single precision is 5e-3 from double at 100 steps of some data, PyTorch's as ours, and 1e-5 at 20.
TOLERANCE = 1e-2

# Seconds after which idle threads sleep: OpenMP's runtimes spin for up to a fifth of a second.
SETTLE = 0.3


# Floats that are read to learn how fast the machine is: 256 KiB, from the second cache.
READ = 1 << 16
# It is calm while that takes no longer than it has at its best by this factor.
SLOW = 1.1


class Machine:
    """How fast the caches are at the moment, beside their best."""

    def __init__(self, ours):
        self.ours, self.best = ours, float("inf")

    def reading(self):
        us = self.ours.reading(READ)
        self.best = min(self.best, us)
        return us

    def is_calm(self, reading):
        return reading <= SLOW * self.best


@dataclass
class Turn:
    """Calls of one of those that are compared, between two readings."""

    # The slower of the two.
    reading: float
    samples: list
    # What else our own tool says.
    row: dict | None = None


def load_peers():
    peers = []
    for name in filter(None, args.peers.split(",")):
        try:
            peer = importlib.import_module(f"{name}_peer")
        except ImportError as error:
            print(f"# {name} is skipped: {error}")
            continue
        peer.setup(args.threads)
        print(f"# {peer.VERSION}")
        peers.append(peer)
    return peers


def compare(case, entry, data):
    """How far a peer is from our numbers, at the worst."""
    if case.work == "step":
        expected = language_results(data)
    elif case.cell in zoo.CELLS:
        expected = zoo.results(case, data)
    else:
        expected = {"h": data["h"]}
    if case.work == "train" and case.cell not in zoo.CELLS:
        expected.update(stacked(data, "grad", case.cell))
    worst = 0.0
    for name, value in entry.results().items():
        difference = np.abs(value - expected[name])
        if name.startswith("after."):
            # Adam moves a parameter as far for a gradient that is all rounding as for any other, so all are judged together.
            difference = np.sqrt((difference**2).mean() / (expected[name] ** 2).mean())
        else:
            difference = difference.max() / max(np.abs(expected[name]).max(), 1e-30)
        if not difference <= TOLERANCE:
            raise SystemExit(f"{case.name}: {entry.name} differs from ours in {name} by {difference:.1e} of the largest")
        worst = max(worst, float(difference))
    return worst


class RivalEntry:
    """Another case of this project, in a process of its own."""

    def __init__(self, rival, process):
        self.name, self.rival, self.process = rival.name, rival, process

    def round(self, seconds):
        return self.process.round(self.rival.case, seconds, self.rival.threads or args.threads)["samples_us"]

    def compare(self, data):
        if not self.rival.equal:
            return 0.0
        other = self.process.export(self.rival.case)
        return float(np.abs(other["h"] - data["h"]).max() / np.abs(data["h"]).max())


def played(calls, machine, rounds):
    """Rounds of all `calls` in turn: those turns of each that found the machine calm, and True; all of them, and False, where
    these are too few."""
    turns = [[] for _ in calls]
    for at in range(int(rounds * args.patience)):
        # There and back: whoever comes first finds the machine as the one before has left it.
        order = range(len(calls))
        for which in order if at % 2 == 0 else reversed(order):
            # The threads of a peer's pool wait for more work on a core of their own before they sleep.
            time.sleep(SETTLE if args.threads > 1 else 0)
            before = machine.reading()
            samples, row = calls[which]()
            turns[which].append(Turn(max(before, machine.reading()), samples, row))
        calm = [[turn for turn in own if machine.is_calm(turn.reading)] for own in turns]
        least = min(len(own) for own in calm)
        if least >= rounds:
            return calm, True
    return (calm, True) if least > rounds // 2 else (turns, False)


def measure(case, ours, rival_process, peers, rounds, machine):
    """Rows of a case."""
    rivals = cases.rivals(case, args.threads)
    compared = case.work in SHARED
    data = ours.export(case) if compared else {}
    entries = []
    for rival in rivals:
        entry = RivalEntry(rival, rival_process)
        difference = entry.compare(data)
        if not difference <= TOLERANCE:
            raise SystemExit(f"{case.name}: {entry.name} differs by {difference:.1e} of the largest")
        entries.append((entry, difference))
    for peer in peers if compared and case.cell != "own-lstm" else []:
        for entry in peer.entries(case, data, args.threads, args.slow):
            if isinstance(entry, SlowEntry) and not entry.prepare(args.slow_limit):
                print(f"# {case.name}: {entry.name} took more than {args.slow_limit:.0f} s and is left out")
                continue
            entries.append((entry, compare(case, entry, data)))
    del data

    def own():
        row = ours.round(case, args.seconds, args.threads)
        return row["samples_us"], row

    calls = [own] + [lambda entry=entry: (entry.round(args.seconds), None) for entry, _ in entries]
    (mine, *theirs), calm = played(calls, machine, rounds)
    row = mine[-1].row
    peaks = [turn.row["peak_gflops"] for turn in mine]
    reading = [turn.row.get("reading_us") for turn in mine]
    mine, *theirs = [[sample for turn in own for sample in turn.samples] for own in [mine, *theirs]]
    ours_us, peak = statistics.median(mine), statistics.median(peaks)
    gflops = row["flops"] / ours_us * 1e-3
    state = "" if calm else "   disturbed"
    print(f"{case.name:34} {ours_us:12.2f} us {gflops:7.1f} GFLOP/s = {100 * gflops / peak:3.0f} % of {peak:.0f}{state}")
    results = [(entry.name, statistics.median(samples), error) for (entry, error), samples in zip(entries, theirs)]
    if case.work == "stream":
        results.append((cases.READING, 0.06 + statistics.median(reading), 0.0))
    results += [(name, limit, 0.0) for name, limit in cases.limits(case).items()]
    rows = []
    for name, peer_us, error in sorted(results, key=lambda result: result[1]):
        ratio = ours_us / peer_us
        print(f"    {name:30} {peer_us:12.2f} us   ratio {ratio:6.3f}   differs by {error:.0e}", flush=True)
        keys = ("case", "cell", "pass", "B", "T", "I", "H", "threads", "tokens_per_second")
        rows.append(
            {key: row.get(key) for key in keys}
            | dict(ours_us=ours_us, peer=name, peer_us=peer_us, ratio=ratio, gflops=gflops, peak_share=gflops / peak, calm=calm)
        )
    return rows


def main():
    chosen = cases.groups(args.quick)
    unknown = set(args.cases.split(",")) - set(chosen)
    if unknown:
        raise SystemExit(f"expected groups out of {', '.join(chosen)}, found {', '.join(unknown)}")
    words = args.only.split(",")
    chosen = [c for group in args.cases.split(",") for c in chosen[group] if any(word in c.name for word in words)]
    part, parts = (int(number) for number in args.part.split("/"))
    if not 1 <= part <= parts:
        raise SystemExit(f"expected --part 1/8 to 8/8, found {args.part}")
    chosen = chosen[part - 1 :: parts]
    tool = args.tool or build()
    ours, rival_process = Ours(tool), Ours(tool)
    machine, peers, rows = Machine(ours), load_peers(), []
    started = time.time()
    try:
        for case in chosen:
            rows += measure(case, ours, rival_process, peers, args.rounds or (3 if args.quick else 6), machine)
    finally:
        ours.close()
        rival_process.close()
        if args.json:
            with open(args.json, "w") as file:
                json.dump(rows, file, indent=1)
    print(f"# {len(chosen)} cases in {time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
