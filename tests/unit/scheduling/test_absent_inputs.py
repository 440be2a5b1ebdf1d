"""What becomes of a workflow whose data are missing, of its report, and of all that it wrote."""

from pathlib import Path

import pytest
from snakemake.exceptions import WorkflowError

from chexseg.provenance.record import record_path
from chexseg.scheduling.graph import absent_text, read_graph
from chexseg.scheduling.snakemake_questions import AbsentInput
from chexseg.stages import why

TOY = """
from chexseg.scheduling.snakemake_questions import ask_records
ask_records()
rule all:
    input: "runs.csv"
rule make_phantom:
    output: "phantom/train.csv"
    shell: "chexseg make-phantom --out phantom"
rule build_index:
    input: "train.csv"
    output: "index.csv"
    shell: "chexseg build-index --train-csv {input} --out {output}"
rule list_runs:
    input: "index.csv", "phantom/train.csv"
    output: "runs.csv"
    shell: "chexseg list-runs --index {input} --out {output}"
"""
SNAKEFILE = Path("toy.smk")


@pytest.fixture(autouse=True)
def _finished(tmp_path, monkeypatch, toy_stage):
    """All artifacts are there, and the records of two; the table of the data is not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("chexseg.provenance.record.count_images", lambda path: None)
    SNAKEFILE.write_text(TOY)
    Path("phantom/x").mkdir(parents=True)
    for name in ("phantom/train.csv", "phantom/x/x_ray.png", "index.csv", "runs.csv", "mine.txt"):
        Path(name).write_text(name)
    toy_stage("make-phantom", {}, {"out": "phantom"}, lambda: None)
    toy_stage("list-runs", {"index": ["index.csv"]}, {"out": "runs.csv"})


def snakemake(action, **arguments):
    """Does what a flag of `snakemake` does."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import OutputSettings, ResourceSettings

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1), snakefile=SNAKEFILE.absolute()
        )
        getattr(workflow.dag(), action)(**arguments)


def test_snakemake_stops_though_all_outputs_are_there():
    with pytest.raises(AbsentInput) as caught:
        snakemake("printrulegraph")
    text = "train.csv: found no such file, expected an input of build_index."
    assert text in str(caught.value)


def test_no_job_leaves_the_graph_and_those_behind_are_not_judged(capsys):
    jobs = read_graph(snakefile=SNAKEFILE)
    assert {job.rule: job.absent for job in jobs} == {
        "make_phantom": [], "build_index": ["train.csv"], "list_runs": ["train.csv"],
    }  # fmt: skip
    text = "2 of 3 jobs cannot be judged: train.csv is not there."
    assert absent_text(jobs) == text
    with pytest.raises(SystemExit) as end:
        why.run(snakefile=SNAKEFILE)
    assert end.value.code == 1
    assert capsys.readouterr().out.startswith(text)


def test_a_report_needs_all_outputs_and_no_data(monkeypatch):
    monkeypatch.setattr("sys.argv", ["snakemake", "--report", "report.html"])
    snakemake("printrulegraph")
    Path("runs.csv").unlink()
    text = (
        r"1 of its 3 files are missing, such as runs.csv\. Finish it, then make the report: snake"
    )
    with pytest.raises(WorkflowError, match=text):
        snakemake("printrulegraph")


def test_deleting_all_outputs_deletes_all_that_jobs_wrote():
    Path("train.csv").touch()
    snakemake("delete_output", dryrun=True)
    assert record_path("runs.csv").exists()
    snakemake("delete_output")
    left = {
        str(path) for path in Path().rglob("*") if path.is_file() and ".snakemake" not in str(path)
    }
    assert left == {"toy.smk", "train.csv", "mine.txt"}
