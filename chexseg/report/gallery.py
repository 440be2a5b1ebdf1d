"""Gallery of test X-rays with their saliency maps and the masks of every source and segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from chexseg.config.links import HUMAN
from chexseg.config.settings import FigureSettings
from chexseg.report.figure import Figure, Inputs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure as Picture

    Cells = dict[str, tuple[np.ndarray | None, np.ndarray | None]]
    """Title of a column -> image and mask. An image is [H, W] uint8, or [H, W] float in [0, 1] for
    a saliency map, shown in colours, or None for an empty cell; a mask [H, W] bool, or None."""


def draw(inputs: Inputs, settings: FigureSettings, share: float = 0.5) -> Picture:
    """Draws a row per pathology: one test X-ray with the output of every method side by side.

    The X-ray is the one with the median mean IoU over the segmenters, so no method is flattered;
    or another one in that order.

    Args:
        inputs: the artifacts.
        settings: with the number of rows.
        share: of X-rays with a lower mean IoU: 0 for the worst, 1 for the best.
    """
    import numpy as np
    import pandas as pd

    from chexseg.data.images import Letterbox
    from chexseg.data.index import read_index
    from chexseg.data.levels import certain_masks
    from chexseg.data.masks import decode, read_masks
    from chexseg.files.store import Store
    from chexseg.files.store_format import MASK_KINDS
    from chexseg.report.pictures import note_of_left_out, read_table, stored

    tables = pd.concat([read_table(p) for name, p in inputs.overlaps.items() if name != HUMAN])
    pathologies = tuple(dict.fromkeys(tables["pathology"]))
    every = len(inputs.masks) + len(inputs.saliency) + len(inputs.predictions)
    masks = {
        n: Store(p, *MASK_KINDS) for n, p in inputs.masks.items() if inputs.shows(f"masks/{n}")
    }
    maps = {
        n: Store(p, "saliency") for n, p in inputs.saliency.items() if inputs.shows(f"saliency/{n}")
    }
    predicted = {n: p for n, p in inputs.predictions.items() if inputs.shows(f"segmenters/{n}")}
    images = Store(inputs.images, "images")
    drawn = {"expert": inputs.truth, **predicted}
    drawn = {name: read_masks(path, pathologies=pathologies) for name, path in drawn.items()}
    test = read_index(inputs.index, "test")

    def row(pathology: str, cxr_id: str) -> Cells:
        letterbox = Letterbox(
            test["height"][cxr_id], test["width"][cxr_id], images.meta["image_size"]
        )
        image = images[cxr_id]

        def outlined(name: str) -> tuple[np.ndarray, np.ndarray]:
            mask = decode(drawn[name][cxr_id][pathology])
            return image, letterbox.masks(mask[None])[0]

        cells = {"X-ray": (image, None), "expert": outlined("expert")}
        for name, store in maps.items():
            if (values := stored(store, cxr_id, pathology)) is not None:
                values = values.astype(np.float64)
                values = values / max(values.max(), 1e-12)
            cells[f"{name} map"] = (values, None)
        for name, store in masks.items():
            mask = stored(store, cxr_id, pathology)
            shown = mask is not None
            cells[f"{name} mask"] = (image, certain_masks(mask)) if shown else (None, None)
        return cells | {name: outlined(name) for name in predicted}

    chosen = x_rays_of_rank(tables, share, settings.gallery_rows)
    rows = [(pathology, row(pathology, cxr_id)) for pathology, cxr_id in chosen]
    number = len(masks) + len(maps) + len(predicted)
    return _draw(rows, pathologies, note_of_left_out(number, every, "maps, masks and segmenters"))


def x_rays_of_rank(overlaps: pd.DataFrame, share: float, most: int) -> list[tuple[str, str]]:
    """Chooses an X-ray by its rank in mean IoU for up to `most` pathologies.

    Args:
        overlaps: those of all segmenters.
        share: of the X-rays with a lower mean IoU: 0 for the worst, 0.5 for the median, 1 for the
            best. Of equal ones, the order of their ids decides.
        most: number of pathologies.

    Returns:
        (pathology, cxr_id) of each.
    """
    import numpy as np

    drawn = overlaps[overlaps["truth_pixels"] > 0].copy()
    drawn["iou"] = drawn["intersection"] / drawn["union"]
    mean = drawn.groupby(["pathology", "cxr_id"], sort=False)["iou"].mean()
    chosen = []
    for pathology in dict.fromkeys(overlaps["pathology"]):
        if pathology in mean.index.get_level_values(0):
            ranked = mean[pathology].sort_index().sort_values(kind="stable")
            chosen.append((pathology, ranked.index[min(int(share * len(ranked)), len(ranked) - 1)]))
    if len(chosen) > most:
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, most).round().astype(int)]
    return chosen


def _draw(rows: Sequence[tuple[str, Cells]], pathologies: Sequence[str], note: str) -> Picture:
    """Draws rows of (pathology, cells), all with the same columns, and a note below them."""
    from matplotlib.figure import Figure as Picture

    from chexseg.report.pictures import colours_of, nothing_to_show, outline, show

    if not rows:
        return nothing_to_show("No test X-ray has an expert mask.")
    colours, titles = colours_of(pathologies), list(rows[0][1])
    cell, left, top, gap = 1.72, 0.6, 0.28, 0.05  # inches
    width = left + len(titles) * (cell + gap)
    height = top + len(rows) * (cell + gap) + (top if note else 0)
    picture = Picture(figsize=(width, height), dpi=110)
    picture.text(left / width, 0.3 * top / height, note, fontsize=9)
    for r, (pathology, cells) in enumerate(rows):
        for c, (title, (image, mask)) in enumerate(cells.items()):
            x, y = left + c * (cell + gap), height - top - (r + 1) * (cell + gap) + gap
            axes = picture.add_axes((x / width, y / height, cell / width, cell / height))
            show(axes, image)
            if mask is not None:
                outline(axes, mask, colours[pathology])
            if r == 0:
                axes.set_title(title, fontsize=min(10, 220 / len(title)))
            if c == 0:
                axes.set_ylabel(pathology.replace(" ", "\n"), fontsize=9)
    return picture


def _gallery(name: str, share: float) -> Figure:
    return Figure(
        partial(draw, share=share),
        roles=("index", "images", "truth", "overlaps", "predictions", "saliency", "masks"),
        settings=("gallery_rows",),
        bounded=("saliency", "masks", "predictions"),
        category="Gallery",
        title=f"{name} X-rays",
        description=DESCRIPTION.format(name=name),
    )


DESCRIPTION = (
    "One test X-ray per pathology, up to ``figures.gallery_rows``: the X-ray with the "
    "{name} IoU, averaged over the segmenters. Columns named *map* show saliency maps of "
    "classifiers, each divided by its maximum. Masks of the pathology are outlined. Columns named "
    "*mask* use the label of the test X-ray: these masks are made only for pathologies with a "
    "positive label, so they are not comparable with the masks of the segmenters, which see only "
    "the X-ray. At most 16 maps, masks and segmenters are shown, and none of sweeps if there are more."
)
GALLERY = _gallery("median", 0.5)
GALLERY_BEST = _gallery("best", 1.0)
GALLERY_WORST = _gallery("worst", 0.0)
