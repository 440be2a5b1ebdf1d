import copy
from pathlib import Path

import pytest
import yaml

from chexseg.config.contrasts import contrasts_of
from chexseg.config.flags import flags
from chexseg.config.links import runs_of
from chexseg.config.study import load_study, read_study
from chexseg.mask_sources.drawn import Drawn
from chexseg.mask_sources.irnet import IRNet
from chexseg.mask_sources.threshold import Threshold
from tests.unit.config.small_config import GOOD, good

CONFIGS = Path(__file__).parents[3] / "config"

# What is read


@pytest.mark.parametrize(
    "name", ["demo", "chexpert", "phantom-study", "chexpert-study", "chexpert-as-published"]
)
def test_shipped_configs_load(name):
    study = load_study(CONFIGS / f"{name}.yaml")
    assert study.study == name
    assert {"weak_cam", "weak_irnet", "full", "chexseg"} <= set(study.segmenters)


@pytest.mark.parametrize(("name", "pretrained_on"), [("doll", 13), ("chexpert-doll", 14)])
def test_configs_of_doll_load(name, pretrained_on):
    study = load_study(CONFIGS / f"{name}.yaml")
    assert study.study == name
    runs = {"scratch", "classifier", "cam", "one_model", "doll_encoder", "doll"}
    assert runs <= set(runs_of(study))
    assert not {"pretrained_doll", "pretrained_one_model", "pretrained_cam"} & set(runs_of(study))
    assert len(study.masks["doll"].classes_of(study)) == pretrained_on
    assert all(len(each.run) == 3 for each in contrasts_of(study).values())  # training seeds


def test_the_config_that_users_edit_loads():
    study = load_study(CONFIGS / "config.yaml")
    assert (study.study, list(study.segmenters)) == ("mine", ["weak", "full", "mixed"])


def test_a_good_config_is_read():
    study = read_study(good())
    assert study.study == "small"
    kinds = {"cam": Threshold, "expert": Drawn, "irnet": IRNet}
    assert {name: type(source) for name, source in study.masks.items()} == kinds
    assert study.segmenters["both"].masks == {"expert": 0.9, "irnet": 0.1}
    assert study.data.images.image_size == 320


def test_the_config_is_not_changed_by_reading_it():
    config = good(defaults={"segmenters": {"epochs": 2}})
    before = copy.deepcopy(config)
    read_study(config)
    assert config == before


