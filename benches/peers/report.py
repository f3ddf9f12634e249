#!/usr/bin/env python3
"""A table in Markdown of rows that run.py wrote: ours beside the best peer, the ratio that is asked for, and where it is not
reached, the share of the machine's peak that it would take. A star marks what was measured while the machine was disturbed.

    python3 benches/peers/report.py rows.json more_rows.json
"""

import json
import sys

from cases import LIMITS, READING, Case, goal, groups

FIXED = {READING, *LIMITS}


def microseconds(value):
    return f"{value:.2f} µs" if value < 1000 else f"{value / 1000:.2f} ms"


def line(row):
    case = Case(row["cell"], row["pass"], row["B"], row["T"], row["I"], row["H"])
    asked = goal(case, row["peer"])
    met, takes = "", ""
    if asked is None:
        asked = ""
    else:
        met = "yes" if row["ratio"] <= asked else "no"
        if met == "no" and row["gflops"]:
            takes = f"{100 * row['peak_share'] * row['ratio'] / asked:.0f} %"
    ours = microseconds(row["ours_us"])
    if row.get("tokens_per_second"):
        # The median of all calls, not of the last round.
        ours += f", {row['B'] * row['T'] / row['ours_us'] * 1e6:,.0f} tokens/s"
    # Compiling has no operations.
    rate = [f"{row['gflops']:.0f}", f"{100 * row['peak_share']:.0f} %"] if row["gflops"] else ["", ""]
    cells = [row["cell"], row["pass"], row["threads"], row["B"], row["H"], ours, *rate]
    cells += [row["peer"], microseconds(row["peer_us"])]
    star = "" if row.get("calm", True) else " *"
    return cells + [f"{row['ratio']:.2f}{star}", asked, met, takes]


def is_calm(rows):
    return bool(rows) and all(row.get("calm", True) for row in rows.values())


def main():
    by_case = {}
    for path in sys.argv[1:]:
        with open(path) as file:
            rows = json.load(file)
        # What was measured in one run stays together; a later file replaces a case, save a calm one by a disturbed one.
        found = {}
        for row in rows:
            found.setdefault(row["case"], {})[row["peer"]] = row
        by_case |= {case: own for case, own in found.items() if is_calm(own) or not is_calm(by_case.get(case, {}))}
    table = [["cell", "pass", "threads", "B", "H", "ours", "GFLOP/s", "of peak", "best peer", "its time"]]
    table[0] += ["ratio", "asked", "met", "which takes"]
    table.append(["---"] * len(table[0]))
    # As they are listed, whatever part of a run they were measured in.
    known = [case.name for group in groups().values() for case in group]
    by_case = dict(sorted(by_case.items(), key=lambda item: known.index(item[0]) if item[0] in known else len(known)))
    for rows in by_case.values():
        # The best peer has a line, and each thing within this project that a case is held against.
        alone = [row for peer, row in rows.items() if peer in FIXED or peer.startswith("ours")]
        peers = [row for row in rows.values() if row not in alone]
        best = [min(peers, key=lambda row: row["peer_us"])] if peers else []
        table += [line(row) for row in best + alone]
    for cells in table:
        print("| " + " | ".join(str(cell) for cell in cells) + " |")


if __name__ == "__main__":
    main()
