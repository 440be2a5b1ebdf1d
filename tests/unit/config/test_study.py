import copy
from pathlib import Path

import pytest
import yaml

from chexseg.config.settings import flags
from chexseg.config.study import (
    IRNetEntry,
    ThresholdEntry,
    load_study,
    read_study,
)
from tests.unit.config.small_config import GOOD, good

CONFIGS = Path(__file__).parents[3] / "config"

# What is read


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configs_load(path):
    study = load_study(path)
    assert study.study == path.stem
    assert list(study.segmenters) == ["weak_cam", "weak_irnet", "full", "chexseg"]


def test_a_good_config_is_read():
    study = read_study(good())
    assert study.study == "small"
    assert isinstance(study.pseudo_masks["cam"], ThresholdEntry)
    assert isinstance(study.pseudo_masks["irnet"], IRNetEntry)
    assert study.segmenters["both"].masks == ("expert", "irnet")
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
        "irnet": study.pseudo_masks["irnet"].training.seed,
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
    config["pseudo_masks"]["irnet"]["training"] = {"seed": 4}
    assert seeds(read_study(config)) == {
        "index": 1, "phantom": 2, "classifier": 3, "irnet": 4, "evaluation": 5, "segmenter": 6,
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
