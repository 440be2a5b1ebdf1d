"""Values that change nothing, and values that are written in another way: no runs of their own."""

import pytest

from chexseg.config.study import read_study
from tests.unit.config.small_config import good
from tests.unit.config.test_sweeps import made, runs, swept


def test_a_source_of_weight_0_is_none_on_which_a_run_depends():
    sweep = {"of": "both", "expert": [0.5, 1], "masks.irnet.walk.beta": [3, 8]}
    study = swept(sweep)
    assert study.unfolded.points["a"] == {
        "both-expert_0.5-irnet.walk.beta_3": {"expert": "0.5", "masks.irnet.walk.beta": "3"},
        "both-expert_0.5-irnet.walk.beta_8": {"expert": "0.5", "masks.irnet.walk.beta": "8"},
        "both-expert_1": {"expert": "1"},
    }
    assert study.segmenters["both-expert_1"].masks == {"expert": 1, "irnet": 0}
    config = good(sweeps={"a": sweep})
    config["segmenters"]["both"]["leave_out"] = {"irnet": ["Edema"]}
    assert runs(read_study(config)) == runs(study)
    assert read_study(config).segmenters["both-expert_1"].leave_out == {"irnet": ("Edema",)}


def test_a_setting_that_changes_nothing_given_the_others_makes_no_run():
    study = swept({"of": "full", "consistency": [0, 1], "confidence": [0.9, 0.95]})
    assert study.unfolded.points["a"] == {
        "full": {"consistency": "0"},
        "full-confidence_0.9-consistency_1": {"consistency": "1", "confidence": "0.9"},
        "full-consistency_1": {"consistency": "1", "confidence": "0.95"},
    }
    config = good(sweeps={"a": {"of": "full", "consistency": [0, 2], "confidence": [0.8, 0.9]}})
    config["segmenters"]["full"] |= {"consistency": 2, "confidence": 0.7}
    found = read_study(config)
    assert runs(found) == ["full-consistency_0", "full-confidence_0.8", "full-confidence_0.9"]
    assert found.segmenters["full-consistency_0"].confidence == 0.7


def test_of_keys_set_together_those_that_change_nothing_are_not_in_the_name():
    together = {"consistency": [0, 0, 1], "confidence": [0.8, 0.9, 0.9]}
    config = good(sweeps={"a": {"of": "full", "loose": together}})
    config["segmenters"]["full"] |= {"consistency": 2, "confidence": 0.7}
    study = read_study(config)
    assert study.unfolded.points["a"] == {
        "full-loose_0": {"loose": "0"}, "full-loose_1_0.9": {"loose": "1_0.9"},
    }  # fmt: skip


def test_settings_in_groups_that_change_nothing_make_no_copy():
    study = swept({"of": "both", "masks.irnet.labels.iterations": [0, 10],
                   "masks.irnet.labels.gaussian_sigma": [2, 3]})  # fmt: skip
    assert set(runs(study)) == {
        "both-irnet.labels.iterations_0", "both-irnet.labels.gaussian_sigma_2", "both",
    }  # fmt: skip
    assert made(study)["masks"] == {
        "irnet-labels.iterations_0", "irnet-labels.gaussian_sigma_2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("of", "key", "one", "other"),
    [
        ("both", "expert", 1, 1.0),
        ("both", "learning_rate", 1, 1.0),
        ("both", "masks.irnet.walk.beta", 8, 8.0),
        ("both", "selection", ["Edema"], ["Edema"]),
        ("both", "masks", ["irnet", "expert"], ["expert", "irnet"]),
    ],
)
def test_a_value_written_in_another_way_is_the_same_run(of, key, one, other):
    config = good(sweeps={"a": {"of": of, key: [one]}, "b": {"of": of, key: [other]}})
    config["classifiers"]["dense"]["stride"] = 16
    study = read_study(config)
    assert runs(study) == runs(study, "b") != [of]
    assert len(study.segmenters) == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("saliency.gradcam.scales", [1]), ("saliency.gradcam.scales", [1.0]),
        ("consistency", 0), ("weight_decay", 0), ("masks", ["irnet", "expert"]),
    ],
)  # fmt: skip
def test_the_segmenters_own_value_written_in_another_way_is_itself(key, value):
    config = good(sweeps={"a": {"of": "both", key: [value]}})
    config["segmenters"]["both"]["masks"] = ["expert", "irnet"]
    study = read_study(config)
    assert runs(study) == ["both"]
    assert made(study) == {}
