"""The section `data`: its layout, the names of findings and pathologies, what selects epochs."""

import pytest

from chexseg.config.flags import flags
from chexseg.config.study import read_study
from chexseg.data.layouts.chexpert import COMMON, COMPETITION, FINDINGS, PATHOLOGIES
from tests.unit.config.small_config import found_in, good, problems_of

OPEN = {"findings": ["Fracture", "Tuberculosis", "Edema"], "root": "d"}


def study_of(**data):
    return read_study(good(phantom=None, data=OPEN | data))


# Layout


def test_the_layout_of_chexpert_is_the_default():
    data = read_study({"study": "s", "data": {"root": "d"}}).data
    assert data.layout == "chexpert"
    assert (data.findings, data.pathologies) == (FINDINGS, PATHOLOGIES)
    assert data.train_csv == "CheXpert/train.csv"


def test_an_unknown_layout_is_one_problem_with_its_place(tmp_path):
    text = "study: s\ndata:\n  layout: cheXpart\n  root: d\n  other_csv: x.csv\n"
    assert problems_of(text, tmp_path) == [
        (
            "3:3",
            "'cheXpart' for 'data.layout'",
            "'chexpert', 'folder', 'vindr'",
            "Did you mean 'chexpert'?",
        )
    ]


def test_the_phantom_is_written_in_one_layout():
    ((found, _),) = found_in({"study": "s", "phantom": {}, "data": {"layout": "folder", "pathologies": ["Heart"]}})  # fmt: skip
    assert found == "'folder'"


@pytest.mark.parametrize("layout", [3, ["chexpert"], None, {}])
def test_a_layout_that_is_no_name(layout):
    ((found, _),) = found_in({"study": "s", "data": {"root": "d", "layout": layout}})
    assert found == f"{layout!r} for 'data.layout'"


def test_keys_of_the_layout_are_checked_like_others(tmp_path):
    text = "study: s\ndata:\n  root: d\n  train_cvs: a\n  val_csv: /b\n  test_csv: 3\n"
    assert [(where, found) for where, found, *_ in problems_of(text, tmp_path)] == [
        ("5:3", "'/b'"),
        ("6:3", "3 for 'data.test_csv'"),
        ("4:3", "unknown key 'data.train_cvs'"),
    ]


# Names


@pytest.mark.parametrize("key", ["findings", "pathologies"])
@pytest.mark.parametrize(
    "name", ["", "-x", "a{b}", "a\nb", "split", "cxr_id", "mean", "a ", " a", "x" * 101]
)
def test_names_that_no_finding_may_have(key, name):
    ((found, _),) = found_in(good(phantom=None, data={"root": "d", key: [name]}, saliency={}))
    assert found == f"{name!r} for 'data.{key}.0'"


@pytest.mark.parametrize("name", ["Nodule/Mass", "COVID-19", "Œdème", "a; $(b) 'c'", "2nd"])
def test_names_that_a_finding_may_have(name):
    study = study_of(findings=[name], pathologies=[name])
    assert study.data.findings == study.data.pathologies == (name,)


def test_lung_opacity_is_called_as_masks_call_it(tmp_path):
    for key in ("pathologies", "findings"):
        text = f"study: s\ndata:\n  root: d\n  {key}: [Edema, Lung Opacity]\n"
        ((where, found, _, remedy),) = problems_of(text, tmp_path)
        assert (where.split(":")[0], found) == ("4", f"'Lung Opacity' for 'data.{key}.1'")
        assert remedy == "Did you mean 'Airspace Opacity'?"


def test_a_pathology_of_which_maps_are_made_is_a_finding(tmp_path):
    data = {"root": "d", "pathologies": ["Edema", "Tuberculosis"]}
    assert found_in(good(phantom=None, data=data)) == [
        ("'Tuberculosis'", "Add it to data.findings.")
    ]
    study_of(pathologies=["Edema", "Tuberculosis"])


def test_a_study_without_saliency_maps_needs_no_labels_of_what_it_segments():
    config = {
        "study": "s",
        "data": {"root": "d", "pathologies": ["Left Lung"], "findings": []},
        "segmenters": {"a": {"masks": ["expert"]}},
    }
    assert read_study(config).data.findings == ()
    config["classifiers"] = {"c": {}}
    assert found_in(config) == [
        ("classifiers, but no findings", "Name the label columns that they learn.")
    ]


