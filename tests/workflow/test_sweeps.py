"""A sweep that grows by a value, by a seed, by a number of masks: only what is new runs."""

import copy
import os
from pathlib import Path

import pytest

from tests.workflow.stand_in import DEMO, read, running, stand_in

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("reruns")]

SWEEPS = {
    "rho": {"of": "chexseg", "expert": [0.5, 0.85], "seeds": 1},
    "experts": {"of": "full", "masks.expert.images": [5, 10]},
}
"""Of a study that is finished; chexseg has the weight 0.85 anyway."""

BEHIND = {
    "list_runs", "list_trainings", "score_runs", "average_seeds", "compare_runs", "draw_figure gallery",
    "draw_figure gallery_best", "draw_figure gallery_worst", "draw_figure bars",
    "draw_figure curves", "draw_figure lineage", "draw_figure comparisons", "draw_figure human",
    "write_table result", "write_table table",
    *(f"{rule}-{sweep}" for rule in ("draw_figure sweep", "write_table sweep_table")
      for sweep in ("rho", "experts")),
}  # fmt: skip
"""What depends on every run."""


def swept(**changes):
    config = copy.deepcopy(DEMO)
    config["sweeps"] = {name: {**SWEEPS[name], **changes.get(name, {})} for name in SWEEPS}
    return config


def of_runs(*names):
    rules = ("train_segmenter", "predict_masks", "count_overlaps")
    return {f"{rule} {name}" for rule in rules for name in names} | BEHIND


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of the finished study, stood in for."""
    folder, before = tmp_path_factory.mktemp("sweeps"), Path.cwd()
    os.chdir(folder)
    try:
        for job in read(swept()):
            stand_in(job)
    finally:
        os.chdir(before)
    return folder


ADDED = {
    "a weight": (
        {"rho": {"expert": [0.3, 0.5, 0.85]}},
        of_runs("chexseg-expert_0.3"),
    ),
    "a seed": (
        {"rho": {"seeds": 2}},
        of_runs("chexseg-seed_1", "chexseg-expert_0.5-seed_1"),
    ),
    "a number of experts' masks": (
        {"experts": {"masks.expert.images": [5, 7, 10]}},
        of_runs("full-expert.images_7")
        | {"make_masks expert-images_7 0000", "make_masks expert-images_7 0001"},
    ),
    "a factor": (
        {"rho": {"decoder_channels": [64, 128]}},
        of_runs("chexseg-decoder_channels_128", "chexseg-decoder_channels_128-expert_0.5"),
    ),
}  # fmt: skip


def test_the_finished_study_has_nothing_to_do(finished, monkeypatch):
    monkeypatch.chdir(finished)
    assert running(read(swept())) == set()


@pytest.mark.parametrize("added", ADDED)
def test_what_is_added_to_a_sweep_runs_and_nothing_else(finished, monkeypatch, added):
    monkeypatch.chdir(finished)
    changes, expected = ADDED[added]
    assert running(read(swept(**changes))) == expected


def test_a_sweep_over_a_saliency_map_shares_what_does_not_depend_on_it(finished, monkeypatch):
    monkeypatch.chdir(finished)
    config = swept()
    config["sweeps"]["maps"] = {"of": "weak_irnet", "saliency.gradcam.batch_size": [8]}
    maps, irnet = "gradcam-batch_size_8", "irnet-gradcam.batch_size_8"
    shards = [(rule, name) for rule, name in (
        ("compute_saliency", maps), ("label_affinity", irnet), ("compute_affinity", irnet),
        ("make_masks_on_gpu", irnet),
    )]  # fmt: skip
    scored = {"score_masks", "draw_figure mask_quality"}
    scored |= {"draw_figure sweep-maps", "write_table sweep_table-maps"}
    expected = scored | {
        f"{rule} {name} {shard}" for rule, name in shards for shard in ("0000", "0001")
    }
    assert running(read(config)) == (
        of_runs("weak_irnet-gradcam.batch_size_8") | expected | {f"train_irnet {irnet}"}
    )


def test_a_sweep_over_the_random_walk_trains_no_irnet_again(finished, monkeypatch):
    monkeypatch.chdir(finished)
    config = swept()
    config["sweeps"]["walks"] = {"of": "weak_irnet", "masks.irnet.walk.beta": [3, 5]}
    known = {"masks.irnet.blank": ["ignore"], "masks.irnet.uncertain": ["ones"],
             "masks.irnet.certain_background": [0.1]}  # fmt: skip
    config["sweeps"]["gates"] = {"of": "weak_irnet", "known": known}
    masks = ("walk.beta_3", "walk.beta_5", "blank_ignore-certain_background_0.1-uncertain_ones")
    found = running(read(config))
    assert {name for name in found if name.startswith("make_masks")} == {
        f"make_masks_on_gpu irnet-{name} {shard}" for name in masks for shard in ("0000", "0001")
    }
    assert not [name for name in found if "affinity" in name or "train_irnet" in name]


def test_entries_with_equal_edge_maps_share_them(finished, monkeypatch):
    monkeypatch.chdir(finished)
    config = swept()
    config["sweeps"]["walks"] = {
        "of": "weak_irnet", "masks.irnet.walk.beta": [3, 4], "masks.irnet.labels.foreground": [0.3],
    }  # fmt: skip
    stages = ("label_affinity", "train_irnet", "compute_affinity")
    owner = "irnet-labels.foreground_0.3-walk.beta_3"
    assert {name for name in running(read(config)) if name.startswith(stages)} == {
        f"train_irnet {owner}",
        *(f"{stage} {owner} {shard}" for stage in (stages[0], stages[2])
          for shard in ("0000", "0001")),
    }  # fmt: skip


def test_a_sweep_that_names_only_what_there_is_lists_it_and_computes_nothing(finished, monkeypatch):
    monkeypatch.chdir(finished)
    config = swept()
    config["sweeps"]["again"] = {"of": "chexseg", "expert": [0.5], "encoder": ["resnet18"]}
    of_sweeps = ("rho", "experts", "again")
    listed = {"list_runs", "write_table result"}  # and all that show the table of runs
    listed |= {f"draw_figure sweep-{name}" for name in of_sweeps}
    assert running(read(config)) == listed | {f"write_table sweep_table-{n}" for n in of_sweeps}
