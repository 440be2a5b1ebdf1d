"""What changes of pre-training and of what starts from it make run again."""

import copy
import os
from pathlib import Path

import pytest

from tests.workflow.stand_in import DEMO, downstream, read, running, stand_in

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("reruns")]

SEGMENTERS = {
    "pre": {"masks": ["irnet"], "keep_epochs": [5], "loss": "cross_entropy"},
    "adapted": {"masks": ["expert"], "initial_weights": "pre", "fine_tuning": "adapters"},
    "early": {"masks": ["expert"], "initial_weights": "pre", "initial_epoch": 5},
    "classified": {"masks": ["expert"], "initial_weights": "resnet18"},
}


def study(**changes):
    config = copy.deepcopy(DEMO)
    entries = {name: {**entry, **changes.get(name, {})} for name, entry in SEGMENTERS.items()}
    config["segmenters"] |= entries
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of the finished study, stood in for."""
    folder, before = tmp_path_factory.mktemp("transfer"), Path.cwd()
    os.chdir(folder)
    try:
        for job in read(study()):
            stand_in(job)
        assert running(read(study())) == set()
    finally:
        os.chdir(before)
    return folder


CHANGES = {
    "the source": ({"pre": {"epochs": 11}}, ["train_segmenter pre"]),
    "the weight of background": ({"pre": {"background_weight": 0.1}}, ["train_segmenter pre"]),
    "one more epoch": ({"pre": {"keep_epochs": [5, 7]}}, ["train_segmenter pre"]),
    "the epoch": (
        {"early": {"initial_epoch": None}}, ["train_segmenter early"],
    ),
    "the parts": ({"adapted": {"parts": "encoder"}}, ["train_segmenter adapted"]),
    "the rank": ({"adapted": {"adapter_rank": 4}}, ["train_segmenter adapted"]),
    "what is trained": ({"adapted": {"fine_tuning": "head"}}, ["train_segmenter adapted"]),
    "a rate that adapters do not have": ({"adapted": {"encoder_learning_rate_factor": 0.1}}, []),
    "parts of a classifier": ({"classified": {"parts": "encoder"}}, []),
    "an epoch of a classifier": ({"classified": {"initial_epoch": 5}}, []),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reruns_what_depends_on_it(finished, monkeypatch, change):
    monkeypatch.chdir(finished)
    changes, directly = CHANGES[change]
    jobs = read(study(**changes))
    assert running(jobs) == downstream(jobs, directly)
    assert bool(running(jobs)) == bool(directly)


def test_an_epoch_is_extracted_after_its_training_and_before_what_starts_from_it(
    finished, monkeypatch
):
    monkeypatch.chdir(finished)
    jobs = {job.name: job for job in read(study())}
    extracted = next(job for name, job in jobs.items() if name.startswith("extract_epoch"))
    assert [job.name for job in extracted.before] == ["train_segmenter pre"]
    assert extracted in jobs["train_segmenter early"].before
    assert jobs["train_segmenter pre"] in jobs["train_segmenter adapted"].before
