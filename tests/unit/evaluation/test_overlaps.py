import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chexseg.data.masks import encode
from chexseg.errors import InputError
from chexseg.evaluation.overlaps import COLUMNS, COUNTS, overlap_table

TRUTH = np.array([[1, 1, 0], [0, 1, 0]], bool)
PREDICTION = np.array([[0, 1, 1], [0, 1, 1]], bool)


def counts_of(truth, prediction, **options):
    patients = dict.fromkeys(sorted({*truth, *prediction}), "p")
    table = overlap_table(truth, prediction, patients=patients, **options)
    names = zip(table["cxr_id"], table["pathology"], strict=True)
    return dict(zip(names, table[list(COUNTS)].to_numpy().tolist(), strict=True))


def test_counts_of_one_mask():
    table = overlap_table(
        {"patient1_study1_view1_frontal": {"Edema": encode(TRUTH)}},
        {"patient1_study1_view1_frontal": {"Edema": encode(PREDICTION)}},
        patients={"patient1_study1_view1_frontal": "007"},
        pathologies=("Edema",),
    )
    assert tuple(table.columns) == COLUMNS
    assert table.to_numpy().tolist() == [
        ["patient1_study1_view1_frontal", "007", "Edema", 2, 5, 3, 4, 6]
    ]
    assert (table[list(COUNTS)].dtypes == np.int64).all()


def test_absent_entries_are_empty_masks():
    truth = {"a": {"Edema": encode(TRUTH)}, "b": {"Cardiomegaly": encode(TRUTH)}}
    prediction = {"c": {"Edema": encode(PREDICTION)}, "b": {"Cardiomegaly": encode(PREDICTION)}}
    assert counts_of(truth, prediction, pathologies=("Edema", "Cardiomegaly")) == {
        ("a", "Edema"): [0, 3, 3, 0, 6],
        ("a", "Cardiomegaly"): [0, 0, 0, 0, 6],
        ("b", "Edema"): [0, 0, 0, 0, 6],
        ("b", "Cardiomegaly"): [2, 5, 3, 4, 6],
        ("c", "Edema"): [0, 4, 0, 4, 6],
        ("c", "Cardiomegaly"): [0, 0, 0, 0, 6],
    }


def test_only_given_x_rays_count_in_their_order():
    masks = {name: {"Edema": encode(TRUTH)} for name in "abc"}
    patients = {"c": "one", "z": "two", "a": "one"}
    table = overlap_table(masks, masks, patients=patients, pathologies=("Edema",))
    assert table["cxr_id"].tolist() == ["c", "z", "a"]
    assert table["patient"].tolist() == ["one", "two", "one"]
    assert table["intersection"].tolist() == [3, 0, 3]


def test_pixels_are_those_of_the_index_or_of_any_mask():
    masks = {"a": {"Edema": encode(TRUTH)}}
    options = {"patients": {"a": "p", "b": "q"}, "pathologies": ("Edema",)}
    assert overlap_table(masks, {}, **options)["pixels"].tolist() == [6, 0]
    sizes = {"a": (2, 3), "b": (4, 5)}
    assert overlap_table(masks, {}, **options, sizes=sizes)["pixels"].tolist() == [6, 20]


def test_no_x_rays():
    table = overlap_table({}, {}, patients={}, pathologies=("Edema",))
    assert table.empty
    assert tuple(table.columns) == COLUMNS


def test_all_differences_of_size_at_once():
    mask, transposed = encode(TRUTH), encode(TRUTH.T)
    truth = {name: {"Edema": mask, "Cardiomegaly": mask} for name in "ab"}
    other = {"Edema": transposed, "Cardiomegaly": mask}
    with pytest.raises(InputError) as caught:
        counts_of(truth, {"a": other, "b": other}, pathologies=("Edema", "Cardiomegaly"))
    assert [problem.where for problem in caught.value.problems] == ["a:Edema", "b:Edema"]


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
        lambda shape: st.lists(st.tuples(arrays(bool, shape), arrays(bool, shape)), min_size=1)
    )
)
def test_counts_equal_those_of_pixels(pairs):
    pathologies = [f"pathology {number}" for number in range(len(pairs))]
    truth, prediction = (
        {"a": {name: encode(pair[side]) for name, pair in zip(pathologies, pairs, strict=True)}}
        for side in (0, 1)
    )
    counts = counts_of(truth, prediction, pathologies=pathologies)
    assert list(counts.values()) == [
        [(a & b).sum(), (a | b).sum(), a.sum(), b.sum(), a.size] for a, b in pairs
    ]
