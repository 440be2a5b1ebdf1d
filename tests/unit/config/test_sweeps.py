"""Sweeps: which entries they unfold into, what these are called, and what they share."""

import copy
from pathlib import Path

import pytest
import yaml

from chexseg.config.entries import SECTIONS
from chexseg.config.study import load_study, read_study
from tests.unit.config.small_config import GOOD, good

ROOT = Path(__file__).parents[3]
NEW = {section: set(GOOD[section]) | ({"expert"} if section == "masks" else set())
       for section in SECTIONS}  # fmt: skip


def swept(*sweeps, **changes):
    """The good study with sweeps a, b, ..."""
    return read_study(good(sweeps=dict(zip("abc", sweeps, strict=False)), **changes))


def made(study):
    """Section -> names of the entries that the sweeps have made."""
    names = {section: set(getattr(study, section)) - NEW[section] for section in SECTIONS}
    return {section: found for section, found in names.items() if found}


def runs(study, sweep="a"):
    return list(study.unfolded.points[sweep])


# Settings of the segmenter itself


def test_values_in_all_combinations_are_runs_and_the_segmenters_own_value_is_itself():
    study = swept({"of": "full", "epochs": [10, 20], "encoder": ["resnet18", "resnet34"]})
    assert runs(study) == [
        "full-epochs_10", "full", "full-encoder_resnet34-epochs_10", "full-encoder_resnet34",
    ]  # fmt: skip
    assert set(study.segmenters) == {"both", *runs(study)}
    assert made(study) == {"segmenters": {*runs(study)} - {"full"}}
    entry = study.segmenters["full-encoder_resnet34-epochs_10"]
    assert (entry.epochs, entry.encoder, entry.masks) == (10, "resnet34", ("expert",))
    assert (
        entry.model_copy(update={"epochs": 20, "encoder": "resnet18"}) == study.segmenters["full"]
    )


def test_a_value_is_the_segmenters_own_if_it_is_written_inherited_or_the_default():
    written = swept({"of": "both", "initial_weights": ["res18"]})
    inherited = swept({"of": "both", "epochs": [3]}, defaults={"segmenters": {"epochs": 3}})
    default = swept({"of": "both", "epochs": [20], "learning_rate": [0.0001]})
    for study in (written, inherited, default):
        assert runs(study) == ["both"]
        assert made(study) == {}


def test_seeds_begin_with_the_segmenters_own():
    study = swept({"of": "both", "seeds": 3})
    assert runs(study) == ["both", "both-seed_8", "both-seed_9"]
    assert [study.segmenters[run].seed for run in runs(study)] == [7, 8, 9]
    assert runs(swept({"of": "both", "seed": [9, 1]})) == ["both-seed_9", "both-seed_1"]


def test_more_seeds_leave_the_other_runs_as_they_are():
    one = swept({"of": "both", "epochs": [1, 2], "seeds": 1})
    two = swept({"of": "both", "epochs": [1, 2], "seeds": 2})
    assert set(runs(two)) - set(runs(one)) == {"both-epochs_1-seed_8", "both-epochs_2-seed_8"}
    for run in runs(one):
        assert one.segmenters[run] == two.segmenters[run]


# Weights of sources


@pytest.mark.parametrize(
    ("masks", "weight", "expected"),
    [
        ({"expert": 0.9, "irnet": 0.1}, 0.3, {"expert": 0.3, "irnet": 0.7}),
        ({"expert": 9, "irnet": 1}, 0.7, {"expert": 0.7, "irnet": 0.3}),
        (["expert", "irnet"], 0.7, {"expert": 0.7, "irnet": 0.3}),
        ({"expert": 0.4, "irnet": 0.2, "cam": 0.4}, 0.7, {"expert": 0.7, "irnet": 0.1, "cam": 0.2}),
        ({"expert": 0.5, "irnet": 0.5}, 1, {"expert": 1, "irnet": 0}),
        ({"expert": 0.5, "irnet": 0.5}, "unweighted", ("expert", "irnet")),
    ],
)
def test_the_other_sources_get_the_rest(masks, weight, expected):
    config = good(sweeps={"a": {"of": "both", "expert": [weight]}})
    config["segmenters"]["both"]["masks"] = masks
    study = read_study(config)
    assert study.segmenters[f"both-expert_{weight}"].masks == expected
    assert runs(study) == [f"both-expert_{weight}"]


@pytest.mark.parametrize(
    ("masks", "weight"),
    [({"expert": 9, "irnet": 1}, 0.9), (["expert", "irnet"], "unweighted")],
)
def test_a_weight_that_the_segmenter_has_is_itself(masks, weight):
    config = good(sweeps={"a": {"of": "both", "expert": [weight]}})
    config["segmenters"]["both"]["masks"] = masks
    assert runs(read_study(config)) == ["both"]


