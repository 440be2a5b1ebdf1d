import pytest

from chexseg.config.contrasts import MOST_RUNS, Contrast, contrasts_of
from chexseg.config.study import read_study
from tests.unit.config.small_config import found_in, good, problems_of

HUMAN = {"radiologist_masks": "CheXlocalize/hb_segmentations_test.json"}


def segmenters(number):
    return {f"s{n}": {"masks": ["expert"]} for n in range(number)}


def contrasts(**changes):
    """The contrasts of a study: the runs of either side, as a string if there is one."""
    found = contrasts_of(read_study(good(**changes)))
    return {
        name: tuple(side if len(side) > 1 else side[0] for side in (c.run, c.against))
        for name, c in found.items()
    }


def seeds(*names):
    """The good config with these segmenters beside its own."""
    return {name: {"masks": ["expert"], "seed": n} for n, name in enumerate(names)}


def test_contrasts_are_those_that_the_study_names_by_name():
    named = {
        "gain": {"run": "both", "against": "full"},
        "a_human": {"run": "full", "against": "radiologists"},
    }
    assert list(contrasts(contrasts=named, data=HUMAN).items()) == [
        ("a_human", ("full", "radiologists")), ("gain", ("both", "full"))
    ]  # fmt: skip


def test_without_names_every_two_runs_are_compared():
    assert contrasts(data=HUMAN) == {
        "both_vs_full": ("both", "full"),
        "radiologists_vs_full": ("radiologists", "full"),
        "radiologists_vs_both": ("radiologists", "both"),
    }


def test_without_names_and_with_many_runs_none_are_compared():
    config = good()
    config["segmenters"] = segmenters(MOST_RUNS)
    assert len(contrasts_of(read_study(config))) == MOST_RUNS * (MOST_RUNS - 1) / 2
    config["data"] = HUMAN
    assert contrasts_of(read_study(config)) == {}
    config["contrasts"] = {"gain": {"run": "s1", "against": "s0"}}
    assert contrasts_of(read_study(config)) == {"gain": Contrast(("s1",), ("s0",))}


def test_groups_of_seeds_in_the_order_in_which_they_are_named():
    named = {
        "gain": {"run": ["a2", "a1"], "against": ["b1", "b2"]},
        "human": {"run": "radiologists", "against": ["a1", "a2"]},
        "single": {"run": ["a1"], "against": "b1"},
    }
    found = contrasts(contrasts=named, segmenters=seeds("a1", "a2", "b1", "b2"), data=HUMAN)
    assert found == {
        "gain": (("a2", "a1"), ("b1", "b2")),
        "human": ("radiologists", ("a1", "a2")),
        "single": ("a1", "b1"),
    }


@pytest.mark.parametrize(
    ("run", "against", "found", "remedy"),
    [
        (["a1", "a3"], ["b1", "b2"], "'a3'", "Did you mean 'a2'?"),
        (["a1", "a2"], ["b1", "a2"], "'a2' against itself", "Correct it."),
        (["a1", "a1"], ["b1", "b2"], "'a1' twice", "Delete one."),
        (["a1", "a2"], ["b1"], "2 runs against 1", "Name one run of each seed"),
        (["a1", "a2"], "b1", "2 runs against 1", "Name one run of each seed"),
        ("a1", ["b1", "b2"], "1 run against 2", "Name one run of each seed"),
        (["radiologists", "a1"], ["b1", "b2"], "'radiologists' among seeds", "Name it alone."),
        ([], ["b1"], "[] for 'contrasts.c.run'", "Correct 'contrasts.c.run'."),
        ([7], ["b1"], "7 for 'contrasts.c.run.0'", "Correct 'contrasts.c.run.0'."),
    ],
)
def test_what_is_wrong_with_groups_of_seeds(run, against, found, remedy):
    config = good(
        contrasts={"c": {"run": run, "against": against}},
        segmenters=seeds("a1", "a2", "b1", "b2"), data=HUMAN,
    )  # fmt: skip
    [(what, how)] = found_in(config)
    assert what == found
    assert how.startswith(remedy)


def test_a_wrong_run_of_a_group_is_told_with_row_and_column(tmp_path):
    text = (
        "study: s\nphantom: {}\nsegmenters: {full: {masks: [expert]}, other: {masks: [expert]}}\n"
        "contrasts:\n  gain:\n    run: [full]\n    against:\n      - othr\n"
    )
    [problem] = problems_of(text, tmp_path)
    assert problem[0] == "8:9"
    assert problem[3] == "Did you mean 'other'?"


