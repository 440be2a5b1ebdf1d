"""The benchmarks keep up with the stages, and the pages with the benchmarks."""

from pathlib import Path

import pandas as pd

from benchmarks.memory import COMMANDS
from chexseg.cli import STAGES

ROOT = Path(__file__).parents[2]


def test_memory_is_measured_of_every_stage_that_reads_x_rays():
    without = {"fetch-weights", "draw-lineage"}
    assert [command.split()[0] for command in COMMANDS] == [s for s in STAGES if s not in without]


def test_the_page_of_costs_shows_what_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from cost import OUT, page

    assert page(pd.read_csv(ROOT / OUT)) in (ROOT / "docs/cost.md").read_text()
