"""Estimates the cost of a whole study with the cost model, by stage and in total."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chexseg.scheduling.cost import CostModel
from chexseg.scheduling.graph import PlannedJob

GPUS = (1, 8, 64)
"""Numbers of GPUs for which a plan shows the total time."""

HOUR = 3600


@dataclass(frozen=True)
class StagePlan:
    """Estimated cost of the jobs of a rule.

    Attributes:
        hours: expected hours of the longest job.
        limit: time limit of the longest job in hours, as requested by its rule.
        gpu_hours: expected GPU hours of all jobs; 0 without a GPU.
        gpu_limit: GPU hours if all jobs took their time limit.
        core_hours: core hours of all jobs, with GPUs where rules request them.
        core_hours_without_gpus: core hours of all jobs without any GPU.
        disk: size of all artifacts in bytes.
    """

    rule: str
    jobs: int
    gpu_jobs: int
    hours: float
    limit: float
    gpu_hours: float
    gpu_limit: float
    core_hours: float
    core_hours_without_gpus: float
    disk: float


@dataclass(frozen=True)
class Plan:
    """Estimated cost of a study.

    Attributes:
        stages: one per rule, in the order of the jobs.
        wall_hours: number of GPUs -> hours from start to end.
    """

    stages: list[StagePlan]
    wall_hours: dict[int, float]

    def total(self, name: str) -> float:
        """Returns the sum of a figure over all stages."""
        return sum(getattr(stage, name) for stage in self.stages)

    def as_dict(self) -> dict[str, Any]:
        """Returns the plan with its totals, for JSON output."""
        sums = ("jobs", "gpu_jobs", "gpu_hours", "gpu_limit", "core_hours_without_gpus", "disk")
        return {**asdict(self), "total": {name: self.total(name) for name in sums}}


def plan_of(jobs: Sequence[PlannedJob], model: CostModel) -> Plan:
    """Sums the estimated costs of the jobs of a study.

    Args:
        jobs: the jobs, each after the jobs that it depends on.
        model: cost model of the study.
    """
    costs = {id(job): model.of(job.rule, job.wildcards) for job in jobs}
    gpus = {id(job): amount(job, "gpu") for job in jobs}
    stages = []
    for rule in dict.fromkeys(job.rule for job in jobs):
        of_rule = [job for job in jobs if job.rule == rule]
        on_gpus = [job for job in of_rule if gpus[id(job)]]
        seconds = {id(job): costs[id(job)].seconds(gpus[id(job)]) for job in of_rule}
        without = sum(costs[id(job)].seconds() for job in of_rule) / HOUR
        stages.append(
            StagePlan(
                rule=rule,
                jobs=len(of_rule),
                gpu_jobs=len(on_gpus),
                hours=max(seconds.values()) / HOUR,
                limit=max(amount(job, "runtime") for job in of_rule) / 60,
                gpu_hours=sum(gpus[id(job)] * seconds[id(job)] for job in on_gpus) / HOUR,
                gpu_limit=sum(gpus[id(job)] * amount(job, "runtime") for job in on_gpus) / 60,
                core_hours=0 if on_gpus else without,
                core_hours_without_gpus=without,
                disk=sum(costs[id(job)].disk for job in of_rule),
            )
        )
    return Plan(stages, {n: wall_seconds(jobs, model, n) / HOUR for n in GPUS})


def amount(job: PlannedJob, resource: str) -> int:
    """Returns the requested amount of a resource; 0 if it depends on inputs not made yet."""
    wanted = job.resources.get(resource)
    return wanted if isinstance(wanted, int) else 0


def wall_seconds(jobs: Sequence[PlannedJob], model: CostModel, gpus: int) -> float:
    """Returns the seconds from start to end with some GPUs and as many cores as needed.

    Among the jobs that can start, the one with the most work depending on it runs first. Queueing
    time does not count.

    Args:
        jobs: the jobs, each after the jobs that it depends on.
        model: cost model of the study.
        gpus: number of GPUs; a job that requests more uses all of them.
    """
    takes = [min(amount(job, "gpu"), gpus) for job in jobs]
    seconds = [model.of(j.rule, j.wildcards).seconds(n) for j, n in zip(jobs, takes, strict=True)]
    number = {id(job): i for i, job in enumerate(jobs)}
    before = [[number[id(other)] for other in job.before] for job in jobs]
    dependents: list[list[int]] = [[] for _ in jobs]
    for i, needed in enumerate(before):
        for j in needed:
            dependents[j].append(i)
    rest = list(seconds)  # from the start of a job to the end of the study
    for i in reversed(range(len(jobs))):
        rest[i] += max((rest[j] for j in dependents[i]), default=0)

    missing = [len(needed) for needed in before]
    ready = [(-rest[i], i) for i in range(len(jobs)) if not missing[i]]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now, free = 0.0, gpus
    while ready or running:
        waiting = []
        while ready:
            entry = heapq.heappop(ready)
            if takes[entry[1]] > free:
                waiting.append(entry)
                continue
            free -= takes[entry[1]]
            heapq.heappush(running, (now + seconds[entry[1]], entry[1]))
        ready = waiting  # sorted, so a heap
        now, done = heapq.heappop(running)
        free += takes[done]
        for i in dependents[done]:
            missing[i] -= 1
            if not missing[i]:
                heapq.heappush(ready, (-rest[i], i))
    return now
