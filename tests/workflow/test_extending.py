"""docs/extending.md as it stands: its package of methods, installed beside ours, in a study."""

import csv
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from PIL import Image

from chexseg import catalog
from chexseg.data.masks import encode, write_masks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text()
FILES = dict(re.findall(r"```python\n# more/(\w+\.py)\n(.*?)```", PAGE, re.S))
POINTS = tomllib.loads(re.search(r"```toml\n(.*?)```", PAGE, re.S)[1])["project"]["entry-points"]
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.S)]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("extending")]

STUDY = {
    "study": "more",
    "phantom": {"train_images": 24, "val_images": 8, "test_images": 6, "longest_side": 72},
    "data": {"index": {"expert_fraction": 0.5}, "images": {"image_size": 64}},
    "defaults": {
        "classifiers": {"initial_weights": "none", "epochs": 1},
        "segmenters": {
            "architecture": "unet", "initial_weights": "none", "epochs": 1, "decoder_channels": 16,
        },
    },
    "classifiers": {"densenet": {"architecture": "densenet_small", "stride": 8}},
    "masks": {"cut": {"source": "threshold", "saliency": "gradient"}},
    "segmenters": {"full": {"masks": ["expert"]}, "weak": {"masks": ["cut"]}},
    "evaluation": {"replicates": 20},
}  # fmt: skip


