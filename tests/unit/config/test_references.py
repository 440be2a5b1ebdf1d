"""References between entries of a config, masks with weights, and initial weights."""

import pytest

from chexseg.config.links import files_of_weights
from chexseg.config.study import read_study
from tests.unit.config.small_config import found_in, good, problems_of

REFERENCES = """\
study: references
phantom: {}
defaults:
  segmenters: {initial_weights: resnet}
classifiers:
  dense: {}
  resnet18: {architecture: resnet18, initial_weights: dense}
  imagenet: {}
saliency:
  gradcam: {method: gradcam, classifiers: [dense, densse]}
masks:
  expert: {source: threshold, saliency: gradcam}
  cam: {source: threshold, saliency: gradcm}
  irnet: {source: irnet, saliency: gradcam, backbone: resnet18}
segmenters:
  a: {masks: [exprt]}
  b: {masks: [expert, irnett], initial_weights: none}
  c: {masks: {irnet: 0, cam: 0}, initial_weights: none}
  d: {masks: [expert, expert], initial_weights: dense}
  radiologists: {masks: [irnet], initial_weights: models/moco.pth.tar}
  e: {masks: {expert: 0.5, irnt: 0.5}, validation: expertt, initial_weights: none}
"""

EXPECTED_REFERENCES = {
    "4:16": ("'resnet'", "Did you mean 'resnet18'?"),
    "7:38": ("'dense'", "Did you mean 'imagenet'?"),
    "8:3": ("'imagenet'", "It means initial weights."),
    "10:51": ("'densse'", "Did you mean 'dense'?"),
    "12:3": ("'expert'", "'expert' means masks that are drawn."),
    "13:28": ("'gradcm'", "Did you mean 'gradcam'?"),
    "14:45": ("'resnet18'", "Did you mean 'imagenet'?"),
    "16:15": ("'exprt'", "Did you mean 'expert'?"),
    "17:23": ("'irnett'", "Did you mean 'irnet'?"),
    "18:7": ("weights that are all 0", "Correct one."),
    "19:7": ("'expert' twice", "Give weights instead."),
    "19:32": ("'dense'", "Did you mean 'resnet18'?"),
    "20:3": ("'radiologists'", "It means the human benchmark."),
    "21:28": ("'irnt'", "Did you mean 'irnet'?"),
    "21:40": ("'expertt'", "Did you mean 'expert'?"),
}


def test_references_are_checked_all_at_once(tmp_path):
    found = problems_of(REFERENCES, tmp_path)
    assert {where: (found, remedy) for where, found, _, remedy in found} == EXPECTED_REFERENCES
    assert len(found) == len(EXPECTED_REFERENCES)


@pytest.mark.parametrize(
    "masks",
    ["[irnet]", "{expert: 0.9, irnet: -0.1}", "{expert: x}", "[]", "{}", "irnet", "[[expert]]"],
)
def test_masks_of_a_segmenter_that_are_no_list_and_no_weights(tmp_path, masks):
    text = f"study: s\nphantom: {{}}\nsegmenters:\n  a: {{masks: {masks}, initial_weights: none}}\n"
    (found,) = problems_of(text, tmp_path)
    assert found[0].startswith("4:")


def test_weights_of_a_classifier_must_fit_the_network(tmp_path):
    expected = {where: expected for where, _, expected, _ in problems_of(REFERENCES, tmp_path)}
    what = "'none', 'imagenet', a path or a resnet50 classifier: none, imagenet"
    assert expected["14:45"] == what
    what = "'none', 'imagenet', a path, a resnet18 classifier or a segmenter of it: "
    assert expected["19:32"] == what + "none, imagenet, resnet18, a, b, c, d, e, radiologists"


@pytest.mark.parametrize(
    "weights", ["none", "imagenet", "res18", "./res19", "moco.pth", "moco.pth.tar", "a/b.ckpt"]
)
def test_weights_may_be_a_word_a_path_or_a_classifier(weights):
    study = read_study(good(segmenters={"full": {"masks": ["expert"], "initial_weights": weights}}))
    assert study.segmenters["full"].initial_weights == weights


def test_a_classifier_named_like_a_file_is_still_a_classifier():
    config = good(classifiers={"a.pt": {"architecture": "densenet121"}})
    config["segmenters"]["full"]["initial_weights"] = "a.pt"
    assert [found for found, _ in found_in(config)] == ["'a.pt'"]


def test_files_of_initial_weights_and_their_networks():
    config = good(
        classifiers={"dense": {"architecture": "densenet121", "initial_weights": "a.pt"}},
        segmenters={
            "full": {"masks": ["expert"], "initial_weights": "a.pt", "encoder": "resnet50"},
            "more": {"masks": ["expert"], "initial_weights": "a.pt", "encoder": "densenet121"},
        },
    )
    config["masks"]["irnet"]["backbone"] = "b/c"
    assert files_of_weights(read_study(config)) == [
        ("a.pt", "densenet121"), ("b/c", "resnet50"), ("a.pt", "resnet50"),
    ]  # fmt: skip
