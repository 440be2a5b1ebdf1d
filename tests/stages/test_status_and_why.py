import json
import os
import platform
from pathlib import Path
from types import SimpleNamespace

import pytest

from chexseg.provenance.form import VERSION, seal_of
from chexseg.provenance.machine import kind_text, machine
from chexseg.provenance.record import record_path, running_path
from chexseg.scheduling.cost import START, Cost
from chexseg.scheduling.graph import PlannedJob
from chexseg.scheduling.reruns import SETTING, Change
from chexseg.scheduling.status import status_of
from chexseg.stages import status, why

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Model:
    """Expects the same of every job."""

    study = SimpleNamespace(study="toy")

    def of(self, rule, wildcards):
        return Cost(590 if wildcards.get("name") == "large" else 190, 40, 1000)


@pytest.fixture
def study(monkeypatch):
    """Sets the jobs of the study; on a machine without GPUs."""
    monkeypatch.setattr(status, "_cost_model", lambda *_: Model())
    monkeypatch.setattr(status, "count_gpus", lambda: 0)
    return lambda jobs: monkeypatch.setattr(status, "read_graph", lambda *_, **__: jobs)


def job(rule, *before, wants=False, changes=(), **wildcards):
    name = "_".join([rule, *wildcards.values()])
    return PlannedJob(
        rule=rule, wildcards=wildcards, arguments=[rule, "--out", f"{name}.pt"],
        outputs=[f"{name}.pt"], log=f"{name}.log", resources={"gpu": 1, "runtime": 120},
        would_run=wants, changes=list(changes), before=list(before),
    )  # fmt: skip


def finish(job, seconds=30.0, **others):
    Path(job.outputs[0]).write_bytes(b"x" * 2000)
    output = {"path": Path(job.outputs[0]).name, "sha256": "0" * 64, "stamp": [2000, 1]}
    record = {
        "version": VERSION, "stage": job.rule, "command": f"chexseg {job.rule}", "workflow": None,
        "settings": {}, "seed": None, "execution": {}, "folders": {}, "inputs": {},
        "outputs": {"out": [output]}, "code": {"digest": "", "definitions": {}}, "git": None,
        "software": {}, "machine": machine(), "started": "2026-01-01",
        "seconds": seconds, "peak_memory_mb": 1, "seal": "", **others,
    }  # fmt: skip
    record["seal"] = seal_of(record)
    record_path(job.outputs[0]).write_text(json.dumps(record))
    return job


def mark(job, pid, host=None, **others):
    seen = {"pid": pid, "host": host or platform.node(), "started": "2026-01-01T00:00:00+00:00"}
    seen |= others
    running_path(job.outputs[0]).write_text(json.dumps(seen))
    Path(job.log).write_text("first\n\nepoch 3/20: 8 of 90\n")
    return job


def test_every_state():
    done = finish(job("train", name="a"))
    running = mark(job("train", name="b", wants=True), os.getpid())
    killed = mark(job("train", name="c", wants=True), 2**22 + 1)
    elsewhere = mark(job("train", name="d", wants=True), 1, host="another")
    failed = job("train", name="e", wants=True)
    Path(failed.log).write_text("chexseg train: 1 problem\n  no such file\n")
    waiting = job("score", wants=True)
    found = [status_of(j) for j in (done, running, killed, elsewhere, failed, waiting)]
    assert [s.state for s in found] == [
        "done", "running", "cut off", "running", "failed", "waiting",
    ]  # fmt: skip
    assert (found[0].seconds, found[0].disk) == (30.0, 2000)
    assert found[1].place == f"{platform.node()}, {os.getpid()}"
    assert found[1].log[-1] == "epoch 3/20: 8 of 90"
    assert found[4].log == ["chexseg train: 1 problem", "  no such file"]


