"""A small study at full resolution: the stages that write stores, in this process, measured.

X-rays are phantoms of about 390 pixels, as in CheXpert-v1.0-small. Each of them gets three
positive labels, whatever it shows. Networks have random weights: maps and edges then have the
shape and the noise of real ones, and cost what those of trained networks cost.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from chexseg import catalog
from chexseg.config import settings
from chexseg.data.index import read_index
from chexseg.data.layouts.chexpert import FINDINGS, PATHOLOGIES, CheXpert
from chexseg.files.store import Store
from chexseg.mask_sources.irnet import (
    AffinityLabelSettings,
    AffinitySettings,
    IRNetSettings,
)
from chexseg.models.trained import classifier_of, irnet_of, segmenter_of
from chexseg.models.weights import save_checkpoint
from chexseg.stages import (
    build_index,
    compute_affinity,
    compute_saliency,
    label_affinity,
    make_masks,
    make_phantom,
    predict_masks,
    store_images,
)

SIZE = 320
LONGEST_SIDE = 390
POSITIVE = 3
VAL, TEST = 8, 8


class Study:
    """Runs stages in a folder and keeps what each of them took.

    Attributes:
        folder: where everything is written; `index.csv` and `images.h5` are there.
        taken: one row per stage: stage, x_rays, seconds, core_seconds, bytes (those it wrote).
    """

    def __init__(self, folder: Path, train: int, threads: int):
        self.folder, self.threads, self.taken = folder, threads, []
        self.index, self.images = folder / "index.csv", folder / "images.h5"
        make_index(folder, train)
        self.measure(
            "store-images",
            store_images.run,
            train + VAL + TEST,
            self.images,
            index=self.index,
            root=folder / "phantom",
            settings=settings.ImageSettings(image_size=SIZE),
            threads=threads,
        )

    def measure(
        self, stage: str, run: Callable[..., None], x_rays: int, out: Path, **inputs: object
    ) -> None:
        """Runs a stage on `x_rays` X-rays."""
        before, start = core_seconds(), time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            run(out=out, **inputs)
        seconds, cores = time.perf_counter() - start, core_seconds() - before
        self.taken.append((stage, x_rays, seconds, cores, out.stat().st_size))

    def write_stores(self, backbone: str = "resnet50") -> None:
        """Runs the stages from saliency maps to masks, once each."""
        folder, threads, images = self.folder, self.threads, self.images
        save_untrained(folder, backbone)
        maps, edges = folder / "saliency.h5", folder / "affinity.h5"
        n_all, n_train = len(read_index(self.index)), len(read_index(self.index, "train"))
        self.measure(
            "compute-saliency", compute_saliency.run, n_all, maps,
            images=images, classifiers=(folder / "classifier.pt",), inputs={}, method="gradcam",
            settings=catalog.load("saliency", "gradcam").command_settings()(batch_size=8),
            classes=PATHOLOGIES, threads=threads,
        )  # fmt: skip
        self.make_masks("threshold", n_all, {"saliency": maps})
        self.measure(
            "label-affinity", label_affinity.run, n_train, folder / "labels.h5",
            index=self.index, images=images, saliency=maps, settings=AffinityLabelSettings(),
            threads=threads,
        )  # fmt: skip
        self.measure(
            "compute-affinity", compute_affinity.run, n_all, edges,
            images=images, irnet=folder / "irnet.pt",
            settings=AffinitySettings(batch_size=8), threads=threads,
        )  # fmt: skip
        self.make_masks("irnet", n_all, {"saliency": maps, "affinity": edges})

    def draw_masks(self) -> None:
        """Stores the masks that experts drew of the validation X-rays."""
        masks = self.folder / "phantom/CheXlocalize/gt_segmentations_val.json"
        self.make_masks("drawn", VAL, {"masks": masks}, classes=PATHOLOGIES)

    def make_masks(
        self, source: str, x_rays: int, inputs: Mapping[str, Path], **chosen: object
    ) -> None:
        """Makes the masks of a source, as `<source>.h5`, from a file for each of its roles."""
        self.measure(
            f"make-masks {source}", make_masks.run, x_rays, self.folder / f"{source}.h5",
            source=source, index=self.index, images=self.images,
            inputs={role: (path,) for role, path in inputs.items()},
            settings=catalog.load("mask_source", source).command_settings()(**chosen),
            threads=self.threads,
        )  # fmt: skip

    def predict(self) -> None:
        """Segments the test X-rays, with a network that draws something everywhere."""
        self.measure(
            "predict-masks", predict_masks.run, TEST, self.folder / "predictions.json",
            index=self.index, images=(self.images,), checkpoint=self.folder / "segmenter.pt",
            settings=settings.PredictionSettings(batch_size=8), threads=self.threads,
        )  # fmt: skip


def make_index(folder: Path, train: int) -> None:
    """Makes a phantom release and its index, in which every X-ray has POSITIVE positive labels."""
    counts = {"train_images": train, "val_images": VAL, "test_images": TEST}
    phantom = settings.PhantomSettings(**counts, longest_side=LONGEST_SIDE, lateral=0)
    make_phantom.run(out=folder / "phantom", settings=phantom)
    build_index.run(
        root=folder / "phantom",
        inputs=CheXpert().files(folder / "phantom"),
        out=folder / "index.csv",
        settings=settings.IndexSettings(expert_fraction=0.5),
    )
    table = pd.read_csv(folder / "index.csv")
    rng = np.random.default_rng(0)
    table[list(FINDINGS)] = 0.0
    for row in table.index:
        for pathology in rng.choice(PATHOLOGIES, POSITIVE, replace=False):
            table.loc[row, pathology] = 1.0
    table.to_csv(folder / "index.csv", index=False)


def save_untrained(folder: Path, backbone: str) -> None:
    """Writes checkpoints of networks with random weights, of the sizes of config/chexpert.yaml."""
    torch.manual_seed(0)
    classifier, segmenter = settings.ClassifierSettings(), settings.SegmenterSettings()
    irnet, extra = IRNetSettings(), {"image_size": SIZE, "thresholds": [0.5] * 10}
    for kind, model, chosen, names in (
        ("classifier", classifier_of(classifier, len(FINDINGS)), classifier.model_dump(), FINDINGS),
        ("irnet", irnet_of(backbone), irnet.model_dump(), PATHOLOGIES),
        ("segmenter", segmenter_of(segmenter, 10), segmenter.model_dump(), PATHOLOGIES),
    ):
        save_checkpoint(
            folder / f"{kind}.pt",
            state_dict=model.state_dict(),
            kind=kind,
            settings=chosen,
            classes=names,
            extra={"backbone_architecture": backbone, **extra},
        )


def read_images(path: Path) -> dict[str, np.ndarray]:
    """Returns all X-rays of an image store."""
    store = Store([path], "images")
    return {cxr_id: store[cxr_id] for cxr_id in store.ids}


def core_seconds() -> float:
    """Returns the seconds that this process has computed, over all of its cores."""
    return time.process_time()
