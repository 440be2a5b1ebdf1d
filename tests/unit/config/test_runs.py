"""The table of runs: a row for each run of each sweep, with what is so of the run."""

import csv

from chexseg.config.runs import COLUMNS, table_of_runs
from chexseg.config.study import read_study
from tests.unit.config.small_config import good


def rows_of(config):
    columns, lines = table_of_runs(read_study(config))
    return columns, [dict(zip(columns, cells, strict=True)) for cells in csv.reader(lines)]


def test_without_sweeps_the_runs_of_the_config_with_their_own_values():
    data = {"radiologist_masks": "CheXlocalize/hb_segmentations_test.json"}
    columns, lines = table_of_runs(read_study(good(data=data)))
    assert columns == COLUMNS == (
        "run", "sweep", "of", "masks", "weights", "encoder", "initial_weights", "seed",
    )  # fmt: skip
    assert lines == [
        "full,,full,expert,,resnet18,imagenet,7",
        "both,,both,expert irnet,0.9 0.1,resnet18,res18,7",
        "radiologists,,,,,,,",
    ]


SWEEPS = {
    "rho": {"of": "both", "expert": [0.5, 0.9, "unweighted"], "seeds": 2},
    "experts": {"of": "full", "masks.expert.images": [5, None]},
    "network": {
        "of": "both",
        "network": {"encoder": ["resnet34"], "initial_weights": ["none"]},
        "masks.irnet.walk.beta": [8],
    },
}


def test_a_row_for_each_run_of_each_sweep_and_for_each_run_of_the_config():
    columns, rows = rows_of(good(sweeps=SWEEPS))
    assert columns == (
        *COLUMNS,
        "expert",
        "masks.expert.images",
        "masks.irnet.walk.beta",
        "network",
    )
    assert [(row["sweep"], row["run"], row["of"]) for row in rows] == [
        ("", "full", "full"),
        ("", "both", "both"),
        ("experts", "full-expert.images_5", "full"),
        ("experts", "full", "full"),
        ("network", "both-irnet.walk.beta_8-network_resnet34", "both"),
        ("rho", "both-expert_0.5", "both"),
        ("rho", "both-expert_0.5-seed_8", "both"),
        ("rho", "both", "both"),
        ("rho", "both-seed_8", "both"),
        ("rho", "both-expert_unweighted", "both"),
        ("rho", "both-expert_unweighted-seed_8", "both"),
    ]


def test_columns_hold_what_is_so_of_the_run():
    _, rows = rows_of(good(sweeps=SWEEPS))
    by_name = {(row["sweep"], row["run"]): row for row in rows}

    def cells(sweep, run, *names):
        return [by_name[sweep, run][name] for name in names]

    run = "both-irnet.walk.beta_8-network_resnet34"
    names = ("masks", "weights", "encoder", "initial_weights", "network", "masks.irnet.walk.beta")
    assert cells("network", run, *names) == [
        "expert irnet-walk.beta_8", "0.9 0.1", "resnet34", "none", "resnet34", "8",
    ]  # fmt: skip
    assert cells("rho", "both-expert_0.5-seed_8", "expert", "weights", "seed", "network") == [
        "0.5", "0.5 0.5", "8", "",
    ]  # fmt: skip
    assert cells("rho", "both-expert_unweighted", "expert", "weights") == ["unweighted", ""]
    assert cells("", "both", "expert", "masks.irnet.walk.beta", "masks.expert.images") == [
        "0.9", "5", "none",
    ]  # fmt: skip
    assert cells("experts", "full-expert.images_5", "masks.expert.images", "expert", "masks") == [
        "5", "1", "expert-images_5",
    ]  # fmt: skip
    assert cells("", "full", "masks.irnet.walk.beta", "expert") == ["", "1"]


def test_masks_by_which_a_run_is_selected_do_not_count():
    config = good(sweeps={"a": {"of": "full", "masks.expert.images": [5]}})
    config["segmenters"]["weak"] = {"masks": ["irnet"]}
    _, rows = rows_of(config)
    assert {row["run"]: row["masks.expert.images"] for row in rows} == {
        "weak": "", "full": "none", "both": "none", "full-expert.images_5": "5",
    }  # fmt: skip


def test_a_source_that_weighs_nothing():
    config = good(sweeps={"a": {"of": "both", "expert": [1, 0]}})
    _, rows = rows_of(config)
    found = {row["run"]: (row["masks"], row["weights"], row["expert"]) for row in rows}
    assert found["both-expert_0"] == ("irnet", "", "0")
    assert found["both-expert_1"] == ("expert", "", "1")


def taught():
    """A student of a teacher, whose epochs are swept."""
    together = {"segmenters.full.epochs": [3, 5], "epochs": [3, 5]}
    config = good(
        sweeps={
            "a": {"of": "student", "segmenters.full.epochs": [3, 5]},
            "b": {"of": "student", "segmenters.full.seed": [1], "both": together},
        }
    )
    config["masks"]["taught"] = {"source": "segmenter", "segmenters": ["full"]}
    config["segmenters"]["student"] = {"masks": ["taught"]}
    return config


def test_every_segmenter_has_a_row():
    study = read_study(taught())
    _, rows = rows_of(taught())
    assert {row["run"] for row in rows} == {*study.segmenters}
    assert len(study.segmenters) == 3 + 2 + 2 + 2 + 2


def test_the_copy_of_a_teacher_has_a_row_with_its_original_and_the_values_of_factors():
    _, rows = rows_of(taught())
    found = {row["run"]: row for row in rows if row["of"] == "full"}
    names = ("sweep", "segmenters.full.epochs", "segmenters.full.seed", "both", "seed")
    assert {run: [row[name] for name in names] for run, row in found.items()} == {
        "full": ["", "20", "7", "", "7"],
        "full-epochs_3": ["", "3", "7", "", "7"],
        "full-epochs_5": ["", "5", "7", "", "7"],
        "full-epochs_3-seed_1": ["", "3", "1", "3", "1"],
        "full-epochs_5-seed_1": ["", "5", "1", "5", "1"],
    }
    assert len([row for row in rows if row["of"] == "full"]) == len(found)


def test_a_source_of_weight_0_has_no_settings_of_the_run():
    config = good(sweeps={"a": {"of": "both", "expert": [0.5, 1], "masks.irnet.walk.beta": [8]}})
    _, rows = rows_of(config)
    assert {row["run"]: row["masks.irnet.walk.beta"] for row in rows} == {
        "full": "", "both": "5", "both-expert_0.5-irnet.walk.beta_8": "8", "both-expert_1": "",
    }  # fmt: skip