def test_later_files_override_earlier_ones_key_by_key(tmp_path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(good()))
    (tmp_path / "b.yaml").write_text("seed: 8\nclassifiers: {dense: {epochs: 5}}\n")
    study = load_study(tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert study.seed == 8
    assert study.classifiers["dense"].epochs == 5
    assert study.classifiers["dense"].architecture == "densenet121"
    assert list(study.classifiers) == ["dense", "res18"]


def test_yaml_1_1_reads_1e_4_as_text_and_we_as_a_number(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: s\nphantom: {}\nclassifiers: {a: {learning_rate: 1e-4}}\n")
    assert load_study(path).classifiers["a"].learning_rate == 0.0001


# What entries inherit


def test_an_entry_wins_over_the_defaults_of_its_section():
    config = good(
        defaults={"classifiers": {"epochs": 9, "stride": 16}, "segmenters": {"epochs": 4}},
        classifiers={"dense": {"epochs": 2}},
    )
    study = read_study(config)
    assert (study.classifiers["dense"].epochs, study.classifiers["dense"].stride) == (2, 16)
    assert (study.classifiers["res18"].epochs, study.classifiers["res18"].stride) == (9, 16)
    assert [entry.epochs for entry in study.segmenters.values()] == [4, 4]


def seeds(study):
    return {
        "index": study.data.index.seed,
        "phantom": study.phantom.seed,
        "classifier": study.classifiers["dense"].seed,
        "drawn": study.masks["expert"].seed,
        "irnet": study.masks["irnet"].training.seed,
        "segmenter": study.segmenters["full"].seed,
        "evaluation": study.evaluation.seed,
    }


def seeded(settings):
    """The places of all fields `seed` in nested settings."""
    found = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        parts = value.values() if isinstance(value, dict) else [value]
        for part in parts:
            if hasattr(type(part), "model_fields"):
                found += [(name, *place) for place in seeded(part)]
        if name == "seed":
            found.append((name, value))
    return found


def test_the_seed_of_the_study_reaches_every_seeded_setting():
    study = read_study(good())
    assert set(seeds(study).values()) == {7}
    every = seeded(study)
    assert len(every) == 1 + len(seeds(study)) + 2  # the study's own; two more models
    assert {place[-1] for place in every} == {7}


def test_an_own_seed_wins_over_the_seed_of_the_study():
    config = good(
        data={"index": {"seed": 1}},
        phantom={"seed": 2},
        classifiers={"dense": {"seed": 3}},
        evaluation={"seed": 5},
        defaults={"segmenters": {"seed": 6}},
    )
    config["masks"]["irnet"]["training"] = {"seed": 4}
    assert seeds(read_study(config)) == {
        "index": 1, "phantom": 2, "classifier": 3, "irnet": 4, "evaluation": 5, "segmenter": 6,
        "drawn": 7,
    }  # fmt: skip


def test_the_order_of_keys_does_not_change_flags():
    def turned(value):
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return value

    config = good(
        classifiers={"dense": {"epochs": 2, "seed": 1, "stride": 8}},
        defaults={"segmenters": {"epochs": 2, "batch_size": 4}},
    )
    one, other = read_study(config), read_study(turned(config))
    assert list(one.classifiers) == list(other.classifiers) == ["dense", "res18"]
    for name in GOOD["classifiers"]:
        assert flags(one.classifiers[name]) == flags(other.classifiers[name])
    for name in GOOD["segmenters"]:
        assert flags(one.segmenters[name]) == flags(other.segmenters[name])


# Masks: a list, or weights


def mixture(masks):
    config = good(segmenters={"both": {"masks": masks, "initial_weights": "none"}})
    return read_study(config).segmenters["both"].mixture()


@pytest.mark.parametrize(
    ("masks", "names", "weights"),
    [
        (["irnet", "expert"], ("expert", "irnet"), ()),
        (["cam", "expert", "irnet"], ("cam", "expert", "irnet"), ()),
        ({"irnet": 0.15, "expert": 0.85}, ("expert", "irnet"), (0.85, 0.15)),
        ({"expert": 3, "irnet": 1}, ("expert", "irnet"), (0.75, 0.25)),
        ({"expert": 1, "irnet": 0}, ("expert",), ()),
        ({"expert": 0.3}, ("expert",), ()),
    ],
)
def test_the_masks_of_a_segmenter(masks, names, weights):
    assert mixture(masks) == (names, weights)


def test_every_study_has_the_masks_that_experts_drew():
    study = read_study(good(data={"pathologies": ["Edema", "Atelectasis"]}))
    settings = study.masks["expert"].settings(study)
    assert settings.classes == ("Edema", "Atelectasis")
    assert flags(settings) == (
        "--classes Edema Atelectasis --complete True --split expert --number None --share None"
    )
    config = good(masks={"expert": {"source": "drawn", "images": 20}})
    study = read_study(config)
    assert flags(study.masks["expert"].settings(study)).endswith(
        "--number 20 --share None --seed 7"
    )


# Settings that change nothing do not reach the command


@pytest.mark.parametrize(
    ("entry", "key", "value", "reaches"),
    [
        ({"stride": 32}, "dilate", True, False),
        ({"stride": 16}, "dilate", True, True),
    ],
)
def test_a_setting_of_a_classifier_that_changes_nothing(entry, key, value, reaches):
    one = read_study(good(classifiers={"dense": entry})).classifiers["dense"]
    other = read_study(good(classifiers={"dense": {**entry, key: value}})).classifiers["dense"]
    assert (flags(one) != flags(other)) == reaches


CRF = {
    "gaussian_sigma": 1, "gaussian_compatibility": 1, "bilateral_sigma": 1, "intensity_sigma": 1,
    "bilateral_compatibility": 1, "ground_truth_probability": 0.6,
}  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "unused"),
    [
        ({}, set()),
        ({"iterations": 0}, set(CRF) - {"ground_truth_probability"}),
        ({"gaussian_compatibility": 0}, {"gaussian_sigma"}),
        ({"bilateral_compatibility": 0}, {"bilateral_sigma", "intensity_sigma"}),
    ],
)
def test_settings_of_a_crf_that_change_nothing(labels, unused):
    def flags_with(**changes):
        config = good(masks={"irnet": {**GOOD["masks"]["irnet"], "labels": {**labels, **changes}}})
        return flags(read_study(config).masks["irnet"].labels)

    silent = {key for key, value in CRF.items() if key not in labels
              and flags_with(**{key: value}) == flags_with()}  # fmt: skip
    assert silent == unused
