"""What a changed setting makes run again: every key of the config's schema, in `defaults` too.

The keys come from the schema, and what is expected from the tables below and the edges of the
graph; nothing is shared with the code that decides which settings a command is given.
"""

import copy
from pathlib import Path

import pytest

from chexseg.config.reference import schema
from chexseg.data.layouts.chexpert import FINDINGS
from chexseg.errors import InputError
from tests.workflow.stand_in import DEMO, downstream, read, running

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("reruns")]

ENTRY = {
    "classifiers": "densenet", "segmenters": "chexseg", "contrasts": "chexseg_vs_full",
    "sweeps": "more", "GradCAM": "gradcam", "LayerCAM": "gradcam", "Drawn": "expert",
    "Threshold": "cam", "IRNet": "irnet", "Segmenter": "taught",
}  # fmt: skip
"""Section, or the model of a method -> the entry of the demo whose keys are changed."""


def keys(node, path=()):
    """Yields the path of every key in a part of the schema that is no group of keys itself."""
    if "$ref" in node:
        node = {**SCHEMA["$defs"][node["$ref"].rpartition("/")[2]], **node}
    options = [each for each in node.get("anyOf", []) if each.get("type") != "null"]
    if len(options) == 1 and "$ref" in options[0]:
        yield from keys(options[0], path)
    elif entries := entries_of(node):
        for each in entries:
            model = each["$ref"].rpartition("/")[2]
            yield from keys(each, (*path, ENTRY.get(model) or ENTRY[path[0]]))
    elif node.get("properties"):
        for name, inner in node["properties"].items():
            yield from keys(inner, (*path, name))
    else:
        yield path


def entries_of(node):
    """The models of the entries of a section; none if the node is no section."""
    entries = list(node.get("patternProperties", {}).values())
    options = [each for entry in entries for each in entry.get("oneOf", [entry])]
    return [each for each in options if "$ref" in each]


SCHEMA = schema()
KEYS = {".".join(path): path for path in keys(SCHEMA)}

VALUES = {
    "encoder": ["resnet50"], "initial_weights": ["other.pt"],
    "optimizer": ["sgd", "adam"], "schedule": ["polynomial", "constant"],
    "precision": ["bf16-mixed"], "uncertain": ["zeros", "ignore"], "blank": ["ignore", "zeros"], "dilate": [True],
    "stride": [8], "selection": [["Edema"]], "images": [5], "share": [0.5],
     "image_size": [96],
    "max_train_images": [5], "samples_per_epoch": [5], "backbone": ["none"],
    "validation": ["cam"], "masks": [["expert"]], "findings": [[*FINDINGS[1:]]], "pathologies": [["Edema"]],
    "method": ["layercam"], "flip": [True], "scales": [[1.0, 1.5]], "layer": [3],
    "threshold": ["otsu"], "fill": [True], "soft": [True], "loss": ["cross_entropy"],
    "metrics": [["iou_image"]], "selection_metric": ["iou_image"],
    "run": ["weak_cam"], "against": ["weak_cam"], "shards": [3],
}  # fmt: skip
"""Last step of a key -> other values to give it. Numbers that stand here not are just made larger."""

LISTED = ("encoder", "initial_weights", "seed")
"""Settings of segmenters that the table of runs has."""

DIRECTLY = {
    "study": ("",),
    "seed": (
        "make_phantom", "build_index", "train_classifier", "train_irnet", "train_segmenter",
        "list_runs", "score_masks", "score_runs",
    ),
    "phantom": ("make_phantom",),
    "data.index": ("build_index",),
    "data.images": ("store_images",),  # masks are as large as the images, and made from their store
    "data.findings": ("check_data", "build_index"),
    "data.pathologies": (
        "check_data", "build_index", "compute_saliency", "make_masks expert", "count_overlaps",
    ),
    "classifiers.densenet": ("train_classifier densenet",),
    "saliency.gradcam": ("compute_saliency",),
    "masks.expert": ("make_masks expert",),
    "masks.cam": ("make_masks cam",),
    "masks.irnet.images": ("label_affinity irnet", "make_masks_on_gpu irnet"),
    "masks.irnet.labels": ("label_affinity irnet",),
    "masks.irnet.training": ("train_irnet irnet",),
    "masks.irnet.backbone": ("train_irnet irnet",),
    "masks.irnet.backbone_architecture": ("train_irnet irnet",),
    "masks.irnet.affinity": ("compute_affinity irnet",),
    **{f"masks.irnet.{key}": ("make_masks_on_gpu irnet",)
       for key in ("walk", "uncertain", "blank", "certain_background")},
    "masks.taught": ("make_masks_on_gpu taught",),
    "segmenters.chexseg": ("train_segmenter chexseg",),
    **{f"segmenters.chexseg.{key}": ("train_segmenter chexseg", "list_runs") for key in LISTED},
    "prediction": ("predict_masks",),
    "evaluation": ("score_masks", "score_runs"),
    "evaluation.metrics": ("score_runs",),
    "contrasts": ("compare_runs",),
    "figures": ("draw_figure gallery.png",),
}  # fmt: skip
"""Key, or the beginning of keys -> the jobs that it changes by itself."""

