"""All benchmarks in one process: prints one table and writes benchmarks/results/cpu.csv.

Ends with exit code 1 if a bar was missed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import affinity
import edges
import integrated_gradients
import losses
import pandas as pd
import saliency
import scoring
import start
import stores
import whole

COLUMNS = ("work", "peer", "ours_seconds", "peer_seconds", "ratio", "max_abs_diff", "bar")
WORKS = (
    *(saliency, integrated_gradients, affinity, edges, scoring, stores, losses),
    *(whole, start),
)
OUT = Path("benchmarks/results/cpu.csv")


def main() -> None:
    rows = [row for module in WORKS for row in module.rows()]
    table = pd.DataFrame(rows)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    table[list(COLUMNS)].to_csv(OUT, index=False)
    print("\n ratio   seconds: ours     peer   work, against its peer (bar)")
    for row in table.itertuples():
        seconds = f"{row.ours_seconds:>12.3g}  {row.peer_seconds:>10.3g}"
        bar = row.bar if row.held else f"MISSED: {row.bar}"
        print(f"{row.ratio:>6.1f}  {seconds}   {row.work}, against {row.peer} ({bar})")
    if not table["held"].all():
        sys.exit("a bar was missed")


if __name__ == "__main__":
    main()