# Settings of other entries


def test_the_entry_and_all_between_are_copied_and_nothing_else():
    study = swept({"of": "both", "classifiers.dense.epochs": [1, 3]})
    assert made(study) == {
        "classifiers": {"dense-epochs_1"},
        "saliency": {"gradcam-dense.epochs_1"},
        "masks": {"irnet-dense.epochs_1"},
        "segmenters": {"both-dense.epochs_1"},
    }
    assert study.classifiers["dense-epochs_1"].epochs == 1
    assert study.saliency["gradcam-dense.epochs_1"].classifiers == ("dense-epochs_1",)
    assert study.masks["irnet-dense.epochs_1"].saliency == "gradcam-dense.epochs_1"
    segmenter = study.segmenters["both-dense.epochs_1"]
    assert segmenter.masks == {"expert": 0.9, "irnet-dense.epochs_1": 0.1}
    assert segmenter.initial_weights == "res18"


def test_initial_weights_name_the_copy_of_their_classifier():
    study = swept({"of": "both", "classifiers.res18.seed": [8]})
    assert made(study) == {"classifiers": {"res18-seed_8"}, "segmenters": {"both-res18.seed_8"}}
    assert study.segmenters["both-res18.seed_8"].initial_weights == "res18-seed_8"


def test_a_learning_curve_selects_by_the_same_masks_everywhere():
    sweep = {"of": "full", "masks.expert.images": [5, 10, None]}
    study = swept(sweep)
    assert runs(study) == ["full-expert.images_5", "full-expert.images_10", "full"]
    assert made(study)["masks"] == {"expert-images_5", "expert-images_10"}
    segmenter = study.segmenters["full-expert.images_5"]
    assert (segmenter.masks, segmenter.validation) == (("expert-images_5",), "expert")
    said = good(sweeps={"a": sweep})
    said["segmenters"]["full"]["validation"] = "expert"
    assert read_study(said).segmenters == study.segmenters


def test_groups_of_settings_keep_their_other_keys():
    config = good(sweeps={"a": {"of": "both", "masks.irnet.walk.beta": [8], "expert": [0.5]}})
    config["masks"]["irnet"]["walk"] = {"radius": 4}
    study = read_study(config)
    walk = study.masks["irnet-walk.beta_8"].walk
    assert (walk.beta, walk.radius) == (8, 4)
    assert study.segmenters["both-expert_0.5-irnet.walk.beta_8"].masks == {
        "expert": 0.5, "irnet-walk.beta_8": 0.5
    }  # fmt: skip


def test_equal_copies_arise_once_whatever_sweep_they_are_of():
    one = {"of": "both", "classifiers.dense.epochs": [1], "expert": [0.5]}
    other = {"expert": [0.5, 0.9], "classifiers.dense.epochs": [3, 1], "of": "both"}
    study = swept(one, other)
    assert runs(study) == ["both-dense.epochs_1-expert_0.5"]
    assert set(runs(study)) < set(runs(study, "b"))
    assert made(study)["classifiers"] == {"dense-epochs_1"}
    assert len(made(study)["segmenters"]) == 3


def test_a_value_on_which_a_run_does_not_depend_makes_no_run_of_its_own():
    sweep = {"of": "both", "initial_weights": ["none", "res18"], "classifiers.res18.epochs": [1, 3]}
    study = swept(sweep)
    assert runs(study) == ["both-initial_weights_none", "both-res18.epochs_1", "both"]
    assert study.unfolded.points["a"] == {
        "both-initial_weights_none": {"initial_weights": "none"},
        "both-res18.epochs_1": {"initial_weights": "res18", "classifiers.res18.epochs": "1"},
        "both": {"initial_weights": "res18", "classifiers.res18.epochs": "3"},
    }


def test_names_with_dots_are_found():
    config = good(sweeps={"a": {"of": "f.1", "masks.drawn.v2.images": [5]}})
    config["masks"] |= {n: {"source": "drawn"} for n in ("drawn", "drawn.v2")}
    config["segmenters"]["f.1"] = {"masks": ["drawn.v2"]}
    assert runs(read_study(config)) == ["f.1-drawn.v2.images_5"]


# Several segmenters


def test_several_segmenters_have_all_combinations_each():
    study = swept({"of": ["both", "full"], "epochs": [5, 20]})
    assert runs(study) == ["both-epochs_5", "both", "full-epochs_5", "full"]
    assert made(study) == {"segmenters": {"both-epochs_5", "full-epochs_5"}}


def test_several_segmenters_may_have_no_other_factor():
    study = swept({"of": ["full", "both"]})
    assert runs(study) == ["full", "both"]
    assert made(study) == {}
    seeds = swept({"of": ["full", "both"], "seeds": 2})
    assert runs(seeds) == ["full", "full-seed_8", "both", "both-seed_8"]


