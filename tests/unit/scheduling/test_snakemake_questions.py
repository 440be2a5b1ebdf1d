"""What `ask_records` counts on in Snakemake, and who answers for which job."""

import asyncio
import subprocess
import sys
from functools import cache
from types import SimpleNamespace

import pytest
from snakemake import api  # noqa: F401 - snakemake.dag cannot be imported before it
from snakemake.dag import DAG
from snakemake.jobs import Job
from snakemake.persistence import ParamsChange, PersistenceBase

from chexseg.scheduling import snakemake_questions
from chexseg.scheduling.reruns import ARTIFACT, CODE, INPUT, SETTING, Change
from chexseg.scheduling.snakemake_questions import GRAPH, QUESTIONS, ask_records

SHIPPED = """
import asyncio, inspect
import snakemake.api
from snakemake import persistence
from snakemake import api  # noqa: F401 - snakemake.dag cannot be imported before it
from snakemake.dag import DAG
from snakemake.jobs import Job
from chexseg.scheduling.snakemake_questions import GRAPH, QUESTIONS

def subclasses(of):
    return [each for one in of.__subclasses__() for each in (one, *subclasses(one))]

base = persistence.PersistenceBase
for name, parameters in QUESTIONS.items():
    question = getattr(base, name)
    assert tuple(inspect.signature(question).parameters) == parameters, name
    assert not inspect.iscoroutinefunction(question), name
    assert not [each for each in subclasses(base) if name in vars(each)], name
assert inspect.iscoroutinefunction(Job.output_mintime.fget)
assert persistence.ParamsChange({"a"}, set(), {"x"}) and not persistence.ParamsChange()
asked = inspect.getsource(DAG.update_needrun)
for name in QUESTIONS:
    assert f"self.workflow.persistence.{name}(" in asked, name
for name, parameters in GRAPH.items():
    assert tuple(inspect.signature(getattr(DAG, name)).parameters)[: len(parameters)] == parameters
assert inspect.isasyncgenfunction(DAG.collect_potential_dependencies)
assert inspect.iscoroutinefunction(DAG.update_) and inspect.iscoroutinefunction(DAG.update_needrun)
assert "if not res.jobs:" in inspect.getsource(DAG.update_)
assert "await self.update_(" in inspect.getsource(DAG.update)
assert "await self.update_needrun(" in inspect.getsource(DAG.init)
assert "await job_.output_mintime" in asked and "if output_mintime_ and" in asked
others = {line.split("persistence.")[1].split("(")[0].strip()
          for line in asked.splitlines() if "workflow.persistence." in line}
assert others - {*QUESTIONS} == {"input_checksums", "software_stack_changed"}, others
"""
"""Run in a process of its own: there nothing is replaced yet."""


def test_snakemake_asks_these_questions_and_no_others():
    subprocess.run([sys.executable, "-c", SHIPPED], check=True)


@pytest.fixture
def asked(monkeypatch):
    """Replaces the questions for one test; the changes of a job are its attribute `found`."""
    for name in QUESTIONS:
        monkeypatch.setattr(
            PersistenceBase, name, lambda *words, name=name: ("own", name, *words[2:])
        )

    for name in GRAPH:  # put back after the test
        monkeypatch.setattr(DAG, name, getattr(DAG, name))

    async def own_time(job):
        return 4711.0

    monkeypatch.setattr(Job, "output_mintime", property(own_time))
    own_answers = cache(snakemake_questions._own_answers.__wrapped__)
    monkeypatch.setattr(snakemake_questions, "_own_answers", own_answers)
    monkeypatch.setattr(snakemake_questions, "changes", lambda job, _: job.found)
    ask_records(memory=None)
    triggers = [SimpleNamespace(name=name) for name in ("PARAMS", "INPUT", "CODE")]
    dag = SimpleNamespace(workflow=SimpleNamespace(rerun_triggers=triggers))

    def ask(question, job, *file):
        return getattr(PersistenceBase, question)(SimpleNamespace(dag=dag), job, *file)

    return ask


class AJob:
    """As much of a job as the questions read."""

    def __init__(self, command, *found):
        self.rule, self.output = SimpleNamespace(shellcmd=command), ["a", "b"]
        self.found = list(found)


STAGE, FOREIGN = "chexseg count-overlaps --out {output}", "bwa mem {input} > {output}"


@pytest.mark.parametrize(
    ("kind", "question"),
    [(CODE, "code_changed"), (INPUT, "input_changed"), (ARTIFACT, "input_changed")],
)
def test_a_change_answers_its_question_alone(asked, kind, question):
    job = AJob(STAGE, Change(kind, "x"))
    for each in ("code_changed", "input_changed"):
        assert asked(each, job) == (["a", "b"] if each == question else [])
        assert asked(each, job, "a") is (each == question)
    assert asked("params_changed", job) == ParamsChange(set(), set(), {"a", "b"})


def test_a_changed_setting_is_a_changed_parameter(asked):
    job = AJob(STAGE, Change(SETTING, "epochs", "3", "4"))
    assert asked("params_changed", job) == ParamsChange({"epochs 3"}, {"epochs 4"}, {"a", "b"})
    assert asked("code_changed", job) == asked("input_changed", job) == []


def test_jobs_of_stages_have_metadata_and_no_time(asked):
    job = AJob(STAGE)
    assert asked("has_metadata", job) is True
    assert asked("has_outdated_metadata", job) is False
    # None would stand for the time of the jobs behind it.
    assert asyncio.run(Job.output_mintime.fget(job)) == 0


@pytest.mark.parametrize("command", [FOREIGN, None, "chexseg status --json > {output}"])
def test_snakemake_answers_for_the_jobs_of_other_rules(asked, command):
    job = AJob(command, Change(CODE, "x"), Change(SETTING, "y"))
    for question in QUESTIONS:
        assert asked(question, job) == ("own", question)
    assert asked("code_changed", job, "a") == ("own", "code_changed", "a")
    assert asyncio.run(Job.output_mintime.fget(job)) == 4711.0


def test_replacing_twice_keeps_snakemakes_own_answers(asked):
    own = snakemake_questions._own_answers()
    ask_records(memory=None)
    assert snakemake_questions._own_answers() is own
    assert asked("code_changed", AJob(STAGE, Change(CODE, "x"))) == ["a", "b"]
    assert asked("code_changed", AJob(FOREIGN)) == ("own", "code_changed")


@pytest.mark.parametrize(("of", "name"), [(PersistenceBase, "code_changed"), (DAG, "update_")])
def test_a_snakemake_without_a_method_is_refused(monkeypatch, of, name):
    monkeypatch.delattr(of, name)
    with pytest.raises(RuntimeError, match=f"has no {name}: use version 9.27"):
        ask_records()