@pytest.mark.parametrize("key", ["findings", "pathologies"])
def test_each_name_stands_once(key):
    ((found, _), *_) = found_in(good(phantom=None, data=OPEN | {key: ["Edema", "Edema"]}))
    assert found == "'Edema' twice"


# What selects epochs


def selections(study):
    entries = (study.classifiers["dense"], study.segmenters["full"])
    return tuple(entry.selection for entry in entries)


def test_absent_it_is_that_of_the_layout_as_far_as_the_study_has_it():
    assert selections(read_study(good())) == (COMPETITION, COMMON)
    data = {"pathologies": ["Edema", "Cardiomegaly"]}
    assert selections(read_study(good(data=data))) == (COMPETITION, ("Cardiomegaly",))
    names = ["Fracture", "Tuberculosis"]
    assert selections(study_of(findings=names, pathologies=names)) == ((), ())


def test_flags_name_what_selects():
    study = read_study(good())
    assert f"--selection {' '.join(COMPETITION[:4])} " in flags(study.classifiers["dense"])
    assert "--selection 'Enlarged Cardiomediastinum' " in flags(study.segmenters["full"])


def test_what_the_config_says_stays():
    config = good(
        defaults={"segmenters": {"selection": []}},
        classifiers={"dense": {"selection": ["Fracture"]}},
    )
    assert selections(read_study(config)) == (("Fracture",), ())


def test_what_selects_is_there(tmp_path):
    text = "study: s\nphantom: {}\nclassifiers: {c: {selection: [Edma]}}\n"
    text += "segmenters: {s: {masks: [expert], selection: [Edema, Fracture]}}\n"
    assert [(where, found, remedy) for where, found, _, remedy in problems_of(text, tmp_path)] == [
        ("3:31", "'Edma'", "Did you mean 'Edema'? Otherwise add it to data.findings."),
        ("4:54", "'Fracture'", "Add it to data.pathologies."),
    ]


# The phantom writes its own names


def test_the_phantom_is_studied_under_its_own_names(tmp_path):
    text = "study: s\nphantom: {}\ndata:\n  train_csv: my.csv\n  val_csv: CheXpert/val.csv\n"
    text += "  radiologist_masks: CheXlocalize/hb.json\n"
    assert problems_of(text, tmp_path) == [
        ("4:3", "'my.csv'", "CheXpert/train.csv, as the phantom writes it",
         "Delete 'train_csv', or write this name."),
        ("6:3", "'CheXlocalize/hb.json'",
         "CheXlocalize/hb_segmentations_test.json, as the phantom writes it",
         "Delete 'radiologist_masks', or write this name."),
    ]  # fmt: skip


def test_the_phantom_shows_no_other_pathologies():
    found = found_in(good(data={"findings": list(FINDINGS), "pathologies": ["Fracture"]}))
    assert [each for each, _ in found] == ["'Fracture'"]
    found = found_in(good(data={"findings": [*FINDINGS, "Tuberculosis"]}))
    assert [each for each, _ in found] == ["'Tuberculosis'"]


ORGANS = {
    "val_masks": "anatomy/segmentations_val.json",
    "test_masks": "anatomy/segmentations_test.json",
    "pathologies": ["Left Lung", "Clavicles"],
}


def test_the_organs_of_the_phantom_can_be_segmented():
    study = read_study(
        {"study": "s", "phantom": {}, "data": ORGANS, "segmenters": {"full": {"masks": ["expert"]}}}
    )
    assert study.data.pathologies == ("Left Lung", "Clavicles")


def test_organs_and_pathologies_of_the_phantom_cannot_be_mixed(tmp_path):
    text = "study: s\nphantom: {}\ndata:\n  val_masks: anatomy/segmentations_val.json\n"
    text += "  radiologist_masks: CheXlocalize/hb_segmentations_test.json\n"
    text += "  pathologies: [Heart, Edema]\n"
    mixed, wanted = "masks of pathologies beside those of organs", "masks of organs"
    remedy = "Name the file of organs, or delete {!r}.".format
    assert problems_of(text, tmp_path) == [
        ("3:1", mixed, wanted, remedy("test_masks")),
        ("5:3", mixed, wanted, remedy("radiologist_masks")),
        ("6:24", "'Edema'", "one of the organs of the phantom", "Delete it."),
    ]
