"""The stages of training, killed and run again: the bytes of an undisturbed run."""

import csv
import os
import shlex
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from chexseg.config.flags import flags
from chexseg.config.settings import (
    ClassifierSettings,
    ImageSettings,
    IndexSettings,
    SegmenterSettings,
)
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.files.artifacts import Execution
from chexseg.files.store import Store, write_store
from chexseg.inference.signals import Stopped
from chexseg.mask_sources.drawn import DrawnSettings
from chexseg.mask_sources.irnet import IRNetSettings
from chexseg.stages import (
    build_index,
    make_masks,
    store_images,
    train_classifier,
    train_irnet,
    train_segmenter,
)
from tests.stages.release_files import release_files

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("resume")]
COMMON = {"initial_weights": "none", "learning_rate": 1e-3, "batch_size": 4, "epochs": 3}
CLASSIFIER = ClassifierSettings(architecture="densenet_small", stride=32, **COMMON)
SEGMENTER = SegmenterSettings(
    encoder="resnet18", decoder_channels=16, samples_per_epoch=16, **COMMON
)
IRNET = IRNetSettings(epochs=2, batch_size=4, radius=3)


@pytest.fixture(scope="module")
def study(phantom, tmp_path_factory):
    """Index and stores of the phantom."""
    folder = tmp_path_factory.mktemp("study")
    study = SimpleNamespace(
        folder=folder,
        index=folder / "index.csv",
        images=folder / "images.h5",
        expert=folder / "expert.h5",
        labels=folder / "labels.h5",
    )
    release = release_files(phantom)
    build_index.run(
        **release,
        out=study.index,
        settings=IndexSettings(expert_fraction=0.5),
    )
    size = ImageSettings(image_size=32)
    store_images.run(index=study.index, root=phantom, out=study.images, settings=size, shard=0)
    make_masks.run(
        source="drawn",
        index=study.index,
        images=study.images,
        inputs={"masks": release["inputs"]["val_masks"]},
        out=study.expert,
        settings=DrawnSettings(classes=PATHOLOGIES),
    )
    with write_store(study.labels, "affinity_labels", {"classes": ["Edema"]}) as labels:
        for number, cxr_id in enumerate(Store([study.images], "images").ids[:12]):
            label = torch.zeros(1, 8, 8, dtype=torch.uint8)
            label[0, : 2 + number % 4] = 1
            labels.append(cxr_id, label.numpy())
    return study


def classifier(study, name, **execution):
    return train_classifier.run(
        index=study.index,
        images=(study.images,),
        settings=CLASSIFIER,
        **outputs(study, name),
        execution=Execution(**execution),
    )


def segmenter(study, name, settings=SEGMENTER, weights=(), **execution):
    return train_segmenter.run(
        index=study.index,
        images=(study.images,),
        truth=(study.expert,),
        masks=(study.expert,),
        sources=("expert",),
        settings=settings,
        weights=weights,
        **outputs(study, name),
        execution=Execution(**execution),
    )


def irnet(study, name, **execution):
    return train_irnet.run(
        images=(study.images,),
        labels=(study.labels,),
        settings=IRNET,
        backbone_architecture="resnet18",
        backbone="none",
        **outputs(study, name),
        execution=Execution(**execution),
    )


def outputs(study, name):
    return {"out": study.folder / f"{name}.pt", "metrics": study.folder / f"{name}.csv"}


def rows(study, name):
    with (study.folder / f"{name}.csv").open() as file:
        return [
            {k: v for k, v in row.items() if k not in ("seconds", "peak_memory_mb")}
            for row in csv.DictReader(file)
        ]


def assert_same(study, name, other):
    first, second = (study.folder / f"{each}.pt" for each in (name, other))
    assert first.read_bytes() == second.read_bytes()
    assert rows(study, name) == rows(study, other)


@pytest.mark.parametrize("train", [classifier, segmenter, irnet])
def test_a_stopped_stage_goes_on_and_publishes_the_same_bytes(study, monkeypatch, capsys, train):
    name, state = train.__name__, study.folder / ".state" / f"{train.__name__}.pt"
    train(study, f"{name}_whole")
    module = sys.modules[f"chexseg.stages.train_{name}"]
    original, calls = module.augment, []

    def augment(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGUSR1)
        return original(*arguments)

    monkeypatch.setattr(module, "augment", augment)
    with pytest.raises(Stopped) as stopped:
        train(study, name, state=state)
    assert stopped.value.code == 138
    assert state.exists()
    assert not (study.folder / f"{name}.pt").exists()
    train(study, name, state=state)
    assert "resumed at epoch" in capsys.readouterr().out
    assert_same(study, name, f"{name}_whole")
    assert not state.exists()


