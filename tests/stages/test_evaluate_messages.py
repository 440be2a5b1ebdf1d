"""What `chexseg evaluate` says of files and flags that do not fit together."""

import json

import numpy as np
import pandas as pd
import pytest

from chexseg.config.settings import EvaluationSettings
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.data.masks import encode, write_masks
from chexseg.errors import InputError
from chexseg.stages import evaluate

ON, OFF = np.ones((2, 2), bool), np.zeros((2, 2), bool)
LEFT = np.array([[1, 0], [1, 0]], bool)
SETTINGS = EvaluationSettings(replicates=5)


def files_of(tmp_path, truth, prediction):
    """Two files in which each X-ray has one mask for all pathologies."""
    for name, masks in (("gt", truth), ("pred", prediction)):
        whole = {cxr_id: dict.fromkeys(PATHOLOGIES, encode(m)) for cxr_id, m in masks.items()}
        write_masks(tmp_path / f"{name}.json", whole)
    return {"gt": tmp_path / "gt.json", "pred": tmp_path / "pred.json"}


@pytest.fixture
def files(tmp_path):
    return files_of(tmp_path, {"p1": ON, "p2": LEFT}, {"p1": LEFT, "p2": LEFT})


def problems_of(files, **options):
    with pytest.raises(InputError) as caught:
        evaluate.run(**files, settings=SETTINGS, **options)
    return [(problem.where, problem.found, problem.remedy) for problem in caught.value.problems]


def test_no_pathologies(files):
    assert problems_of(files, pathologies=()) == [
        ("--pathologies", "no pathology", "Name some, or leave the flag out.")
    ]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("edema", "Did you mean 'Edema'?"),
        ("Lung Opacity", "Did you mean 'Airspace Opacity'?"),
        ("Fracture", "Leave it out."),
        ("Pneumonia", "Leave it out."),
    ],
)
def test_a_pathology_that_no_file_has_is_a_problem_of_the_flag(files, name, remedy):
    found = problems_of(files, pathologies=("Edema", name))
    assert found == [("--pathologies", repr(name), remedy)] * 2  # of either file


def test_ids_that_differ_by_a_suffix(tmp_path, capsys):
    files = files_of(tmp_path, {"p1": ON, "p2": LEFT}, {"p1.png": ON, "p2": LEFT})
    evaluate.run(**files, settings=SETTINGS)
    printed = capsys.readouterr().out
    assert (
        f"WARNING: 1 of 2 predicted X-rays are not in {files['gt']}, such as 'p1.png'. "
        "What is predicted on them is a false positive."
    ) in printed
    assert f"'p1.png' differs from 'p1' in {files['gt']} only by the suffix '.png'" in printed


@pytest.mark.parametrize(
    ("truth", "predicted"), [("p1_frontal", "p1"), ("p1", "p1_map"), ("p1-a.b", "p1")]
)
def test_a_suffix_on_either_side(tmp_path, capsys, truth, predicted):
    files = files_of(tmp_path, {truth: ON, "q": ON}, {predicted: ON, "q": ON})
    evaluate.run(**files, settings=SETTINGS)
    assert f"{predicted!r} differs from {truth!r}" in capsys.readouterr().out


def test_other_x_rays_are_no_suffix_of_one(tmp_path, capsys):
    files = files_of(tmp_path, {"p1": ON, "p2": ON}, {"p10": ON, "p2": ON})
    evaluate.run(**files, settings=SETTINGS)
    printed = capsys.readouterr().out
    assert "such as 'p10'" in printed
    assert "suffix" not in printed


def test_ids_that_all_match_are_not_mentioned(files, capsys):
    evaluate.run(**files, settings=SETTINGS)
    assert "WARNING" not in capsys.readouterr().out


def test_ids_that_are_not_in_the_index(files, tmp_path, capsys):
    index = tmp_path / "index.csv"
    pd.DataFrame({"cxr_id": ["p1"], "patient": "1", "split": "test"}).to_csv(index, index=False)
    evaluate.run(**files, index=index, settings=SETTINGS)
    expected = f"1 of 2 predicted X-rays are not in {index}, such as 'p2'. They are not scored."
    assert expected in capsys.readouterr().out


def test_a_prediction_of_none_of_the_x_rays_of_the_index(tmp_path):
    files = files_of(tmp_path, {"p1": ON, "p2": ON}, {"p2": ON})
    index = tmp_path / "index.csv"
    pd.DataFrame({"cxr_id": ["p1"], "patient": "1", "split": "test"}).to_csv(index, index=False)
    assert problems_of(files, index=index) == [
        (str(files["pred"]), "no X-ray to score; the first is 'p2'", "Use the same X-ray names in all files.")
    ]  # fmt: skip


@pytest.mark.parametrize("with_index", [False, True])
def test_a_truth_without_x_rays_scores_nothing(files, tmp_path, with_index):
    files["gt"].write_text("{}")
    index = tmp_path / "index.csv"
    pd.DataFrame({"cxr_id": ["p1"], "patient": "1", "split": "test"}).to_csv(index, index=False)
    found = problems_of(files, **({"index": index} if with_index else {}))
    assert found == [
        (str(files["gt"]), "no X-ray, so there is nothing to score", "Provide the experts' masks.")
    ]


def test_polygons_are_scored_like_their_masks(tmp_path, capsys):
    files = files_of(tmp_path, {"p1": LEFT}, {"p1": ON})
    polygons = {"p1": {"img_size": [2, 2], "Edema": [[[0, 0], [0, 1]]]}}
    files["gt"].write_text(json.dumps(polygons))
    evaluate.run(**files, settings=SETTINGS, pathologies=("Edema", "Consolidation"))
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line}
    assert lines["Edema"][1] == "0.500"
    assert problems_of(files, pathologies=("edema",))[0][2] == "Did you mean 'Edema'?"
