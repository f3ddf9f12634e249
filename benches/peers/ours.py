"""This project, driven through the `bench_kernels` example."""

import json
import os
import struct
import subprocess
import tempfile

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def build():
    """Builds the example and returns its path."""
    command = ["cargo", "build", "--release", "--example", "bench_kernels", "--message-format=json"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "bench_kernels":
            return message["executable"]
    raise SystemExit("cargo built no bench_kernels")


class Ours:
    """The example, waiting for requests."""

    def __init__(self, executable):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([executable, "--serve"], stdin=pipe, stdout=pipe, text=True)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        row = json.loads(self.process.stdout.readline() or '{"error": "it has stopped"}')
        if "error" in row:
            raise SystemExit(f"bench_kernels: {row['error']}")
        return row

    def export(self, case):
        """Parameters, data, outputs and gradients of a case: `param.W_i`, `grad.W_i`, `x`, `dy`, `h`."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "case.safetensors")
            self.ask(case.request(seconds=0, export=path))
            return read_safetensors(path)

    def round(self, case, seconds, threads):
        return self.ask(case.request(seconds=seconds, threads=threads))

    def reading(self, floats):
        """Microseconds that reading so many floats takes."""
        return self.ask({"reading": floats})["reading_us"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def read_safetensors(path):
    """{name: array}: eight bytes with the length of a JSON header, the header, the tensors' bytes."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"]).copy()
        for name, entry in header.items()
    }


GATES = {"lstm": "ifgo", "gru": "rzn", "peephole": "fgo", "resgru": "rzn", "mingru": "zv"}


def stacked(data, kind, cell):
    """The parameters (`kind` "param") or gradients ("grad") of a cell, gates side by side as peers store them:
    `W` [I, G*H], `U` [H, G*H], `b` and `c` [G*H], and what else the cell has by its own name."""
    mine = {name[len(kind) + 1 :]: value for name, value in data.items() if name.startswith(kind + ".")}
    gates = GATES.get(cell, "")
    for base in "WUbc":
        parts = [f"{base}_{gate}" for gate in gates]
        if parts and all(part in mine for part in parts):
            mine[base] = np.concatenate([mine.pop(part) for part in parts])
    return {
        name: np.ascontiguousarray(value.T) if value.ndim == 2 else value for name, value in mine.items()
    }


def language(data, kind):
    """The tensors of the language model, gates of the LSTM side by side as rows: `embed` [V, E], `W` [4H, E], `U` [4H, H],
    `b` [4H], `W_y` [V, H], `b_y` [V]. `kind` is "param", "grad" (after clipping, of the first step) or "after" three steps."""
    found = {name: data[f"{kind}.{name}"] for name in ("embed", "W_y", "b_y")}
    for base in "WUb":
        found[base] = np.concatenate([data[f"{kind}.lstm.{base}_{gate}"] for gate in "ifgo"])
    return found


STEPS = 3


def language_results(data):
    """What a peer has to find when it trains the language model for three steps."""
    losses = {f"loss{step}": data[f"loss{step}"] for step in range(STEPS)}
    tensors = {f"{kind}.{name}": value for kind in ("grad", "after") for name, value in language(data, kind).items()}
    return losses | tensors
