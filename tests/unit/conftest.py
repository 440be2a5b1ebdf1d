"""A miniature of a study: every kind of artifact, made by toy stages, with real records."""

import csv
import hashlib
import inspect
import os
import shlex
import shutil
from pathlib import Path

import pytest

from chexseg.files.artifacts import WORKFLOW, Folder, Output
from chexseg.provenance import record
from chexseg.provenance.digests import sha256

CLEAN = {"commit": "c0ffee" * 6 + "beef", "dirty": False, "changes": None}
SOFTWARE = {"python": "3.11.7", "torch": "2.13.0", "chexseg": "0.1.0", "snakemake": "9.27.1"}
MACHINE = {
    "host": "node7", "system": "Linux-6.1", "cpu": "AMD EPYC 7763 (family 25, model 1)",
    "kernels": {"cpu_capability": "AVX2", "threads": "2"},
}  # fmt: skip
X_RAYS = ["CheXpert/train/p1.jpg", "CheXpert/train/p2.jpg", "CheXpert/val/p3.jpg"]
TABLES = ["CheXpert/train.csv", "CheXlocalize/gt_segmentations_val.json"]
SHARDS = ("0000.h5", "0001.h5")


def run_stage(stage, inputs=None, outputs=None, write=None, folders=None, **settings):
    """Runs a toy stage under its record; its outputs depend on what it reads and its settings.

    Args:
        stage: name of a real stage.
        inputs: role -> paths.
        outputs: role -> path.
        write: writes the outputs instead.
        folders: role -> path.
        settings: of the command line.
    """
    inputs, folders = inputs or {}, folders or {}

    def run(**values):
        if write:
            write()
            return
        read = "".join(sha256(p) for paths in inputs.values() for p in paths if Path(p).is_file())
        for role, path in outputs.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            text = hashlib.sha256(f"{stage}{role}{path}{read}{settings}".encode()).hexdigest()
            Path(path).write_text(text * 3)

    kinds = dict.fromkeys(inputs, tuple[Path, ...]) | dict.fromkeys(outputs, Output)
    run.__annotations__ = kinds | dict.fromkeys(folders, Folder)
    run.__signature__ = inspect.Signature([
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind)
        for name, kind in run.__annotations__.items()
    ])  # fmt: skip
    words = []
    for name, values in (inputs | outputs | folders | settings).items():
        values = values if isinstance(values, (list, tuple)) else [values]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    values = {k: tuple(map(Path, v)) for k, v in inputs.items()}
    values |= {k: Path(v) for k, v in (outputs | folders).items()}
    record.recorded(stage, run, shlex.split(shlex.join(words)))(**values)


def write_data(root, seed):
    for name in (*X_RAYS, *TABLES, "PHANTOM.txt"):
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name} of seed {seed}")


def write_index(root, out):
    with open(out, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["cxr_id", "path", "sha256"])
        rows.writerows([Path(x).stem, x, sha256(Path(root, x))] for x in X_RAYS)


