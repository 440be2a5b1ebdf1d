"""Groups of runs that differ in nothing but their training seed."""

from chexseg.config.seeds import groups_of_seeds
from chexseg.config.study import read_study
from tests.unit.config.small_config import good


def test_every_run_is_in_one_group_called_like_what_the_config_writes():
    sweeps = {
        "a": {"of": ["full", "both"], "seeds": 2},
        "b": {"of": "full", "epochs": [5, 20], "seeds": 2},
    }
    assert groups_of_seeds(read_study(good(sweeps=sweeps))) == {
        "full": ("full", "full-seed_8"),
        "full-epochs_5": ("full-epochs_5", "full-epochs_5-seed_8"),
        "both": ("both", "both-seed_8"),
    }


def test_equal_entries_are_in_groups_of_their_own():
    written = {"again": {"masks": ["expert"]}, "later": {"masks": ["expert"], "seed": 9}}
    groups = groups_of_seeds(read_study(good(segmenters=written)))
    assert groups == {"again": ("again", "later"), "full": ("full",), "both": ("both",)}


def test_the_second_reader_is_alone():
    data = {"radiologist_masks": "CheXlocalize/hb_segmentations_test.json"}
    assert groups_of_seeds(read_study(good(data=data)))["radiologists"] == ("radiologists",)