def with_examples():
    """The study with the examples of the page, but that of the layout."""
    study = {section: dict(entries) if isinstance(entries, dict) else entries
             for section, entries in STUDY.items()}  # fmt: skip
    for example in EXAMPLES:
        for section, entries in example.items():
            if section != "data":
                study.setdefault(section, {}).update(entries)
    return study


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    """Folder with the package of the page, as an installation would leave it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "more").mkdir()
    (folder / "more" / "__init__.py").touch()
    for name, text in FILES.items():
        (folder / "more" / name).write_text(text)
    installed = folder / "more-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: more\nVersion: 1.0\n")
    lines = (f"[{group}]\n" + "".join(f"{name} = {at}\n" for name, at in points.items())
             for group, points in POINTS.items())  # fmt: skip
    (installed / "entry_points.txt").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def extended(more, new_workflow, tmp_path_factory):
    """A workflow in a folder of its own, for which the package is installed."""
    workflow = new_workflow(tmp_path_factory.mktemp("extended"))
    workflow.environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{more}"
    return workflow


@pytest.fixture(scope="module")
def study(extended):
    """The study with a method of every kind, computed."""
    config = extended.write(with_examples())
    extended.run(config)
    return extended, config


def test_the_page_has_an_example_of_every_kind():
    assert {group.removeprefix("chexseg.") for group in POINTS} == {
        kind for kind in catalog.METHODS if kind != "architecture"
    }
    modules = {at.split(":")[0] for points in POINTS.values() for at in points.values()}
    assert modules == {f"more.{name.removesuffix('.py')}" for name in FILES}


def test_methods_of_another_package_make_a_study(study):
    folder = study[0].folder / "results" / "more"
    with (folder / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["run"] for row in rows} == {
        "full",
        "weak",
        "student",
        "linked",
        "focused",
        "normed",
    }
    assert {row["metric"] for row in rows} == {"iou_dataset", "area_ratio"}
    for row in (row for row in rows if row["pathology"] == "mean"):
        iou = next(other["value"] for other in rows if other["metric"] == "iou_dataset"
                   and (other["run"], other["pathology"]) == (row["run"], "mean"))  # fmt: skip
        assert float(row["value"]) >= float(iou)
    assert (folder / "figures" / "areas.png").stat().st_size > 5000
    with h5py.File(folder / "saliency" / "gradient" / "0000.h5") as store:
        assert store["values"].shape[1:] == (10, 8, 8)
        assert np.isfinite(store["values"][:]).all()


def test_taught_masks_are_gated_by_labels_and_teach_train_x_rays(study):
    folder = study[0].folder / "results" / "more"
    with (folder / "index.csv").open(newline="") as file:
        index = {row["cxr_id"]: row for row in csv.DictReader(file)}
    with h5py.File(folder / "masks" / "taught" / "0000.h5") as store:
        import json

        meta = json.loads(store.attrs["meta"])
        masks = np.unpackbits(store["values"][:], axis=-1)
        ids = list(store["id"].asstr())
    assert meta["splits"] == ["train"]
    drawn = 0
    for cxr_id, mask in zip(ids, masks, strict=True):
        for name, channel in zip(meta["classes"], mask, strict=True):
            drawn += channel.any()
            assert not channel.any() or index[cxr_id][name] == "1.0"
    assert drawn > 0


def test_nothing_runs_twice_and_an_edited_method_reruns_what_names_it(study, more):
    workflow, config = study
    assert workflow.jobs(config) == {}
    source = more / "more" / "teacher.py"
    text = source.read_text()
    source.write_text(text.replace("probability", "p").replace("> thresholds", ">= thresholds"))
    try:
        jobs = workflow.jobs(config)
    finally:
        source.write_text(text)
    assert jobs["make_masks_on_gpu"] == 1
    assert jobs["train_segmenter"] == 1  # the student
    assert set(jobs) == {
        "make_masks_on_gpu", "score_masks", "train_segmenter", "predict_masks", "count_overlaps",
        "list_trainings", "score_runs", "average_seeds", "compare_runs", "draw_figure", "write_table",
    }  # fmt: skip


def test_a_cycle_of_teachers_is_an_error_when_the_config_is_read(extended):
    config = with_examples()
    config["masks"]["taught"]["segmenter"] = "student"
    output = extended.run(extended.write(config, "cycle.yaml"), "--dry-run", ok=False)
    cycle = "masks.taught -> segmenters.student -> masks.taught"
    assert f"a cycle: {cycle}" in output
    assert "cycle.yaml:" in output


def test_a_typo_in_a_setting_of_another_package_proposes_the_nearest(extended):
    config = with_examples()
    config["masks"]["taught"]["leest"] = config["masks"]["taught"].pop("least")
    output = extended.run(extended.write(config, "typo.yaml"), "--dry-run", ok=False)
    assert "unknown key 'masks.taught.leest'" in output
    assert "Did you mean 'least'?" in output


def test_commands_know_the_methods_of_another_package(extended):
    words = [sys.executable, "-m", "chexseg", "make-masks", "--source", "teacher", "--help"]
    done = subprocess.run(words, env=extended.environment, capture_output=True, text=True)
    assert "Checkpoint of the teacher." in done.stdout
    assert "--least" in done.stdout


def test_a_layout_of_another_package(extended):
    root = extended.folder / "xrays"
    root.mkdir()
    lines, masks = ["image,person,part,Edema,Tuberculosis"], {"validation": {}, "test": {}}
    parts = ["train"] * 6 + ["validation"] * 4 + ["test"] * 2
    drawing = np.random.default_rng(0)
    for number, part in enumerate(parts):
        name = f"0000000{number}_000"
        Image.fromarray(drawing.integers(0, 255, (48, 40), np.uint8)).save(root / f"{name}.png")
        lines.append(f"{name}.png,{number // 2},{part},{number % 2},{1 - number % 2}")
        drawn = np.zeros((48, 40), bool)
        drawn[5:20, 4:12] = True
        if part in masks:
            masks[part][name] = {"Edema": encode(drawn & bool(number % 2)),
                                 "Tuberculosis": encode(drawn & (not number % 2))}  # fmt: skip
    (root / "xrays.csv").write_text("\n".join(lines) + "\n")
    write_masks(root / "val_masks.json", masks["validation"])
    write_masks(root / "test_masks.json", masks["test"])
    study = {key: STUDY[key] for key in ("defaults", "evaluation")}
    (data,) = [example["data"] for example in EXAMPLES if "data" in example]
    data = {**data, "root": str(root), "index": {"expert_fraction": 0.5}}
    study |= {"study": "tables", "data": {**data, "images": {"image_size": 64}}}
    study["segmenters"] = {"full": {"masks": ["expert"], "batch_size": 2}}
    extended.run(extended.write(study, "tables.yaml"))
    summary = (extended.folder / "results" / "tables" / "summary.csv").read_text()
    assert "full,Tuberculosis,iou_dataset," in summary
