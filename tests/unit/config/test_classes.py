"""Which classes entries have, and which fit together."""

import pytest

from chexseg.config.classes import classes_of_segmenter
from chexseg.config.links import runs_of, scored_masks
from chexseg.config.runs import table_of_runs
from chexseg.config.study import read_study
from chexseg.data.layouts.chexpert import FINDINGS, PATHOLOGIES
from chexseg.errors import InputError
from tests.unit.config.small_config import good

SALIENCY = {
    "gradcam": {"method": "gradcam", "classifiers": ["dense"]},
    "all": {"method": "gradcam", "classifiers": ["dense"], "classes": [*FINDINGS]},
    "few": {"method": "gradcam", "classifiers": ["dense"], "classes": ["Edema", "Fracture"]},
    "bones": {"method": "gradcam", "classifiers": ["dense"], "classes": ["Fracture"]},
}
MASKS = {
    name: {"source": "threshold", "saliency": name} for name in ("gradcam", "all", "few", "bones")
}
MASKS["walked"] = {"source": "irnet", "saliency": "few", "backbone": "none"}


def study(masks=MASKS, **segmenters):
    none = {"initial_weights": "none"}
    segmenters = {name: none | entry for name, entry in segmenters.items()}
    config = good(saliency=SALIENCY, masks=masks)
    return read_study(config | {"segmenters": segmenters})


def test_made_masks_have_the_classes_of_their_maps():
    read = study()
    classes = {name: read.masks[name].classes_of(read) for name in MASKS}
    assert classes == {
        "gradcam": PATHOLOGIES, "all": FINDINGS, "few": ("Edema", "Fracture"),
        "bones": ("Fracture",), "walked": ("Edema", "Fracture"),
    }  # fmt: skip


def test_a_segmenter_has_the_classes_of_its_masks_and_so_have_its_own():
    masks = MASKS | {"taught": {"source": "segmenter", "segmenters": ["start"]}}
    start, student = {"masks": ["few"], "scored": False}, {"masks": ["taught"], "scored": False}
    read = study(masks, start=start, student=student, full={"masks": ["expert"]})
    classes = {name: classes_of_segmenter(read, name) for name in read.segmenters}
    few = ("Edema", "Fracture")
    assert classes == {"start": few, "student": few, "full": PATHOLOGIES}


def test_masks_are_scored_if_experts_drew_one_of_their_classes():
    assert {*MASKS} - {*scored_masks(study())} == {"bones"}


def test_segmenters_that_are_not_scored_are_no_runs():
    read = study(start={"masks": ["few"], "scored": False}, full={"masks": ["expert"]})
    assert runs_of(read) == ("full",)
    assert [row.split(",")[0] for row in table_of_runs(read)[1]] == ["full"]


def test_a_segmenter_of_more_classes_can_be_scored():
    assert runs_of(study(more={"masks": ["all"]})) == ("more",)


def test_a_class_that_only_the_masks_have_can_select_and_be_left_out():
    entry = {"masks": ["few"], "scored": False, "selection": ["Fracture"]}
    study(start=entry | {"leave_out": {"few": ["Fracture"]}})


UNSCORED = {"masks": ["few"], "scored": False}


@pytest.mark.parametrize(
    ("segmenter", "told"),
    [
        ({"masks": ["few"]}, "'few' without Enlarged Cardiomediastinum, "),
        ({"masks": ["few"]}, "Name other masks, or set 'scored: false'."),
        ({"masks": ["expert"], "validation": "few"}, "'few' without Enlarged"),
        (
            {"masks": ["few", "bones"], "scored": False},
            "'bones' with other classes, expected masks",
        ),
        ({"masks": ["expert", "all"]}, "'all' with other classes"),
        (UNSCORED | {"leave_out": {"few": ["Atelectasis"]}}, "one of its classes: Edema, Fracture"),
        (UNSCORED | {"selection": ["Heart"]}, "'Heart', expected one of data.pathologies"),
    ],
)
def test_classes_that_do_not_fit(segmenter, told):
    with pytest.raises(InputError) as caught:
        study(wrong=segmenter)
    assert told in str(caught.value)


def test_teachers_of_other_classes_are_refused():
    masks = MASKS | {"taught": {"source": "segmenter", "segmenters": ["one", "two"]}}
    with pytest.raises(InputError, match="'two' with other classes"):
        study(masks, one=UNSCORED, two=UNSCORED | {"masks": ["bones"]})


@pytest.mark.parametrize(
    ("classes", "told"),
    [(["Edena"], "Did you mean 'Edema'?"), (["Edema", "Edema"], "a class twice")],
)
def test_maps_of_findings_that_no_classifier_learns(classes, told):
    entry = {"method": "gradcam", "classifiers": ["dense"], "classes": classes}
    with pytest.raises(InputError) as caught:
        read_study(good(saliency={"wrong": entry}))
    assert told in str(caught.value)
