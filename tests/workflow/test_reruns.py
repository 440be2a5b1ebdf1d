"""What a change makes run again: for every key of the demo's config, and code of every module.

The demo's artifacts are stood in for by small files with true records, so that nothing has to be
computed. What is expected is derived from the table of entries below and the graph's edges.
"""

import functools
import importlib
import os
import shutil
from pathlib import Path

import h5py
import pytest
import yaml

from chexseg.artifacts import OUTPUT
from chexseg.provenance import graph, reruns
from chexseg.provenance.code import PACKAGE, code_of
from chexseg.provenance.record import flags_of, marks_of, recorded

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("reruns")]


def stand_in(job, content=""):
    """Writes what a job would write, in name only, with its true records."""
    stage, *arguments = job.arguments
    run = importlib.import_module(f"chexseg.stages.{stage.replace('-', '_')}").run
    marks, flags = marks_of(run), flags_of(arguments)

    @functools.wraps(run)
    def write(**values):
        for path in job.outputs:
            path = Path(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".h5":
                with h5py.File(path, "w") as file:
                    file["id"] = ["cxr0"]
                    file.attrs["content"] = f"{path} {content}"
            elif path.suffix == ".json":
                path.write_text(f'{{"{path}": 1}}')
            else:
                path.write_text("path,sha256\n" if path.name == "index.csv" else str(path))

    values = {}
    for name, kind in marks.items():
        paths = tuple(map(Path, flags.get(name, ())))
        values[name] = (paths[0] if paths else None) if kind == OUTPUT else paths
    values.update({name: values[name][0] for name in marks if name == "root"})
    recorded(stage, write, arguments)(**values)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Folder with the stand-in of the finished demo."""
    folder = tmp_path_factory.mktemp("reruns")
    before = Path.cwd()
    os.chdir(folder)
    for job in read(config=yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())):
        stand_in(job)
    yield folder
    os.chdir(before)


def read(config=None, text=None, *overrides):
    path = Path("config.yaml")
    path.write_text(text if text is not None else yaml.safe_dump(config))
    return graph.read_graph([path], overrides, snakefile=ROOT / "Snakefile")


def running(jobs):
    return {job.name for job in jobs if job.would_run}


def downstream(jobs, directly):
    """Names of jobs whose name starts with one of `directly`, and of all behind them."""
    hit = set()
    for job in jobs:
        own = any(job.name == each or job.name.startswith(f"{each} ") for each in directly)
        if own or any(before.name in hit for before in job.before):
            hit.add(job.name)
    return hit


@pytest.fixture(scope="module")
def demo():
    return (ROOT / "config" / "demo.yaml").read_text()


def leaves(node, *path):
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, *path, key)
    else:
        yield path, node


DEMO = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
LEAVES = {".".join(path): (path, value) for path, value in leaves(DEMO)}

WORDS = {"onecycle": "constant", "densenet_small": "densenet121"}
DIRECTLY = {
    "seed": (
        "make_phantom", "build_index", "train_classifier", "train_irnet", "train_segmenter",
        "evaluate", "compare_runs",
    ),
    "phantom": ("make_phantom",),
    "data.index": ("build_index",),
    "data.images": ("store_images", "store_masks"),
    "classifiers.densenet": ("train_classifier densenet",),
    "classifiers.resnet18": ("train_classifier resnet18",),
    "pseudo_masks.cam": ("threshold_saliency cam",),
    "pseudo_masks.irnet.labels": ("label_affinity irnet",),
    "pseudo_masks.irnet.training": ("train_irnet irnet",),
    "pseudo_masks.irnet.walk": ("walk_saliency irnet",),
    **{f"segmenters.{name}": (f"train_segmenter {name}",) for name in DEMO["segmenters"]},
}  # fmt: skip
"""Key -> the jobs that take it as a setting of their own."""
SHARED = {"classifiers": "train_classifier", "segmenters": "train_segmenter"}
"""Section with defaults -> the rule of its entries."""
ANOTHER = {
    # Keys whose change is another graph, or another study: tested one by one below.
    "study", "data.radiologist_masks", "pseudo_masks.irnet.backbone_architecture", "data.index.shards", "saliency.gradcam.method",
    "saliency.gradcam.classifiers", "pseudo_masks.cam.method", "pseudo_masks.cam.saliency",
    "pseudo_masks.irnet.method", "pseudo_masks.irnet.saliency", "pseudo_masks.irnet.backbone",
    *(f"segmenters.{name}.masks" for name in DEMO["segmenters"]),
}  # fmt: skip


def other(key, value):
    """Another value of the same kind."""
    if value == "resnet18":
        return "resnet50"
    if key.endswith("initial_weights"):
        Path("other.pt").touch()
        return "other.pt"
    if key.endswith("stride"):
        return value * 2
    if key.endswith("image_size"):
        return value + 32
    if key.endswith("selection"):
        return ["Edema"]
    if isinstance(value, str):
        return WORDS[value]
    return value + 1 if isinstance(value, int) else value * 0.9


def test_nothing_runs_when_nothing_changed(study, demo):
    jobs = read(text=demo)
    assert running(jobs) == set(), [str(change) for job in jobs for change in job.changes]


@pytest.mark.parametrize("key", sorted(set(LEAVES) - ANOTHER))
def test_a_key_reruns_what_depends_on_it(study, key):
    path, value = LEAVES[key]
    config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    node = config
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = other(key, value)
    if path[0] == "defaults":  # an entry that sets the key itself does not inherit it
        _, section, name = path
        heirs = [entry for entry, own in DEMO[section].items() if name not in own]
        directly = [f"{SHARED[section]} {entry}" for entry in heirs]
    else:
        prefix = max((p for p in DIRECTLY if f"{key}.".startswith(f"{p}.")), key=len)
        directly = [*DIRECTLY[prefix]]
    if key == "classifiers.resnet18.architecture":  # the backbone must be of the same
        config["pseudo_masks"]["irnet"]["backbone_architecture"] = "resnet50"
        directly.append("train_irnet irnet")
    jobs = read(config)
    assert running(jobs) == downstream(jobs, directly) != set()


def test_the_table_is_about_the_demo():
    assert set(LEAVES) >= ANOTHER


CODE = {
    "affinity/dense_crf.py:refine": "label_affinity",
    "affinity/labels.py:affinity_labels": "label_affinity",
    "affinity/random_walk.py:random_walk": "walk_saliency",
    "data/index.py:positives_of": "threshold_saliency label_affinity walk_saliency",
    "data/chexpert.py:read_labels": "check_data build_index",
    "data/quality.py:flaw_of": "check_data",
    "data/release.py:read_release": "check_data build_index",
    "data/splits.py:choose_patients": "build_index",
    "data/images.py:letterboxed": "store_images",
    "data/phantom/release.py:make_release": "make_phantom",
    "evaluation/scores.py:score_run": "evaluate compare_runs",
    "evaluation/overlap.py:overlap_table": "evaluate",
    "evaluation/pictures.py:gallery": "draw_figures",
    "models/classifier.py:build_classifier": "train_classifier compute_saliency",
    "models/irnet.py:IRNet": "train_irnet compute_affinity",
    "evaluation/thresholds.py:ThresholdSelection": "train_segmenter",
    "losses/classification.py:classification_loss": "train_classifier",
    "losses/dice.py:dice_loss": "train_segmenter",
    "losses/irnet.py:irnet_losses": "train_irnet",
    "models/segmenter.py:Segmenter": "train_segmenter predict_masks",
    "saliency/gradcam.py:GradCAM": "compute_saliency",
    "saliency/masks.py:cut": "threshold_saliency walk_saliency",
    "training/loop.py:fit": "train_classifier train_irnet train_segmenter",
    "training/sampling.py:mixed": "train_segmenter",
}


@pytest.fixture
def package(tmp_path):
    return shutil.copytree(PACKAGE, tmp_path / "chexseg")


@pytest.mark.parametrize("place", CODE)
def test_code_reruns_the_stages_that_may_execute_it(study, demo, package, place, monkeypatch):
    file, _, name = place.partition(":")
    module = package / file
    text = module.read_text()
    changed = text.replace(f"\ndef {name}(", f"\n@staticmethod\ndef {name}(", 1)
    changed = changed.replace(f"\nclass {name}", f"\n@staticmethod\nclass {name}", 1)
    assert changed != text, f"no {name} in {file}"
    module.write_text(changed)
    monkeypatch.setattr(reruns, "_code_now", lambda stage: code_of(stage, package))
    jobs = read(text=demo)
    assert running(jobs) == downstream(jobs, CODE[place].split())


def test_comments_order_and_formatting_change_nothing(study, demo):
    config = yaml.safe_load(demo)
    assert running(read({key: config[key] for key in reversed(config)})) == set()
    assert running(read(text="# another comment\n" + demo.replace("2.0e-3", "0.002"))) == set()


def test_triggers_cannot_be_switched_off(study, new_workflow, demo):
    config = study / "triggers.yaml"
    config.write_text(demo)
    off = ("--dry-run", "--rerun-triggers", "mtime")
    assert "leave it away" in new_workflow(study).run(config, *off, ok=False)


def test_time_stamps_change_nothing(study, demo):
    for path in sorted(study.joinpath("results").rglob("*"), reverse=True):
        os.utime(path)
    assert running(read(text=demo)) == set()


def test_a_moved_study_without_memory_is_up_to_date(study, demo, tmp_path, monkeypatch):
    shutil.copytree(study / "results", tmp_path / "results")  # new time stamps, no .snakemake
    monkeypatch.chdir(tmp_path)
    assert running(read(text=demo)) == set()


@pytest.mark.parametrize(
    ("damage", "runs"),
    [
        ("images/0000.h5", "store_images 0000"),
        ("segmenters/full/checkpoint.pt", "train_segmenter full"),
        ("summary.csv", "compare_runs"),
        ("phantom/CheXpert/train.csv", "make_phantom"),
        ("index.csv.provenance.json", "build_index"),
    ],
)
def test_a_damaged_artifact_is_made_again(study, demo, tmp_path, monkeypatch, damage, runs):
    shutil.copytree(study / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    path = Path("results/demo") / damage
    path.write_bytes(path.read_bytes()[:-2])
    jobs = read(text=demo)
    assert running(jobs) == downstream(jobs, [runs])


def test_a_job_done_again_alone_makes_what_follows_stale(study, demo, tmp_path, monkeypatch):
    """As after a run that was cut off between a job and those behind it."""
    shutil.copytree(study / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    job = next(job for job in read(text=demo) if job.name == "store_masks")
    stand_in(job, content="other")
    jobs = read(text=demo)
    assert running(jobs) == downstream(jobs, ["train_segmenter"])