def build_study(name="mini", seed=3, data=None, segmenters=("full", "chexseg")):
    """Builds results/<name> in the working directory; `data`: a folder outside instead."""
    at = f"results/{name}"
    root = data or f"{at}/phantom"
    if data is None:
        run_stage("make-phantom", {}, {"out": root}, lambda: write_data(root, seed), seed=seed)
    tables = [f"{root}/{table}" for table in TABLES]
    index = f"{at}/index.csv"
    Path(at).mkdir(parents=True, exist_ok=True)
    run_stage(
        "build-index", {"train_csv": tables[:1], "val_masks": tables[1:]}, {"out": index},
        lambda: write_index(root, index), {"root": root}, seed=seed,
    )  # fmt: skip

    def store(stage, folder, inputs, **settings):
        for shard in SHARDS:
            of_shard = {k: [p.replace("SHARD", shard) for p in v] for k, v in inputs.items()}
            run_stage(stage, of_shard, {"out": f"{at}/{folder}/{shard}"}, **settings)
        return [f"{at}/{folder}/{shard}" for shard in SHARDS]

    def train(stage, folder, inputs, checkpoint="checkpoint.pt", **settings):
        out = {"out": f"{at}/{folder}/{checkpoint}", "metrics": f"{at}/{folder}/metrics.csv"}
        run_stage(stage, inputs, out, seed=seed, **settings)
        return out["out"]

    images = store("store-images", "images", {"index": [index]}, image_size=64)
    image = [f"{at}/images/SHARD"]
    drawn = {"index": [index], "images": [f"{at}/images/SHARD"], "masks": tables[1:]}
    experts = store("make-masks", "masks/expert", drawn, source="drawn")
    x_rays = {"index": [index], "images": images}
    classifier = train(
        "train-classifier", "classifiers/small", x_rays, architecture="densenet_small"
    )
    store("compute-saliency", "saliency/gradcam", {"images": image, "classifiers": [classifier]})
    maps = {"images": image, "saliency": [f"{at}/saliency/gradcam/SHARD"]}
    store("make-masks", "masks/cam", maps, source="threshold", threshold=0.5)
    irnet = "affinity/irnet"
    labels = store("label-affinity", f"{irnet}/labels", maps)
    net = train("train-irnet", irnet, {"images": images, "labels": labels}, "irnet.pt")
    store("compute-affinity", f"{irnet}/edges", {"images": image, "irnet": [net]})
    walk = {**maps, "affinity": [f"{at}/{irnet}/edges/SHARD"]}
    grown = store("make-masks", "masks/irnet", walk, source="irnet", beta=5)
    overlaps = []
    for run in segmenters:
        masks = [*experts, *(grown if run != "full" else ())]
        learns = x_rays | {"truth": experts, "masks": masks}
        checkpoint = train("train-segmenter", f"segmenters/{run}", learns, epochs=1)
        predicted = f"{at}/predictions/{run}.json"
        run_stage("predict-masks", x_rays | {"checkpoint": [checkpoint]}, {"out": predicted})
        overlaps.append(f"{at}/overlaps/{run}.csv")
        masks_of_run = {"truth": tables[1:], "prediction": [predicted]}
        run_stage("count-overlaps", masks_of_run, {"out": overlaps[-1]})
    tables = {"out": f"{at}/summary.csv", "replicates_out": f"{at}/replicates.npz"}

    def score():
        rows = [f"{run},Edema,iou_dataset,0.3{n}\n" for n, run in enumerate(segmenters)]
        Path(tables["out"]).write_text("run,pathology,metric,value\n" + "".join(rows))
        Path(tables["replicates_out"]).write_text(f"replicates of seed {seed}")

    run_stage("score-runs", {"overlaps": overlaps}, tables, score, names=segmenters, seed=seed)
    replicates = {"replicates": [tables["replicates_out"]]}
    run_stage("compare-runs", replicates, {"out": f"{at}/comparisons.csv"})
    run_stage("draw-figure", {"summary": [tables["out"]]}, {"out": f"{at}/figures/gallery.png"})
    Path(at, "logs").mkdir()
    Path(at, "logs/build_index.log").write_text("4 X-rays\n")
    Path(at, "report.html").write_text("<p>\n")
    return Path(at)


@pytest.fixture(scope="session")
def _built(tmp_path_factory):
    folder, before = tmp_path_factory.mktemp("miniature"), Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "count_images", lambda path: None)
        patch.setattr(record, "git_state", lambda: CLEAN)
        patch.setattr(record, "software", lambda: SOFTWARE)
        patch.setattr(record, "machine", lambda: MACHINE)
        patch.delenv(WORKFLOW, raising=False)
        os.chdir(folder)
        try:
            build_study()
            build_study("other", seed=4, segmenters=("weak",))
            write_data("data", 5)
            build_study("real", seed=5, data="data", segmenters=("full",))
        finally:
            os.chdir(before)
    return folder


@pytest.fixture
def home(_built, tmp_path, monkeypatch):
    """A folder with results/mini, results/other (of seed 4) and results/real (of data/)."""
    copy = tmp_path / "home"
    shutil.copytree(_built, copy)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def study(home):
    """The folder of the miniature, relative to the working directory."""
    return Path("results/mini")


@pytest.fixture
def toy_stage():
    """Runs a toy stage under its record; see `run_stage`."""
    return run_stage
