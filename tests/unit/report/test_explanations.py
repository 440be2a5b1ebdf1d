"""The figure of explanations, labels and experts' masks: which X-ray it shows, and that it is drawn."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from chexseg.config.settings import FigureSettings
from chexseg.config.study import read_study
from chexseg.data.index import read_index
from chexseg.data.levels import levels_of
from chexseg.files.store import Store, write_store
from chexseg.report.explanations import _scaled, x_ray_of
from chexseg.report.figure import figures_of
from chexseg.stages import draw_figure

NAMES = ("Edema", "Fracture")
IDS = ("a", "b", "c", "d")
SHARED = {"a": 1, "b": 8, "c": 4, "d": 2}
"""X-ray -> columns of the label of Edema that are in the expert's mask of 8."""


@pytest.fixture
def files(tmp_path):
    """Four X-rays, d without a positive label; experts drew Edema, and classifiers explain both."""
    columns = {"cxr_id": IDS, "path": "x", "patient": IDS, "height": 16, "width": 16}
    labels = {"split": ["expert", "validation", "expert", "expert"], "Edema": [1, 1, 1, 0], "Fracture": [0, 1, 1, 0]}  # fmt: skip
    pd.DataFrame({**columns, **labels}).to_csv(tmp_path / "index.csv", index=False)
    meta = {"columns": 16, "splits": ["train"]}
    rng = np.random.default_rng(0)
    with (
        write_store(tmp_path / "images.h5", "images", {"image_size": 16}) as images,
        write_store(tmp_path / "maps.h5", "saliency", {"classes": NAMES}) as maps,
        write_store(tmp_path / "labels.h5", "mask_levels", {"classes": NAMES, **meta}) as labels,
        write_store(tmp_path / "drawn.h5", "masks", {"classes": NAMES[:1], **meta}) as drawn,
    ):
        for cxr_id in IDS:
            images.append(cxr_id, rng.integers(0, 255, (16, 16), np.uint8))
            maps.append(cxr_id, rng.normal(size=(2, 4, 4)).astype(np.float16))
            label, known, mask = np.zeros((2, 16, 16)), np.ones((2, 16, 16), bool), np.zeros((1, 16, 16), bool)  # fmt: skip
            label[0, :, : SHARED[cxr_id]] = 1
            label[1, 2:6] = cxr_id != "b"
            known[:, 12:] = False
            mask[0, :, :8] = True
            labels.append(cxr_id, levels_of(label, known))
            drawn.append(cxr_id, mask)
    return {
        "index": tmp_path / "index.csv",
        "images": (tmp_path / "images.h5",),
        "explanations": (tmp_path / "maps.h5",),
        "explanations_names": ("ig",),
        "labels": (tmp_path / "labels.h5",),
        "labels_names": ("doll",),
        "drawn": (tmp_path / "drawn.h5",),
        "drawn_names": ("observations",),
    }


def chosen(files, name):
    index = read_index(files["index"], "expert", "validation")
    stores = Store(files["labels"], "mask_levels"), [Store(files["drawn"], "masks")]
    return x_ray_of(name, index, *stores)


def test_the_x_ray_is_that_of_the_median_iou_among_positive_ones(files):
    assert chosen(files, "Edema") == "c"


def test_without_an_experts_mask_it_is_the_first_that_has_a_label(files):
    assert chosen(files, "Fracture") == "c"  # b has an empty label, and a and d are not positive


def test_an_observation_without_x_rays_has_none(files):
    index = read_index(files["index"], "expert").assign(Edema=0.0)
    assert x_ray_of("Edema", index, Store(files["labels"], "mask_levels"), []) is None
    assert x_ray_of("Pneumonia", index, Store(files["labels"], "mask_levels"), []) is None


def test_maps_are_divided_by_the_quantile_of_their_absolute_values():
    """Of 0 to 100, it is 99."""
    values = np.arange(101.0)
    values[50:] *= -1
    scaled = _scaled(values[None])[0]
    assert scaled[[0, 33, 66]].tolist() == pytest.approx([0, 1 / 3, 2 / 3])
    assert scaled[99:].tolist() == [1, 1]


def draw(files, out):
    draw_figure.run(figure="explanations", out=(out,), settings=FigureSettings(), **files)
    return out


def test_it_has_a_row_for_each_observation_and_is_the_same_each_time(files, tmp_path):
    one, two = (draw(files, tmp_path / name) for name in ("one.png", "two.png"))
    assert one.read_bytes() == two.read_bytes()
    # Four columns and two rows of 1.5 inches, beside 0.9 and below 0.3; 110 pixels an inch.
    assert Image.open(one).size == (759, 363)


def test_without_any_label_it_says_so(files, tmp_path):
    index = pd.read_csv(files["index"])
    index[list(NAMES)] = 0.0
    index.to_csv(files["index"], index=False)
    assert Image.open(draw(files, tmp_path / "none.png")).size == (660, 165)


def test_only_a_study_with_a_consensus_has_it():
    config = {
        "study": "s",
        "phantom": {},
        "classifiers": {"a": {"architecture": "resnet18"}},
        "saliency": {"cam": {"method": "gradcam", "classifiers": ["a"]}},
        "masks": {"cut": {"source": "threshold", "saliency": "cam"}},
        "segmenters": {"weak": {"masks": ["cut"]}},
    }
    assert "explanations" not in figures_of(read_study(config))
    config["masks"]["cut"] = {"source": "consensus", "saliency": ["cam"]}
    assert "explanations" in figures_of(read_study(config))
