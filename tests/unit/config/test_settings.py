import shlex
import subprocess
import sys

import pytest
import tyro
from pydantic import ValidationError

from chexseg.config import settings as module
from chexseg.config.flags import flags
from chexseg.config.settings import (
    ClassifierSettings,
    IndexSettings,
    SegmenterSettings,
    Settings,
)
from chexseg.mask_sources import irnet
from chexseg.mask_sources.irnet import WalkSettings

CHANGED = {
    "PhantomSettings": {
        "train_images": 7, "val_images": 4, "test_images": 3, "longest_side": 48,
        "lesion_scale": 1.6, "label_noise": 0.0, "uncertain": 1e-5, "blank": 1, "lateral": 0.25,
        "seed": 11,
    },
    "IndexSettings": {"expert_fraction": 1 / 3, "shards": 16, "max_train_images": 5, "assume_frontal": False, "seed": 4},
    "ImageSettings": {"image_size": 64},
    "TrainingSettings": {"epochs": 2, "learning_rate": 3e-7, "schedule": "polynomial"},
    "ClassifierSettings": {
        "epochs": 12, "batch_size": 2, "learning_rate": 1e-4, "optimizer": "sgd",
        "schedule": "onecycle", "weight_decay": 1e-4, "augmentation": 0, "precision": "bf16-mixed",
        "seed": 5, "architecture": "densenet_small", "stride": 8, "dilate": True,
        "initial_weights": "my weights/$(rm x)'\".pt", "uncertain": "multiclass",
        "blank": "ignore",
    },
    "AffinityLabelSettings": {"foreground": 0.3, "background": 0.05, "iterations": 0},
    "IRNetSettings": {"learning_rate": 0.05, "radius": 5, "schedule": "constant"},
    "AffinitySettings": {"batch_size": 1},
    "GateSettings": {"uncertain": "ignore", "certain_background": 0.2},
    "TransferSettings": {
        "parts": "encoder", "fine_tuning": "adapters", "adapter_rank": 4, "scale_range": (0.5, 2),
        "keep_epochs": (5, 10),
    },
    "IRNetMaskSettings": {"beta": 2.5, "blank": "ones"},
    "WalkSettings": {"radius": 5, "beta": 10, "steps_log2": 8, "background": 0.25},
    "SegmenterSettings": {
        "architecture": "unet", "encoder": "densenet121", "decoder_channels": 64,
        "initial_weights": "none", "optimizer": "sgd", "momentum": 0.9,
        "loss": "cross_entropy", "background_weight": 0.1, "encoder_learning_rate_factor": 0.1,
        "samples_per_epoch": 700, "selection": ("Pleural Effusion", "Edema"),
    },
    "PredictionSettings": {"batch_size": 4},
    "MaskScoreSettings": {"metrics": ("precision",), "replicates": 10},
    "EvaluationSettings": {"metrics": ("iou_image",), "replicates": 10, "confidence": 0.9, "seed": 2},
    "FigureSettings": {"gallery_rows": 3},
}  # fmt: skip


def all_settings():
    """Every class of settings that stages take, but those of methods."""
    both = [*vars(module).values(), *vars(irnet).values()]
    classes = dict.fromkeys(value for value in both if isinstance(value, type))
    return [c for c in classes if issubclass(c, Settings) and c.__name__.endswith("Settings")
            and c is not Settings]  # fmt: skip


def parse(settings_class, text):
    """What the command line makes of flags, as `chexseg.cli` reads them."""

    def run(*, settings):
        return settings

    run.__annotations__["settings"] = settings_class
    style = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagConversionOff)
    return tyro.cli(run, args=shlex.split(text), config=style)


def test_the_cases_below_cover_every_class():
    assert {entry.__name__ for entry in all_settings()} == set(CHANGED)


@pytest.mark.parametrize("settings_class", all_settings())
@pytest.mark.parametrize("changed", [False, True])
def test_flags_are_parsed_back_into_equal_settings(settings_class, changed):
    values = CHANGED[settings_class.__name__] if changed else {}
    settings = settings_class(**values)
    assert all(getattr(settings, name) == value for name, value in values.items())
    assert parse(settings_class, flags(settings)) == settings


@pytest.mark.parametrize("settings_class", all_settings())
def test_equal_settings_have_equal_flags(settings_class):
    defaults = settings_class()
    as_written_in_a_config = settings_class(**defaults.model_dump(mode="json"))
    assert flags(as_written_in_a_config) == flags(defaults)


@pytest.mark.parametrize("settings_class", all_settings())
def test_every_setting_is_explained(settings_class):
    assert settings_class.__doc__
    for name, field in settings_class.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_literal_flags():
    settings = IndexSettings(expert_fraction=0.5, max_train_images=None, shards=2)
    expected = (
        "--expert-fraction 0.5 --shards 2 --max-train-images None --assume-frontal True --seed 0"
    )
    assert flags(settings) == expected
    assert flags(settings, without=("shards", "seed")) == (
        "--expert-fraction 0.5 --max-train-images None --assume-frontal True"
    )
    assert flags(WalkSettings(beta=5)) == "--radius 3 --beta 5.0 --steps-log2 3 --background 0.6"


def test_values_are_quoted_for_the_shell():
    text = flags(ClassifierSettings(initial_weights="$(touch hacked); x/y z"))
    echoed = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {text}"], capture_output=True, text=True, check=True
    )
    assert "$(touch hacked); x/y z" in echoed.stdout.splitlines()


def test_names_with_spaces_are_one_word_each():
    text = flags(SegmenterSettings(selection=("Pleural Effusion", "Edema")))
    assert " --selection 'Pleural Effusion' Edema --selection-metric " in text


@pytest.mark.parametrize(
    ("settings_class", "values"),
    [
        (ClassifierSettings, {"epoch": 3}),
        (ClassifierSettings, {"epochs": 0}),
        (ClassifierSettings, {"batch_size": 1}),
        (ClassifierSettings, {"learning_rate": 0}),
        (ClassifierSettings, {"learning_rate": float("nan")}),
        (ClassifierSettings, {"learning_rate": float("inf")}),
        (WalkSettings, {"beta": float("inf")}),
        (ClassifierSettings, {"seed": 2**32}),
        (IndexSettings, {"seed": -1}),
        (ClassifierSettings, {"stride": 7}),
        (SegmenterSettings, {"selection": (3,)}),
        (SegmenterSettings, {"samples_per_epoch": 0}),
        (IndexSettings, {"shards": 0}),
    ],
)
def test_settings_are_closed_and_bounded(settings_class, values):
    with pytest.raises(ValidationError):
        settings_class(**values)


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        IndexSettings().seed = 1


@pytest.mark.parametrize("name", ["chexseg.config.settings", "chexseg.config.study", "chexseg.cli"])
def test_what_the_snakefile_imports_is_light(name):
    heavy = "{'torch', 'pandas', 'numpy', 'h5py', 'matplotlib'}"
    code = f"import sys, {name}; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr == ""
    assert result.returncode == 0
