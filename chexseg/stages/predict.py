"""Segments any X-ray: writes masks and overlays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from chexseg.data.images import Letterbox, letterboxed, open_image
from chexseg.data.layouts.chexpert_tables import cxr_id_of
from chexseg.data.masks import encode, write_masks
from chexseg.errors import InputError, Problem, Problems
from chexseg.files.progress import progress
from chexseg.inference.batching import device_for_inference, evaluation_mode, to_float
from chexseg.inference.native_size import to_native_size
from chexseg.models.trained import load_segmenter
from chexseg.report import overlay


def run(
    *,
    images: Annotated[tuple[Path, ...], tyro.conf.Positional],
    checkpoint: Path,
    out: Path = Path("predictions"),
    threads: int = 1,
) -> None:
    """Segment X-rays with a trained segmenter.

    Writes `masks.json` (CheXlocalize JSON, one entry per X-ray) and an overlay `<name>.png` for
    each X-ray. The name is the file name without its suffix, or patientN_studyN_viewN_frontal for
    files in CheXpert's folders.

    Args:
        images: PNG or JPEG files.
        checkpoint: A segmenter's checkpoint, such as results/demo/segmenters/chexseg/checkpoint.pt.
        out: Folder for the masks and the overlays.
        threads: CPU threads.

    Raises:
        InputError: there is no X-ray, an image cannot be read, two have the same name, or the checkpoint is invalid.
    """
    if not images:
        remedy = "Name the files of X-rays, such as view1_frontal.jpg."
        raise InputError([Problem("chexseg predict", "no X-ray", "one or more", remedy)])
    model, trained = load_segmenter(checkpoint)
    device = device_for_inference(threads)
    model = evaluation_mode(model, device)
    size = trained.extra["image_size"]
    thresholds = torch.tensor(trained.extra["thresholds"])[:, None, None]
    problems, squares = Problems(), {}
    for path in images:
        cxr_id = cxr_id_of(path)
        if cxr_id in squares:
            problems.add(path, "a second X-ray of this name", "different names", "Rename one.")
        squares[cxr_id] = None
        try:
            squares[cxr_id] = letterboxed(path, size)
        except InputError as error:
            problems.found += error.problems
    problems.raise_if_any()
    masks = {}
    for path in progress(images, "predict", len(images)):
        cxr_id = cxr_id_of(path)
        image, height, width = open_image(path)
        square = torch.from_numpy(squares[cxr_id])[None, None]
        with torch.no_grad():
            probability = model(to_float(square.to(device)))[0].float().sigmoid().cpu()
        native = (to_native_size(Letterbox(height, width, size), probability) > thresholds).numpy()
        found = dict(zip(trained.classes, native, strict=True))
        masks[cxr_id] = {pathology: encode(mask) for pathology, mask in found.items()}
        overlay.draw(np.asarray(image), found, out / f"{cxr_id}.png")
    write_masks(out / "masks.json", masks)
    print(
        f"Masks of {len(images)} X-rays: {out / 'masks.json'}, with an overlay of each next to it."
    )
