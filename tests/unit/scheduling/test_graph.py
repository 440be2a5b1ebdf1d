"""What stops Snakemake from building the graph is told in words; the graph: tests/workflow."""

import json
import os
import shlex
from pathlib import Path

import pytest

from chexseg.errors import InputError
from chexseg.provenance.record import record_path
from chexseg.scheduling import graph, reruns
from chexseg.scheduling.graph import read_graph

ROOT = Path(__file__).parents[3]


def problem_of(*configs, overrides=(), snakefile=ROOT / "Snakefile", **more):
    with pytest.raises(InputError) as caught:
        read_graph([Path(config) for config in configs], overrides, snakefile=snakefile, **more)
    (problem,) = caught.value.problems
    return problem


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("toy.smk").write_text(TOY)


def test_an_absent_config():
    problem = problem_of("absent.yaml")
    assert (Path(problem.where).name, problem.found) == ("absent.yaml", "no such file")


def test_a_folder_without_a_workflow():
    problem = problem_of(snakefile=Path("Snakefile"))
    assert (Path(problem.where), problem.found) == (Path.cwd() / "Snakefile", "no such file")


@pytest.mark.parametrize("override", ["foo", "segmenters.full=3", "=3"])
def test_an_override_that_snakemake_cannot_read(override):
    problem = problem_of(overrides=("seed=3", override))
    assert (problem.where, problem.found) == ("--config", repr(override))


def test_an_unknown_profile():
    assert problem_of(profiles=("absent",)).where == "--profile absent"


TOY = """
rule all:
    input: "results/summary.csv"
rule compare_runs:
    output: "results/summary.csv"
    shell: "chexseg compare-runs --out {output}"
rule count_overlaps:
    output: "results/{run}_overlaps.csv"
    shell: "chexseg count-overlaps --out {output}"
"""


def test_a_misspelt_target_proposes_the_nearest():
    assert [job.rule for job in read_graph(snakefile=Path("toy.smk"))] == ["compare_runs"]
    problem = problem_of(targets=("results/sumary.csv",), snakefile=Path("toy.smk"))
    assert (problem.where, problem.found) == ("results/sumary.csv", "no rule that makes it")
    assert problem.remedy == "Did you mean results/summary.csv?"


WITH_OTHERS = """
from chexseg.scheduling.snakemake_questions import ask_records
ask_records()
rule all:
    input: "made.txt", "copied.txt", "overlaps.csv"
rule make:
    output: "made.txt"
    shell: "touch {output}"
rule copy:
    input: "source.txt"
    output: "copied.txt"
    shell: "cp {input} {output}"
rule count_overlaps:
    input: "source.txt"
    output: "overlaps.csv"
    shell: "chexseg count-overlaps --source {input} --out {output}"
"""


def test_rules_of_another_workflow_keep_snakemakes_own_answers(monkeypatch, toy_stage):
    """Their outputs have no records; a newer input makes them run, and no job of a stage."""
    monkeypatch.setattr("chexseg.provenance.record.count_images", lambda path: None)
    Path("others.smk").write_text(WITH_OTHERS)
    for name in ("source.txt", "made.txt", "copied.txt"):
        Path(name).write_text("x")
    toy_stage("count-overlaps", {"source": ["source.txt"]}, {"out": "overlaps.csv"})
    for age, path in enumerate(("source.txt", "overlaps.csv", "copied.txt", "made.txt")):
        os.utime(path, (10**9 - age, 10**9 - age))  # the source is the newest
    code = json.loads(record_path("overlaps.csv").read_text())["code"]["definitions"]
    monkeypatch.setattr(reruns, "code_of", lambda *_: code)
    assert [job.name for job in read_graph(snakefile=Path("others.smk"))] == ["count_overlaps"]
    with monkeypatch.context() as patch:
        patch.setattr(graph, "is_stage", lambda job: bool(job.output))
        jobs = read_graph(snakefile=Path("others.smk"))
    assert {job.name: job.would_run for job in jobs} == {
        "make": False, "copy": True, "count_overlaps": False,
    }  # fmt: skip
    Path("source.txt").write_text("other")
    assert [str(c) for job in read_graph(snakefile=Path("others.smk")) for c in job.changes] == [
        "source.txt has other content"
    ]


def test_a_rule_that_is_no_target():
    assert "wildcards" in problem_of(targets=("count_overlaps",), snakefile=Path("toy.smk")).found


def test_a_wrong_config_is_placed():
    Path("my study.yaml").write_text("study: s\nphantm: {}\n")
    problem = problem_of("my study.yaml", overrides=("seed=3", "data={root: x}"))
    assert problem.where == f"{Path('my study.yaml').absolute()}:2:1"
    assert problem.found == "unknown key 'phantm'"


def test_a_broken_workflow_with_the_command_that_says_the_same():
    Path("my toy.smk").write_text("rule all:\n    input: 'x'\nrule all:\n    input: 'y'\n")
    Path("my study.yaml").write_text("study: s\n")
    toy = {"snakefile": Path("my toy.smk"), "overrides": ("seed=3",)}
    problem = problem_of("my study.yaml", **toy)
    assert "all" in problem.found
    command = problem.remedy.partition("shows the same error: ")[2]
    expected = "snakemake --dry-run --snakefile 'my toy.smk' --configfile 'my study.yaml'"
    assert shlex.split(command) == shlex.split(f"{expected} --config seed=3")
