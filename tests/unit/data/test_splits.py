import numpy as np
import pandas as pd
import pytest

from chexseg.data.splits import (
    SPLITS,
    check_disjoint,
    choose_patients,
    choose_stratified,
    first_by_hash,
    first_of_train,
)
from chexseg.errors import InputError, Problems


@pytest.fixture
def patients():
    """200 X-rays of 60 patients, in no order."""
    rng = np.random.default_rng(0)
    names = [f"patient{number:05d}" for number in range(60)]
    return pd.Series(rng.permutation(names + list(rng.choice(names, 140))))


def chosen_of(patients, fraction, seed=0):
    return set(patients[choose_patients(patients, fraction, seed)])


def test_names_of_the_splits():
    assert SPLITS == ("train", "expert", "validation", "test")


def test_patients_are_chosen_whole(patients):
    chosen = choose_patients(patients, 0.5, 0)
    assert chosen.dtype == bool
    assert not set(patients[chosen]) & set(patients[~chosen])


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.79])
def test_at_least_the_fraction_and_at_most_one_patient_more(patients, fraction):
    number = choose_patients(patients, fraction, 0).sum()
    assert number >= fraction * len(patients)
    assert number - patients.value_counts().max() < fraction * len(patients)


def test_none_and_all(patients):
    assert choose_patients(patients, 0, 0).sum() == 0
    assert choose_patients(patients, 1, 0).all()


def test_below_one_a_patient_is_left_out_if_there_are_two():
    two = pd.Series(["a", "b", "b", "b"])
    assert choose_patients(two, 0.99, 0).sum() in (1, 3)
    assert choose_patients(pd.Series(["a", "a"]), 0.5, 0).all()


def test_no_patients():
    assert len(choose_patients(pd.Series([], dtype=str), 0.5, 0)) == 0


def test_same_seed_same_choice_and_another_seed_another(patients):
    assert chosen_of(patients, 0.5, 1) == chosen_of(patients, 0.5, 1)
    assert chosen_of(patients, 0.5, 1) != chosen_of(patients, 0.5, 2)


def test_the_choice_is_the_same_in_every_process():
    names = pd.Series([f"patient{number}" for number in range(6)])
    assert chosen_of(names, 0.5, 0) == {"patient1", "patient4", "patient5"}


def test_the_order_of_the_rows_does_not_matter(patients):
    turned = patients.iloc[::-1].reset_index(drop=True)
    assert chosen_of(turned, 0.3) == chosen_of(patients, 0.3)


def test_a_larger_fraction_contains_a_smaller_one(patients):
    fractions = np.linspace(0, 1, 21)
    choices = [chosen_of(patients, fraction) for fraction in fractions]
    assert all(small <= large for small, large in zip(choices, choices[1:], strict=False))
    assert len(choices[-1]) == 60


def test_the_index_keeps_its_labels():
    patients = pd.Series(["a", "b", "a"], index=[7, 3, 5])
    assert list(choose_patients(patients, 0.5, 0).index) == [7, 3, 5]


def table(*rows):
    ids = [f"{row[0]}_{number}" for number, row in enumerate(rows)]
    return pd.DataFrame(rows, columns=["patient", "split", "source"]).assign(cxr_id=ids)


def test_patients_in_one_split_are_no_problem():
    problems = Problems()
    check_disjoint(
        table(("a", "train", "t:2"), ("a", "train", "t:3"), ("b", "test", "s:2")), problems
    )
    assert problems.found == []


def test_every_patient_in_two_splits_is_named_with_a_place():
    problems = Problems()
    rows = table(
        ("a", "train", "train.csv:2:Path"),
        ("a", "test", "test.csv:9:Path"),
        ("b", "train", "train.csv:3:Path"),
        ("c", "expert", "val.csv:2:Path"),
        ("c", "validation", "val.csv:3:Path"),
        ("c", "train", "train.csv:4:Path"),
    )
    check_disjoint(rows, problems)
    assert [(problem.where, problem.found) for problem in problems.found] == [
        ("test.csv:9:Path", "a in test and train"),
        ("train.csv:4:Path", "c in expert and train and validation"),
    ]


def test_one_table_given_for_two_splits_is_one_problem():
    rows = [
        (p, s, f"{s}.csv:{n}:Path") for s in ("train", "validation") for n, p in enumerate("abc")
    ]
    table = pd.DataFrame(rows, columns=["patient", "split", "source"])
    table["cxr_id"] = table["patient"] + "_1"
    problems = Problems()
    check_disjoint(table, problems)
    assert [(problem.where, problem.found, problem.expected) for problem in problems.found] == [
        ("train.csv:0:Path", "the 3 X-rays of validation", "X-rays of train")
    ]


def test_the_first_x_rays_are_part_of_more_of_them():
    ids = [f"x{number}" for number in range(100)]
    twenty, fifty = first_by_hash(ids, 20, 0), first_by_hash(ids, 50, 0)
    assert (len(twenty), len(fifty)) == (20, 50)
    assert set(twenty) < set(fifty)
    assert twenty == sorted(twenty, key=ids.index)
    assert set(first_by_hash(reversed(ids), 20, 0)) == set(twenty)
    assert set(first_by_hash(ids, 20, 1)) != set(twenty)
    # X-rays that are added, or left out, do not change the choice among the others.
    assert set(first_by_hash(ids[:-1], 20, 0)) >= set(twenty) - {ids[-1]}


def test_no_more_x_rays_than_there_are():
    assert first_by_hash(["b", "a"], 5, 0) == ["b", "a"]
    assert first_by_hash(["b", "a"], 0, 0) == []


def test_train_x_rays_are_the_same_for_all_that_take_so_many():
    assert first_of_train(["c", "a", "b"], None) == ["c", "a", "b"]
    # printf 0/a | sha256sum: d3...; 0/b: 7d...; 0/c: 28...
    assert first_of_train(["c", "a", "b"], 1) == ["c"]
    assert set(first_of_train(["c", "a", "b"], 2)) == {"c", "b"}


def test_fewer_train_x_rays_than_wanted():
    with pytest.raises(
        InputError, match="found 2 train X-rays, expected 3, as the config asks for"
    ):
        first_of_train(["a", "b"], 3)


def test_a_stratified_choice_takes_the_same_share_of_each_finding():
    patients = pd.Series([f"p{number}" for number in range(40)])
    rare = np.arange(40) < 4
    shows = pd.DataFrame({"common": np.arange(40) < 20, "rare": rare})
    chosen = choose_stratified(patients, shows, 0.25, seed=1)
    assert (chosen[rare].sum(), chosen[:20].sum(), chosen[20:].sum()) == (1, 5, 5)
    shuffled = np.random.default_rng(0).permutation(40)
    again = choose_stratified(patients[shuffled], shows.loc[shuffled], 0.25, seed=1)
    assert again.sort_index().equals(chosen)
    assert not choose_stratified(patients, shows, 0.25, seed=2).equals(chosen)


def test_a_stratified_choice_takes_whole_patients_and_never_all():
    patients, nothing = pd.Series(["a", "a", "b"]), pd.DataFrame({"x": [True, False, False]})
    chosen = choose_stratified(patients, nothing, 0.01, seed=0)
    assert chosen[0] == chosen[1] != chosen[2]
