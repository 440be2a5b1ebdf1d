"""The cost model: it says what was measured, counts what is there, and knows every rule."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.ndimage import gaussian_filter, zoom

from chexseg.catalog import names, stage
from chexseg.config.study import load_study, read_study
from chexseg.data.levels import levels_of
from chexseg.files.store import write_store
from chexseg.scheduling.cost import (
    BYTES,
    CHECKPOINTS,
    CORE_GFLOPS,
    LEAST,
    START,
    TRAIN,
    CostModel,
)
from chexseg.scheduling.x_rays import XRays, count_x_rays

ROOT = Path(__file__).parents[3]


@pytest.fixture
def chexpert():
    """The model of config/chexpert.yaml with a thousand X-rays in each of 16 shards."""
    study = load_study(ROOT / "config" / "chexpert.yaml")
    return CostModel(study, XRays(16_000 - 720, 202, 518))


def wildcards_of(rule, study):
    """Wildcards of a job that the rule has in a study."""
    entries = {
        "architecture": ["resnet18"], "shard": ["0001"], "classifier": study.classifiers,
        "saliency": study.saliency, "masks": study.masks, "segmenter": study.segmenters,
        "run": study.segmenters, "epoch": ["5"],
        "figure": [*names("figure")],
    }  # fmt: skip
    fits = {name: rule.wildcard_constraints.get(name, ".*") for name in rule.wildcard_names}
    return {
        name: next(entry for entry in entries[name] if re.fullmatch(fit, entry))
        for name, fit in fits.items()
    }


def test_every_rule_has_a_cost_and_its_time_limit(rules):
    study = load_study(ROOT / "config" / "demo.yaml")
    model = CostModel(study)
    assert len(rules) > 15
    for name, rule in rules.items():
        wildcards = wildcards_of(rule, study)
        assert model.of(name, wildcards).seconds() > START, name
        if "runtime" not in rule.resources:
            assert name == "fetch_weights"
            continue
        minutes = [
            rule.resources["runtime"].evaluate(wildcards, attempt=attempt).value
            for attempt in (1, 2)
        ]
        expected = model.minutes(name, wildcards)
        training = stage(rule.shellcmd.split()[1]).training
        assert minutes == ([1440, 1440] if training else [expected, 2 * expected]), name


def measured():
    with open(ROOT / "benchmarks" / "results" / "cost.csv", newline="") as file:
        return {row["stage"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("rule", "entry", "row"),
    [
        ("compute_saliency", {"saliency": "gradcam"}, "compute-saliency"),
        ("make_masks", {"masks": "cam"}, "make-masks threshold"),
        ("label_affinity", {"masks": "irnet"}, "label-affinity"),
        ("compute_affinity", {"masks": "irnet"}, "compute-affinity"),
        ("make_masks_on_gpu", {"masks": "irnet"}, "make-masks irnet"),
    ],
)
def test_stores_cost_what_was_measured(chexpert, rule, entry, row):
    cost, row = chexpert.of(rule, {**entry, "shard": "0000"}), measured()[row]
    assert 0.6 < cost.core_seconds / float(row["core_seconds_per_1000"]) < 1.6
    assert 0.8 < cost.disk / float(row["bytes_per_1000"]) < 1.4


@pytest.mark.parametrize(
    ("rule", "entry", "steps"),
    [
        ("train_classifier", {"classifier": "densenet"}, 3 * 15_280 / 16),
        ("train_irnet", {"masks": "irnet"}, 3 * 15_280 / 16),
        ("train_segmenter", {"segmenter": "full"}, 20 * 10_000 / 8),
    ],
)
def test_trainings_cost_what_was_measured(chexpert, rule, entry, steps):
    cost, row = chexpert.of(rule, entry), measured()[f"{rule.replace('_', '-')}, a step"]
    assert 0.6 < cost.core_seconds / (steps * float(row["core_seconds"])) < 1.6
    assert cost.disk == pytest.approx(float(row["bytes"]), rel=0.05)
    assert cost.gpu_seconds < cost.core_seconds / 50


def test_bytes_of_the_stores():
    with open(ROOT / "benchmarks" / "results" / "stores.csv", newline="") as file:
        rows = {row["store"]: float(row["bytes_per_xray"]) for row in csv.DictReader(file)}
    assert BYTES["images"] == pytest.approx(rows["images"], rel=0.05)
    assert BYTES["saliency"] == pytest.approx(rows["saliency, 10 x 10"], rel=0.05)
    assert BYTES["masks"] == pytest.approx(rows["masks, threshold"], rel=0.05)


@pytest.mark.parametrize(
    ("entry", "each"),
    [
        ({"source": "threshold", "saliency": "gradcam"}, 1_700),
        ({"source": "threshold", "saliency": "gradcam", "certain_background": 0.1}, 8_000),
        ({"source": "segmenter", "segmenters": ["full"]}, 1_700),
        ({"source": "segmenter", "segmenters": ["full"], "blank": "ignore"}, 8_000),
        ({"source": "segmenter", "segmenters": ["full"], "soft": True}, 110_000),
    ],
)
def test_masks_that_are_soft_or_partly_known_are_larger(chexpert, entry, each):
    overrides = {"masks": {"more": entry}}
    study = load_study(ROOT / "config" / "chexpert.yaml", overrides=overrides)
    assert CostModel(study, chexpert.x_rays).make_masks("more", "0000").disk == 1000 * each


def blob(rng):
    """A probability [320, 320]: a blob with texture at a quarter of the size, as of a decoder."""
    y, x = np.mgrid[:320, :320]
    (cy, cx), (ry, rx) = rng.uniform(80, 240, 2), rng.uniform(25, 80, 2)
    texture = gaussian_filter(rng.normal(size=(80, 80)), 2)
    logit = 3 * (1 - np.hypot((y - cy) / ry, (x - cx) / rx)).clip(-1.5, 1)
    return 1 / (1 + np.exp(-logit - zoom(texture / texture.std(), 4, order=1)))


def test_bytes_of_graded_masks(tmp_path):
    """Ten classes at 320 px, three of them not empty."""
    rng, n, sizes = np.random.default_rng(0), 6, {}
    meta = {"classes": [*"abcdefghij"], "splits": ["train"]}
    items = [np.zeros((10, 320, 320)) for _ in range(n)]
    for item in items:
        item[:3] = [blob(rng) for _ in range(3)]
    made = {
        "soft_masks": [levels_of(item) for item in items],
        "partly_known_masks": [
            levels_of(item > 0.5, (item > 0.5) | (item < 0.1)) for item in items
        ],
    }
    for kind, masks in made.items():
        with write_store(tmp_path / kind, "mask_levels", meta) as store:
            for number, item in enumerate(masks):
                store.append(str(number), item)
        sizes[kind] = (tmp_path / kind).stat().st_size / n
    assert sizes == pytest.approx({kind: BYTES[kind] for kind in made}, rel=0.25)


def test_a_network_costs_what_its_table_says(chexpert):
    passes = 3 * (TRAIN * 15_280 + 202)
    expected = 11.6 * passes / CORE_GFLOPS  # DenseNet-121 at stride 32
    assert chexpert.train_classifier("densenet").core_seconds == pytest.approx(expected)
    predicted = chexpert.predict_masks("full")
    assert predicted.gpu_seconds < predicted.core_seconds
    counted = chexpert.compute_histograms("full")  # 518 X-rays with ten masks of 0.15 s each
    assert counted.core_seconds - predicted.core_seconds == pytest.approx(777)
    assert counted.gpu_seconds - predicted.gpu_seconds == pytest.approx(777)
    other = {"architecture": "unetplusplus"}
    overrides = {"segmenters": {"full": other}}
    costlier = CostModel(
        load_study(ROOT / "config" / "chexpert.yaml", overrides=overrides), chexpert.x_rays
    )
    ratio = (
        costlier.train_segmenter("full").gpu_seconds / chexpert.train_segmenter("full").gpu_seconds
    )
    assert ratio == pytest.approx(50.2 / 14.3)


def test_maps_cost_their_passes_and_their_cells(chexpert):
    def cost_of(**settings):
        overrides = {"saliency": {"gradcam": settings}}
        study = load_study(ROOT / "config" / "chexpert.yaml", overrides=overrides)
        return CostModel(study, chexpert.x_rays).compute_saliency("gradcam", "0000")

    plain, extra = cost_of(), 1000 * 0.001  # reading and writing
    ratio = {
        name: (cost_of(**settings).core_seconds - extra) / (plain.core_seconds - extra)
        for name, settings in {
            "flip": {"flip": True},
            "scales": {"scales": [1, 0.5, 1.5]},
            "layer": {"layer": 2},  # a backward pass through half of the network for each of ten
            "both": {"method": "layercam", "layer": 2, "flip": True},
        }.items()
    }
    assert ratio == pytest.approx({"flip": 2, "scales": 3.5, "layer": 6, "both": 12})
    assert cost_of(layer=2).disk == pytest.approx(16 * plain.disk)
    assert cost_of(flip=True, scales=[1, 2]).disk == plain.disk


def test_weights_take_four_bytes_a_parameter(chexpert):
    assert chexpert.fetch_weights("resnet50").disk == pytest.approx(97.8e6, rel=0.05)
    assert chexpert.fetch_weights("mobilenet_v2").disk == pytest.approx(9e6, rel=0.05)


def test_frontal_x_rays_are_counted(tmp_path):
    header = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding\n"
    frontal, lateral = "p/view1_frontal.jpg,,,Frontal,AP,\n", "p/view2_lateral.jpg,,,Lateral,,\n"
    folder = tmp_path / "CheXpert"
    folder.mkdir()
    (folder / "train.csv").write_text(header + frontal * 30 + lateral * 5)
    (folder / "val_labels.csv").write_text("Path,No Finding\n" + "p/view1_frontal.jpg,\n" * 4)
    data = {"data": {"root": str(tmp_path)}}
    config = ROOT / "config" / "chexpert.yaml"
    assert count_x_rays(load_study(config, overrides=data)) == XRays(30, 4, 0)  # no test table yet
    data["data"]["index"] = {"max_train_images": 7}
    few = CostModel(load_study(config, overrides=data))
    assert few.x_rays == XRays(7, 4, 0, left_out=23)
    whole = few.check_data().core_seconds  # it reads those that are left out, too
    assert whole / few.build_index().core_seconds == pytest.approx(34 / 11)
    demo = load_study(ROOT / "config" / "demo.yaml")
    assert count_x_rays(demo) == XRays(4000, 88, 480)
    vindr = {"layout": "vindr", "train_images": 200, "test_images": 30}
    divided = {"study": "s", "data": {"layout": "vindr"}, "phantom": vindr}
    assert count_x_rays(read_study(divided)) == XRays(180, 20, 30)  # a tenth of the train X-rays


def test_shards_share_the_work_and_limits_follow(chexpert):
    shard = {"saliency": "gradcam", "shard": "0000"}
    whole = CostModel(
        load_study(ROOT / "config" / "chexpert.yaml", overrides={"data": {"index": {"shards": 1}}}),
        chexpert.x_rays,
    )
    cost, of_all = chexpert.compute_saliency(**shard), whole.compute_saliency(**shard)
    assert of_all.core_seconds == pytest.approx(16 * cost.core_seconds)
    assert of_all.disk == pytest.approx(16 * cost.disk)
    assert LEAST < chexpert.minutes("compute_saliency", shard) < 40
    assert of_all.seconds(gpus=1) * 5 / 60 < whole.minutes("compute_saliency", shard) - LEAST + 1
    assert chexpert.megabytes(4000) == 4000 + 64


def test_gpus_share_a_training(chexpert):
    cost = chexpert.train_classifier("densenet")
    assert cost.seconds(gpus=4) - START == pytest.approx((cost.seconds(gpus=1) - START) / 4)
    assert (
        chexpert.count_overlaps(run="full").seconds(gpus=4)
        == chexpert.count_overlaps(run="full").seconds()
    )
    assert cost.disk == CHECKPOINTS["classifier"]


def test_a_few_drawn_masks_cost_a_few_samples():
    config = yaml.safe_load((ROOT / "config" / "chexpert.yaml").read_text())
    config["masks"]["expert_20"] = {"source": "drawn", "images": 20}
    del config["defaults"]["segmenters"]["samples_per_epoch"]
    config["segmenters"]["few"] = {"masks": ["expert_20"]}
    model = CostModel(read_study(config), XRays(191_027, 202, 518))
    few, full = (model.train_segmenter(name).core_seconds for name in ("few", "full"))
    assert few < full / 3
