import gzip

import numpy as np
import pandas as pd
import pytest

from chexseg.data.masks import encode, write_masks
from chexseg.errors import InputError
from chexseg.stages import count_overlaps

ON, OFF = np.ones((2, 2), bool), np.zeros((2, 2), bool)
LEFT = np.array([[1, 0], [1, 0]], bool)


@pytest.fixture
def files(tmp_path):
    write_masks(tmp_path / "truth.json", {"a": {"Edema": encode(ON)}, "b": {"Edema": encode(LEFT)}})
    write_masks(tmp_path / "run.json", {"a": {"Edema": encode(LEFT)}, "c": {"Edema": encode(ON)}})
    columns = {"cxr_id": ["a", "b", "c", "d"], "patient": ["1", "2", "2", "1"]}
    index = pd.DataFrame({**columns, "split": ["test", "test", "train", "test"]})
    index.to_csv(tmp_path / "index.csv", index=False)
    return {
        "index": tmp_path / "index.csv",
        "truth": tmp_path / "truth.json",
        "prediction": tmp_path / "run.json",
    }


def counted(files, out, **options):
    count_overlaps.run(**files, out=out, pathologies=("Edema",), **options)
    return out.read_bytes()


def test_x_rays_and_patients_are_those_of_the_index(files, tmp_path, capsys):
    assert counted(files, tmp_path / "overlaps.csv").decode().splitlines() == [
        "cxr_id,patient,pathology,intersection,union,truth_pixels,predicted_pixels,pixels",
        "a,1,Edema,2,4,4,2,4",
        "b,2,Edema,0,2,2,0,4",
        "d,1,Edema,0,0,0,0,0",
    ]
    assert capsys.readouterr().out == "3 X-rays of 2 patients, 2 without a prediction.\n"


@pytest.mark.parametrize("name", ["overlaps.csv", "overlaps.csv.gz"])
def test_same_bytes_each_time(files, tmp_path, name):
    one, two = (counted(files, tmp_path / folder / name) for folder in ("one", "two"))
    assert one == two
    text = gzip.decompress(one) if name.endswith("gz") else one
    assert text == counted(files, tmp_path / "plain.csv")


def test_a_split_without_x_rays(files, tmp_path):
    with pytest.raises(InputError, match="no X-ray of split 'holdout'"):
        counted(files, tmp_path / "overlaps.csv", split="holdout")


def test_all_problems_of_both_files_at_once(files, tmp_path):
    files["truth"].write_text("{")
    files["prediction"].unlink()
    with pytest.raises(InputError) as caught:
        counted(files, tmp_path / "overlaps.csv")
    wrong = [str(files["truth"]), str(files["prediction"])]
    assert [problem.where for problem in caught.value.problems] == wrong
    assert not (tmp_path / "overlaps.csv").exists()


def test_masks_of_other_x_rays(files, tmp_path):
    write_masks(files["prediction"], {"view1": {"Edema": encode(ON)}})
    with pytest.raises(InputError, match="Use the same X-ray names"):
        counted(files, tmp_path / "overlaps.csv")


def test_sizes_of_the_index(files, tmp_path):
    index = pd.read_csv(files["index"]).assign(height=2, width=3)
    index.to_csv(files["index"], index=False)
    with pytest.raises(InputError) as caught:
        counted(files, tmp_path / "overlaps.csv")
    assert len(caught.value.problems) == 3  # a and b of the truth, a of the run; c does not count
