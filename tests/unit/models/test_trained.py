import pytest
import torch

from chexseg.config.settings import ClassifierSettings, SegmenterSettings
from chexseg.data.layouts.chexpert import FINDINGS, PATHOLOGIES
from chexseg.errors import InputError
from chexseg.models.segmenter import build_segmenter
from chexseg.models.trained import (
    check_start,
    check_weights,
    classifier_of,
    load_classifier,
    load_irnet,
    load_segmenter,
    segmenter_of,
)
from chexseg.models.weights import save_checkpoint

CLASSIFIER = ClassifierSettings(architecture="densenet_small")
SEGMENTER = SegmenterSettings(decoder_channels=16)
EXTRA = {"image_size": 64, "thresholds": [0.5, 0.25]}


@pytest.fixture(scope="module")
def states():
    torch.manual_seed(0)
    return {
        "classifier": classifier_of(CLASSIFIER, 14).state_dict(),
        "segmenter": segmenter_of(SEGMENTER, 2).state_dict(),
        "irnet": {},
    }


@pytest.fixture
def save(tmp_path, states):
    def write(kind, **changes):
        good = {
            "classifier": {"settings": CLASSIFIER.model_dump(), "classes": FINDINGS},
            "segmenter": {
                "settings": SEGMENTER.model_dump(),
                "classes": PATHOLOGIES[:2],
                "extra": EXTRA,
            },
            "irnet": {"settings": {}, "classes": PATHOLOGIES},
        }
        path = tmp_path / f"{kind}.pt"
        save_checkpoint(path, **({"kind": kind, "state_dict": states[kind]} | good[kind] | changes))
        return path

    return write


def problem_of(load, path):
    with pytest.raises(InputError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    assert problem.group == "weights"
    return problem


def test_what_was_saved_is_loaded(save):
    assert load_classifier(save("classifier"))[1] == CLASSIFIER
    assert load_segmenter(save("segmenter"))[1].extra == EXTRA


@pytest.mark.parametrize(
    "names",
    [FINDINGS[:13], ("Cat",) * 14, ()],
    ids=lambda names: len(names),
)
def test_a_classifier_whose_outputs_are_not_those_that_it_names(save, names):
    problem = problem_of(load_classifier, save("classifier", classes=names))
    assert problem.remedy.startswith("Train ")


def test_a_classifier_names_its_outputs(save):
    names = tuple(f"finding {number}" for number in range(14))
    assert load_classifier(save("classifier", classes=names))[2] == names


@pytest.mark.parametrize("names", [("Edema",), ("Edema", "Edema"), ()])
def test_a_segmenter_whose_outputs_are_not_those_that_it_names(save, names):
    problem = problem_of(load_segmenter, save("segmenter", classes=names))
    assert problem.remedy.startswith("Train ")


def test_a_segmenter_of_any_classes(save):
    names = ("Left Lung", "Tuberculosis")
    assert load_segmenter(save("segmenter", classes=names))[1].classes == names


@pytest.mark.parametrize(
    "settings", [{"architecture": "resnet18"}, {"architecture": "vgg"}, {"stride": 3}, {}]
)
def test_a_classifier_of_another_architecture(save, settings):
    problem = problem_of(load_classifier, save("classifier", settings=settings))
    assert "do not fit" in problem.found


@pytest.mark.parametrize(
    "extra",
    [{}, {**EXTRA, "image_size": 10**9}, {**EXTRA, "thresholds": [0.5]},
     {**EXTRA, "thresholds": ["x", 1]}, {**EXTRA, "thresholds": None}],
)  # fmt: skip
def test_a_segmenter_whose_description_is_damaged(save, extra):
    assert "do not fit" in problem_of(load_segmenter, save("segmenter", extra=extra)).found


def test_an_irnet_without_its_backbone(save):
    assert "do not fit" in problem_of(load_irnet, save("irnet")).found


def test_files_of_an_encoders_weights(tmp_path):
    encoder = build_segmenter("fpn", "tu-mobilenetv3_small_050", 2, decoder_channels=32).encoder
    torch.save(encoder.state_dict(), tmp_path / "encoder.pt")
    check_weights(str(tmp_path / "encoder.pt"), "tu-mobilenetv3_small_050")
    with pytest.raises(InputError, match="another architecture"):
        check_weights(str(tmp_path / "encoder.pt"), "mobilenet_v2")


def test_the_file_of_a_segmenter_to_start_from(save):
    path = str(save("segmenter"))
    form = SEGMENTER.model_dump() | {"initial_weights": path}
    check_start(SegmenterSettings(**form))
    other = form | {"architecture": "unet"}
    with pytest.raises(InputError, match="expected architecture unet") as caught:
        check_start(SegmenterSettings(**other))
    assert len(caught.value.problems) == 1
    check_start(SegmenterSettings(**(other | {"parts": "encoder"})))


def test_files_of_initial_weights(save, tmp_path):
    check_weights(str(save("classifier")), "densenet_small")
    with pytest.raises(InputError, match="another architecture"):
        check_weights(str(tmp_path / "classifier.pt"), "resnet18")
    with pytest.raises(InputError, match="no file"):
        check_weights(str(tmp_path / "absent.pt"), "resnet18")
