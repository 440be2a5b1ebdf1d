import pandas as pd
import pytest

from chexseg.errors import InputError
from chexseg.evaluation.patients import FROM_IDS, UNKNOWN, patients_of_ids, patients_of_index


def index_of(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_an_index_tells_the_patients_whatever_the_ids(tmp_path):
    index = index_of(
        tmp_path / "index.csv",
        cxr_id=["00000001_000", "00000001_001", "patient1_study1_view1", "x"],
        patient=["007", "007", "b", "c"],
        split=["test", "test", "test", "train"],
    )
    patients, sizes = patients_of_index(index, "test")
    assert list(patients.items()) == [
        ("00000001_000", "007"), ("00000001_001", "007"), ("patient1_study1_view1", "b")
    ]  # fmt: skip
    assert sizes is None


def test_sizes_are_those_of_the_index_if_it_has_all(tmp_path):
    columns = {"cxr_id": ["a", "b"], "patient": ["a", "b"], "split": "test"}
    index = index_of(tmp_path / "index.csv", **columns, height=[2, 3], width=[4, 5])
    assert patients_of_index(index, "test")[1] == {"a": (2, 4), "b": (3, 5)}
    index = index_of(tmp_path / "index.csv", **columns, height=[2, 3], width=[4, None])
    assert patients_of_index(index, "test")[1] is None


@pytest.mark.parametrize("patient", [{}, {"patient": ["a", None]}])
def test_an_index_without_a_patient(tmp_path, patient):
    index = index_of(tmp_path / "index.csv", cxr_id=["a", "b"], split="test", **patient)
    with pytest.raises(InputError, match="Fill the column 'patient'") as caught:
        patients_of_index(index, "test")
    assert caught.value.problems[0].found == f"no patient of {'b' if patient else 'a'!r}"


def test_ids_of_chexpert_name_the_patient():
    ids = ["patient64741_study1_view1_frontal", "patient64741_study2_view1_frontal"]
    assert patients_of_ids(ids) == (dict.fromkeys(ids, "patient64741"), FROM_IDS)


@pytest.mark.parametrize("ids", [["00000001_000", "00000001_001"], ["patient7", "patient7_a"]])
def test_other_ids_count_as_a_patient_each(ids):
    patients, how = patients_of_ids(ids)
    assert patients == {ids[0]: ids[0], ids[1]: ids[1]}
    assert how == UNKNOWN
    assert "--index" in how


def test_one_other_id_is_enough():
    ids = ["patient1_study1_view1_frontal", "patient1_study2_view1_frontal", "scan"]
    assert len(set(patients_of_ids(ids)[0].values())) == 3
