#!/usr/bin/env python3
"""Time one recurrent layer of PyTorch on the CPU and print one JSON line.

    pip install torch
    python torch_lstm.py --b 32 --h 128 --t 100 --threads 1
    {"peer": "torch", "case": "lstm_b32_i128_h128_t100_1t", "forward_us": ..., "train_us": ..., ...}

forward_us   nn.LSTM (or nn.GRU) over x [T, B, I] in inference mode, zero initial state
train_us     forward, and backward from a given gradient of all T outputs to the gradients
             of all four parameters; the gradient of x is not asked for, no optimizer

Both are medians over calls, in microseconds; `forward_train_us` is the forward pass
alone when it records what the backward pass needs, `*_min_us` are the fastest calls.
Weights are f32, PyTorch's default initialisation, seed 0. The rounds of the three
measurements alternate, so that a drift of the machine's clock meets all of them.

Threads are those of PyTorch's operators. Pinning is left to the caller, for instance
`taskset -c 0 python torch_lstm.py`; on a machine that does other work, take the
smallest median of several runs.
"""

import argparse
import gc
import json
import os
import statistics
import time

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--cell", choices=["lstm", "gru"], default="lstm")
parser.add_argument("--b", type=int, default=32, help="batch size")
parser.add_argument("--h", type=int, default=128, help="hidden size")
parser.add_argument("--i", type=int, help="input size (default: the hidden size)")
parser.add_argument("--t", type=int, default=100, help="time steps")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=3.0, help="time to spend on measuring")
args = parser.parse_args()
inputs = args.i or args.h

# Read by the numeric libraries when they are loaded, hence before the import.
for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[key] = str(args.threads)

import torch  # noqa: E402

torch.set_num_threads(args.threads)
torch.manual_seed(0)
layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[args.cell](inputs, args.h)
params = list(layer.parameters())
x = torch.randn(args.t, args.b, inputs)
dy = torch.randn(args.t, args.b, args.h)


def forward():
    with torch.inference_mode():
        layer(x)


def forward_train():
    layer(x)


def train():
    y, _ = layer(x)
    torch.autograd.grad(y, params, dy)


def measure(functions, seconds, rounds=6, warmup=3, least=5):
    """{name: sorted microseconds per call}, each function getting an equal share of the time."""
    times = {f.__name__: [] for f in functions}
    for f in functions:
        for _ in range(warmup):
            f()
    gc.disable()
    for _ in range(rounds):
        for f in functions:
            end = time.perf_counter() + seconds / rounds / len(functions)
            calls = 0
            while calls * rounds < least or time.perf_counter() < end:
                start = time.perf_counter()
                f()
                times[f.__name__].append((time.perf_counter() - start) * 1e6)
                calls += 1
    gc.enable()
    return {name: sorted(ts) for name, ts in times.items()}


result = {
    "peer": "torch",
    "case": f"{args.cell}_b{args.b}_i{inputs}_h{args.h}_t{args.t}_{args.threads}t",
}
measured = measure([forward, forward_train, train], args.seconds)
for name in ("forward", "train", "forward_train"):
    result[f"{name}_us"] = round(statistics.median(measured[name]), 1)
for name in ("forward", "train"):
    result[f"{name}_min_us"] = round(measured[name][0], 1)
result["calls"] = {name: len(ts) for name, ts in measured.items()}
result["version"] = torch.__version__
print(json.dumps(result))
