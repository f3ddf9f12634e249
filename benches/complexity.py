"""How the measured time of a recurrence grows with its sizes: T_emp ~ (T (H^2 + H I))^a.

    cargo run --release --example bench_kernels -- --cell lstm,gru --hidden 32,64,128,256 --steps 100 --json rows.json
    python3 benches/complexity.py rows.json

For each cell, pass, batch and number of threads, a straight line is fitted to the logarithms of time and of T (H^2 + H I) by least
squares. An exponent of 1 says that the products are all that counts; it is less where small sizes pay for what does not grow with
them. Groups with fewer than three sizes are left out, since any two points lie on a line.
"""

import collections
import json
import math
import sys


def fitted(points):
    """Exponent, time per unit of work in picoseconds at the middle of the sizes, and the share of the variance explained."""
    x = [math.log(work) for work, _ in points]
    y = [math.log(us) for _, us in points]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((own - mean_x) ** 2 for own in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / spread
    left = sum((b - mean_y - slope * (a - mean_x)) ** 2 for a, b in zip(x, y))
    total = sum((own - mean_y) ** 2 for own in y)
    return slope, 1e6 * math.exp(mean_y - mean_x), 1 - left / total if total > 0 else 1.0


def main(paths):
    groups = collections.defaultdict(list)
    for path in paths:
        with open(path) as file:
            for row in json.load(file):
                work = row["T"] * row["H"] * (row["H"] + row["I"]) * row["B"]
                groups[row["cell"], row["pass"], row["B"], row["threads"]].append((work, row["ours_us"]))
    print(f"{'cell':14}{'pass':10}{'B':>5}{'threads':>9}{'sizes':>7}{'exponent':>10}{'ps a unit':>11}{'R^2':>8}")
    for (cell, name, batch, threads), points in groups.items():
        if len({work for work, _ in points}) < 3:
            continue
        slope, unit, share = fitted(points)
        print(f"{cell:14}{name:10}{batch:5}{threads:9}{len(points):7}{slope:10.3f}{unit:11.2f}{share:8.4f}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("expected files that `bench_kernels --json FILE` wrote")
    main(sys.argv[1:])