NOTHING = {
    "masks.expert.seed": "all X-rays of the split are taken",
    "masks.taught.temperature": "cut masks have none",
    "segmenters.chexseg.confidence": "nothing is said of consistency",
    "defaults.segmenters.confidence": "likewise",
}
"""Keys that change nothing here, and why."""

ALONE = {
    # The data's own masks are of other X-rays.
    "masks.expert.split": ("train", "split: train, but no files"),
    # Segmenters learn the study's pathologies.
    "masks.expert.classes": (["Edema"], "expert"),
    "defaults.segmenters.leave_out": ({"irnet": ["Edema"]}, "from which full does not learn"),
}
"""Keys that cannot be changed alone -> a value that is refused, and part of the error."""

REFUSED = {
    *("data.root", "data.layout", "data.train_csv", "data.val_csv", "data.test_csv"),
    *("data.val_masks", "data.test_masks"),
}
"""The phantom has its own files."""

OTHER_MAPS = {"maps": {"method": "gradcam", "classifiers": ["densenet"]}}
IRNET = ("label_affinity", "train_irnet", "compute_affinity", "make_masks_on_gpu")
ANOTHER = {
    # Key -> what to change for another graph, and the jobs that this makes run by itself.
    "data.radiologist_masks": (
        {"data": {"radiologist_masks": None}, "contrasts": {"radiologists_vs_chexseg": ...}},
        ["check_data", "build_index", "list_runs"],
    ),
    "saliency.gradcam.classifiers": (
        {"saliency": {"gradcam": {"classifiers": ["densenet", "resnet18"]}}}, ["compute_saliency"],
    ),
    "masks.expert.files": (
        {"masks": {"expert": {
            "source": "drawn", "files": ["anatomy/segmentations_val.json"], "split": "train",
        }}},
        ["make_masks expert"],
    ),
    "masks.cam.source": (
        {"masks": {"cam": {"source": "irnet", "threshold": ..., "backbone": "none"}}},
        [f"{rule} cam" for rule in IRNET],
    ),
    "masks.cam.saliency": (
        {"saliency": OTHER_MAPS, "masks": {"cam": {"saliency": "maps"}}},
        ["compute_saliency maps", "make_masks cam"],
    ),
    "masks.irnet.source": (
        {"masks": {"irnet": {
            "source": "threshold", "backbone": ..., "backbone_architecture": ..., "labels": ...,
            "training": ..., "walk": ...,
        }}},
        ["make_masks irnet"],
    ),
    "masks.irnet.saliency": (
        {"saliency": OTHER_MAPS, "masks": {"irnet": {"saliency": "maps"}}},
        ["compute_saliency maps", "label_affinity irnet", "make_masks_on_gpu irnet"],
    ),
    "masks.irnet.backbone_architecture": (
        {"masks": {"irnet": {"backbone": "none", "backbone_architecture": "resnet50"}}},
        ["train_irnet irnet"],
    ),
    "masks.taught.source": (
        {"masks": {"taught": {"source": "threshold", "segmenters": ..., "saliency": "gradcam"}}},
        ["make_masks taught"],
    ),
    "masks.taught.segmenters": (
        {"masks": {"taught": {"segmenters": ["full"]}}}, ["make_masks_on_gpu taught"],
    ),
    "masks.taught.classifier": (
        {"masks": {"taught": {"classifier": "densenet", "blank": "classifier"}}},
        ["make_masks_on_gpu taught"],
    ),
    "segmenters.chexseg.leave_out": (
        {"segmenters": {"chexseg": {"leave_out": {"irnet": ["Edema"]}}}},
        ["train_segmenter chexseg"],
    ),
    "segmenters.chexseg.masks": (
        {"segmenters": {"chexseg": {"masks": {"expert": 0.7, "irnet": 0.3}}}},
        ["train_segmenter chexseg", "list_runs"],
    ),
    "sweeps.more.of": (
        {"sweeps": {"more": {"of": "full", "epochs": [10, 11]}}},
        ["train_segmenter full-epochs_11", "list_runs"],
    ),
    "sweeps.more.seeds": (
        {"sweeps": {"more": {"of": "weak_cam", "seeds": 2}}},
        ["train_segmenter weak_cam-seed_1", "list_runs"],
    ),
}  # fmt: skip
ONLY = {"masks.expert.source"}
"""Keys that have only one value here."""