PRETRAINING = {
    "loss": "cross_entropy", "background_weight": 0.1, "optimizer": "sgd", "momentum": 0.9,
    "weight_decay": 4e-5, "scale_range": (0.5, 2.0), "encoder_learning_rate_factor": 0.1,
}  # fmt: skip
TRANSFER = {
    "pre-training": PRETRAINING,
    "kept epochs": {"keep_epochs": (1, 2, 3)},
    "a start": {"initial_weights": "whole"},
    "a start with the encoder": {"initial_weights": "whole", "parts": "encoder"},
    "the head": {"initial_weights": "whole", "fine_tuning": "head"},
    "adapters": {"initial_weights": "whole", "fine_tuning": "adapters", "keep_epochs": (2,)},
}


@pytest.mark.parametrize("stop", [3, 10])
@pytest.mark.parametrize("changes", TRANSFER)
def test_a_killed_transfer_goes_on_to_the_same_bytes(
    study, whole, tmp_path, monkeypatch, changes, stop, capsys
):
    """Killed in the first and the last of three epochs, of which each has four steps."""
    settings = SegmenterSettings(**(SEGMENTER.model_dump() | TRANSFER[changes]))
    weights = (study.folder / "whole.pt",) if settings.initial_weights == "whole" else ()
    segmenter(study, "undisturbed", settings, weights)
    state, original, calls = tmp_path / "state.pt", train_segmenter.augment, []

    class Killed(BaseException):
        pass

    def augment(*arguments):
        calls.append(arguments)
        if len(calls) == stop:
            raise Killed
        return original(*arguments)

    monkeypatch.setattr(train_segmenter, "augment", augment)
    with pytest.raises(Killed):
        segmenter(study, "killed", settings, weights, state=state, save_every=0)
    segmenter(study, "killed", settings, weights, state=state)
    assert "resumed at epoch" in capsys.readouterr().out
    assert_same(study, "killed", "undisturbed")


@pytest.fixture(scope="module")
def whole(study):
    """A segmenter that was never disturbed."""
    segmenter(study, "whole")
    return "whole"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_the_command_is_killed_and_run_again(study, whole, tmp_path, number, code, capfd):
    state, name = tmp_path / "state.pt", number.name
    out, metrics = outputs(study, name).values()
    command = [sys.executable, "-m", "chexseg", "train-segmenter"]
    command += ["--index", study.index, "--images", study.images, "--truth", study.expert]
    command += ["--masks", study.expert, "--sources", "expert"]
    command += ["--out", out, "--metrics", metrics, "--state", state, "--save-every", "0"]
    process = subprocess.Popen([*map(str, command), *shlex.split(flags(SEGMENTER))])
    while not state.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(60) == code
    assert not out.exists()
    assert ("SIGTERM: saved epoch" in capfd.readouterr().out) == (number == signal.SIGTERM)
    segmenter(study, name, state=state)
    assert "resumed at epoch" in capfd.readouterr().out
    assert_same(study, name, whole)
    assert not state.exists()


def test_a_staged_training_is_stopped_and_goes_on_where_the_stores_are(
    study, whole, tmp_path, monkeypatch, capsys
):
    """Its state and its result are those of the stores themselves."""
    state, scratch, calls = tmp_path / "state.pt", tmp_path / "scratch", []
    original = train_segmenter.augment

    def augment(*arguments):
        calls.append(len(list(scratch.rglob("*.h5"))))
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments)

    monkeypatch.setattr(train_segmenter, "augment", augment)
    with pytest.raises(Stopped):
        segmenter(study, "staged", state=state, scratch=scratch)
    assert calls == [2] * 5  # X-rays and expert masks
    assert list(scratch.iterdir()) == []
    monkeypatch.undo()
    segmenter(study, "staged", state=state)
    assert "resumed at epoch" in capsys.readouterr().out
    assert_same(study, "staged", whole)


@pytest.mark.parametrize("train", [classifier, irnet])
def test_staged_stores_give_the_same_bytes(study, tmp_path, train):
    name = train.__name__
    train(study, f"{name}_in_place")
    train(study, f"{name}_staged", scratch=tmp_path)
    assert_same(study, f"{name}_staged", f"{name}_in_place")
    assert list(tmp_path.iterdir()) == []
