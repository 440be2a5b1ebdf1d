import numpy as np
import pandas as pd
import pytest

from chexseg.config.settings import EvaluationSettings
from chexseg.data.masks import encode, write_masks
from chexseg.errors import InputError
from chexseg.evaluation.patients import FROM_IDS, UNKNOWN
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


def test_printed_table(files, capsys):
    evaluate.run(**files, pathologies=PATHOLOGIES, settings=SETTINGS)
    printed = capsys.readouterr().out
    assert "prediction: 3 X-rays of 3 patients, 1 without a prediction" in printed
    assert f"\n{FROM_IDS}\n" in printed
    assert (
        f"not in {files['gt']}, such as {THIRD!r}. What is predicted on them is a false" in printed
    )
    table = printed.split("\n\n")[1].splitlines()
    lines = {line.split()[0]: line.split() for line in table}
    assert lines["Edema"][1] == "0.200"
    assert lines["Cardiomegaly"] == ["Cardiomegaly", "-", "0", "-", "0"]
    assert len({len(line) for line in table}) == 1


def test_files_with_other_names_of_x_rays(tmp_path):
    write_masks(tmp_path / "gt.json", {FIRST: masks_of(ON)})
    write_masks(tmp_path / "pred.json", {"view1_frontal": masks_of(ON)})
    with pytest.raises(InputError, match="Use the same X-ray names"):
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


def two_x_rays(tmp_path):
    """Masks of two X-rays of ids that name no patient, one found and one missed."""
    ids = ("00000001_000", "00000001_001")
    write_masks(tmp_path / "gt.json", dict.fromkeys(ids, masks_of(ON)))
    write_masks(tmp_path / "pred.json", {ids[0]: masks_of(ON), ids[1]: masks_of(OFF)})
    return ids, {"gt": tmp_path / "gt.json", "pred": tmp_path / "pred.json"}


def test_two_x_rays_of_one_patient_have_the_interval_of_one_patient(tmp_path, capsys):
    ids, files = two_x_rays(tmp_path)
    index = tmp_path / "index.csv"
    pd.DataFrame({"cxr_id": ids, "patient": "00000001", "split": "test"}).to_csv(index, index=False)
    row = scored(files, tmp_path, index=index).loc[("iou_dataset", "Edema")]
    assert [row["value"], row["ci_low"], row["ci_high"]] == [0.5, 0.5, 0.5]
    printed = capsys.readouterr().out
    assert "2 X-rays of 1 patients" in printed
    assert f"patients: taken from {index}" in printed


def test_without_an_index_such_x_rays_count_as_patients_and_the_output_says_so(tmp_path, capsys):
    _, files = two_x_rays(tmp_path)
    row = scored(files, tmp_path).loc[("iou_dataset", "Edema")]
    assert [row["value"], row["ci_low"], row["ci_high"]] == [0.5, 0, 1]
    printed = capsys.readouterr().out
    assert "2 X-rays of 2 patients" in printed
    assert UNKNOWN in printed


def test_only_the_metrics_asked_for(files, tmp_path, capsys):
    settings = EvaluationSettings(replicates=20, metrics=("iou_image",))
    out = tmp_path / "scores.csv"
    evaluate.run(**files, out=out, pathologies=PATHOLOGIES, settings=settings)
    assert set(pd.read_csv(out)["metric"]) == {"iou_image"}
    assert "iou_dataset" not in capsys.readouterr().out