def place(config, path):
    for step in path:
        config = config.setdefault(step, {})
    return config


def another(path, current):
    """Another value of a key, of the same kind."""
    if path[-1] == "architecture":
        return "unet" if "segmenters" in path else "densenet121"
    if path[-1] in VALUES and path[0] != "phantom":
        Path("other.pt").touch()
        return next(value for value in VALUES[path[-1]] if value != current)
    if isinstance(current, str):
        return f"{current}_2"
    return (
        1 if current is None else current + 1 if isinstance(current, int) else current * 0.9 or 0.25
    )


def current(path):
    """The value of a key in the demo, after defaults."""
    from chexseg.config.study import read_study

    value = read_study(DEMO)
    for step in path:
        value = value[step] if isinstance(value, dict) else getattr(value, step)
    return value


def changed(path, value):
    config = copy.deepcopy(DEMO)
    if path[0] == "masks":
        config["masks"].setdefault("expert", {"source": "drawn"})
    place(config, path[:-1])[path[-1]] = value
    return config


SHARED = sorted(key for key in KEYS if key.startswith("defaults.") and key not in ALONE)
OWN = sorted(set(KEYS) - set(SHARED) - set(ANOTHER) - ONLY - REFUSED - set(ALONE))


@pytest.mark.parametrize("key", OWN)
def test_a_key_reruns_what_depends_on_it(in_stood_in, key):
    path = KEYS[key]
    prefix = max((p for p in DIRECTLY if f"{key}.".startswith(f"{p}.")), key=len)
    directly = [] if key in NOTHING else [*DIRECTLY[prefix]]
    jobs = read(changed(path, another(path, current(path))))
    assert running(jobs) == downstream(jobs, directly)
    assert bool(directly) == bool(running(jobs))


@pytest.mark.parametrize("key", SHARED)
def test_a_default_reruns_the_entries_that_inherit_it(in_stood_in, key):
    """Of those that inherit it, only the entries that it can change."""
    _, section, name = path = KEYS[key]
    rule = {"classifiers": "train_classifier", "segmenters": "train_segmenter"}[section]
    heirs = [entry for entry, own in DEMO[section].items() if name not in own]
    if name == "dilate":  # changes nothing at stride 32, the stride of resnet18
        heirs.remove("resnet18")
    if key in NOTHING:
        heirs = []
    value = another(path, current((section, (heirs or [*DEMO[section]])[0], name)))
    jobs = read(changed(path, value))
    listed = ["list_runs"] * (section == "segmenters" and name in LISTED and bool(heirs))
    assert running(jobs) == downstream(jobs, [*(f"{rule} {entry}" for entry in heirs), *listed])


def laid_over(config, changes):
    """The config with changes, key by key; ... takes a key away."""
    if not isinstance(changes, dict):
        return changes
    config = dict(config or {})
    for key, change in changes.items():
        config[key] = laid_over(config.get(key), change)
    return {key: value for key, value in config.items() if value is not ...}


@pytest.mark.parametrize("key", ANOTHER)
def test_a_key_that_makes_another_graph_reruns_what_depends_on_it(in_stood_in, key):
    changes, directly = ANOTHER[key]
    jobs = read(laid_over(DEMO, changes))
    assert running(jobs) == downstream(jobs, directly) != set()


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_a_key_of_the_data_that_the_phantom_cannot_have(in_stood_in, key):
    with pytest.raises(InputError, match=KEYS[key][-1]):
        read(changed(KEYS[key], "elsewhere"))


@pytest.mark.parametrize("key", ALONE)
def test_a_key_that_cannot_be_changed_alone(in_stood_in, key):
    value, error = ALONE[key]
    with pytest.raises(InputError, match=error):
        read(changed(KEYS[key], value))


def test_the_tables_are_about_keys_of_the_schema():
    assert set(KEYS) >= set(ANOTHER) | ONLY | REFUSED | set(NOTHING)
    assert all(any(f"{key}.".startswith(f"{p}.") for key in KEYS) for p in DIRECTLY)


MIXING = {
    "in the entry": {"segmenters": {"chexseg": {"masks": {"expert": 0.5, "irnet": 0.5}}}},
    "a new entry": {"segmenters": {"half": {"masks": {"expert": 0.5, "irnet": 0.5}}}},
}


@pytest.mark.parametrize("change", MIXING)
def test_the_mixture_of_one_run_reruns_no_other(in_stood_in, change):
    jobs = read(laid_over(DEMO, MIXING[change]))
    trained = {name for name in running(jobs) if name.startswith("train_")}
    assert trained == {f"train_segmenter {'half' if change == 'a new entry' else 'chexseg'}"}
