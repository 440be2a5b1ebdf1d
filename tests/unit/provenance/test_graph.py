"""What stops Snakemake from building the graph is told in words; the graph: tests/workflow."""

import shlex
from pathlib import Path

import pytest

from chexseg.errors import InputError
from chexseg.provenance.graph import read_graph

ROOT = Path(__file__).parents[3]


def problem_of(*configs, overrides=()):
    with pytest.raises(InputError) as caught:
        read_graph([Path(config) for config in configs], overrides, snakefile=ROOT / "Snakefile")
    (problem,) = caught.value.problems
    return problem


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_an_absent_config():
    problem = problem_of("absent.yaml")
    assert (Path(problem.where).name, problem.found) == ("absent.yaml", "No such file or directory")


def test_a_wrong_config_with_the_command_that_says_the_same():
    Path("my study.yaml").write_text("study: s\nphantm: {}\n")
    problem = problem_of("my study.yaml", overrides=("seed=3",))
    assert "my study.yaml:2:1: found unknown key 'phantm'" in problem.found
    command = problem.remedy.partition("says the same: ")[2]
    expected = "snakemake --dry-run --configfile 'my study.yaml' --config seed=3"
    assert shlex.split(command) == shlex.split(expected)
