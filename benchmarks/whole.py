"""From X-ray files to pseudo masks: our stages against the usual way, end to end.

Both decode the files, explain the same classifier, label pixels with a dense CRF, find edges with
the same IRNet, walk, and cut masks; both store what they made on the way. The usual way is that of
the published code: a forward and a backward pass per class, a CRF per class and threshold, an IRNet
that computes displacements too, a dense matrix, and float32 arrays. It runs on every few X-rays,
since it takes minutes of them. Both are timed in core seconds, in one process, on one thread.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytorch_grad_cam
import torch
import torch.nn.functional as F
from affinity import peer_refine
from comparison import comparison
from dense_walk import dense_walk
from edges import usual_edge
from PIL import Image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from small_study import SIZE, TEST, VAL, Study, core_seconds
from threads import one_thread
from torch import Tensor

from chexseg.data.images import Letterbox
from chexseg.data.index import positives_of, read_index
from chexseg.data.layouts.chexpert import FINDINGS, PATHOLOGIES
from chexseg.files.store import Store
from chexseg.mask_sources.irnet import AffinityLabelSettings, WalkSettings
from chexseg.models.irnet import IRNet
from chexseg.models.trained import load_classifier, load_irnet

X_RAYS = 64
PEER_EVERY = 16
BAR = 40.0
DISAGREEMENT = 0.01
OURS = ("images", "saliency", "labels", "affinity", "irnet")
STAGES = (
    "store-images",
    "compute-saliency",
    "label-affinity",
    "compute-affinity",
    "make-masks irnet",
)
OUTPUTS = [FINDINGS.index(pathology) for pathology in PATHOLOGIES]


class UsualWay:
    """Makes the masks of one X-ray after the other.

    Args:
        classifier: the one that both explain.
        irnet: the one whose edges both use.
        folder: where the arrays are written.
        squared: whether the matrix of the walk is squared, as published, or applied step by step.
    """

    def __init__(self, classifier: torch.nn.Module, irnet: IRNet, folder: Path, squared: bool):
        self.classifier, self.irnet = classifier.eval(), irnet.eval()
        self.folder, self.squared = folder, squared

    def masks(self, path: Path, positive: np.ndarray, name: str) -> np.ndarray:
        """Returns the masks of an X-ray: bool [P, SIZE, SIZE].

        Args:
            path: the X-ray's file.
            positive: bool [P], which pathologies it is labelled with.
            name: of its files.
        """
        with Image.open(path) as opened:
            grey = Letterbox(opened.height, opened.width, SIZE).image(opened.convert("L"))
        image = torch.from_numpy(grey).float()[None, None] / 255
        maps = self._maps(image)
        labels = [self._labels(grey, maps[place]) for place in np.flatnonzero(positive)]
        edge = usual_edge(self.irnet, image)[0]
        cells = F.interpolate(torch.from_numpy(maps)[None], edge.shape, mode="bilinear")[0]
        walk = WalkSettings()
        walked = dense_walk(
            cells, edge, walk.radius, walk.beta, walk.steps_log2, squared=self.squared
        )
        walked = F.interpolate(walked[None], (SIZE, SIZE), mode="bilinear")[0]
        scaled = walked / walked.amax((1, 2), keepdim=True).clamp(min=1e-12)
        masks = (scaled > walk.background).numpy() & positive[:, None, None]
        made = {"image": grey, "maps": maps, "labels": labels, "edge": edge, "masks": masks}
        for kind, array in made.items():
            np.save(self.folder / f"{name}.{kind}.npy", np.asarray(array))
        return masks

    def _maps(self, image: Tensor) -> np.ndarray:
        layer = self.classifier.backbone.get_submodule("features.norm5")
        with pytorch_grad_cam.GradCAM(self.classifier, [layer]) as cam:
            return np.concatenate([cam(image, [ClassifierOutputTarget(o)]) for o in OUTPUTS])

    def _labels(self, grey: np.ndarray, scaled: np.ndarray) -> np.ndarray:
        settings = AffinityLabelSettings()
        cuts = (settings.foreground, settings.background)
        sure, possible = (peer_refine(grey, (scaled > cut).astype(np.int64)) for cut in cuts)
        return np.where(sure == 1, 1, np.where(possible == 0, 0, 255)).astype(np.float32)


def compare(x_rays: int = X_RAYS, every: int = PEER_EVERY) -> list[dict]:
    """Returns two rows in core seconds, and one in bytes.

    Args:
        x_rays: number of X-rays.
        every: the usual way makes the masks of every so many of them.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = Study(folder, x_rays - VAL - TEST, threads=1)
        study.write_stores()
        ours = sum(taken[3] for taken in study.taken if taken[0] in STAGES) / x_rays
        our_bytes = sum((folder / f"{store}.h5").stat().st_size for store in OURS) / x_rays
        train = read_index(study.index, "train").iloc[::every]
        positive = positives_of(train, PATHOLOGIES)
        networks = load_classifier(folder / "classifier.pt")[0], load_irnet(folder / "irnet.pt")
        made, seconds = Store([folder / "irnet.h5"], "masks"), {}
        differ, their_bytes = 0.0, 0.0
        for squared in (True, False):
            out = folder / f"usual-{squared}"
            out.mkdir()
            usual, start = UsualWay(*networks, out, squared), core_seconds()
            masks = [
                usual.masks(folder / "phantom" / path, which, cxr_id)
                for path, which, cxr_id in zip(train["path"], positive, train.index, strict=True)
            ]
            seconds[squared] = (core_seconds() - start) / len(train)
            ours_made = np.stack([made[cxr_id] for cxr_id in train.index])
            differ = max(differ, float((np.stack(masks) != ours_made).mean()))
            their_bytes = sum(file.stat().st_size for file in out.iterdir()) / len(train)
    work = f"X-ray file to pseudo mask, {x_rays} X-rays at {SIZE} px"
    peer = "Pillow, pytorch-grad-cam, pydensecrf2, dense walk {}, float32 arrays, on {} of them"
    rows = [
        comparison(
            f"{work}, core seconds per X-ray; max_abs_diff is the share of pixels that differ",
            peer.format("squared as published" if squared else "step by step", len(train)),
            ours_seconds=ours, peer_seconds=seconds[squared], difference=differ,
            most_difference=DISAGREEMENT, least_ratio=BAR if squared else None,
        )
        for squared in (True, False)
    ]  # fmt: skip
    in_bytes = comparison(
        f"{work}, bytes per X-ray in place of seconds", "float32 arrays",
        ours_seconds=our_bytes, peer_seconds=their_bytes, difference=differ,
        most_difference=DISAGREEMENT, least_ratio=BAR,
    )  # fmt: skip
    return [*rows, in_bytes]


@one_thread()
def rows() -> list[dict]:
    """Returns the rows of the table."""
    return compare()


if __name__ == "__main__":
    for row in rows():
        print(row)
