"""What a change makes run again: for every key of the demo's config, and code of every module.

The demo's artifacts are stood in for by small files with true records, so that nothing has to be
computed. What is expected is derived from the table of entries below and the graph's edges.
"""

import functools
import importlib
import os
import re
import shutil
from functools import cache
from pathlib import Path

import h5py
import pytest
import yaml

from chexseg.files.artifacts import OUTPUT
from chexseg.provenance import code
from chexseg.provenance.code import PACKAGE, read_module
from chexseg.provenance.record import flags_of, marks_of, recorded
from chexseg.scheduling import graph, reruns
from tests.unit.provenance.reach import code_in, compiled, methods_in, modules, reached_by

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


def read(config=None, text=None, snakefile=ROOT / "Snakefile"):
    path = Path("config.yaml")
    path.write_text(text if text is not None else yaml.safe_dump(config))
    return graph.read_graph([path], snakefile=snakefile)


def running(jobs):
    return {job.name for job in jobs if job.would_run}


def downstream(jobs, directly):
    """Names of jobs whose name starts with one of `directly` ("": of all), and of all behind."""
    hit = set()
    for job in jobs:
        own = any(f"{job.name} ".startswith(f"{each} ".lstrip()) for each in directly)
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
        "score_runs",
    ),
    "phantom": ("make_phantom",),
    "contrasts": ("compare_runs",),
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


def other_masks(masks):
    """Other pseudo masks in the place of those there; some, if there are none."""
    others = [{"cam": "irnet", "irnet": "cam"}.get(name, name) for name in masks]
    return others if others != masks else [*masks, "cam"]


STAGES_OF_IRNET = ("label_affinity", "train_irnet", "compute_affinity", "walk_saliency")
OTHER_MAPS = {"maps": {"classifiers": ["densenet"]}}
ANOTHER = {
    # Key -> what to change for another graph, and the jobs that this alone makes run.
    "study": ({"study": "other"}, [""]),
    "data.radiologist_masks": (
        {"data": {"radiologist_masks": None}}, ["check_data", "build_index"],
    ),
    "data.index.shards": ({"data": {"index": {"shards": 3}}}, ["build_index"]),
    "saliency.gradcam.classifiers": (
        {"saliency": {"gradcam": {"method": "gradcam", "classifiers": ["densenet", "resnet18"]}}}, ["compute_saliency"],
    ),
    "pseudo_masks.cam.method": (
        {"masks": {"cam": {"source": "irnet", "threshold": ..., "backbone": "none"}}},
        [f"{rule} cam" for rule in STAGES_OF_IRNET],
    ),
    "pseudo_masks.cam.saliency": (
        {"saliency": OTHER_MAPS, "masks": {"cam": {"saliency": "maps"}}},
        ["compute_saliency maps", "threshold_saliency cam"],
    ),
    "pseudo_masks.irnet.saliency": (
        {"saliency": OTHER_MAPS, "masks": {"irnet": {"saliency": "maps"}}},
        ["compute_saliency maps", "label_affinity irnet", "walk_saliency irnet"],
    ),
    "pseudo_masks.irnet.method": (
        {"masks": {"irnet": {
            "source": "threshold", "backbone": ..., "backbone_architecture": ..., "labels": ...,
            "training": ..., "walk": ...,
        }}},
        ["threshold_saliency irnet"],
    ),
    "pseudo_masks.irnet.backbone": (
        {"masks": {"irnet": {"backbone": "none"}}}, ["train_irnet irnet"],
    ),
    "pseudo_masks.irnet.backbone_architecture": (
        {"masks": {"irnet": {"backbone": "none", "backbone_architecture": "resnet50"}}},
        ["train_irnet irnet"],
    ),
    **{
        f"segmenters.{name}.masks": (
            {"segmenters": {name: {"masks": other_masks(entry["masks"])}}},
            [f"train_segmenter {name}"],
        )
        for name, entry in DEMO["segmenters"].items()
    },
}  # fmt: skip
ONLY = {"saliency.gradcam.method"}
"""Keys that know but one value."""


def other(key, value):
    """Another value of the same kind."""
    if key.startswith("contrasts"):
        return next(
            name for name in DEMO["segmenters"] if f"{name}_" not in f"{key}_".replace(".", "_")
        )
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


@pytest.mark.parametrize("key", sorted(set(LEAVES) - set(ANOTHER) - ONLY))
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


def laid_over(config, changes):
    """The config with changes, key by key; ... takes a key away."""
    if not isinstance(changes, dict):
        return changes
    config = dict(config or {})
    for key, change in changes.items():
        config[key] = laid_over(config.get(key), change)
    return {key: value for key, value in config.items() if value is not ...}


