"""Which entries share the artifacts of stages before their masks."""

from chexseg.config.paths import Paths
from chexseg.config.study import read_study
from tests.unit.config.small_config import good


def owners(irnets, **changes):
    config = good(**changes)
    config["masks"] |= {name: {**config["masks"]["irnet"], **e} for name, e in irnets.items()}
    return Paths(read_study(config)).owners


def test_entries_that_differ_in_what_is_done_with_edge_maps_share_them():
    found = owners(
        {
            "another": {"walk": {"beta": 3}},
            "band": {"certain_background": 0.2, "uncertain": "ones", "blank": "ignore"},
            "few": {"images": 9},
            "labels": {"labels": {"foreground": 0.3}},
            "training": {"training": {"epochs": 9}},
            "affinity": {"affinity": {"batch_size": 9}},
            "backbone": {"backbone": "imagenet"},
            "network": {"backbone_architecture": "resnet18"},
        }
    )
    shared = {"irnet": "band", "another": "band", "band": "band"}
    alone = ("few", "labels", "training", "affinity", "backbone", "network")
    assert found == shared | {name: name for name in alone}


def test_settings_that_change_nothing_do_not_part_them():
    one = {"labels": {"iterations": 0, "gaussian_sigma": 2}}
    other = {"labels": {"iterations": 0, "gaussian_sigma": 4}}
    assert owners({"a": one, "b": other}) == {"irnet": "irnet", "a": "a", "b": "a"}


def test_copies_use_those_of_an_entry_that_the_config_names():
    sweep = {
        "of": "both",
        "masks.irnet.walk.beta": [1, 3],
        "masks.irnet.labels.foreground": [0.3, 0.25],
    }
    found = owners(
        {"an_entry_with_a_long_name": {"labels": {"foreground": 0.3}}}, sweeps={"a": sweep}
    )
    named = "an_entry_with_a_long_name"
    assert found == {
        "irnet": "irnet", named: named,
        "irnet-walk.beta_1": "irnet", "irnet-walk.beta_3": "irnet",
        "irnet-labels.foreground_0.3-walk.beta_1": named,
        "irnet-labels.foreground_0.3-walk.beta_3": named,
    }  # fmt: skip
