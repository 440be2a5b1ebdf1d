import pytest

from chexseg.config.links import MOST_RUNS, contrasts_of
from chexseg.config.study import read_study
from tests.unit.config.small_config import found_in, good, problems_of

HUMAN = {"radiologist_masks": "CheXlocalize/hb_segmentations_test.json"}


def segmenters(number):
    return {f"s{n}": {"masks": ["expert"]} for n in range(number)}


def contrasts(**changes):
    return contrasts_of(read_study(good(**changes)))


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
    assert contrasts_of(read_study(config)) == {"gain": ("s1", "s0")}


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
