#!/usr/bin/env python3
"""Where the time of each case goes, as a table in Markdown of rows that `bench_kernels --profile --json` wrote; of several runs
of a case, the one that was disturbed least.

    bench_kernels --cell lstm --pass train --batch 32 --hidden 128,256 --profile --json shares1.json
    bench_kernels --cell lstm --pass train --batch 32 --hidden 128,256 --profile --json shares2.json
    python3 benches/peers/shares.py shares1.json shares2.json
"""

import json
import sys

# Columns, and the kinds of kernels that each adds up.
COLUMNS = {
    "products": ["product"],
    "weight gradients": ["weight gradient"],
    "pointwise": ["pointwise"],
    "sums": ["reduction"],
    "joins, packing": ["join", "packing"],
    "copies in and out": ["copy in", "copy out"],
}


def share(rows, kinds):
    return 100 * sum(row["share"] for row in rows if row["kind"] in kinds)


def rate(rows, kind, peak):
    """The rate of all kernels of a kind, as a share of the peak."""
    rows = [row for row in rows if row["kind"] == kind]
    us = sum(row["us"] for row in rows)
    return 100 * sum(row["flops"] for row in rows) / us * 1e-3 / peak if us else None


def line(case):
    profile = case["profile"]
    rows, peak = profile["rows"], profile["peak_gflops"]
    cells = [case["cell"], case["pass"], case["B"], case["H"], f"{100 * case['peak_share']:.0f} %"]
    known = 0
    for name, kinds in COLUMNS.items():
        part = share(rows, kinds)
        known += part
        own = rate(rows, kinds[0], peak) if name in ("products", "weight gradients") else None
        cells.append(f"{part:.0f} %" + (f" at {own:.0f} %" if own else ""))
    return cells + [f"{100 - known:.0f} %"]


def main():
    table = [["cell", "pass", "B", "H", "of peak", *COLUMNS, "rest"]]
    table.append(["---"] * len(table[0]))
    fastest = {}
    for path in sys.argv[1:]:
        with open(path) as file:
            for case in json.load(file):
                key = tuple(case[name] for name in ("cell", "pass", "B", "H"))
                if "profile" in case and case["gflops"] > fastest.get(key, case)["gflops"] - 1e-9:
                    fastest[key] = case
    table += [line(case) for case in fastest.values()]
    for cells in table:
        print("| " + " | ".join(str(cell) for cell in cells) + " |")


if __name__ == "__main__":
    main()
