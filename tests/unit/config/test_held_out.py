"""Findings that a training never sees, and what takes boxes."""

import pytest

from chexseg.config.flags import flags
from chexseg.config.study import read_study
from tests.unit.config.small_config import found_in, good

BOXES = {
    "study": "s",
    "data": {"layout": "vindr", "root": "d"},
    "segmenters": {
        "boxed": {"masks": ["expert"], "loss": "boxes", "contrast": 0.5, "initial_weights": "none"},
    },
}


def with_segmenter(**entry):
    return {**BOXES, "segmenters": {"one": {"masks": ["expert"], **entry}}}


def test_a_loss_for_boxes_and_a_contrast():
    entry = read_study(BOXES).segmenters["boxed"]
    text = flags(entry)
    assert " --loss boxes " in text
    assert (
        " --contrast 0.5 --contrast-temperature 0.1 --contrast-memory 1024 --mask-weight 1.0 "
        in text
    )
    assert " --outside-weight 1.0 " in text
    assert "held-out" not in text
    plain = flags(read_study(with_segmenter()).segmenters["one"])
    assert "contrast" not in plain
    assert "-weight " not in plain.replace("--weight-decay", "")


def test_a_sweep_over_findings_that_are_never_seen():
    config = with_segmenter(initial_weights="none")
    config["sweeps"] = {"unseen": {"of": "one", "held_out": [["ILD"], ["Nodule/Mass"]]}}
    study = read_study(config)
    held_out = [entry.held_out for entry in study.segmenters.values()]
    assert held_out == [(), ("ILD",), ("Nodule/Mass",)]


@pytest.mark.parametrize("key", [{"loss": "boxes"}, {"contrast": 0.1}])
def test_masks_without_boxes_have_none(key):
    config = good(segmenters={"one": {"masks": ["expert"], **key}}, data={"pathologies": ["Edema"]})
    config["segmenters"].pop("both")
    (found,) = found_in(config)
    assert found == ("masks 'expert' without boxes", "Name masks by 'source: boxes'.")


def test_boxes_are_of_one_class():
    config = with_segmenter(loss="boxes")
    config["data"] = {**BOXES["data"], "pathologies": ["ILD", "Cardiomegaly"]}
    assert found_in(config)[0][0] == "2 classes"


@pytest.mark.parametrize(
    ("entry", "others", "found"),
    [
        ({"initial_weights": "seen"}, {}, "classifiers.seen, which has seen ILD"),
        ({"initial_weights": "unseen"}, {}, None),
        ({"initial_weights": "full"}, {"full": {}}, "segmenters.full, which has seen ILD"),
        ({"masks": ["expert", "grown"]}, {}, "masks.grown, which has seen ILD"),
        ({"masks": ["expert", "cut"]}, {}, "classifiers.seen, which has seen ILD"),
        ({"masks": ["expert", "taught"]}, {"full": {}}, "segmenters.full, which has seen ILD"),
        ({"held_out": ["ILS"]}, {}, "'ILS'"),
    ],
)
def test_nothing_behind_a_training_has_seen_what_it_holds_out(entry, others, found):
    rest = {"masks": ["expert"], "initial_weights": "none"}
    config = with_segmenter(**({"initial_weights": "none", "held_out": ["ILD"]} | entry))
    config["segmenters"] |= {name: rest | other for name, other in others.items()}
    config["classifiers"] = {
        "seen": {"architecture": "resnet18", "held_out": ["Cardiomegaly"]},
        "unseen": {"architecture": "resnet18", "held_out": ["Cardiomegaly", "ILD"]},
    }
    config["saliency"] = {
        "maps": {"method": "gradcam", "classifiers": ["unseen"]},
        "maps_of_seen": {"method": "gradcam", "classifiers": ["seen"]},
    }
    config["masks"] = {
        "grown": {"source": "irnet", "saliency": "maps", "backbone": "none"},
        "cut": {"source": "threshold", "saliency": "maps_of_seen"},
    }
    if others:
        config["masks"]["taught"] = {"source": "segmenter", "segmenters": [*others]}
    if found is None:
        read_study(config)
    else:
        assert [each for each, _ in found_in(config)] == [found]
