"""The benchmark of a GPU runs on a CPU with small sizes, so that it works on a GPU at the first try."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from chexseg.scheduling.gpu_rates import NETWORKS, PIXELS, STAGE, gpu_rates

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def benchmarks_import_each_other(monkeypatch):
    """As they do when one of them is the script."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


@pytest.mark.slow
def test_everything_is_measured_on_a_cpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    from gpu import hours, measured
    from gpu_bench import TINY

    table = measured(CPU, TINY, minutes=float("inf"))
    assert table["error"].dropna().tolist() == []
    assert table.loc[table["held"] == False, ["work", "setting"]].values.tolist() == []  # noqa: E712
    stage = table[table["setting"] == STAGE]
    assert sorted(stage["work"]) == sorted((*NETWORKS, *PIXELS))
    assert (stage["x_rays_per_second"] > 0).all()
    assert stage.set_index("work").loc[list(NETWORKS), "gflops"].notna().all()
    assert stage.set_index("work").loc[list(PIXELS), "cores"].notna().all()
    assert stage["difference"].notna().all()
    resumed = table[table["setting"] == "resumed after a kill"]
    assert resumed["difference"].tolist() == [0.0]
    assert table["peer"].notna().sum() >= 8
    assert hours(table).splitlines()[-1].startswith("all ")

    path = tmp_path / "gpu.csv"
    table.assign(device="Some GPU").to_csv(path, index=False)
    assert gpu_rates(path).assumed == ()


def test_a_work_that_fails_has_a_row_and_the_others_go_on():
    from gpu_bench import TINY, Bench
    from gpu_clock import Rate

    def broken(bench):
        raise ZeroDivisionError("by hand")

    def fine(bench):
        bench.add("w", "s", Rate(6.0), peer="p", peer_rate=Rate(2.0), gflop=5.0, difference=0.2, tolerance=0.1)  # fmt: skip

    bench = Bench(CPU, TINY)
    bench.run([broken, fine])
    first, second = bench.rows
    assert (first["work"], first["error"]) == ("broken", "ZeroDivisionError: by hand")
    assert (second["ratio"], second["gflops"], second["held"]) == (3.0, 30.0, False)


def test_no_work_begins_after_the_time():
    from gpu_bench import TINY, Bench

    bench = Bench(CPU, TINY, until=0)
    bench.run([lambda _: pytest.fail("it began")])
    assert [row["error"] for row in bench.rows] == ["no time left"]


def test_hours_by_hand():
    """3,600 X-rays an hour: 191,027 of them take 53.06 hours."""
    from gpu import hours

    rows = {"work": ["label-affinity"], "setting": [STAGE], "x_rays_per_second": [1.0]}
    assert hours(pd.DataFrame(rows)).splitlines()[1] == "label-affinity       53.06 h"


def test_a_rate_counts_calls():
    from gpu_clock import rate_of

    calls = []
    rate = rate_of(lambda: calls.append(1), 4, CPU, seconds=0)
    assert len(calls) == 2  # one warms up
    assert rate.x_rays_per_second > 4
    assert rate.share_not_gpu is None


def test_relative_difference_by_hand():
    from gpu_bench import relative_difference

    assert relative_difference(torch.tensor([1.0, -4.0]), torch.tensor([2.0, -4.0])) == 0.25