# Keys that are set together


def test_the_first_key_names_the_values_if_its_own_differ():
    keys = {"epochs": [5, 6], "learning_rate": [0.1, 0.2]}
    study = swept({"of": "full", "pace": keys}, {"of": "full", "step": {**keys, "epochs": [7, 7]}})
    assert runs(study) == ["full-pace_5", "full-pace_6"]
    assert runs(study, "b") == ["full-step_7_0.1", "full-step_7_0.2"]
    assert study.unfolded.points["a"]["full-pace_5"] == {"pace": "5"}
    assert study.segmenters["full-pace_6"].learning_rate == 0.2


def test_keys_set_together_are_one_factor():
    number = [100, 200]
    sweep = {"of": "both", "labelled": {"classifiers.dense.train_images": number,
                                        "masks.irnet.images": number}}  # fmt: skip
    study = swept(sweep)
    assert runs(study) == ["both-labelled_100", "both-labelled_200"]
    assert made(study)["masks"] == {
        "irnet-dense.train_images_100-images_100", "irnet-dense.train_images_200-images_200",
    }  # fmt: skip
    assert study.unfolded.points["a"]["both-labelled_100"] == {"labelled": "100"}
    assert study.masks["irnet-dense.train_images_100-images_100"].images == 100


def test_keys_set_together_have_the_first_values_then_the_second():
    network = {"encoder": ["resnet18", "resnet34"], "initial_weights": ["res18", "imagenet"]}
    study = swept({"of": "both", "network": network})
    assert runs(study) == ["both", "both-network_resnet34"]
    entry = study.segmenters["both-network_resnet34"]
    assert (entry.encoder, entry.initial_weights) == ("resnet34", "imagenet")


# What the file says


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("learning_rate", 1e-05, "full-learning_rate_1e-05"),
        ("learning_rate", 1.0, "full-learning_rate_1"),
        ("samples_per_epoch", 5, "full-samples_per_epoch_5"),
        ("initial_weights", "none", "full-initial_weights_none"),
        ("initial_weights", "weights/moco.pt", "full-initial_weights_weights_moco.pt"),
        ("architecture", "fpn", "full-architecture_fpn"),
        ("masks", ["cam", "expert"], "full-masks_cam_expert"),
        ("masks.expert.share", 0.5, "full-expert.share_0.5"),
    ],
)
def test_names_say_key_and_value(key, value, name):
    assert runs(swept({"of": "full", key: [value]})) == [name]


def test_the_order_in_the_file_changes_no_entry_and_no_point():
    sweeps = {"b": {"of": "full", "seeds": 2}, "a": {"of": "both", "expert": [0.1], "epochs": [3]}}
    turned = {name: dict(reversed(sweeps[name].items())) for name in reversed(sweeps)}
    one, other = read_study(good(sweeps=sweeps)), read_study(good(sweeps=turned))
    assert one == other
    assert list(one.segmenters) == list(other.segmenters)
    assert list(one.unfolded.points) == list(other.unfolded.points) == ["a", "b"]


def test_reading_changes_no_mapping():
    config = good(sweeps={"a": {"of": "both", "masks.irnet.walk.beta": [1], "expert": [0.1]}})
    config["masks"]["irnet"]["walk"] = {"radius": 4}
    before = copy.deepcopy(config)
    read_study(config)
    assert config == before


def test_points_can_be_compared():
    config = good(
        sweeps={"a": {"of": "both", "expert": [0.5]}},
        contrasts={"gain": {"run": "both-expert_0.5", "against": "both"}},
    )
    assert read_study(config).contrasts["gain"].run == "both-expert_0.5"


def test_the_example_of_the_page_about_the_config():
    page = (ROOT / "config" / "README.md").read_text().partition("## Sweeps")[2]
    example = yaml.safe_load(page.partition("```yaml")[2].partition("```")[0])
    study = load_study(ROOT / "config" / "demo.yaml", overrides=example)
    seeds = ("", "-seed_1", "-seed_2")
    weights = ("-expert_0.1", "-expert_0.5", "", "-expert_unweighted")
    numbers = ("-expert.images_5", "-expert.images_10", "")
    assert {name: list(points) for name, points in study.unfolded.points.items()} == {
        "supervision": [f"{of}{seed}" for of in ("weak_cam", "full", "chexseg") for seed in seeds],
        "rho": [f"chexseg{weight}{seed}" for weight in weights for seed in seeds],
        "experts": [f"full{number}{seed}" for number in numbers for seed in seeds],
        "starts": ["full-initial_weights_none", "full"],
        "labels": ["weak_cam-labelled_200", "weak_cam-labelled_400"],
    }