@pytest.mark.parametrize("key", ANOTHER)
def test_a_key_that_makes_another_graph_reruns_what_depends_on_it(study, key):
    changes, directly = ANOTHER[key]
    jobs = read(laid_over(DEMO, changes))
    assert running(jobs) == downstream(jobs, directly) != set()


def test_the_tables_are_about_the_demo():
    assert set(LEAVES) >= set(ANOTHER) | ONLY


@pytest.mark.parametrize("module", modules())
def test_code_reruns_the_stages_that_can_execute_it(study, demo, module, tmp_path, monkeypatch):
    """A definition of every module: the one that the fewest jobs reach, if any does.

    What is expected is told by Python's own compiler and interpreter (`reached_by`), not by the
    code under test.
    """
    jobs, file = read(text=demo), Path(compiled(module).names["__file__"])
    text = file.read_text()
    names = code_in(module) or re.findall(r"^(\w+) = ", text, flags=re.M)
    reached = {job.name: reached_by(job.arguments[0], *methods_in(job.arguments)) for job in jobs}
    direct = {n: [job for job in reached if f"{module}:{n}" in reached[job]] for n in names}
    name = min(direct, key=lambda name: len(direct[name]) or len(jobs))
    changed = re.sub(rf"^(?=(def|class) {name}\b)", "@staticmethod\n", text, flags=re.M)
    changed = re.sub(rf"^(?={name} = )", f"{name} = None\n", changed, flags=re.M)
    assert changed != text
    package = shutil.copytree(PACKAGE, tmp_path / "chexseg")
    (package / file.relative_to(PACKAGE)).write_text(changed)
    edited = read_module.__wrapped__(module, package)  # the others need not be read again
    monkeypatch.setattr(code, "read_module", lambda m, _: edited if m == module else read_module(m))
    monkeypatch.setattr(code, "_reached", cache(code._reached.__wrapped__))
    jobs = read(text=demo)
    assert running(jobs) == downstream(jobs, direct[name])


def test_comments_order_and_formatting_change_nothing(study, demo):
    config = yaml.safe_load(demo)
    assert running(read({key: config[key] for key in reversed(config)})) == set()
    assert running(read(text="# another comment\n" + demo.replace("2.0e-3", "0.002"))) == set()


def test_triggers_cannot_be_switched_off(study, new_workflow, demo):
    config = study / "triggers.yaml"
    config.write_text(demo)
    off = ("--dry-run", "--rerun-triggers", "mtime")
    assert "leave it away" in new_workflow(study).run(config, *off, ok=False)


def test_how_to_compute_reruns_nothing_and_reaches_the_command(study, new_workflow, demo):
    config, rules = study / "execution.yaml", ("train_classifier", "train_irnet", "train_segmenter")
    config.write_text(demo)
    needs = {"staged": 1, "gpu": 16, "nodes": 2, "tmpdir": "'/scratch'"}
    words = [f"{rule}:{need}={amount}" for rule in rules for need, amount in needs.items()]
    execution = (
        "--cores",
        "16",
        "--set-resources",
        *words,
        "--set-threads",
        *(f"{rule}=16" for rule in rules),
    )
    assert new_workflow(study).jobs(config, *execution) == {}
    output = new_workflow(study).run(config, "-n", "-p", *execution, "--forcerun", *rules)
    commands = re.findall(r"(?m)^Shell command: (chexseg train-.*)$", output)
    trainings = len(DEMO["classifiers"]) + 1 + len(DEMO["segmenters"])
    assert len(commands) == trainings
    for command in commands:
        assert " --devices 8 --nodes 2 --threads 2 --scratch /scratch " in command


def test_time_stamps_change_nothing(study, demo):
    for path in sorted(study.joinpath("results").rglob("*"), reverse=True):
        os.utime(path)
    assert running(read(text=demo)) == set()


def test_a_fresh_clone_and_a_moved_study_are_up_to_date(study, demo, tmp_path, monkeypatch):
    """New time stamps of results and of every source file, another folder, no .snakemake."""
    fresh = functools.partial(shutil.copytree, copy_function=shutil.copyfile)
    fresh(study / "results", tmp_path / "results")
    package = fresh(PACKAGE, tmp_path / "clone/chexseg")
    fresh(ROOT / "workflow", tmp_path / "clone/workflow")
    snakefile = shutil.copyfile(ROOT / "Snakefile", tmp_path / "clone/Snakefile")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reruns, "code_of", functools.partial(code.code_of, package=package))
    assert running(read(text=demo, snakefile=snakefile)) == set()


@pytest.mark.parametrize(
    ("damage", "runs"),
    [
        ("images/0000.h5", "store_images 0000"),
        ("segmenters/full/checkpoint.pt", "train_segmenter full"),
        ("summary.csv", "score_runs"),
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
