"""Segmenters that start from segmenters, in a config."""

import pytest

from chexseg.config.copies import Copies
from chexseg.config.flags import flags
from chexseg.config.links import files_of_weights, needs_of
from chexseg.config.paths import Paths
from chexseg.config.starts import unused_of_start
from chexseg.config.study import read_study
from tests.unit.config.small_config import found_in, good, problems_of

PRE = {"masks": ["irnet"], "epochs": 10, "keep_epochs": [5, 10]}


def starting(pre=None, **changes):
    """A study in which `adapted` starts from `pre`."""
    adapted = {"masks": ["expert"], "initial_weights": "pre", **changes}
    return good(segmenters={"pre": {**PRE, **(pre or {})}, "adapted": adapted})


def test_the_file_of_a_start():
    study = read_study(starting())
    assert Paths(study).weights("pre", "resnet18") == ["results/small/segmenters/pre/checkpoint.pt"]
    assert Paths(study).weights("pre", "resnet18", 5) == ["results/small/segmenters/pre/epoch_5.pt"]
    assert ("segmenters", "pre") in needs_of(study, study.segmenters["adapted"])
    assert ("pre", "resnet18") not in files_of_weights(study)


def test_the_flags_of_a_start():
    """The file of the epoch is an input; a classifier has no decoder to leave."""
    study = read_study(starting(parts="encoder", initial_epoch=5))
    entry = study.segmenters["adapted"]
    text = flags(entry, without=unused_of_start(study, entry))
    assert "--parts encoder" in text
    assert "initial-epoch" not in text
    for weights, told in (("res18", False), ("imagenet", False), ("a/b.pt", True)):
        entry = read_study(starting(initial_weights=weights)).segmenters["adapted"]
        assert ("--parts" in flags(entry, without=unused_of_start(study, entry))) == told


MISFITS = {
    "another encoder": (
        {"encoder": "resnet34", "parts": "encoder"},
        "'pre' of encoder resnet18", "Make the settings equal.",
    ),
    "another decoder": (
        {"architecture": "unet"}, "'pre' of architecture deeplabv3plus",
        "Make the settings equal, or take the encoder alone with `parts: encoder`.",
    ),
    "another width": (
        {"decoder_channels": 32}, "'pre' of decoder_channels 256",
        "Make the settings equal, or take the encoder alone with `parts: encoder`.",
    ),
    "an epoch that is not kept": (
        {"initial_epoch": 7}, "epoch 7 of 'pre'", "Add it to `keep_epochs` of 'pre'.",
    ),
    "an epoch of a file": (
        {"initial_weights": "a/b.pt", "initial_epoch": 5}, "epoch 5 of the file a/b.pt",
        "Delete it: a file holds the weights of one epoch.",
    ),
    "a name that nothing has": ({"initial_weights": "pree"}, "'pree'", "Did you mean 'pre'?"),
}  # fmt: skip


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_is_one_error(misfit):
    changes, found, remedy = MISFITS[misfit]
    assert found_in(starting(**changes)) == [(found, remedy)]


@pytest.mark.parametrize(
    "changes",
    [
        {"parts": "encoder", "architecture": "unet", "decoder_channels": 64},
        {"initial_epoch": 10},
        {"fine_tuning": "adapters"},
        {"fine_tuning": "head", "loss": "cross_entropy"},
        {"initial_weights": "none", "initial_epoch": 3},
        {"initial_weights": "res18", "initial_epoch": 3},
    ],
)
def test_what_fits(changes):
    read_study(starting(**changes))


def test_a_name_that_means_two_entries():
    config = starting(initial_weights="res18")
    config["segmenters"]["res18"] = {"masks": ["expert"]}
    both = ("'res18', a classifier and a segmenter", "Rename one of them.")
    assert found_in(config) == [both]


def test_a_segmenter_cannot_be_called_like_a_word():
    assert found_in(good(segmenters={"none": {"masks": ["expert"]}})) == [
        ("'none'", "It means initial weights.")
    ]


def test_a_classifier_and_an_irnet_do_not_start_from_segmenters():
    config = good(classifiers={"res18": {"architecture": "resnet18", "initial_weights": "full"}})
    assert [found for found, _ in found_in(config)] == ["'full'"]
    config = good()
    config["masks"]["irnet"]["backbone"] = "full"
    assert [found for found, _ in found_in(config)] == ["'full'"]


CYCLE = """\
study: cycle
phantom: {}
masks:
  taught: {source: segmenter, segmenters: [c]}
segmenters:
  a: {masks: [expert], initial_weights: b}
  b: {masks: [taught], initial_weights: none}
  c: {masks: [expert], initial_weights: a}
  d: {masks: [expert], initial_weights: d}
"""


def test_cycles_are_found_when_the_config_is_read(tmp_path):
    found = {where: found for where, found, _, _ in problems_of(CYCLE, tmp_path)}
    assert found == {
        "4:3": "a cycle: masks.taught -> segmenters.c -> segmenters.a -> segmenters.b -> "
        "masks.taught",
        "9:3": "a cycle: segmenters.d -> segmenters.d",
    }


def test_a_sweep_of_the_source_copies_it():
    config = starting()
    config["sweeps"] = {"longer": {"of": "adapted", "segmenters.pre.learning_rate": [1e-4, 1e-3]}}
    study = read_study(config)
    copy = study.segmenters["adapted-pre.learning_rate_0.001"]
    assert copy.initial_weights == "pre-learning_rate_0.001"
    assert study.segmenters["pre-learning_rate_0.001"].learning_rate == 1e-3
    assert isinstance(study.unfolded.copies, Copies)


def test_a_sweep_of_starts_and_fine_tuning():
    config = starting()
    config["sweeps"] = {
        "starts": {
            "of": "adapted",
            "start": {
                "initial_weights": ["none", "res18", "pre", "pre"],
                "parts": ["all", "all", "encoder", "all"],
            },
            "fine_tuning": ["full", "head", "adapters"],
        }
    }
    runs = read_study(config).unfolded.points["starts"]
    assert len(runs) == 12
    assert "adapted-fine_tuning_adapters-start_pre_encoder" in runs
    assert "adapted" in runs
