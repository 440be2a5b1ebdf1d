"""An importer's own rules, of every kind, get Snakemake's own answers: those without this workflow."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("foreign")]

MODULE = """
module chexseg:
    snakefile: {snakefile!r}
    config: config

use rule * from chexseg exclude all as chexseg_*
"""
RULES = """
rule everything:
    default_target: True
    input: "shelled.txt", "ran.txt", "scripted.txt", "pointed.txt", "told.txt", "timed.txt"

rule shelled:
    input: "source.txt"
    output: "shelled.txt"
    params: word="params"
    shell: "cat {input} > {output}; echo {params.word} code >> {output}"

rule ran:
    input: "source.txt"
    output: "ran.txt"
    params: word="params"
    run:
        with open(output[0], "w") as file:
            print(open(input[0]).read(), params.word, "code", file=file)

rule scripted:
    input: "source.txt"
    output: "scripted.txt"
    params: word="params"
    script: "script.py"

checkpoint pointed:
    input: "source.txt"
    output: "pointed.txt"
    params: word="params"
    shell: "cat {input} > {output}; echo {params.word} code >> {output}"

rule told:
    input: "source.txt"
    output: "told.txt"
    params: word="params"
    shell: "chexseg --version > {output}; echo {params.word} code >> {output}"

rule timed:
    input: "large.txt"
    output: "timed.txt"
    shell: "wc -c {input} > {output}"
"""
SCRIPT = """
with open(snakemake.output[0], "w") as file:
    print(open(snakemake.input[0]).read(), snakemake.params.word, "code", file=file)
"""
KINDS = ("shelled", "ran", "scripted", "pointed", "told")


def replaced(name, old, new):
    def change(folder):
        path = folder / name
        path.write_text(path.read_text().replace(old, new))

    return change


def touched(folder):
    os.utime(folder / "source.txt")


def newer_beyond_checksums(folder):
    """Snakemake hashes no file of more than 1 MB: time stamps decide."""
    os.utime(folder / "large.txt")


def edited(folder):
    (folder / "source.txt").write_text("other")


def code(folder):
    replaced("Snakefile", "code", "other code")(folder)
    replaced("script.py", "code", "other code")(folder)


def one_is_gone(folder):
    (folder / "ran.txt").unlink()


CHANGES = {
    "nothing": (lambda folder: None, set()),
    "touched": (touched, set()),
    "newer": (newer_beyond_checksums, {"timed"}),
    "edited": (edited, set(KINDS)),
    "params": (replaced("Snakefile", '"params"', '"other"'), set(KINDS)),
    "code": (code, set(KINDS)),
    "input": (replaced("Snakefile", 'input: "source.txt"', 'input: "source.txt", "Snakefile"'),
              set(KINDS)),
    "output": (one_is_gone, {"ran"}),
}  # fmt: skip
"""What happens to the importer's files -> the rules that Snakemake reruns."""


def snakemake(folder, *arguments):
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments], cwd=folder,
        env={**os.environ, "PATH": tools, "OMP_NUM_THREADS": "1"}, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    table = (done.stdout + done.stderr).partition("Job stats:")[2].partition("total")[0]
    return {*re.findall(r"^(\w+) +\d+$", table, flags=re.MULTILINE)} - {"everything"}


@pytest.fixture(scope="module")
def importers(tmp_path_factory, tiny):
    """Finished folders of the same rules: beside the module, and without it."""
    import yaml

    folders = []
    for module in (MODULE.format(snakefile=str(ROOT / "workflow/Snakefile")), ""):
        folder = tmp_path_factory.mktemp("importer")
        (folder / "config.yaml").write_text(yaml.safe_dump(tiny))
        (folder / "Snakefile").write_text('configfile: "config.yaml"\n' + module + RULES)
        (folder / "script.py").write_text(SCRIPT)
        (folder / "source.txt").write_text("source")
        (folder / "large.txt").write_bytes(bytes(2_000_000))
        assert snakemake(folder) == {*KINDS, "timed"}
        folders.append(folder)
    return folders


@pytest.mark.parametrize("change", CHANGES)
def test_a_foreign_rule_runs_as_in_a_workflow_without_this_one(importers, tmp_path, change):
    apply, expected = CHANGES[change]
    planned = []
    for number, folder in enumerate(importers):
        copy = shutil.copytree(folder, tmp_path / str(number))
        apply(copy)
        planned.append(snakemake(copy, "--dry-run"))
    assert planned == [expected, expected]