@pytest.mark.parametrize(
    ("answer", "states"),
    [
        ("echo '7 RUNNING'; echo '8 PENDING'", ["running", "waiting", "cut off"]),
        ("echo '9 SUSPENDED'", ["cut off", "cut off", "running"]),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", ["cut off"] * 3),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", ["running"] * 3),
    ],
)
def test_jobs_of_slurm(study, tmp_path, monkeypatch, capsys, answer, states):
    """Slurm is asked once for all; if it does not answer, nobody knows that they ended."""
    program = tmp_path / "squeue"
    program.write_text(f'#!/bin/sh\necho "$@" >> asked.txt\n{answer}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    jobs = [job("train", name=name, wants=True) for name in "abc"]
    for number, each in enumerate(jobs, 7):
        mark(each, 1, host="node", slurm={"slurm_job_id": str(number)})
    study(jobs)
    status.run(json=True)
    assert [each["state"] for each in json.loads(capsys.readouterr().out)["jobs"]] == states
    assert Path("asked.txt").read_text().count("--jobs 7,8,9") == 1


def test_a_training_in_several_attempts(study):
    """Its record and its mark tell of the last attempt, its epochs of all."""
    metrics = "epoch,seconds\n1,400.5\n2,500\n"
    done, running = job("train", name="a"), job("train", name="b", wants=True)
    for each in (done, running):
        each.outputs.append(f"{each.name}/metrics.csv".replace(" ", "_"))
        Path(each.outputs[1]).parent.mkdir()
        Path(each.outputs[1]).write_text(metrics)
    finish(done, seconds=90)
    mark(running, os.getpid(), started="2999-01-01T00:00:00+00:00")
    assert [status_of(each).seconds for each in (done, running)] == [900.5, 900.5]


def test_to_go_on_with_the_profile_of_the_last_run(study, capsys):
    typed = {"05": "snakemake --profile slurm", "04": "snakemake", "03": None}
    jobs = [
        finish(job("train", name=day), workflow=words, started=f"2026-01-{day}")
        for day, words in typed.items()
    ]
    study([*jobs, job("score", wants=True)])
    status.run()
    assert "To continue: snakemake --profile slurm\n" in capsys.readouterr().out
    status.run(profile=("other",))
    assert "To continue: snakemake --profile other\n" in capsys.readouterr().out


def test_an_empty_log_is_a_job_that_begins():
    begins, killed = job("train", name="a", wants=True), job("train", name="b", wants=True)
    for each in (begins, killed):
        Path(each.log).touch()
    os.utime(killed.log, (0, 0))
    assert [status_of(each).state for each in (begins, killed)] == ["running", "cut off"]


def test_an_artifact_that_was_deleted_is_no_failure():
    """Its log is that of a job that went well; when the job then fails, it is a newer one."""
    deleted = finish(job("train", wants=True))
    Path(deleted.outputs[0]).unlink()
    Path(deleted.log).write_text("best epoch: 2\n")
    record = record_path(deleted.outputs[0])
    for age, state in ((5, "waiting"), (-5, "failed")):
        os.utime(deleted.log, ns=(0, record.stat().st_mtime_ns - age * 10**9))
        assert status_of(deleted).state == state


def test_the_table_fits_a_terminal(study, capsys):
    cut_off = mark(job("train", name="b", wants=True), 2**22 + 1)
    study([finish(job("train", name="a")), cut_off, job("score", wants=True)])
    status.run(configfile=(Path("my study.yaml"),))
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("Study toy\n")
    assert "train b: cut off" in text
    assert "1 of 3 jobs done, 2 kB on disk." in text
    assert START == 10
    assert "Left: about 3:50 of job time, 3:20 of it by the cost model." in text
    assert "With GPUs: about 1:20;" in text
    assert "To continue: snakemake --configfile 'my study.yaml'" in text


@pytest.mark.slow
def test_a_study_that_has_not_begun(capsys, monkeypatch):
    """Every rule of the demo, as Snakemake sees it before anything is there."""
    monkeypatch.chdir(ROOT)
    demo = {"configfile": (Path("config/demo.yaml"),), "config": ("study=never_begun",)}
    status.run(**demo)
    assert "0 of 50 jobs done" in capsys.readouterr().out
    status.run(**demo, plan=True)
    assert "50 jobs, " in capsys.readouterr().out
    status.run(**demo, plan=True, profile=("slurm",), json=True)
    stages = json.loads(capsys.readouterr().out)["stages"]
    [train] = [each for each in stages if each["rule"] == "train_classifier"]
    assert train["limit"] == 24


def test_measured_times_come_before_the_model(study, capsys):
    """The model is asked only for stages of which no job is done; what a job spent is behind it."""
    study([finish(job("train", name="a")), job("train", name="b", wants=True), job("score")])
    status.run(json=True)
    assert json.loads(capsys.readouterr().out)["seconds_left"] == 30.0
    study([finish(job("train", name="a")), job("train", name="large", wants=True)])
    status.run(json=True)
    assert json.loads(capsys.readouterr().out)["seconds_left"] == 90.0  # three times the other
    running = mark(job("train", name="c", wants=True), os.getpid())
    study([running])
    status.run(json=True)
    assert json.loads(capsys.readouterr().out)["seconds_left"] == 0  # it began long ago


def test_what_a_lock_refuses_is_not_proposed(study, capsys):
    """While jobs run. If none does, nobody knows whether the run was killed, or its jobs wait."""
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.output.lock").touch()
    study([mark(job("train", name="a", wants=True), os.getpid())])
    status.run()
    assert "running. To continue, when it has ended: snakemake\n" in capsys.readouterr().out
    study([job("train", name="b", wants=True)])
    status.run()
    assert "if no snakemake runs here: snakemake --unlock && snake" in capsys.readouterr().out


def test_no_orders_to_a_terminal(study, capsys, monkeypatch):
    """Logs, and hosts in the marks of jobs, are written by others."""
    running = mark(job("train", wants=True), os.getpid(), host="\x1b[2J\x9b\ud800\n")
    Path(running.log).write_text("\x1b[2J\x9bepoch\n")
    study([running])
    status.run()
    out = capsys.readouterr().out
    out.encode()
    assert "(\\x1b[2J\\x9b\\ud800\\n, " in out
    assert "  \\x1b[2J\\x9bepoch\n" in out
    change = Change(SETTING, "\x1b[2J", "\x9b", "\n")
    monkeypatch.setattr(why, "read_graph", lambda *_: [job("train", wants=True, changes=[change])])
    why.run()
    assert "\n  \\x1b[2J: \\x9b -> \\n\n" in capsys.readouterr().out


def test_json(study, capsys, monkeypatch):
    study([finish(job("train", name="a")), *(job(r, wants=True) for r in ("train", "score"))])
    status.run(json=True)
    content = json.loads(capsys.readouterr().out)
    assert [each["state"] for each in content["jobs"]] == ["done", "waiting", "waiting"]
    assert [each["expected"] for each in content["jobs"]] == [200, 200, 200]
    assert content["seconds_left"] == 230.0
    assert content["seconds_left_by_model"] == 200.0
    assert content["seconds_left_with_gpus"] == 80.0
    monkeypatch.setattr(status, "count_gpus", lambda: 1)
    status.run(json=True)
    assert json.loads(capsys.readouterr().out)["seconds_left"] == 80.0


def test_plan(study, capsys):
    """Two GPU jobs of 50 s, each with a limit of two hours, one behind the other."""
    first = finish(job("train", name="a"))
    study([first, job("train", first, name="b", wants=True)])
    status.run(plan=True)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "2 jobs, 2 kB. GPU hours: <0.1 expected, at most 4.0 in one attempt." in text
    assert "From start to end on 1, 8, 64 GPUs: about <0.1, <0.1, <0.1 hours." in text
    assert "Without a GPU: 0.1 core hours." in text
    status.run(plan=True, json=True)
    content = json.loads(capsys.readouterr().out)
    assert content["stages"][0]["gpu_limit"] == 4.0
    assert content["total"]["jobs"] == 2
    assert content["total"]["gpu_hours"] == pytest.approx(100 / 3600)
    assert content["wall_hours"] == pytest.approx(dict.fromkeys(["1", "8", "64"], 100 / 3600))


def test_why_in_plain_words(monkeypatch, capsys):
    data = job("index")
    change = Change(SETTING, "learning_rate", "0.1", "0.2")
    train = job("train", data, name="full", wants=True, changes=[change])
    other = job("train", data, name="weak")
    scores = [job("score", train, name="full", wants=True), job("score", other, name="weak")]
    table = job("table", *scores, wants=True)
    monkeypatch.setattr(why, "read_graph", lambda *_: [data, train, other, *scores, table])
    why.run()
    assert capsys.readouterr().out.splitlines() == [
        "3 of 6 jobs would run.", "", "train full", "  learning_rate: 0.1 -> 0.2",
        "  then score, table",
    ]  # fmt: skip
    monkeypatch.setattr(why, "read_graph", lambda *_: [data, other])
    why.run()
    assert capsys.readouterr().out == "All 2 jobs are up to date: nothing would run.\n"


def test_why_names_other_kinds_of_machine_and_counts_them_as_no_reason(monkeypatch, capsys):
    other = {**machine(), "cpu": "Intel Xeon", "kernels": {"cpu_capability": "AVX2"}}
    level = {**machine(), "kernels": {"mkl_cbwr": "AVX2"}}
    loaded = {**machine(), "host": "node8"}
    loaded["kernels"] = {**loaded["kernels"], "cpu_capability": "AVX512", "threads": "8"}
    machines = {"a": other, "b": other, "c": level, "d": loaded}
    jobs = [finish(job("train", name=name), machine=made) for name, made in machines.items()]
    again = finish(job("train", name="e", wants=True), machine=other)
    monkeypatch.setattr(why, "read_graph", lambda *_: [*jobs, again])
    why.run()
    first, *_, last = capsys.readouterr().out.splitlines()
    here = kind_text(machine())
    assert first == "1 of 5 jobs would run."
    assert last.startswith(
        f"3 jobs were done on other kinds of machine than this one, {here}: Intel Xeon, AVX2 (2), "
    )
    assert "need not be repeated" in last
