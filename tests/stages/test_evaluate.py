import gzip

import numpy as np
import pandas as pd
import pytest

from chexseg.config.settings import EvaluationSettings
from chexseg.data.masks import encode, write_masks
from chexseg.errors import InputError
from chexseg.stages import evaluate

PATHOLOGIES = ("Edema", "Cardiomegaly")
SETTINGS = EvaluationSettings(replicates=20)
ON, OFF = np.ones((2, 2), bool), np.zeros((2, 2), bool)
LEFT = np.array([[1, 0], [1, 0]], bool)
FIRST, SECOND, THIRD = (f"patient{number}_study1_view1_frontal" for number in (1, 2, 3))


def masks_of(edema, cardiomegaly=OFF):
    return {"Edema": encode(edema), "Cardiomegaly": encode(cardiomegaly)}


@pytest.fixture
def files(tmp_path):
    write_masks(tmp_path / "gt.json", {FIRST: masks_of(ON), SECOND: masks_of(LEFT)})
    write_masks(tmp_path / "pred.json", {FIRST: masks_of(LEFT), THIRD: masks_of(ON)})
    return {"gt": tmp_path / "gt.json", "pred": tmp_path / "pred.json"}


def scored(files, tmp_path, **options):
    out = tmp_path / "scores.csv"
    evaluate.run(**files, out=out, pathologies=PATHOLOGIES, settings=SETTINGS, **options)
    return pd.read_csv(out).set_index(["metric", "pathology"])


def test_scores_of_the_x_rays_of_either_file(files, tmp_path):
    scores = scored(files, tmp_path, run_name="mine")
    assert scores.columns.tolist() == ["run", "value", "ci_low", "ci_high", "n_images"]
    assert set(scores["run"]) == {"mine"}
    assert scores["value"]["iou_dataset", "Edema"] == 2 / (4 + 2 + 4)
    assert scores["value"]["iou_image", "Edema"] == 0.5
    assert np.isnan(scores["value"]["iou_dataset", "Cardiomegaly"])
    assert scores["n_images"]["iou_dataset", "mean"] == 3


def test_index_says_which_x_rays_count(files, tmp_path):
    index = tmp_path / "index.csv"
    pd.DataFrame(
        {"cxr_id": [FIRST, SECOND, THIRD, "p4"], "split": ["test", "test", "train", "test"],
         "path": "x", "patient": "y", "height": [2, None, 2, 2], "width": [2, None, 2, 2]}
    ).to_csv(index, index=False)  # fmt: skip
    scores = scored(files, tmp_path, index=index)
    assert scores["value"]["iou_dataset", "Edema"] == 2 / (4 + 2)
    assert scores["n_images"]["iou_dataset", "mean"] == 3
    with pytest.raises(InputError, match="no X-ray of split 'holdout'"):
        scored(files, tmp_path, index=index, split="holdout")


def test_index_says_how_large_x_rays_are(files, tmp_path):
    index = tmp_path / "index.csv"
    columns = {"cxr_id": [FIRST], "split": "test", "path": "x", "patient": "y"}
    pd.DataFrame({**columns, "height": 2, "width": 3}).to_csv(index, index=False)
    with pytest.raises(InputError) as caught:
        scored(files, tmp_path, index=index)
    assert len(caught.value.problems) == 4  # two pathologies in each of the two files


@pytest.mark.parametrize("name", ["overlaps.csv", "overlaps.csv.gz"])
def test_overlaps_are_the_same_bytes_each_time(files, tmp_path, name):
    for folder in ("one", "two"):
        scored(files, tmp_path, overlaps=tmp_path / folder / name)
    content = (tmp_path / "one" / name).read_bytes()
    assert content == (tmp_path / "two" / name).read_bytes()
    text = (gzip.decompress(content) if name.endswith("gz") else content).decode()
    assert text.splitlines()[:2] == [
        "cxr_id,patient,pathology,intersection,union,truth_pixels,predicted_pixels",
        f"{FIRST},patient1,Edema,2,4,4,2",
    ]


def test_printed_table(files, capsys):
    evaluate.run(**files, pathologies=PATHOLOGIES, settings=SETTINGS)
    printed = capsys.readouterr().out
    assert "prediction: 3 X-rays of 3 patients, 1 not predicted" in printed
    lines = {line.split()[0]: line.split() for line in printed.splitlines()[3:]}
    assert lines["Edema"][1] == "0.200"
    assert lines["Cardiomegaly"] == ["Cardiomegaly", "-", "0", "-", "0"]
    assert len({len(line) for line in printed.splitlines()[3:]}) == 1


def test_files_with_other_names_of_x_rays(tmp_path):
    write_masks(tmp_path / "gt.json", {FIRST: masks_of(ON)})
    write_masks(tmp_path / "pred.json", {"view1_frontal": masks_of(ON)})
    with pytest.raises(InputError, match="Name X-rays alike"):
        scored({"gt": tmp_path / "gt.json", "pred": tmp_path / "pred.json"}, tmp_path)


def test_all_problems_of_both_files_at_once(tmp_path):
    files = {"gt": tmp_path / "gt.json", "pred": tmp_path / "pred.json"}
    files["gt"].write_text("{")
    with pytest.raises(InputError) as caught:
        scored(files, tmp_path)
    assert [problem.where for problem in caught.value.problems] == list(map(str, files.values()))
    assert not (tmp_path / "scores.csv").exists()


def test_empty_files(tmp_path):
    write_masks(tmp_path / "gt.json", {})
    with pytest.raises(InputError, match="no X-ray"):
        scored({"gt": tmp_path / "gt.json", "pred": tmp_path / "gt.json"}, tmp_path)


def test_a_missing_index(files, tmp_path):
    with pytest.raises(InputError, match=r"absent\.csv"):
        scored(files, tmp_path, index=tmp_path / "absent.csv")