@pytest.mark.parametrize(
    ("entry", "found", "remedy"),
    [
        ({"run": "boht", "against": "full"}, "'boht'", "Did you mean 'both'?"),
        ({"run": "both", "against": "ful"}, "'ful'", "Did you mean 'full'?"),
        ({"run": "both", "against": "both"}, "'both' against itself", "Correct it."),
        ({"run": "both", "agianst": "full"}, "unknown key 'contrasts.c.agianst'", "Did you mean"),
        ({"run": "both"}, "no 'contrasts.c.against'", "Add 'against'."),
    ],
)
def test_what_is_wrong_with_a_contrast(entry, found, remedy):
    problems = found_in(good(contrasts={"c": entry}))
    assert any(f == found and r.startswith(remedy) for f, r in problems)


def test_the_human_is_a_run_only_where_there_are_masks_of_one():
    named = {"c": {"run": "radiologists", "against": "full"}}
    assert found_in(good(contrasts=named))[0][0] == "'radiologists'"
    assert contrasts(contrasts=named, data=HUMAN) == {"c": ("radiologists", "full")}


def test_a_wrong_run_is_told_with_row_and_column(tmp_path):
    text = (
        "study: s\nphantom: {}\nsegmenters: {full: {masks: [expert]}}\n"
        "contrasts:\n  gain: {run: full, against: fulll}\n"
    )
    [problem] = problems_of(text, tmp_path)
    assert problem[0] == "5:21"
    assert problem[3] == "Did you mean 'full'?"


def test_an_unknown_metric_proposes_the_nearest():
    [(found, remedy)] = found_in(good(evaluation={"metrics": ["iou_datset"]}))
    assert found == "'iou_datset' for 'evaluation.metrics.0'"
    assert remedy == "Did you mean 'iou_dataset'?"


SWEPT = {"sweeps": {"s": {"of": "full", "seeds": 3}, "b": {"of": "both", "seeds": 3}}}


def test_all_seeds_of_both_runs():
    named = {"gain": {"run": "both", "against": "full", "all_seeds": True}}
    assert contrasts(contrasts=named, **SWEPT) == {
        "gain": (("both", "both-seed_8", "both-seed_9"), ("full", "full-seed_8", "full-seed_9"))
    }  # the study's seed is 7
    human = {"human": {"run": "full", "against": "radiologists", "all_seeds": True}}
    assert contrasts(contrasts=human, data=HUMAN, **SWEPT) == {
        "human": (("full", "full-seed_8", "full-seed_9"), "radiologists")
    }


def test_all_seeds_leave_out_runs_that_differ_in_more():
    sweeps = {"s": {"of": "full", "epochs": [20, 30], "seeds": 2}, "b": {"of": "both", "seeds": 2}}
    named = {"gain": {"run": "both", "against": "full-epochs_30", "all_seeds": True}}
    assert contrasts(contrasts=named, sweeps=sweeps) == {
        "gain": (("both", "both-seed_8"), ("full-epochs_30", "full-epochs_30-seed_8"))
    }


def test_the_same_run_twice_is_one_seed():
    twin = {"twin": good()["segmenters"]["full"]}
    named = {"gain": {"run": "both", "against": "twin", "all_seeds": True}}
    assert contrasts(contrasts=named, segmenters=twin) == {"gain": ("both", "twin")}


def test_all_seeds_must_be_the_same_on_both_sides():
    config = good(sweeps={"s": {"of": "full", "seeds": 3}, "b": {"of": "both", "seed": [7, 9, 10]}})
    config["contrasts"] = {"gain": {"run": "both", "against": "full", "all_seeds": True}}
    assert found_in(config) == [
        (
            "seeds 7, 9, 10 against 7, 8, 9",
            "Sweep both over the same seeds, or name the runs in lists.",
        )
    ]
    config["data"] = HUMAN
    config["contrasts"] = {
        "gain": {"run": ["radiologists", "full"], "against": "both", "all_seeds": True}
    }
    assert "'radiologists' among seeds" in [found for found, _ in found_in(config)]
    config["contrasts"] = {"gain": {"run": "both", "against": "full", "all_seeds": True}}
    config["contrasts"]["gain"]["against"] = "ful"
    assert [found for found, _ in found_in(config)][0] == "'ful'"
