"""The time of a study from start to end, on so many GPUs."""

import pytest

from chexseg.scheduling.cost import START, Cost
from chexseg.scheduling.graph import PlannedJob
from chexseg.scheduling.plan import plan_of, wall_seconds


class Model:
    """A job takes what its wildcard says, on a core and on a GPU."""

    def of(self, rule, wildcards):
        seconds = float(wildcards["seconds"])
        return Cost(seconds, seconds if rule == "train" else None, disk=3)


def job(rule, seconds, *before, gpu=0):
    return PlannedJob(
        rule=rule, wildcards={"seconds": str(seconds - START)}, arguments=[], outputs=[], log=None,
        resources={"gpu": gpu, "runtime": 60}, would_run=True, before=list(before),
    )  # fmt: skip


def test_what_waits_for_nothing_runs_at_once():
    data = job("data", 100)
    jobs = [data, *(job("data", seconds, data) for seconds in (20, 50, 30))]
    assert wall_seconds(jobs, Model(), gpus=1) == 150


@pytest.mark.parametrize(("gpus", "seconds"), [(1, 100), (2, 60), (3, 40), (64, 40)])
def test_gpu_jobs_wait_for_gpus(gpus, seconds):
    jobs = [job("train", each, gpu=1) for each in (20, 40, 40)]
    assert wall_seconds(jobs, Model(), gpus) == seconds


def test_what_has_most_behind_it_comes_first():
    short, first = job("train", 30, gpu=1), job("train", 20, gpu=1)
    jobs = [short, first, job("data", 50, first)]
    assert wall_seconds(jobs, Model(), gpus=1) == 70


def test_a_training_on_several_gpus():
    big = job("train", 90, gpu=8)
    assert wall_seconds([big], Model(), gpus=8) == START + (90 - START) / 8
    assert wall_seconds([big], Model(), gpus=2) == START + (90 - START) / 2  # it takes both


def test_stages_add_up():
    data = job("data", 3600)
    plan = plan_of([data, *(job("train", 1800, data, gpu=1) for _ in range(4))], Model())
    assert [(s.rule, s.jobs, s.gpu_jobs, s.disk) for s in plan.stages] == [
        ("data", 1, 0, 3), ("train", 4, 4, 12),
    ]  # fmt: skip
    data, train = plan.stages
    assert (data.core_hours, train.core_hours) == (1, 0)
    assert (train.gpu_hours, train.gpu_limit, train.hours, train.limit) == (2, 4, 0.5, 1)
    assert plan.wall_hours == {1: 3, 8: 1.5, 64: 1.5}
    assert plan.as_dict()["total"]["core_hours_without_gpus"] == 3
