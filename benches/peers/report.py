#!/usr/bin/env python3
"""A table in Markdown of rows that run.py wrote: ours beside the best peer, and the ratio that is asked for.

    python3 benches/peers/report.py rows.json more_rows.json
"""

import json
import sys

from cases import READING, Case, goal


def microseconds(value):
    return f"{value:.2f} µs" if value < 1000 else f"{value / 1000:.2f} ms"


def line(row):
    case = Case(row["cell"], row["pass"], row["B"], row["T"], row["I"], row["H"])
    asked = goal(case, row["peer"])
    if asked is None:
        asked, met = "", ""
    else:
        met = "yes" if row["ratio"] <= asked else "no"
    cells = [row["cell"], row["pass"], row["B"], row["H"], microseconds(row["ours_us"]), f"{row['gflops']:.0f}"]
    cells += [f"{100 * row['peak_share']:.0f} %", row["peer"], microseconds(row["peer_us"])]
    return cells + [f"{row['ratio']:.2f}", asked, met]


def main():
    by_case = {}
    for path in sys.argv[1:]:
        with open(path) as file:
            rows = json.load(file)
        # What was measured in one run stays together; a later file replaces a case.
        by_case |= {row["case"]: {} for row in rows}
        for row in rows:
            by_case[row["case"]][row["peer"]] = row
    table = [["cell", "pass", "B", "H", "ours", "GFLOP/s", "of peak", "best peer", "its time", "ratio", "asked", "met"]]
    table.append(["---"] * len(table[0]))
    for rows in by_case.values():
        peers = [row for peer, row in rows.items() if peer != READING]
        best = [min(peers, key=lambda row: row["peer_us"])] if peers else []
        floor = [rows[READING]] if READING in rows else []
        table += [line(row) for row in best + floor]
    for cells in table:
        print("| " + " | ".join(str(cell) for cell in cells) + " |")


if __name__ == "__main__":
    main()
